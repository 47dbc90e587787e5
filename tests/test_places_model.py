"""Random comings and goings on real connections, held against a model of places in rooms.

The model knows nothing of sessions, mailboxes or inquiries: who has which place, what each was told
after that, and what is due when. Time goes by whole seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from memory import Memory, MemoryClient

from twisted_signal.mailbox import MAX_MESSAGES, MAX_SIZE
from twisted_signal.registry import DuplicateId

LINES = 6
ROOM_SIZE = 3
PROBE, WINDOW, REGISTER, SILENCE, CLOSING = 2, 30, 11, 40, 6  # seconds, with the tick under way
LARGE = 60_000
MEANWHILE = [
    "message",
    "peers",
    "leave",
    "again",
    "stay",
    "stay",
    "drop",
    "return",
    "return and leave",
]

numbers = st.integers(0, 5)
ids = st.sampled_from(["a", "b", "c", "d"])
rooms = st.sampled_from(["lab1", "lab1", "lab2"])
often = st.sampled_from([True, True, False])
sizes = st.sampled_from([1, 1, LARGE])


@dataclass(frozen=True)
class Told:
    """What a client is told; `credential`: that of a place that it may come back to."""

    message: dict[str, Any]
    size: int = 0
    credential: "Credential | None" = None


@dataclass(eq=False)
class Credential:
    """What a client knows of a place: the token, and how much it got since that."""

    place: "Place"
    token: str = ""
    received: int = 0


@dataclass(eq=False)
class Place:
    room_id: str
    client_id: str
    owner: "Line"
    """The last one."""
    credential: Credential | None = None
    """None: it is not kept."""
    is_away: bool = False
    sent: list[Told] = field(default_factory=list)
    """On this connection, after the token."""
    waiting: list[Told] = field(default_factory=list)

    def is_lost(self, lost: int) -> bool:
        """Whether so many messages are more than are kept."""
        kept = self.sent[len(self.sent) - lost :]
        return lost > MAX_MESSAGES or sum(told.size for told in kept) > MAX_SIZE


@dataclass(eq=False)
class Claim:
    room_id: str
    client_id: str
    resume: bool
    held: list[tuple[str, str | None, int]] = field(default_factory=list)


@dataclass(eq=False)
class Line:
    """A connection. A dead one seems open to the server, and nobody reads what it sends there."""

    client: MemoryClient
    due: int
    """When the server looks whether it has registered, is there, or has closed."""
    is_dead: bool = False
    heard: int = 0
    """When it died."""
    is_watched: bool = False
    """It was in a room once."""
    place: Place | None = None
    claim: Claim | None = None
    askers: list["Asker"] = field(default_factory=list)
    """Who wants to know whether it is alive."""
    close_code: int | None = None
    """The server has closed it with that code."""
    expected: list[Told] = field(default_factory=list)
    credential: Credential | None = None
    """Of the last `registered` or `resumed` that it has read."""


Asker = tuple[Line, Claim, Place]


class Places(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(max_room_size=ROOM_SIZE, message_rate=0, frame_rate=0)
        self.registry = self.memory.factory.registry
        self.now = 0
        self.ticks = 0  # less by one while timers go off
        self.lines: list[Line] = []
        self.rooms: dict[str, dict[str, Place]] = {}
        self.credentials: list[Credential] = []
        self.timers: list[tuple[int, Callable[[], None]]] = []
        self.count = 0

    @initialize(duplicate_id=st.sampled_from([DuplicateId.PROBE, *DuplicateId]))
    def begin(self, duplicate_id: DuplicateId) -> None:
        self.registry.duplicate_id = duplicate_id
        self.come("a", "lab1", resume=True)
        self.come("b", "lab1", resume=True)
        self.come("c", "lab2", resume=False)

    # What the server should do

    def others(self, place: Place) -> list[Place]:
        members = self.rooms.get(place.room_id, {})
        return [member for member in members.values() if member is not place]

    def is_there(self, place: Place) -> bool:
        return self.rooms.get(place.room_id, {}).get(place.client_id) is place

    def deliver(self, place: Place, told: Told) -> bool:
        if place.is_away:
            size = sum(waiting.size for waiting in place.waiting)
            if len(place.waiting) == MAX_MESSAGES or size + told.size > MAX_SIZE:
                return False
            place.waiting.append(told)
            return True
        place.owner.expected.append(told)
        if place.credential is not None:
            place.sent.append(told)
        return True

    def tell(self, line: Line, told: Told) -> None:
        if line.place is not None:
            self.deliver(line.place, told)
        else:
            line.expected.append(told)

    def refuse(self, line: Line, code: str, target_id: str | None = None) -> None:
        target = {} if target_id is None else {"target_id": target_id}
        self.tell(line, Told({"type": "error", "code": code, **target}))

    def tell_room(self, place: Place, **message: str) -> None:
        for other in self.others(place):
            self.deliver(other, Told({**message, "client_id": place.client_id}))

    def leave(self, place: Place) -> None:
        """A place is given up."""
        members = self.rooms[place.room_id]
        del members[place.client_id]
        if not members:
            del self.rooms[place.room_id]
        place.owner.place = None

    def go(self, place: Place) -> None:
        self.leave(place)
        self.tell_room(place, type="peer_left")

    def confirm(self, line: Line, place: Place, *, resume: bool) -> None:
        peers = [other.client_id for other in self.others(place)]
        message: dict[str, Any] = {
            "type": "registered",
            "client_id": place.client_id,
            "room_id": place.room_id,
            "peers": peers,
        }
        place.credential = Credential(place) if resume else None
        place.sent = []
        if resume:
            message["resume_within_ms"] = WINDOW * 1000
        line.expected.append(Told(message, credential=place.credential))
        self.watch(line)

    def watch(self, line: Line) -> None:
        if not line.is_watched:
            line.is_watched = True
            line.due = line.heard + SILENCE

    def enter(self, line: Line, room_id: str, client_id: str, *, resume: bool) -> None:
        before = line.place
        members = self.rooms.get(room_id, {})
        if client_id in members:
            self.refuse(line, "id_taken")
            return
        if len(members) - (before in members.values()) >= ROOM_SIZE:
            self.refuse(line, "room_full")
            return
        place = Place(room_id, client_id, line)
        self.rooms.setdefault(room_id, {})[client_id] = place
        if before is not None:
            self.leave(before)
        line.place = place
        self.confirm(line, place, resume=resume)
        if before is not None:
            for other in self.others(before):
                if other is not place:
                    message = {"type": "peer_left", "client_id": before.client_id}
                    self.deliver(other, Told(message))
        self.tell_room(place, type="peer_joined", client_type="unknown")

    def claim(self, line: Line, claim: Claim) -> None:
        """Somebody registers. `claim.held`: what waits for an earlier claim."""
        place = line.place
        holder = self.rooms.get(claim.room_id, {}).get(claim.client_id)
        if holder is not None and holder is place:
            self.confirm(line, place, resume=claim.resume)
            self.let_go_on(line)
        elif holder is None:
            self.enter(line, claim.room_id, claim.client_id, resume=claim.resume)
            if line.place is not place:
                self.let_go_on(line)
        elif self.registry.duplicate_id is DuplicateId.REJECT:
            self.refuse(line, "id_taken")
        elif self.registry.duplicate_id is DuplicateId.REPLACE:
            self.take_over(holder)
            self.enter(line, claim.room_id, claim.client_id, resume=claim.resume)
        else:
            self.ask(line, claim, holder)

    def ask(self, line: Line, claim: Claim, holder: Place) -> None:
        before, line.claim = line.claim, claim
        if before is not None:
            claim.held = before.held
            if (before.room_id, before.client_id) == (claim.room_id, claim.client_id):
                before.resume = claim.resume
                line.claim = before
                return
        asked = holder.owner
        asked.askers.append((line, claim, holder))
        if not (holder.is_away or asked.is_dead):
            self.end_inquiry(asked, alive=True)
        elif len(asked.askers) == 1:
            askers = asked.askers
            self.timers.append((self.now + PROBE, lambda: self.give_up_asking(asked, askers)))

    def give_up_asking(self, asked: Line, askers: list[Asker]) -> None:
        if asked.askers is askers:  # else it has answered
            self.end_inquiry(asked, alive=False)

    def end_inquiry(self, asked: Line, *, alive: bool) -> None:
        askers, asked.askers = asked.askers, []
        for line, claim, holder in askers:
            if line.claim is not claim:
                continue
            is_back = not holder.is_away and holder.owner is not asked
            if self.is_there(holder) and (alive or is_back):
                self.refuse(line, "id_taken")
            else:
                if self.is_there(holder):
                    self.take_over(holder)
                self.enter(line, claim.room_id, claim.client_id, resume=claim.resume)
            self.let_go_on(line)

    def take_over(self, holder: Place) -> None:
        self.go(holder)
        if not holder.is_away:
            self.close(holder.owner, 4409)

    def let_go_on(self, line: Line) -> None:
        claim, line.claim = line.claim, None
        if claim is not None:
            for kind, target_id, number in claim.held:
                self.handle(line, kind, target_id, number)

    def handle(self, line: Line, kind: str, target_id: str | None, number: int) -> None:
        place = line.place
        if place is None:
            if line.claim is None or sum(n for *_, n in line.claim.held) + number > 256 * 1024:
                self.refuse(line, "not_registered", target_id)
            else:
                line.claim.held.append((kind, target_id, number))
            return
        peers = self.others(place)
        data = {"type": "message", "sender_id": place.client_id, "data": "x" * number}
        told = Told(data, number + 2)
        if kind == "leave":
            line.claim = None
            self.go(place)
        elif kind == "peers":
            listed = [{"client_id": peer.client_id, "client_type": "unknown"} for peer in peers]
            self.tell(line, Told({"type": "peers", "room_id": place.room_id, "peers": listed}))
        elif target_id is None:
            for peer in peers:
                self.deliver(peer, told)
        else:
            targets = [peer for peer in peers if peer.client_id == target_id]
            if not targets:
                self.refuse(line, "peer_not_found", target_id)
            elif not self.deliver(targets[0], told):
                self.refuse(line, "peer_unreachable", target_id)

    def close(self, line: Line, code: int) -> None:
        line.close_code = code
        line.claim = None
        line.due = self.ticks + CLOSING

    def lose(self, line: Line, *, is_kept: bool = True) -> None:
        """A connection has ended."""
        self.lines.remove(line)
        line.claim = None
        place = line.place
        if place is not None and is_kept and place.credential is not None:
            place.is_away = True
            self.timers.append((self.now + WINDOW, lambda: self.give_up(place, line)))
            return
        if place is not None:
            self.go(place)
        self.end_inquiry(line, alive=False)

    def give_up(self, place: Place, line: Line) -> None:
        if self.is_there(place) and place.owner is line:
            self.go(place)

    def look(self) -> None:
        """See which connections are due."""
        self.ticks += 1
        for line in [line for line in self.lines if line.due == self.ticks]:
            if line.close_code is not None:
                self.lose(line)
            elif line.is_watched:
                if line.is_dead:
                    self.lose(line)
            elif line.claim is not None:
                line.due = self.ticks + PROBE + 1
            else:
                self.close(line, 4408)

    # What clients do

    @property
    def live(self) -> list[Line]:
        return [line for line in self.lines if not line.is_dead and line.close_code is None]

    @property
    def deserted(self) -> list[Place]:
        """The places of those who are away, or dead."""
        return [
            place
            for members in self.rooms.values()
            for place in members.values()
            if place.is_away or place.owner.is_dead
        ]

    def pick(self, number: int) -> Line:
        return self.live[number % len(self.live)]

    def settle(self) -> None:
        """Let all that live read and answer until nothing is on its way, and see what they got."""
        while any(line.client.transport.sent() for line in self.lines if not line.is_dead):
            for line in self.lines:
                if not line.is_dead:
                    line.client.answer()
        for line in list(self.lines):
            if not line.is_dead:
                self.compare(line)
                if line.close_code is not None:
                    assert line.client.close_code == line.close_code
                    assert line.client.transport.ended
                    self.lose(line)
        for line in self.lines:
            assert not line.client.transport.ended
            assert line.is_dead or line.client.close_code is None

    def compare(self, line: Line) -> None:
        heard = line.client.hear()
        tokens = [message.pop("resume_token", None) for message in heard]
        for message in heard:
            if message["type"] == "error":
                assert message.pop("message")
        assert heard == [told.message for told in line.expected]
        for told, token in zip(line.expected, tokens, strict=True):
            assert (token is not None) is (told.credential is not None)
            if told.message["type"] in ("registered", "resumed"):
                line.credential = told.credential
                if told.credential is not None:
                    told.credential.token = token
                    self.credentials.append(told.credential)
            elif line.credential is not None:
                line.credential.received += 1
        line.expected.clear()

    def pass_a_second(self) -> None:
        self.now += 1
        self.memory.clock.advance(1)
        due = [action for time, action in self.timers if time == self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for action in due:
            action()
        self.look()
        self.settle()

    def connect(self) -> Line:
        line = Line(self.memory.open(), self.ticks + REGISTER)
        self.lines.append(line)
        return line

    def say_register(self, line: Line, room_id: str, client_id: str, *, resume: bool) -> None:
        line.client.say(type="register", client_id=client_id, room_id=room_id, resume=resume)
        self.claim(line, Claim(room_id, client_id, resume))
        self.settle()

    @precondition(lambda self: len(self.lines) < LINES)
    @rule(client_id=ids | st.none(), room_id=rooms, resume=often)
    def come(self, client_id: str | None, room_id: str, resume: bool) -> None:
        line = self.connect()
        if client_id is not None:
            self.say_register(line, room_id, client_id, resume=resume)

    @precondition(lambda self: self.live)
    @rule(number=numbers, client_id=ids, room_id=rooms, resume=often)
    def register(self, number: int, client_id: str, room_id: str, resume: bool) -> None:
        self.say_register(self.pick(number), room_id, client_id, resume=resume)

    @precondition(lambda self: self.live and self.rooms)
    @rule(
        number=st.none() | numbers,
        of=numbers,
        resume=often,
        actions=st.lists(st.sampled_from(MEANWHILE), max_size=3),
        seconds=st.integers(0, 3),
    )
    def claim_from_nobody(
        self, number: int | None, of: int, resume: bool, actions: list[str], seconds: int
    ) -> None:
        """Want the id of a client that is not there, and do something while it is asked."""
        if not self.deserted:
            self.let_die(self.pick(of))
        if not self.deserted:
            return
        place = self.deserted[of % len(self.deserted)]
        line = self.connect() if number is None or not self.live else self.pick(number)
        self.say_register(line, place.room_id, place.client_id, resume=resume)
        for action in actions:
            if line in self.live:
                self.do_meanwhile(line, action, place)
        self.wait(seconds)

    def do_meanwhile(self, line: Line, action: str, wanted: Place) -> None:
        if action == "message":
            self.say_message(line, "a", 1)
            self.settle()
        elif action == "again":
            self.say_register(line, wanted.room_id, wanted.client_id, resume=True)
        elif action == "stay" and line.place is not None:
            self.say_register(line, line.place.room_id, line.place.client_id, resume=True)
        elif action == "drop":
            self.drop(self.lines.index(line))
        elif action in ("leave", "peers"):
            self.ask_for(self.live.index(line), action)
        elif action.startswith("return") and wanted.credential and wanted.credential.token:
            holder = self.connect()
            self.say_resume(holder, wanted.credential, counts=True)
            if action == "return and leave":
                self.ask_for(self.live.index(holder), "leave")

    @precondition(lambda self: any(line.place and line.place.credential for line in self.live))
    @rule(number=numbers, size=sizes, times=st.integers(0, 10), is_noticed=often, returns=often)
    def break_off(
        self, number: int, size: int, times: int, is_noticed: bool, returns: bool
    ) -> None:
        """The network of a client is gone while others talk to it."""
        resumable = [line for line in self.live if line.place and line.place.credential]
        line = resumable[number % len(resumable)]
        assert line.place is not None
        credential = line.place.credential
        assert credential is not None
        self.let_die(line)
        for other in self.others(line.place):
            if other.owner in self.live:
                for _ in range(times):
                    self.say_message(other.owner, line.place.client_id, size)
        if is_noticed:
            line.client.transport.end()
            self.lose(line)
        self.settle()
        if returns:
            self.say_resume(self.connect(), credential, counts=True)

    @precondition(lambda self: self.live)
    @rule(number=numbers, target_id=ids | st.none(), size=sizes)
    def say(self, number: int, target_id: str | None, size: int) -> None:
        self.say_message(self.pick(number), target_id, size)
        self.settle()

    def say_message(self, line: Line, target_id: str | None, size: int) -> None:
        target = {} if target_id is None else {"target_id": target_id}
        line.client.say(type="message", data="x" * size, **target)
        self.handle(line, "message", target_id, size)

    @precondition(lambda self: self.live)
    @rule(number=numbers, kind=st.sampled_from(["leave", "peers"]))
    def ask_for(self, number: int, kind: str) -> None:
        line = self.pick(number)
        line.client.say(type=kind)
        self.handle(line, kind, None, 0)
        self.settle()

    @precondition(
        lambda self: any(
            line.place and any(other.is_away for other in self.others(line.place))
            for line in self.live
        )
    )
    @rule(size=sizes)
    def flood(self, size: int) -> None:
        """Send more to one who is away than can wait for it."""
        for line in self.live:
            for other in self.others(line.place) if line.place is not None else ():
                if other.is_away:
                    while len(line.expected) < 2:
                        self.say_message(line, other.client_id, size)
                    self.settle()
                    return

    @precondition(lambda self: self.lines)
    @rule(number=numbers)
    def drop(self, number: int) -> None:
        """A connection breaks."""
        line = self.lines[number % len(self.lines)]
        line.client.transport.end()
        self.lose(line)
        self.settle()

    @precondition(lambda self: self.live)
    @rule(number=numbers, code=st.sampled_from([1000, None, 1001, 3000]))
    def say_goodbye(self, number: int, code: int | None) -> None:
        line = self.pick(number)
        line.client.websocket.send_close(code)
        line.client.flush()
        line.client.transport.end()
        self.lose(line, is_kept=code not in (1000, None))
        self.settle()

    @precondition(lambda self: self.live)
    @rule(number=numbers)
    def die(self, number: int) -> None:
        """The network of a client is gone, and nobody knows."""
        self.let_die(self.pick(number))

    def let_die(self, line: Line) -> None:
        if any(other.heard == self.ticks for other in self.lines if other.is_dead):
            return  # which of them goes first is left open
        line.client.websocket.send_pong(b"")
        line.client.flush()
        line.is_dead = True
        line.heard = self.ticks
        if line.is_watched:
            line.due = line.heard + SILENCE

    @precondition(lambda self: any(line.is_dead for line in self.lines))
    @rule(number=numbers)
    def revive(self, number: int) -> None:
        dead = [line for line in self.lines if line.is_dead]
        line = dead[number % len(dead)]
        line.is_dead = False
        line.client.websocket.send_pong(b"")
        line.client.flush()
        self.end_inquiry(line, alive=True)
        self.settle()

    @precondition(lambda self: self.credentials)
    @rule(
        number=numbers,
        counts=st.booleans(),
        too_many=st.sampled_from([0, 0, 0, 1]),
        line_number=st.none() | numbers,
    )
    def resume(self, number: int, counts: bool, too_many: int, line_number: int | None) -> None:
        """Come back, on a new connection or not, with a token that may be good."""
        lines = [line for line in self.live if line.claim or line.place is None] or self.live
        if not lines or (line_number is None and len(self.lines) < LINES):
            line = self.connect()
        else:
            line = lines[(line_number or 0) % len(lines)]
        known = [*self.good, *self.credentials[-3:]]
        self.say_resume(line, known[number % len(known)], counts=counts, too_many=too_many)

    @property
    def good(self) -> list[Credential]:
        """The tokens with which those who are away, or dead, can come back."""
        known = (place.credential for place in self.deserted)
        return [credential for credential in known if credential and credential.token]

    def say_resume(
        self, line: Line, credential: Credential, *, counts: bool, too_many: int = 0
    ) -> None:
        place = credential.place
        received = credential.received + too_many * (len(place.sent) + 1)
        count = {"received": received} if counts else {}
        line.client.say(type="resume", resume_token=credential.token, **count)
        if line.place is not None:
            self.refuse(line, "invalid_message")
        elif not self.is_there(place) or place.credential is not credential:
            self.refuse(line, "resume_expired")
        elif counts and too_many:
            self.refuse(line, "invalid_message")
        elif counts and place.is_lost(len(place.sent) - received):
            self.refuse(line, "resume_expired")
        else:
            self.come_back(line, place, received if counts else len(place.sent))
        self.settle()

    def come_back(self, line: Line, place: Place, received: int) -> None:
        missed = place.sent[received:] + place.waiting
        if not place.is_away:
            place.owner.place = None
            self.close(place.owner, 4409)
        place.owner, line.place, place.is_away = line, place, False
        place.sent, place.waiting = list(missed), []
        place.credential = Credential(place)
        peers = [other.client_id for other in self.others(place)]
        message = {"type": "resumed", "room_id": place.room_id, "peers": peers}
        line.expected += [Told(message, credential=place.credential), *missed]
        self.watch(line)
        self.let_go_on(line)

    @rule(seconds=st.sampled_from([1, 1, 2, 3, 12, 31, 41]))
    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.pass_a_second()

    # What must always be so

    @invariant()
    def everybody_has_their_place(self) -> None:
        held = {room.room_id: list(room.members) for room in self.registry.rooms.values()}
        assert held == {room_id: list(members) for room_id, members in self.rooms.items()}
        places = [place for members in self.rooms.values() for place in members.values()]
        resumable = [place for place in places if place.credential is not None]
        assert len(self.registry._resumable) == len(resumable)

    @invariant()
    def everybody_is_counted(self) -> None:
        factory = self.memory.factory
        admission = factory.admission
        assert len(factory.connections) == len(self.lines)
        assert admission.connections == admission.clients == len(self.lines)
        away = [p for members in self.rooms.values() for p in members.values() if p.is_away]
        assert sum(place.kept for place in admission._places.values()) == len(away)

    def teardown(self) -> None:
        """When all have gone, nothing is left."""
        while self.lines:
            self.drop(0)
        for _ in range(WINDOW):
            self.pass_a_second()
        self.everybody_has_their_place()
        self.everybody_is_counted()
        assert not self.rooms
        assert not self.memory.clock.getDelayedCalls()
        admission = self.memory.factory.admission
        admission.forget(self.memory.clock.seconds(), len(admission))  # as the next one's coming
        assert len(admission) == 0
        assert not self.memory.clock.getDelayedCalls()


Places.TestCase.settings = settings(
    max_examples=400,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # to make a failing case smaller takes minutes: use its log
    report_multiple_bugs=False,
)
TestPlaces = Places.TestCase
