"""Clients of a cluster in tests: what each knows, and what must not happen to it.

A person believes what it is told. It notices at once if somebody joins who is there already, if
somebody leaves who is not, or if what another one said comes twice or late.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec
from cluster_stage import SimulatedNode, Stage
from plain import PlainClient, raw

from twisted_signal.errors import SignalError
from twisted_signal.messages import (
    ClientMessage,
    Error,
    IceCandidate,
    Leave,
    Message,
    Offer,
    PeerJoined,
    PeerLeft,
    Register,
    Registered,
    RelayedIceCandidate,
    RelayedMessage,
    RelayedOffer,
    Resume,
    Resumed,
    ServerMessage,
)
from twisted_signal.session import Session

NOTICED_S = 5
"""Seconds after which a server notices that a client is silent."""


class Line(PlainClient):
    """A connection: what the server says to it waits until somebody reads it."""

    def __init__(self, person: "Person", node: SimulatedNode) -> None:
        super().__init__()
        self.person = person
        self.node = node
        self.is_broken = False
        node.lines.append(self)
        self.session = Session(
            self, node.registry, f"{person.number} at {node.name}", cluster=node.node
        )

    @property
    def is_open(self) -> bool:
        """Whether the server takes it for open."""
        return self.closed is None and not self.is_broken and not self.node.is_dead

    def deliver(self, message: ServerMessage) -> None:
        if self.is_open:
            super().deliver(message)

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            super().close(code, reason)

    def ask_if_alive(self, answered: Callable[[bool], None]) -> None:
        if self.is_open and self.person.line is self:
            answered(True)  # noqa: FBT003 - as the callback has it
            return
        stage = self.node.stage
        stage.later(stage.limits.probe_timeout, lambda: self._is_silent(answered))

    def _is_silent(self, answered: Callable[[bool], None]) -> None:
        if self.node.is_frozen:
            self.node.stage.later(1, lambda: self._is_silent(answered))
        elif not self.node.is_dead:
            self.node.turn(lambda: answered(False))  # noqa: FBT003 - as above

    def say(self, message: ClientMessage) -> None:
        """Say something, and let the server do what it wants."""

        def handle() -> None:
            try:
                self.session.handle(message, self.node.now_ns)
            except SignalError as error:
                self.session.refuse(error)

        self.node.turn(handle)

    def lose(self) -> None:
        """The server notices that the connection is broken, and keeps the place for a while."""
        if self.is_broken or self.node.is_dead:
            return
        if self.node.is_frozen:
            self.node.stage.later(1, self.lose)
            return
        self.is_broken = True
        self.node.lines.remove(self)
        session, stage = self.session, self.node.stage

        def lose() -> None:
            if session.lose(self.node.now_ns):
                stage.later(stage.limits.resume_window, self._end)
            else:
                session.end(self.node.now_ns)

        self.node.turn(lose)

    def _end(self) -> None:
        if self.node.is_frozen:
            self.node.stage.later(1, self._end)
        elif not self.node.is_dead:
            self.node.turn(lambda: self.session.end(self.node.now_ns))


@dataclass(eq=False)
class Place:
    """What a client knows of its place."""

    room_id: str
    client_id: str
    peers: set[str]
    token: str | None
    told: set[str]
    """The peers by what it was told of their coming and going alone."""
    line: Line
    """On which it was told so."""
    received: int = 0


@dataclass(eq=False)
class Person:
    """A client.

    Attributes:
        line: its connection; None: there is none.
        place: its place, as far as it knows.
        heard: the last number of each other client that it heard.
        errors: the codes that it was told.
    """

    number: int
    stage: Stage
    line: Line | None = None
    place: Place | None = None
    heard: dict[int, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    unreached: set[str | None] = field(default_factory=set)
    """Whom it could not tell something."""
    said: int = 0
    offers: set[tuple[int, int]] = field(default_factory=set)
    got: list[tuple[int, int]] = field(default_factory=list)
    is_strict: bool = False
    """It hears of everybody who comes and goes, even where it changes its node."""
    waits: bool = False
    """For the answer to a `register` or `resume`."""
    _leaves_then: bool = False

    def __repr__(self) -> str:
        where = None if self.line is None else self.line.node.name
        place = self.place
        there = place and (place.room_id, place.client_id, place.peers, place.token, place.received)
        return f"<{self.number} at {where} in {there}, {self.waits=} {self.errors}>"

    def connect(self, name: str) -> None:
        """Connect to a node."""
        self.line = Line(self, self.stage.nodes[name])

    def register(
        self, client_id: str, room_id: str, *, resume: bool = False, client_type: str = "pc"
    ) -> None:
        assert self.line is not None
        self.waits = True
        self.line.say(Register(client_id, room_id, client_type, resume=resume))
        self.read()

    def registration(self, client_type: str) -> Register:
        """Return what makes it another kind of client."""
        assert self.place is not None
        return Register(self.place.client_id, self.place.room_id, client_type)

    def resume(self, name: str) -> None:
        """Come back to its place by a new connection."""
        assert self.place is not None
        assert self.place.token is not None
        self.break_off()
        self.connect(name)
        assert self.line is not None
        self.waits = True
        self.line.say(Resume(self.place.token, self.place.received))
        self.read()

    def leave(self) -> None:
        self.read()
        line = self.line
        assert line is not None
        if line.session.member is not None:
            self.place = None
            self.waits = False
        else:
            self._leaves_then = line.session.is_entering
        line.say(Leave())
        self.read()

    def tell(self, target_id: str | None, *, as_candidate: bool = False) -> int:
        """Say something to a peer, or to all. Returns its number."""
        assert self.line is not None
        self.said += 1
        data = raw([self.number, self.said])
        if as_candidate:
            self.line.say(IceCandidate(data, target_id))
        else:
            self.line.say(Message(data, target_id))
        return self.said

    def offer(self) -> None:
        """Make an offer to whoever is there, or comes."""
        assert self.line is not None
        self.said += 1
        self.line.say(Offer(raw([self.number, self.said])))

    def break_off(self) -> None:
        """Its connection is gone, which the server notices some time."""
        line, self.line = self.line, None
        self.waits = self._leaves_then = False
        if self.place is not None and self.place.token is None:
            self.place = None
        if line is not None:
            self.stage.later(NOTICED_S, line.lose)

    def lose(self) -> None:
        """Its connection is gone, which the server notices at once."""
        line = self.line
        self.break_off()
        if line is not None:
            line.lose()

    # What it is told

    def read(self) -> None:
        """Read what has come."""
        line = self.line
        if line is None:
            return
        is_after_return = False
        for message in line.hear():
            if isinstance(message, Resumed):
                is_after_return = True
            self._understand(message, is_after_return=is_after_return)
        if self._leaves_then and not self.waits:
            self._leaves_then = False
            self.place = None
        if (line.node.is_dead or line.is_broken) and self.line is line:
            self.break_off()
        elif line.closed is not None:
            if line.closed[1].startswith("Another"):
                self.place = None
            self.lose()

    def _understand(self, message: ServerMessage, *, is_after_return: bool) -> None:
        if isinstance(message, Registered):
            self._enter(message)
        elif isinstance(message, Error):
            self._is_refused(message)
        elif isinstance(message, Resumed):
            self._come_back(message)
        else:
            assert self.place is not None, message
            self.place.received += 1
            if isinstance(message, PeerJoined | PeerLeft):
                self._note(message, self.place, is_after_return=is_after_return)
            elif isinstance(message, RelayedOffer):
                offer = tuple(msgspec.json.decode(message.sdp))
                assert offer not in self.offers, offer
                self.offers.add(offer)
            elif isinstance(message, RelayedMessage):
                self._hear(message.data)
            elif isinstance(message, RelayedIceCandidate):
                self._hear(message.candidate)

    def _enter(self, message: Registered) -> None:
        peers = set(message.peers)
        assert len(peers) == len(message.peers)
        assert message.client_id not in peers
        assert self.line is not None
        names = (message.room_id, message.client_id)
        self.place = Place(*names, peers, message.resume_token, set(peers), self.line)
        self.waits = False

    def _come_back(self, message: Resumed) -> None:
        place = self.place
        assert place is not None
        assert self.line is not None
        assert place.room_id == message.room_id
        assert len(set(message.peers)) == len(message.peers)
        place.line = self.line
        place.peers = set(message.peers)
        place.token = message.resume_token
        place.received = 0
        self.waits = False

    def _is_refused(self, message: Error) -> None:
        self.errors.append(message.code)
        self.unreached.add(message.target_id)
        if message.code in ("resume_expired", "id_taken", "room_full", "unavailable"):
            self.waits = False
        if message.code == "resume_expired":
            self.place = None
        if self.place is not None and self.place.line is self.line:
            assert message.code != "not_registered" or self._leaves_then
            self.place.received += 1

    def _note(self, message: PeerJoined | PeerLeft, place: Place, *, is_after_return: bool) -> None:
        """Somebody came or went. Who comes back hears what it has missed after the outcome."""
        comes, peer_id = isinstance(message, PeerJoined), message.client_id
        assert is_after_return or (peer_id in place.peers) != comes, message
        assert not self.is_strict or (peer_id in place.told) != comes, message
        for peers in (place.peers, place.told):
            if comes:
                peers.add(peer_id)
            else:
                peers.discard(peer_id)

    def _hear(self, data: msgspec.Raw) -> None:
        sender, number = msgspec.json.decode(data)
        assert number > self.heard.get(sender, 0), (sender, number)
        self.heard[sender] = number
        self.got.append((sender, number))


def everybody_reads(people: Iterable[Person]) -> None:
    """Let all read what has come."""
    for person in people:
        person.read()


def enters(
    stage: Stage,
    name: str,
    client_id: str,
    room_id: str = "lab",
    *,
    resume: bool = False,
    number: int | None = None,
) -> Person:
    """Return a client that has registered at a node, and knows that it is in the room."""
    person = Person(sum(map(ord, client_id)) if number is None else number, stage)
    person.connect(name)
    person.register(client_id, room_id, resume=resume)
    stage.settle()
    person.read()
    assert person.place is not None, person.errors
    return person
