"""Rooms and who is in them. No I/O, no clock, no Twisted."""

import logging
import random
from collections.abc import Iterator
from typing import Protocol

from twisted_signal.backlog import Backlog, Waiting
from twisted_signal.errors import IdTaken, PeerNotFound
from twisted_signal.messages import NAME_LENGTH, ServerMessage
from twisted_signal.text import quoted

log = logging.getLogger(__name__)


class Client(Protocol):
    """All that rooms and sessions know of a connection."""

    def deliver(self, message: ServerMessage) -> None:
        """Send a message to the client; a client that is going away gets nothing.

        Raises:
            SignalError: the client cannot be told this in the shapes it understands.
        """

    def close(self, code: int, reason: str) -> None:
        """End the connection with a close code and a reason (RFC 6455, section 7.4)."""


class Member:
    """A client in a room.

    Attributes:
        label: the id as it stands in log lines.
        last_partner: the id of the peer it last heard from or talked to, or None.
        backlog: what it said, to nobody in particular, while nobody was there.
        handed_over: what it got of what others had waited to say, each with its sender, for as long
            as it may still register itself; None if it has done so, or said anything else.
    """

    __slots__ = (
        "backlog",
        "client",
        "client_id",
        "client_type",
        "handed_over",
        "label",
        "last_partner",
        "room",
    )

    def __init__(self, client: Client, room: "Room", client_id: str, client_type: str) -> None:
        self.client = client
        self.room = room
        self.client_id = client_id
        self.client_type = client_type
        self.label = quoted(client_id)
        self.last_partner: str | None = None
        self.backlog: Backlog | None = None
        self.handed_over: list[tuple[Member, Waiting]] | None = None

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
    """Who may signal whom. `members`: by id, in the order they joined."""

    __slots__ = ("label", "members", "room_id")

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.label = quoted(room_id)
        self.members: dict[str, Member] = {}


class Registry:
    """All rooms of the server. A room exists while it has a member."""

    def __init__(self, rng: random.Random | None = None) -> None:
        """`rng`: where made-up ids come from; the operating system's by default."""
        self.rooms: dict[str, Room] = {}
        self._rng = rng or random.SystemRandom()

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
        client: Client,
        room_id: str,
        client_id: str,
        client_type: str,
        leaving: Member | None = None,
    ) -> Member:
        """Put a client into a room, in one step with giving up the place it had before.

        Args:
            leaving: the client's membership until now, or None. It ends only if the new one begins.

        Raises:
            IdTaken: another client of the room has the id; nothing has changed then.
        """
        room = self.rooms.get(room_id)
        if room is not None and client_id in room.members:
            # The one place that decides what becomes of two claims to one id: the first keeps it.
            raise IdTaken(client_id, room_id)
        if room is None:
            room = self.rooms[room_id] = Room(room_id)
            log.info("Room opened: %s", room.label)
        member = room.members[client_id] = Member(client, room, client_id, client_type)
        if leaving is not None:
            member.backlog = leaving.backlog
            self.leave(leaving)
        return member

    def leave(self, member: Member) -> None:
        """Take a member out of its room, and the room away with its last member."""
        room = member.room
        del room.members[member.client_id]
        if not room.members:
            del self.rooms[room.room_id]
            log.info("Room closed: %s", room.label)
