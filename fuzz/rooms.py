"""A target above the messages: some clients in two rooms, and what happens to them."""

from collections import deque
from collections.abc import Callable
from typing import Any

from memory import Memory, MemoryClient
from websockets.protocol import State

from fuzz import mistakes
from fuzz.supply import Supply
from fuzz.wire import NO_LIMITS, check_sent
from twisted_signal.dialects.readme import ReadmeDialect
from twisted_signal.registry import Member

IDS = ["a", "b", "c"]
ROOMS = ["r1", "r2"]
MOST_CLIENTS = 6
MOST_STEPS = 200
TIMES = {"ping_interval": 4, "ping_timeout": 3, "probe_timeout": 2, "resume_window": 8}
LONG = 60
"""Seconds after which nothing is left of a client that is gone."""

FLAT: list[dict[str, Any]] = [
    {"type": "offer", "sdp": "v=0"},
    {"type": "answer", "sdp": "v=0"},
    {"type": "ice_candidate", "candidate": "c", "sdpMid": "0", "sdpMLineIndex": 0},
    {"type": "candidate", "candidate": "c"},
    {"type": "connect", "client_id": "a"},
    {"type": "error", "message": "\n"},
]


class Seat:
    """A connection of one client.

    Attributes:
        is_deaf: it neither takes what comes nor answers pings.
        received: how many messages it got since it was registered or resumed.
        place: of it, when it last heard something.
    """

    def __init__(self, client: MemoryClient) -> None:
        self.client = client
        self.is_deaf = False
        self.received = 0
        self.place: Member | None = None

    @property
    def member(self) -> Member | None:
        """Its place in a room."""
        session = self.client.protocol._session  # noqa: SLF001 - there is no other way to see it
        return session.member if session is not None else None


class Play:
    """What happens, step by step, and what must be so after each step.

    Attributes:
        due: the numbers that each member must get next; None: it may have lost some.
    """

    def __init__(self, supply: Supply) -> None:
        self.supply = supply
        self.memory = Memory(None, **NO_LIMITS, **TIMES)
        self.registry = self.memory.factory.registry
        self.seats: list[Seat] = []
        self.tokens: list[str] = ["no token"]
        self.used: set[str] = set()
        self.received_by: dict[str, tuple[Member, int]] = {}
        self.due: dict[Member, deque[int] | None] = {}
        self.number = 0

    def run(self) -> None:
        """Take steps until the supply is used up."""
        steps: list[Callable[[], None]] = [
            self.open_readme,
            self.open_app,
            self.register,
            self.register,
            self.relay,
            self.number_to,
            self.number_to,
            self.ask,
            self.resume,
            self.resume,
            self.drop,
            self.close,
            self.wait,
            self.go_deaf,
            self.say_anything,
            self.say_flat,
        ]
        for _ in range(MOST_STEPS):
            if not self.supply:
                break
            self.supply.choice(steps)()
            self.memory.clock.advance(0.01)  # who comes and goes is told a little later
            for seat in self.seats:
                self.hear(seat)
            self.check()
        self.end()

    # Steps

    def seat(self) -> Seat:
        """Return one of the clients."""
        if not self.seats:
            self.open_readme()
        return self.supply.choice(self.seats)

    def open_readme(self) -> None:
        """Connect."""
        self.open("/")

    def open_app(self) -> None:
        """Connect as the app does."""
        self.open(
            self.supply.choice(
                ["/signaling", "/signaling?room=r1&client_id=a", "/signaling?room=r2&client_type=x"]
            )
        )

    def open(self, path: str) -> None:
        """Connect, if there are not too many."""
        if len(self.seats) < MOST_CLIENTS:
            self.seats.append(Seat(self.memory.open(path)))

    def register(self) -> None:
        """Enter a room, or move."""
        seat = self.seat()
        message = {"client_id": self.supply.choice(IDS), "room_id": self.supply.choice(ROOMS)}
        self.say(seat, type="register", **message, resume=self.supply.choice([True, True, False]))

    def relay(self) -> None:
        """Say something to a peer."""
        kind, field = self.supply.choice(
            [("offer", "sdp"), ("answer", "sdp"), ("ice_candidate", "candidate")]
        )
        self.say(self.seat(), type=kind, target_id=self.supply.choice(IDS), **{field: "v=0"})

    def number_to(self) -> None:
        """Send the next number to a peer, or to all; write down who must get it."""
        seat = self.seat()
        member = seat.member
        if member is None or seat.is_deaf or not _speaks_readme(member):
            return
        self.hear(seat)
        target_id = self.supply.choice([*IDS, None])
        self.number += 1
        message: dict[str, Any] = {"type": "message", "data": self.number}
        targets = list(member.peers())
        if target_id is not None:
            message["target_id"] = target_id
            targets = [target for target in targets if target.client_id == target_id]
        self.say(seat, **message)
        if any(told["type"] == "error" for told in self.hear(seat)):
            return
        for target in targets:
            due = self.due.setdefault(target, deque())
            if due is not None and _speaks_readme(target):
                due.append(self.number)

    def ask(self) -> None:
        """Say something without fields."""
        self.say(
            self.seat(),
            type=self.supply.choice(["leave", "peers", "ping", "token", "ice_servers"]),
            token="",
        )

    def resume(self) -> None:
        """Show a token, an old one too, with a right count or a wrong one or none."""
        seat = self.seat()
        before = seat.member
        token = self.tokens[-1 - self.supply.below(len(self.tokens))]
        message: dict[str, Any] = {"type": "resume", "resume_token": token}
        member, received = self.received_by.get(token, (None, 0))
        count = self.supply.choice([received, received, received, 0, received + 1, None])
        if count is not None:
            message["received"] = count
        seat.place = None
        self.say(seat, **message)
        self.memory.clock.advance(0.01)
        if seat.member is not None and before is None and seat.member is member:
            assert token not in self.used, "a token has worked twice"
            self.used.add(token)
            if count != received and member is not None:
                self.due[member] = None

    def drop(self) -> None:
        """End a connection without a word."""
        seat = self.seat()
        seat.client.transport.end()
        self.leave_seat(seat)

    def close(self) -> None:
        """End a connection by a Close frame."""
        seat = self.seat()
        code = self.supply.choice([1000, 1001, 4000])
        if seat.client.websocket.state is State.OPEN:
            seat.client.websocket.send_close(code)
            seat.client.flush()
        self.leave_seat(seat)

    def wait(self) -> None:
        """Let some seconds pass."""
        for _ in range(1 + self.supply.below(4)):
            for seat in self.seats:
                self.hear(seat)
            self.memory.wait(1)

    def go_deaf(self) -> None:
        """Let a client be gone without anybody's knowing."""
        self.seat().is_deaf = True

    def say_anything(self) -> None:
        """Send any text."""
        seat, text = self.seat(), self.supply.text()
        if seat.client.websocket.state is State.OPEN:
            seat.client.say_text(text.encode())

    def say_flat(self) -> None:
        """Say something in the app's dialect."""
        self.say(self.seat(), **self.supply.choice(FLAT))

    # What comes of it

    def say(self, seat: Seat, **message: Any) -> None:
        """Send a message, if the connection is there."""
        if seat.client.websocket.state is State.OPEN:
            seat.client.say(**message)

    def leave_seat(self, seat: Seat) -> None:
        """Forget a connection."""
        check_sent(seat.client)
        self.seats.remove(seat)

    def hear(self, seat: Seat) -> list[dict[str, Any]]:
        """Take what a client was told, and check the numbers that it got."""
        if seat.is_deaf:
            return []
        heard: list[dict[str, Any]] = seat.client.hear()
        for message in heard:
            seat.received += 1
            if message["type"] in ("registered", "resumed"):
                seat.received = 0
                seat.place = seat.member
            if message["type"] == "registered" and seat.member is not None:
                self.due.setdefault(seat.member, deque())
            if "resume_token" in message:
                self.tokens.append(message["resume_token"])
            if message["type"] == "message" and seat.place is not None:
                due = self.due.get(seat.place)
                if due is not None:
                    assert due, f"{message['data']} was not due"
                    assert message["data"] == due.popleft()
        place = seat.place
        if place is not None and place.mailbox is not None and seat.member is place:
            self.received_by[place.mailbox.token] = (place, seat.received)
        seat.client.answer()
        return heard

    def check(self) -> None:
        """Hold the registry against itself: everybody is in one place, or in none."""
        owners = []
        for room in self.registry.rooms.values():
            assert room.members, "a room without members"
            for client_id, member in room.members.items():
                assert member.client_id == client_id
                assert member.room is room
                assert member.owner.member is member
                owners.append(member.owner)
        assert len(set(map(id, owners))) == len(owners)
        for protocol in self.memory.factory.connections:
            session = protocol._session  # noqa: SLF001 - as above
            if session is not None and session.member is not None:
                assert session in owners, "somebody who is in no room believes that he is"
        resumable = self.registry._resumable  # noqa: SLF001 - as above
        for token, member in resumable.items():
            assert member.mailbox is not None
            assert member.mailbox.token == token
            assert member.owner in owners
        keeping = [
            member
            for room in self.registry.rooms.values()
            for member in room.members.values()
            if member.mailbox is not None
        ]
        assert len(keeping) == len(resumable)
        for seat in self.seats:
            check_state(seat.client)

    def end(self) -> None:
        """All go without a word; nothing is left of them."""
        for seat in list(self.seats):
            seat.client.transport.end()
            self.leave_seat(seat)
        self.memory.wait(LONG)
        assert not self.registry.rooms
        assert not self.registry._resumable  # noqa: SLF001 - as above
        assert not self.memory.factory.connections
        assert not self.memory.clock.getDelayedCalls()


def check_state(client: MemoryClient) -> None:
    """See that the server has not closed a connection for a mistake of its own."""
    assert client.protocol.localCloseCode != 1011


def _speaks_readme(member: Member) -> bool:
    protocol: Any = member.owner
    client = protocol._client  # noqa: SLF001 - as above
    return isinstance(client._conversation._dialect, ReadmeDialect)  # noqa: SLF001 - as above


def rooms(data: bytes) -> None:
    """Some clients come, go, break off, resume and claim each other's ids, in any order."""
    with mistakes.none_logged():
        Play(Supply(data)).run()
