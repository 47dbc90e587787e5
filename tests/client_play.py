"""A client's core without network: a wire that remembers, and a server that says what it shall."""

import json
from dataclasses import dataclass, field
from typing import Any

from twisted_signal.client.core import Core
from twisted_signal.client.events import Event
from twisted_signal.client.outgoing import Kind
from twisted_signal.client.state import Registration, State

URL = "ws://192.0.2.7:8765"


@dataclass(eq=False)
class PlainWire:
    """A connection that goes nowhere. Implements `state.Wire`."""

    said: list[dict[str, Any]] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)
    closed: int | None = None
    is_aborted: bool = False

    def send_text(self, text: str) -> None:
        self.said.append(json.loads(text))

    def send_ping(self, payload: bytes) -> None:
        self.pings.append(payload)

    def close(self, code: int) -> None:
        self.closed = code

    def abort(self) -> None:
        self.is_aborted = True


class Play:
    """A client, and what a server does with it.

    Attributes:
        now: the time, in seconds.
        wire: the last connection.
    """

    def __init__(self, *, has_fresh_tokens: bool = False, ice_servers: bool = False) -> None:
        self.events: list[Event] = []
        self.core = Core(
            URL,
            Registration("pc", "lab1", "pc", ice_servers),
            self.events.append,
            lambda: 1.0,
            has_fresh_tokens=has_fresh_tokens,
        )
        self.now = 100.0
        self.wire = PlainWire()

    def open(self, token: str | None = None, life: float | None = None) -> None:
        """Let a connection open that the client wants."""
        assert self.core.wants_connection(self.now)
        self.core.connecting(self.now)
        self.wire = PlainWire()
        self.core.opened(self.wire, token, self.now, life)

    def say(self, type_: str, **fields: Any) -> None:
        """Let the server say something."""
        self.core.received(json.dumps({"type": type_, **fields}), self.now)

    def registered(self, *peers: str, token: str | None = "one", **fields: Any) -> None:
        """Let the server say `registered`, and not yet who the peers are."""
        resume = {} if token is None else {"resume_token": token, "resume_within_ms": 30000}
        self.say(
            "registered", client_id="pc", room_id="lab1", peers=list(peers), **resume, **fields
        )

    def peers(self, **types: str) -> None:
        """Let the server say who is there."""
        described = [{"client_id": peer, "client_type": type_} for peer, type_ in types.items()]
        self.say("peers", room_id="lab1", peers=described)

    def pong(self) -> None:
        """Let the server answer all pings."""
        pings, self.wire.pings = self.wire.pings, []
        for payload in pings:
            self.core.ponged(payload, self.now)

    def enter(self, token: str | None = None, **types: str) -> None:
        """Let the client into the room, and forget what was said and told until then."""
        self.open(token)
        self.registered(*types)
        self.peers(**types)
        self.arrive()
        self.hear()
        self.told()

    def arrive(self) -> None:
        """Let all that the client says arrive, and the server confirm that."""
        while self.wire.pings or self.core.outgoing.mark_at is not None:
            self.pass_time(0.05)
            self.pong()

    def lose(self, code: int | None = None, reason: str = "gone") -> None:
        """Let the connection end."""
        self.core.lost(code, reason, self.now)

    def come_back(self, token: str | None = None) -> None:
        """Let a connection open as soon as the client wants it."""
        assert self.core.state is State.WAITING
        assert self.core.wake_at is not None
        self.now = max(self.now, self.core.wake_at)
        self.open(token)

    def pass_time(self, seconds: float) -> None:
        """Let time go by, and wake the client when it wants that."""
        until = self.now + seconds
        while (at := self.core.wake_at) is not None and at <= until:
            if self.core.wants_connection(max(self.now, at)):
                break
            self.now = max(self.now, at)
            self.core.wake(self.now)
        self.now = until

    def offer(self, sdp: str, peer_id: str = "phone") -> None:
        """Let the client send an offer."""
        message = {"type": "offer", "target_id": peer_id, "sdp": {"type": "offer", "sdp": sdp}}
        self.core.send(message, self.now, Kind.CALL)

    def message(self, data: Any) -> None:
        """Let the client send a message to all."""
        self.core.send({"type": "message", "data": data}, self.now)

    def hear(self) -> list[dict[str, Any]]:
        """Return what the client said since the last call, but for asking who is there."""
        said, self.wire.said = self.wire.said, []
        return [message for message in said if message != {"type": "peers"}]

    def told(self) -> list[Event]:
        """Return the events since the last call."""
        events = self.events.copy()
        self.events.clear()
        return events
