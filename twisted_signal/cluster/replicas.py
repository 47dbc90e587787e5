"""The rooms in which this node has a client, with those in them who are on other nodes.

What a script has done is told in order to each node that it concerns, so that all have the same
picture of a room, if not at the same moment. A node that was away gets a new one (`restored`). Who
is missing in that may only not be back yet, where Redis has lost what it knew: it has left if it
does not come back while a lease lasts, nor while its node is still putting members back.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from twisted_signal.cluster.remote import RemoteClient
from twisted_signal.cluster.scripts import LEASE_MS, Answered, ignore
from twisted_signal.cluster.state import NodeState
from twisted_signal.cluster.wire import Changed, Joined, Left, Moved, Record, Restored
from twisted_signal.errors import SignalError
from twisted_signal.messages import PeerJoined, PeerLeft
from twisted_signal.registry import Member, Owner, Room
from twisted_signal.relay import hand_over_what_waits, put_out, tell_room


class Replicas:
    """What is known here of rooms that other nodes have clients in too.

    Attributes:
        returning: the nodes that are still putting their members back.
        stale: the rooms of which it is not known what happened while there was no way to Redis.
    """

    def __init__(self, state: NodeState) -> None:
        self._state = state
        self.stale: set[str] = set()
        self.returning: set[str] = set()
        self._missing: dict[Member, float] = {}

    # What happens in a room

    def joined(self, item: Joined) -> None:
        """Somebody came."""
        room = self._known(item.room_id)
        if room is not None:
            self._take_in(room, item.record)
            self.close_if_empty(item.room_id)

    def left(self, item: Left) -> None:
        """Somebody left."""
        room = self._known(item.room_id)
        member = self._state.places.get(item.place)
        if room is None or member is None:
            return
        if member.node is not None:
            self._lose(member)
        elif item.how == "replaced":
            self._put_out(member)
            self.close_if_empty(item.room_id, member.owner)
        # Else it is one of ours: the others took this node for dead, and will hear that it is not.

    def changed(self, item: Changed) -> None:
        """Somebody has another type."""
        member = self._state.places.get(item.record.place)
        if member is not None and member.node is not None:
            member.client_type = item.record.client_type

    def moved(self, item: Moved) -> None:
        """Somebody's place is on another node. That it is no more on this one, `moves` sees to."""
        room = self._known(item.room_id)
        if room is not None:
            self._take_in(room, item.record)
            self.close_if_empty(item.room_id)

    def restored(self, item: Restored) -> None:
        """This node's members are back, and it is known who else is there."""
        self.stale.discard(item.room_id)
        for place in item.lost:
            member = self._state.ours(place)
            if member is not None:
                self._put_out(member)
        room = self._known(item.room_id)
        if room is None:
            return
        for record in item.records:
            self._take_in(room, record)
        there = {record.place for record in item.records}
        for member in room.members.values():
            if member.node is not None and member.place not in there:
                self._missing[member] = self._state.now + LEASE_MS / 1000
        self.close_if_empty(item.room_id)

    def learn(self, room_id: str, records: Sequence[Record], owner: Owner | None) -> None:
        """It is known who is in a room.

        Args:
            owner: who is about to enter it; None: nobody is.
        """
        rooms = self._state.registry.rooms
        for record in records:
            if room_id in rooms:
                self._make_way(rooms[room_id], record)
        room = rooms.get(room_id)  # with the last of ours it may be gone
        if room is None:
            if owner is None:
                return
            room = self._state.registry.open(room_id, owner, self._state.now_ns)
        for record in sorted(records, key=lambda record: record.order):
            self._take_in(room, record)

    def _known(self, room_id: str) -> Room | None:
        """Return a room of which all that happens is told to this node."""
        return None if room_id in self.stale else self._state.registry.rooms.get(room_id)

    def _take_in(self, room: Room, record: Record) -> None:
        """Let somebody be in a room, unless it is one of ours: who of them is there, we know."""
        member = self._state.places.get(record.place)
        if member is not None:
            self._missing.pop(member, None)
            if member.node is None:
                return
        if record.node == self._state.name:
            node = self._state.node_after(record.place)
            if node is None:
                return  # it is entering, or leaving
            record = replace(record, node=node)
        if member is not None:
            member.client_type = record.client_type
            self.point(member, record.node)
            return
        self._make_way(room, record)
        if room.room_id in self._state.registry.rooms:
            self.add(room, record)

    def _make_way(self, room: Room, record: Record) -> None:
        """Let nobody have the id any more that somebody else has."""
        present = room.members.get(record.client_id)
        if present is None or present.place == record.place:
            return
        if present.node is not None:
            self._lose(present)
        elif record.node != self._state.name:
            self._put_out(present)

    def add(self, room: Room, record: Record) -> Member:
        """Put somebody into a room who is on another node, and tell those who are here."""
        member = self.remote(room, record)
        self._state.places[record.place] = member
        self._state.registry.add(member)
        tell_room(room, PeerJoined(record.client_id, record.client_type), member)
        hand_over_what_waits(member, self._state.now_ns)
        return member

    def client(self, node: str, place: str, client_id: str) -> RemoteClient:
        """Return what stands for a client that is on another node."""
        state = self._state
        return RemoteClient(state.neighbours.of(node), place, client_id, state.probe)

    def remote(self, room: Room, record: Record) -> Member:
        """Return a member that is on another node, which is in no room yet."""
        client = self.client(record.node, record.place, record.client_id)
        client.member = Member(
            client,
            client,
            room,
            record.client_id,
            record.client_type,
            now_ns=record.joined_at_ms * 1_000_000,
            node=record.node,
            place=record.place,
        )
        return client.member

    def holder(self, room_id: str, record: Record) -> Member:
        """Return who has an id in a room, on whichever node."""
        member = self._state.places.get(record.place)
        if member is not None:
            return member
        room = self._state.registry.rooms.get(room_id)
        if room is None:
            room = Room(room_id, self._state.registry.calls, self._state.now_ns)
        return self.remote(room, record)

    def _lose(self, member: Member) -> None:
        """Somebody on another node has left."""
        self._missing.pop(member, None)
        del self._state.places[str(member.place)]
        self._state.registry.remove(member, self._state.now_ns)
        tell_room(member.room, PeerLeft(member.client_id), member)

    # Our own

    def _put_out(self, member: Member) -> None:
        """One of ours gives way to another who has its id, as all nodes know."""
        self._state.forget(member)  # it may have been put back meanwhile
        put_out(member, self._state.registry, self._state.now_ns)

    def put_back(self, room_id: str, answered: Answered = ignore) -> bool:
        """Let our members of a room be there for all. Returns whether there are any."""
        room = self._state.registry.rooms.get(room_id)
        members = [] if room is None else list(room.members.values())
        ours = [member for member in members if member.node is None]
        if ours:
            self._state.scripts.restore(room_id, ours, answered)
        return bool(ours)

    def close_if_empty(self, room_id: str, owner: Owner | None = None) -> None:
        """Forget a room in which none of ours is. `owner`: who was the last one."""
        room = self._state.registry.rooms.get(room_id)
        if room is None:
            self.stale.discard(room_id)
            return
        if any(member.node is None for member in room.members.values()):
            return
        for member in list(room.members.values()):
            owner = owner or member.owner
            self._missing.pop(member, None)
            del self._state.places[str(member.place)]
            member.owner.member = None
        self.stale.discard(room_id)
        self._state.registry.close(room, owner)

    # Those who change their node

    def point(self, member: Member, node: str) -> None:
        """Let what is for a member go to another node from now on, after what went before."""
        client = member.owner
        assert isinstance(client, RemoteClient)
        before = client.neighbour
        if before.name == node:
            return
        member.node = node
        client.neighbour = self._state.neighbours.of(node)
        if client.was_told:
            client.hold()
            self._state.neighbours.ask(
                before.name, "fence", client.place, lambda _: self.release(client)
            )

    def hold(self, place: str) -> RemoteClient | None:
        """Let what is for a client wait; return it, if it is known here."""
        member = self._state.places.get(place)
        if member is None or member.node is None:
            return None
        assert isinstance(member.client, RemoteClient)
        member.client.hold()
        return member.client

    def release(self, client: RemoteClient) -> None:
        """Let what waits for a client go on."""
        for message in client.release():
            try:
                client.deliver(message)
            except SignalError as error:
                if client.member is not None:
                    self._state.not_told(client.member, message, error)

    # Time, and the way to the others

    def disconnected(self) -> None:
        """There is no way any more: what happens from now on is not told."""
        self.stale.update(self._state.registry.rooms)
        self._missing.clear()

    def tick(self) -> None:
        """Give up those who did not come back."""
        now = self._state.now
        over = [member for member, due_at in self._missing.items() if due_at <= now]
        for member in over:
            if member.node not in self.returning:
                self._lose(member)
