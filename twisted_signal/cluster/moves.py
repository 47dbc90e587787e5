"""Places that go from one node to another: with their client, or without it.

A client may come back to any node. The one that has its place hands it over, with all that waits.
What a node still gets for the place after that it passes on. Who hears where the place is now waits
with what it has to say until what it said before has been passed on (`fence`).
"""

from collections.abc import Callable, Sequence
from functools import partial

from twisted_signal import event_log, events
from twisted_signal.backlog import Backlog
from twisted_signal.close_codes import REPLACED
from twisted_signal.cluster.remote import RemoteClient
from twisted_signal.cluster.replicas import Replicas
from twisted_signal.cluster.scripts import LOST, Reply, ignore
from twisted_signal.cluster.state import NodeState
from twisted_signal.cluster.wire import Adopted, Handed, Moved, PlaceState, Record
from twisted_signal.connection import Client
from twisted_signal.errors import SignalError
from twisted_signal.mailbox import Mailbox
from twisted_signal.messages import PeerJoined, PeerLeft, ServerMessage
from twisted_signal.registry import Member, Owner
from twisted_signal.relay import depart, hand_over_what_waits
from twisted_signal.tally import Tally

log = event_log.logger(__name__)

PASSED_ON_S = 30
"""Seconds for which a node passes on what still comes for a place that it has handed over."""


class Absent(Client, Owner):
    """The owner of a place that was brought here without its client, and the client as well.

    Attributes:
        member: the place; None as soon as the client is back, or the place given up.
        lost: how many of the last messages that were sent to it did not arrive.
    """

    __slots__ = ("_give_up", "_member", "_tally", "lost")

    address = "nowhere"
    source = None

    def __init__(self, lost: int, tally: Tally, give_up: Callable[[Member], None]) -> None:
        self._member: Member | None = None
        self.lost = lost
        self._tally = tally
        self._give_up = give_up

    @property
    def member(self) -> Member | None:
        """See Owner. As long as there is one, it counts as kept."""
        return self._member

    @member.setter
    def member(self, member: Member | None) -> None:
        self._tally.kept += (member is not None) - (self._member is not None)
        self._member = member

    def log_fields(self) -> dict[str, object]:
        """See `event_log.Subject`."""
        member = self.member
        if member is None:
            return {}
        return {"client": member.client_id, "room": member.room.room_id}

    def dismiss(self, now_ns: int) -> None:
        """The operator wants the place to be given up."""
        if self.member is not None:
            self._give_up(self.member)

    def refuse(self, error: SignalError) -> None:
        """See Owner. Nobody is there."""

    def deliver(self, message: ServerMessage) -> None:
        """See Client. Its mailbox keeps what comes."""

    def lost_of(self, messages: Sequence[ServerMessage]) -> int:
        """See Client."""
        return self.lost

    def close(self, code: int, reason: str) -> None:
        """See Client. There is nothing to close."""

    def ask_if_alive(self, answered: Callable[[bool], None]) -> None:
        """See Client."""
        answered(False)  # noqa: FBT003 - as the callback has it

    def admit(self, expires_at: float | None) -> None:
        """See Client."""


class Moves:
    """The places that this node hands over, and those that come to it."""

    def __init__(
        self, state: NodeState, replicas: Replicas, is_here: Callable[[str], None]
    ) -> None:
        """`is_here`: is told the token of a place that was brought here."""
        self._state = state
        self._replicas = replicas
        self._is_here = is_here
        self._absent: dict[Absent, float] = {}  # until when they may come back, in seconds
        # What was to be handed over when the way to Redis broke: it may have been, or not.
        self._unsure: dict[str, tuple[str, Record, PlaceState]] = {}

    # From here

    def take(self, token: str, node: str) -> str:
        """Another node wants a place, for its client is there. Returns the answer: yes or no."""
        member = self._state.registry.resumable(token)
        if member is None:
            return "no"
        self.hand_over(member, node)
        return "yes"

    def hand_over(self, member: Member, node: str) -> None:
        """Let another node have a place."""
        mailbox = member.mailbox
        assert mailbox is not None
        state = PlaceState(
            mailbox.kept(),
            member.expires_at,
            member.last_partner,
            [] if member.backlog is None else member.backlog.all(),
            {str(peer.place): peer.client_id for peer in member.peers()},
        )
        record = self._record(member, node)
        before = mailbox.client
        log.info(
            events.PLACE_HANDED_OVER, member.label, member.room.label, node, about=member.owner
        )
        self._state.scripts.move(
            member, node, state, partial(self._moved, member.room.room_id, record, state)
        )
        self._send_after(member, node)
        before.close(REPLACED, "You have resumed on another connection")

    def _send_after(self, member: Member, node: str) -> None:
        """Let whatever comes for a member from now on go to another node."""
        registry, room = self._state.registry, member.room
        registry.forget(member)
        registry.tally.members -= 1
        member.owner.member = None
        if isinstance(member.owner, Absent):
            self._absent.pop(member.owner, None)
        place = str(member.place)
        owner = self._replicas.client(node, place, member.client_id)
        owner.member, member.owner, member.client, member.node = member, owner, owner, node
        member.backlog = None
        self._state.passed_on[place] = (node, self._state.now + PASSED_ON_S)
        self._replicas.close_if_empty(room.room_id, owner)

    def _moved(self, room_id: str, record: Record, state: PlaceState, reply: Reply) -> None:
        if reply is LOST:
            self._unsure[record.place] = room_id, record, state
        elif reply == b"away":  # the other node is not there any more
            self._stay(room_id, record, state)
        elif reply == b"gone" and record.place in self._state.places:
            # Its client was to give it up for another one that it did not wait for.
            self._state.scripts.restore(room_id, [self._stay(room_id, record, state)], ignore)

    def stays(self, place: str) -> bool:
        """Take a place back that was not handed over, as has turned out. Returns whether it was."""
        found = self._unsure.pop(place, None)
        if found is not None:
            self._stay(*found)
        return found is not None

    def _stay(self, room_id: str, record: Record, state: PlaceState) -> Member:
        """Let a place be here on and on that was to go elsewhere."""
        self._state.passed_on.pop(record.place, None)
        registry = self._state.registry
        room = registry.rooms.get(room_id)
        if room is None:
            room = registry.open(room_id, self._absent_owner(), self._state.now_ns)
            self._replicas.stale.add(room_id)
        member = self._state.places.get(record.place) or self._replicas.add(room, record)
        self._settle(member, record.resume_token, state)
        if room_id in self._replicas.stale:
            self._state.scripts.restore(room_id, [member], ignore)
        return member

    def _record(self, member: Member, node: str) -> Record:
        joined_at_ms = member.joined_at_ns // 1_000_000
        token = "" if member.mailbox is None else member.mailbox.token
        names = (member.client_id, member.client_type)
        return Record(0, node, str(member.place), *names, joined_at_ms, token)

    # To here

    def handed(self, item: Handed) -> None:
        """Another node hands a place over."""
        self._bring(item, item.state)

    def adopted(self, item: Adopted) -> None:
        """The node of a place is gone, and this one has it now."""
        self._bring(item, PlaceState())

    def _bring(self, item: Handed | Adopted, state: PlaceState) -> None:
        record = item.record
        self._state.passed_on.pop(record.place, None)
        owner = self._absent_owner()
        self._replicas.learn(item.room_id, item.records, owner)
        room = self._state.registry.rooms[item.room_id]
        member = self._state.places.get(record.place)
        if member is None:
            member = self._replicas.add(room, record)
        if member.node is not None:
            self._settle(member, record.resume_token, state)
        log.info(events.PLACE_TAKEN_OVER, member.label, room.label, about=member.owner)
        self._is_here(record.resume_token)

    def _settle(self, member: Member, token: str, state: PlaceState) -> None:
        """Let a place be here, for its client to come back."""
        before = member.owner
        lost = state.kept.lost if state.kept is not None else 0
        owner = self._absent_owner(lost)
        owner.member = member
        member.owner, member.node = owner, None
        member.expires_at, member.last_partner = state.expires_at, state.last_partner
        mailbox = Mailbox.of(state.kept, owner, member.client_id, token)
        self._state.registry.bring(member, mailbox)
        self._absent[owner] = self._state.now + self._state.registry.limits.resume_window
        assert isinstance(before, RemoteClient)
        before.member = None
        if state.peers is not None:
            self._catch_up(member, state.peers)
        for message in before.take_held():
            self._state.deliver(member, message)
        if state.backlog:
            member.backlog = Backlog()
            for waiting in state.backlog:
                member.backlog.keep(waiting)
            hand_over_what_waits(member, self._state.now_ns)

    def _absent_owner(self, lost: int = 0) -> Absent:
        return Absent(lost, self._state.registry.tally, self.give_up)

    def _catch_up(self, member: Member, known: dict[str, str]) -> None:
        """Let a client hear who came and went while its place was on its way."""
        peers = {str(peer.place): peer for peer in member.peers()}
        for place, client_id in known.items():
            if place not in peers:
                member.client.deliver(PeerLeft(client_id))
        for place, peer in peers.items():
            if place not in known:
                member.client.deliver(PeerJoined(peer.client_id, peer.client_type))

    def moved_away(self, member: Member, item: Moved) -> None:
        """A place that was taken over is back where it was: its client had never gone."""
        mailbox = member.mailbox
        waiting = [] if mailbox is None else mailbox.kept().waiting
        self._send_after(member, item.record.node)
        for message in waiting:
            if not message.for_all:
                member.client.deliver(message)

    def give_up(self, member: Member) -> None:
        """Nobody has come back for a place in time."""
        depart(member, self._state.registry, self._state.now_ns)
        self._state.forget(member)
        self._replicas.close_if_empty(member.room.room_id)

    def is_sure(self) -> None:
        """It is known which places are here."""
        self._unsure.clear()

    def tick(self) -> None:
        """Give up the places of those who did not come back."""
        now = self._state.now
        for owner, due_at in list(self._absent.items()):
            if owner.member is None:
                del self._absent[owner]
            elif due_at <= now:
                del self._absent[owner]
                self._state.registry.tally.expired += 1
                self.give_up(owner.member)
        for place, (_, until) in list(self._state.passed_on.items()):
            if until <= now:
                del self._state.passed_on[place]
