"""Anything that may happen between a client's core and a server, held against what the server did.

The server of the model keeps a place, and what it sent there, as the real one does. A connection
delivers as much as it likes of what is on its way, and breaks whenever it likes.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_signal.client.core import Core
from twisted_signal.client.events import (
    Disconnected,
    Event,
    Message,
    Offer,
    PeerJoined,
    PeerLeft,
    Reconnected,
)
from twisted_signal.client.state import Registration, State

peers = st.sampled_from(["phone", "tablet", "robot"])
numbers = st.integers(0, 6)
GARBAGE = [
    "",
    "[]",
    '{"type":"hello"}',
    '{"type":"offer","sender_id":"phone","sdp":5}',
    '{"type":"peer_joined","client_id":7}',
    '{"type":"pong","server_time_ms":1}',
    '{"type":"ice_servers","ice_servers":[]}',
]
actions = st.one_of(
    st.tuples(st.just("join"), peers),
    st.tuples(st.just("depart"), peers),
    st.tuples(st.just("peer_says"), peers),
    st.tuples(st.just("peer_offers"), peers),
    st.tuples(st.just("garbage"), st.sampled_from(GARBAGE)),
    st.tuples(st.just("client_says"), st.none()),
    st.tuples(st.just("up"), numbers),
    st.tuples(st.just("down"), numbers),
    st.tuples(st.just("break_"), st.sampled_from([None, 1001, 1006, 1011])),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("limit"), st.none()),
    st.tuples(st.just("pass_time"), st.sampled_from([0.01, 0.3, 2.0, 12.0])),
)


@dataclass(eq=False)
class Line:
    """A connection, and what is on its way. Implements `state.Wire`."""

    to_server: list[str | bytes] = field(default_factory=list)
    to_client: list[str | bytes] = field(default_factory=list)
    is_aborted: bool = False

    def send_text(self, text: str) -> None:
        self.to_server.append(text)

    def send_ping(self, payload: bytes) -> None:
        self.to_server.append(payload)

    def close(self, code: int) -> None:
        raise AssertionError("nobody asked for that")

    def abort(self) -> None:
        self.is_aborted = True


class World:
    """A server, a client, and what lies between."""

    def __init__(self, *, resumed_arrives: bool = False) -> None:
        """
        Args:
            resumed_arrives: no connection breaks before the answer to `resume` is there. With that
                the place is lost, for a token works once.
        """
        self.resumed_arrives = resumed_arrives
        self.now = 1000.0
        self.events: list[Event] = []
        self.core = Core("ws://model", Registration("pc"), self.events.append, lambda: 0.5)
        self.line: Line | None = None
        # The server
        self.types: dict[str, str] = {}
        self.token: str | None = None
        self.sent: list[str] = []  # since the token
        self.is_inside = False
        self.tokens = 0
        self.refuses_until = 0.0
        self.has_told = False
        self.has_refused = False
        self.heard: list[int] = []
        # What was said
        self.said_by_client = 0
        self.said_by_peers = 0
        while not self.core.has_entered:  # the first connection is a good one
            self.pass_time(0.1)
            self.up(9)
            self.down(9)

    # What the server does

    def deliver(self, **message: Any) -> None:
        """Send something to the client's place."""
        if self.token is None:
            return
        text = json.dumps(message)
        self.sent.append(text)
        if self.is_inside and self.line is not None:
            self.line.to_client.append(text)

    def answer(self, **message: Any) -> None:
        assert self.line is not None
        self.line.to_client.append(json.dumps(message))

    def handle(self, data: str | bytes) -> None:
        assert self.line is not None
        if isinstance(data, bytes):
            self.line.to_client.append(data)
            return
        message = json.loads(data)
        if self.now < self.refuses_until:
            if not self.has_told:
                self.has_told = self.has_refused = True
                wait = int((self.refuses_until - self.now) * 1000) + 1
                error = {"code": "rate_limited", "message": "Wait.", "retry_after_ms": wait}
                (self.deliver if self.is_inside else self.answer)(type="error", **error)
            return
        match message:
            case {"type": "register"}:
                self.take_place()
                names = {"client_id": "pc", "room_id": "default", "peers": list(self.types)}
                self.answer(type="registered", **names, resume_token=self.token)
            case {"type": "resume", "resume_token": token, "received": received}:
                if token != self.token:
                    self.answer(type="error", code="resume_expired", message="Too late.")
                    return
                assert received <= len(self.sent)
                missed = self.sent[received:]
                self.take_place()
                names = {"room_id": "default", "peers": list(self.types)}
                self.answer(type="resumed", **names, resume_token=self.token)
                self.sent += missed
                self.line.to_client += missed
            case {"type": "peers"}:
                described = [
                    {"client_id": peer, "client_type": type_} for peer, type_ in self.types.items()
                ]
                self.deliver(type="peers", room_id="default", peers=described)
            case {"type": "message", "data": number}:
                self.heard.append(number)
            case _:
                raise AssertionError(message)

    def take_place(self) -> None:
        self.tokens += 1
        self.token = str(self.tokens)
        self.sent = []
        self.is_inside = True

    # What happens

    def join(self, peer: str) -> None:
        if peer not in self.types:
            self.types[peer] = f"type {self.said_by_peers}"
            self.deliver(type="peer_joined", client_id=peer, client_type=self.types[peer])

    def depart(self, peer: str) -> None:
        if self.types.pop(peer, None) is not None:
            self.deliver(type="peer_left", client_id=peer)

    def peer_says(self, peer: str) -> None:
        if peer in self.types:
            self.deliver(type="message", sender_id=peer, data=self.said_by_peers)
            self.said_by_peers += 1

    def peer_offers(self, peer: str) -> None:
        """Offer twice, as one does that has lost its connection."""
        if peer in self.types:
            for _ in range(2):
                self.deliver(type="offer", sender_id=peer, sdp=f"v={self.said_by_peers}")
            self.said_by_peers += 1

    def garbage(self, text: str) -> None:
        if self.token is not None:
            self.sent.append(text)
            if self.is_inside and self.line is not None:
                self.line.to_client.append(text)

    def client_says(self, _: None) -> None:
        self.core.send({"type": "message", "data": self.said_by_client}, self.now)
        self.said_by_client += 1

    def up(self, count: int) -> None:
        for _ in range(count):
            if self.line is not None and self.line.to_server:
                self.handle(self.line.to_server.pop(0))

    def down(self, count: int) -> None:
        for _ in range(count):
            if self.line is not None and self.line.to_client:
                data = self.line.to_client.pop(0)
                if isinstance(data, bytes):
                    self.core.ponged(data, self.now)
                else:
                    self.core.received(data, self.now)

    def break_(self, code: int | None) -> None:
        while self.resumed_arrives and self.line is not None and self.core.state.is_entering:
            self.pass_time(0.1)
            self.up(1)
            self.down(1)
        if self.line is not None:
            self.line, self.is_inside = None, False
            self.core.lost(code, "gone", self.now)

    def restart(self, _: None) -> None:
        self.token, self.sent = None, []
        self.break_(None)

    def limit(self, _: None) -> None:
        self.refuses_until = self.now + 0.5
        self.has_told = False

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while (at := self.core.wake_at) is not None and at <= until:
            self.now = max(self.now, at)
            if self.core.wants_connection(self.now):
                self.core.connecting(self.now)
                self.line = Line()
                self.core.opened(self.line, None, self.now)
            else:
                self.core.wake(self.now)
            if self.resumed_arrives and self.core.state.is_entering:
                self.up(1)
                self.down(1)
            if self.line is not None and self.line.is_aborted:
                self.line, self.is_inside = None, False
        self.now = until

    def settle(self) -> None:
        """Let all arrive that is on its way."""
        while not self.is_quiet:
            assert self.now < 10_000
            self.pass_time(0.1)
            self.up(1000)
            self.down(1000)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is on its way, or will be soon."""
        outgoing, line = self.core.outgoing, self.line
        is_done = not outgoing.may_send and outgoing.mark_at is None
        is_empty = line is not None and not line.to_server and not line.to_client
        return is_done and is_empty and self.core.state is State.IN_ROOM

    def check(self) -> None:
        self.settle()
        assert self.core.failure is None
        assert self.core.state is State.IN_ROOM
        assert self.core.room.peers == self.types
        self.check_events()
        firsts = list(dict.fromkeys(self.heard))
        if self.has_refused:  # what was on its way may arrive when the server listens again
            firsts.sort()
        assert firsts == list(range(self.said_by_client))

    def check_events(self) -> None:
        there: set[str] = set()
        is_connected = True
        told = []
        for event in self.events:
            match event:
                case PeerJoined(peer):
                    assert peer not in there
                    there.add(peer)
                case PeerLeft(peer):
                    there.remove(peer)
                case Message(_, number):
                    told.append(number)
                case Offer(_, sdp):
                    told.append(int(sdp.removeprefix("v=")))
                case Disconnected():
                    assert is_connected
                    is_connected = False
                case Reconnected():
                    assert not is_connected
                    is_connected = True
        assert is_connected
        assert there == set(self.types)
        assert told == sorted(set(told))


@settings(deadline=None, max_examples=300)
@given(st.lists(actions, max_size=40))
def test_a_client_knows_what_the_server_knows_whatever_happens(
    happens: list[tuple[str, Any]],
) -> None:
    world = World()
    for action, argument in happens:
        getattr(world, action)(argument)
    world.check()


@settings(deadline=None, max_examples=300)
@given(st.lists(actions.filter(lambda action: action[0] != "restart"), max_size=40))
def test_nothing_is_lost_where_places_are_kept(happens: list[tuple[str, Any]]) -> None:
    world = World(resumed_arrives=True)
    for action, argument in happens:
        getattr(world, action)(argument)
    world.check()
    told = [event for event in world.events if isinstance(event, Message | Offer)]
    assert len(told) == world.said_by_peers
    assert Reconnected(resumed=False) not in world.events
