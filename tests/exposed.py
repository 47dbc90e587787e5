"""What a server that has seen all kinds of traffic exposes of it."""

from collections.abc import Iterable

from memory import Memory
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from twisted_signal.cluster.node import Node
from twisted_signal.membership import ClusterCollector
from twisted_signal.metrics import Exposition
from twisted_signal.telemetry import Telemetry


class Exposed:
    """A server in memory, and what it exposes."""

    def __init__(self, **limits: int) -> None:
        self.memory = Memory(None, **limits)
        self.factory = self.memory.factory
        self.telemetry = Telemetry(self.memory.clock, self.factory)
        self.exposition = Exposition(self.factory, self.telemetry)
        self.node = Node("node-1", self.factory.registry, self.factory.outbox)
        self.exposition.add(ClusterCollector(self.node))

    def families(self) -> Iterable[Metric]:
        """Return what the text format says, parsed."""
        _, body = self.exposition.answer()
        return text_string_to_metric_families(body.decode())

    def series(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return the value of each series by its name and labels."""
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families()
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Return the value of one series, its name without the prefix."""
        return self.series()["vislam_signal_" + name, frozenset(labels.items())]


def busy_server() -> Exposed:
    """Return a server that has seen calls, both dialects, a resume, and what it refuses."""
    exposed = Exposed(max_clients=10)
    memory = exposed.memory
    exposed.telemetry.startService()
    pc, phone = memory.registered("pc"), memory.registered("phone")
    pc.say(type="offer", target_id="phone", sdp="v=0")
    phone.say(type="answer", target_id="pc", sdp="v=0")
    phone.say(type="ice_candidate", target_id="pc", candidate={})
    phone.say(type="ice_candidate", target_id="nobody", candidate={})
    app = memory.open("/signaling")
    app.say(type="offer", sdp="v=0")
    app.websocket.send_binary(b"")
    app.flush()
    lost = memory.open()
    lost.say(type="register", client_id="lost", room_id="other", resume=True)
    token = lost.hear()[0]["resume_token"]
    lost.transport.end()
    memory.open().say(type="resume", resume_token=token)
    memory.connect().request(headers={"Sec-WebSocket-Version": "12"})
    exposed.factory.tally.relay_times.turn_took(0.003, 2)
    memory.clock.advance(1.02)
    return exposed
