"""What the server counts of its traffic, for whoever watches it. No I/O and no clock.

These are plain numbers, which the places that they tell of change themselves: nothing here is
called for a message. They are looked at when somebody asks (`metrics`, `telemetry`).
"""

from collections.abc import Iterable
from typing import get_args

from twisted_signal.histogram import Histogram
from twisted_signal.messages import RELAYS, ClientMessage, Message

DIALECTS = ("readme", "flat")
"""The dialects by their names, under which they are counted (`dialects.base.Dialect.name`)."""

SAMPLES = 64
"""Turns a second of which the time is taken: as many as there are, up to about this number."""

# Seconds. A turn of few messages takes some 50 µs; what takes over a second is an accident.
_RELAY_BOUNDS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1
)  # fmt: skip
# From the accept to the open WebSocket: a round trip or two, with TLS some more.
_HANDSHAKE_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# How late the reactor comes: below a millisecond it is the timer's own grain.
_LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

_FOR_PEERS = (*RELAYS, Message)


class RelayTimes:
    """How long relayed messages take, from the read to the write, taken now and then.

    The time of a turn is that of all messages in it: it begins before the first is read and ends
    when the last is sent. To take it for each turn would cost up to a microsecond a message. So it
    is taken for each turn at a low load, and for one of so many at a high one: whoever runs turns
    subtracts one from `skip` for each and takes its time where that makes it negative.

    Attributes:
        histogram: seconds, each once for each message.
        skip: how many turns are left out before the next is timed.
    """

    __slots__ = ("_interval", "_timed", "histogram", "skip")

    MOST = 2 * SAMPLES
    """Turns that are timed in one second, when suddenly there are many."""
    REST = 2**31
    """As many turns as a second never has: the rest of one."""

    def __init__(self) -> None:
        self.histogram = Histogram(_RELAY_BOUNDS)
        self.skip = 0
        self._interval = 0
        self._timed = 0

    def turn_took(self, seconds: float, messages: int) -> None:
        """A turn was timed. `messages`: how many for peers came in it."""
        self._timed += 1
        self.skip = self._interval if self._timed < self.MOST else self.REST
        if messages:
            self.histogram.observe(seconds, messages)

    def tick(self) -> None:
        """A second has passed: choose how many turns to leave out by how many there were."""
        turns = self._timed * (self._interval + 1)
        if self._timed == self.MOST:
            turns += self.REST - self.skip
        self._interval = turns // SAMPLES
        self._timed = 0
        self.skip = min(self.skip, self._interval)


class Tally:
    """What was counted since the server started, and what there is now.

    Attributes:
        connections: TCP connections that came.
        bytes_in, bytes_out: what clients sent and were sent, within TLS where there is any.
        messages: those received that were understood, by the client's dialect and their type.
        clients: open WebSockets now, by their dialect, as soon as it is known.
        members: places in rooms now.
        kept: those of them now that are kept without a connection.
        registrations: how often a client entered a room, from outside or from another.
        resumes: how often one took up its place on a new connection.
        expired: places that were kept and for which nobody came back in time.
        relay_times: how long relayed messages took.
        handshake: seconds from a TCP connection to its open WebSocket.
        lag: seconds that the reactor came too late for a timer.
    """

    __slots__ = (
        "bytes_in",
        "bytes_out",
        "clients",
        "connections",
        "expired",
        "handshake",
        "kept",
        "lag",
        "members",
        "messages",
        "registrations",
        "relay_times",
        "resumes",
    )

    def __init__(self) -> None:
        self.connections = 0
        self.bytes_in = self.bytes_out = 0
        # All are there from the start, so that to count one is a plain addition.
        self.messages: dict[str, dict[type, int]] = {
            dialect: dict.fromkeys(get_args(ClientMessage), 0) for dialect in DIALECTS
        }
        self.clients = dict.fromkeys(DIALECTS, 0)
        self.members = self.kept = 0
        self.registrations = self.resumes = self.expired = 0
        self.relay_times = RelayTimes()
        self.handshake = Histogram(_HANDSHAKE_BOUNDS)
        self.lag = Histogram(_LAG_BOUNDS)

    def received(self) -> int:
        """Return how many messages came that were understood."""
        return sum(sum(by_type.values()) for by_type in self.messages.values())

    def for_peers(self) -> int:
        """Return how many of them were for a peer or for the room."""
        return sum(_sum(by_type, _FOR_PEERS) for by_type in self.messages.values())


def _sum(counts: dict[type, int], types: Iterable[type]) -> int:
    return sum(counts[each] for each in types)
