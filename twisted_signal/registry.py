"""Rooms and who is in them. No I/O, no clock, no Twisted."""

import random
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Protocol

from twisted_signal import event_log, events
from twisted_signal.backlog import Backlog, Waiting
from twisted_signal.calls import Calls
from twisted_signal.connection import Client
from twisted_signal.errors import IdTaken, PeerNotFound, ResumeExpired, RoomFull, SignalError
from twisted_signal.event_log import Subject
from twisted_signal.limits import Limits
from twisted_signal.mailbox import Mailbox
from twisted_signal.messages import NAME_LENGTH, ServerMessage
from twisted_signal.refusals import Refusals
from twisted_signal.tally import Tally
from twisted_signal.text import quoted
from twisted_signal.timeline import Flow, StepKind

log = event_log.logger(__name__)


class DuplicateId(StrEnum):
    """What becomes of a claim to an id that another connection has in the room."""

    PROBE = "probe"
    """The other one is asked whether it is alive, and gives way if it says nothing."""
    REPLACE = "replace"
    """The other one gives way."""
    REJECT = "reject"
    """The other one keeps it."""


class Owner(Subject, Protocol):
    """Who has a place in a room. `member`: the place; None as soon as it is given up."""

    member: "Member | None"

    def refuse(self, error: SignalError) -> None:
        """Tell the client why its message was refused."""


class Member:
    """A client in a room.

    Attributes:
        owner: whose place it is.
        joined_at_ns: when it came into the room, in nanoseconds since 1970.
        expires_at: until when its token lets it stay, in seconds since 1970; None: it needs none.
        node: the node of the cluster that it is connected to; None: this one.
        place: what the cluster calls its place; None: there is no cluster.
        mailbox: what stands between it and the connection, if the place can be taken up on another.
        label: the id as it stands in log lines.
        last_partner: the id of the peer it last heard from or talked to, or None.
        flow: what it says to the peer that it talked to last, for the timeline of their call.
        backlog: what it said, to nobody in particular, while nobody was there.
        handed_over: what it got of what others had waited to say, each with its sender, for as long
            as it may still register itself; None if it has done so, or said anything else.
    """

    __slots__ = (
        "backlog",
        "client",
        "client_id",
        "client_type",
        "expires_at",
        "flow",
        "handed_over",
        "joined_at_ns",
        "label",
        "last_partner",
        "mailbox",
        "node",
        "owner",
        "place",
        "room",
    )

    def __init__(
        self,
        owner: Owner,
        client: Client,
        room: "Room",
        client_id: str,
        client_type: str,
        *,
        now_ns: int,
        node: str | None = None,
        place: str | None = None,
    ) -> None:
        self.node = node
        self.place = place
        self.owner = owner
        self.client = client
        self.expires_at: float | None = None
        self.mailbox: Mailbox | None = None
        self.room = room
        self.client_id = client_id
        self.client_type = client_type
        self.joined_at_ns = now_ns
        self.label = quoted(client_id)
        self.last_partner: str | None = None
        self.flow: Flow | None = None
        self.backlog: Backlog | None = None
        self.handed_over: list[tuple[Member, Waiting]] | None = None

    @property
    def is_away(self) -> bool:
        """Whether its place is kept without a connection."""
        return self.mailbox is not None and not self.mailbox.is_connected

    def has_changed_hands(self, owner: Owner) -> bool:
        """Tell whether another connection has its place now. `owner`: of the one before."""
        return self.owner is not owner and not self.is_away

    def peers(self) -> Iterator["Member"]:
        """Yield the other members of the room, in the order they joined."""
        return (member for member in self.room.members.values() if member is not self)

    def peer(self, client_id: str) -> "Member":
        """Return the other member of the room with that id.

        Raises:
            PeerNotFound: there is none; the same whether or not another room has one.
        """
        found = self.room.members.get(client_id)
        if found is None or found is self:
            raise PeerNotFound(client_id)
        return found


class Room:
    """Who may signal whom.

    Attributes:
        members: by id, in the order they joined.
        calls: of this room and all others.
        opened_at_ns: when the first of them came, in nanoseconds since 1970.
    """

    __slots__ = ("calls", "label", "members", "opened_at_ns", "room_id")

    def __init__(self, room_id: str, calls: Calls, now_ns: int) -> None:
        self.room_id = room_id
        self.calls = calls
        self.opened_at_ns = now_ns
        self.label = quoted(room_id)
        self.members: dict[str, Member] = {}


class Registry:
    """All rooms of the server. A room exists while it has a member.

    Attributes:
        rooms: by id.
        limits: how many may be in a room, and how long a place is kept.
        duplicate_id: what becomes of two claims to one id.
        refusals: of all that was refused.
        calls: the timelines of calls, to see why one does not come about.
        tally: of all else that is counted.
    """

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        duplicate_id: DuplicateId = DuplicateId.PROBE,
        rng: random.Random | None = None,
    ) -> None:
        """
        Args:
            limits: how many may be in a room, and how long a place is kept.
            duplicate_id: what becomes of two claims to one id.
            rng: where made-up ids and tokens come from; the operating system's by default.
        """
        self.rooms: dict[str, Room] = {}
        self.refusals = Refusals()
        self.calls = Calls()
        self.tally = Tally()
        self.limits = limits
        self.duplicate_id = duplicate_id
        self._resumable: dict[str, Member] = {}
        self._rng = rng or random.SystemRandom()

    def holder(self, room_id: str, client_id: str) -> Member | None:
        """Return who has that id in that room, if anybody has."""
        room = self.rooms.get(room_id)
        return room.members.get(client_id) if room is not None else None

    def unused_id(self, room_id: str, client_type: str) -> str:
        """Make up a readable id that nobody in the room has, such as `android-7f3a`."""
        room = self.rooms.get(room_id)
        taken = room.members if room is not None else {}
        prefix = client_type[: NAME_LENGTH - 16]
        bits = 16
        while True:
            client_id = f"{prefix}-{self._rng.getrandbits(bits):0{bits // 4}x}"
            if client_id not in taken:
                return client_id
            bits = min(bits + 4, 60)  # a crowded room soon finds a free one among longer ids

    def join(
        self,
        owner: Owner,
        client: Client,
        room_id: str,
        client_id: str,
        client_type: str,
        *,
        now_ns: int,
        place: str | None = None,
    ) -> Member:
        """Put a client into a room, in one step with giving up the place it had before.

        Args:
            now_ns: when that is, in nanoseconds since 1970.
            place: what the cluster calls the place.

        Raises:
            IdTaken, RoomFull: it cannot have the place; nothing has changed then.
        """
        room = self.rooms.get(room_id)
        leaving = owner.member
        if room is not None:
            if client_id in room.members:
                raise IdTaken(client_id, room_id)
            others = len(room.members) - (leaving is not None and leaving.room is room)
            if 0 < self.limits.max_room_size <= others:
                raise RoomFull(room_id, others)
        else:
            room = self.open(room_id, owner, now_ns)
        member = Member(owner, client, room, client_id, client_type, now_ns=now_ns, place=place)
        room.members[client_id] = member
        self.tally.registrations += 1
        self.tally.members += 1
        if leaving is not None:
            member.backlog = leaving.backlog
            self.leave(leaving, now_ns)
        self._note_arrival(member)
        owner.member = member
        return member

    def open(self, room_id: str, owner: Owner, now_ns: int) -> Room:
        """Return a new room. `owner`: who is about to enter it."""
        room = self.rooms[room_id] = Room(room_id, self.calls, now_ns)
        log.info(events.ROOM_OPENED, room.label, about=owner)
        return room

    def close(self, room: Room, owner: Owner | None) -> None:
        """Forget a room, with those in it, who are on other nodes. `owner`: who left it last."""
        del self.rooms[room.room_id]
        log.info(events.ROOM_CLOSED, room.label, about=owner)

    def add(self, member: Member) -> None:
        """Put somebody into its room who is on another node."""
        member.room.members[member.client_id] = member
        self._note_arrival(member)

    def remove(self, member: Member, now_ns: int) -> None:
        """Take somebody out of its room who is on another node."""
        room = member.room
        del room.members[member.client_id]
        member.owner.member = None
        if room.room_id in self.calls.of_rooms:
            self.calls.note(StepKind.LEFT, room.room_id, member.client_id, now_ns)

    def leave(self, member: Member, now_ns: int) -> None:
        """Take a member out of its room, and the room away with its last member.

        Args:
            now_ns: when that is, in nanoseconds since 1970.
        """
        self.remove(member, now_ns)
        self.tally.members -= 1
        self.forget(member)
        if not member.room.members:
            self.close(member.room, member.owner)

    def remember(self, member: Member, token: str | None = None) -> str:
        """Let a member's place be kept when its connection breaks; return the token for it.

        Args:
            token: which; None: a new one.
        """
        before = None if member.mailbox is None else member.mailbox.token
        self.forget(member)
        if token is None:
            token = self.new_token(before)
        self._resumable[token] = member
        member.client = member.mailbox = Mailbox(member.client, member.client_id, token)
        return token

    def bring(self, member: Member, mailbox: Mailbox) -> None:
        """Let a member be on this node that was on another one. `mailbox`: what waits for it."""
        self._resumable[mailbox.token] = member
        member.client = member.mailbox = mailbox
        self.tally.members += 1

    def forget(self, member: Member) -> None:
        """Let a member's place be lost with its connection, if it was not so."""
        if member.mailbox is not None:
            del self._resumable[member.mailbox.token]
            member.client = member.mailbox.client
            member.mailbox = None

    def resumable(self, token: str) -> Member | None:
        """Return whose place a token is for, if it is for any."""
        return self._resumable.get(token)

    def resumable_members(self) -> Iterable[Member]:
        """Return whose place can be taken up on another connection."""
        return self._resumable.values()

    def resume(
        self, owner: Owner, client: Client, token: str, received: int | None, *, now_ns: int
    ) -> tuple[Member, Client, list[ServerMessage]]:
        """Give a place to the connection that shows its token, which works no more after that.

        The place that it had before, if any, it leaves.

        Args:
            owner: who has the place from now on.
            received: see Mailbox.reconnect.
            now_ns: when that is, in nanoseconds since 1970.

        Returns:
            The place, the connection that had it before, and what was missed.

        Raises:
            ResumeExpired, InvalidMessage: it cannot go on there; nothing has changed.
        """
        member = self.resumable(token)
        if member is None or member.mailbox is None:
            raise ResumeExpired
        next_token = self.new_token(token)
        before, missed = member.mailbox.reconnect(client, next_token, received)
        self._resumable[next_token] = self._resumable.pop(token)
        self.tally.resumes += 1
        if owner.member is not None:
            self.leave(owner.member, now_ns)
        self.calls.note(StepKind.RESUMED, member.room.room_id, member.client_id, now_ns)
        member.owner.member, member.owner, owner.member = None, owner, member
        return member, before, missed

    def _note_arrival(self, member: Member) -> None:
        room_id = member.room.room_id
        if room_id in self.calls.of_rooms:
            self.calls.join(room_id, member)

    def new_token(self, before: str | None = None) -> str:
        """Return a token that nobody can guess.

        Args:
            before: the one that it takes the place of. What they have in common tells all nodes
                of a cluster which place they are for.
        """
        names_place = f"{self._rng.getrandbits(64):016x}" if before is None else before[:16]
        return f"{names_place}{self._rng.getrandbits(128):032x}"
