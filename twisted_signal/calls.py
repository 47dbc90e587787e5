"""The calls that are kept, so that it can be told why one does not come about.

All of it is bounded, in memory and in what it costs: so many calls, so many steps of each, and so
many messages that are looked at of what one peer says to another. So a flood of candidates costs a
look at a number, and no more calls are begun than could be kept.
"""

from collections import OrderedDict

from twisted_signal.errors import NodeUnreachable, PeerNotFound, SignalError, TargetUnclear
from twisted_signal.messages import IceCandidate, Offer, Relay
from twisted_signal.timeline import UNSEEN, Call, Flow, Peer, StepKind

MOST_CALLS = 200
"""How many calls are kept: those with the latest steps."""
MOST_ATTEMPTS = 50
"""How many are kept besides in which nobody was reached."""
ATTEMPTS_OF_ONE = 8
"""How many of these may be of one member."""
AT_ONCE = 64
"""How many may begin at once: each costs an eighth more than one that is not kept."""
BEGINNINGS = 12
"""How many may begin in a second in the long run, so that each is kept for 10 s at least: it takes
that long until most of what can be wrong with it is certain."""
REFILL = 30
"""Seconds after which flows are looked at again."""

_NONE: dict[str | None, Call] = {}


class Ring(OrderedDict[int, Call]):
    """Some calls by number, of which the one goes first that nothing happened in for longest.

    Each has bounds of its own: who tries to reach somebody who is not there pushes no call out, and
    keeps none from being seen.
    """

    def __init__(self, most: int) -> None:
        """`most`: how many are kept."""
        super().__init__()
        self.most = most
        self._left = AT_ONCE

    def may_begin(self) -> bool:
        """Tell whether another one may begin now, and count it."""
        if not self._left:
            return False
        self._left -= 1
        return True

    def tick(self) -> None:
        """A second has passed."""
        self._left = min(AT_ONCE, self._left + BEGINNINGS)


_REASONS: dict[type[SignalError], str] = {
    TargetUnclear: "target_unclear",
    NodeUnreachable: "node_unreachable",
}
"""What is said of errors whose code says less."""


class Calls:
    """The calls of all rooms. Whoever holds this lets it tick once a second.

    Attributes:
        of_rooms: by the room, by the id of one peer, by the id of the other; None: it named nobody.
            Rooms that are not in it need not tell who comes and goes.
        spent: the flows of which no more is looked at for the time being.
        quiet_numbers: the numbers that rooms have in which nobody calls, for who looks at them; by
            the room, and when somebody came there last.
    """

    def __init__(self) -> None:
        self.spent: list[Flow] = []
        self._calls = Ring(MOST_CALLS)
        self._attempts = Ring(MOST_ATTEMPTS)
        self.of_rooms: dict[str, dict[str, dict[str | None, Call]]] = {}
        self.quiet_numbers: dict[tuple[str, int], int] = {}
        self._last_number = 0
        self._ticks = 0

    def __len__(self) -> int:
        return len(self._calls) + len(self._attempts)

    def latest(self) -> list[Call]:
        """Return all calls, those in which something happened last first."""
        every = [*self._calls.values(), *self._attempts.values()]
        return sorted(every, key=lambda call: (call.last_ns, call.number), reverse=True)

    def is_known(self, room_id: str, client_id: str) -> bool:
        """Tell whether a call is kept of somebody in a room."""
        return bool(self._of(room_id, client_id))

    def next_number(self) -> int:
        """Return a number that no call had, and none gets."""
        self._last_number += 1
        return self._last_number

    def tick(self) -> None:
        """A second has passed."""
        self._calls.tick()
        self._attempts.tick()
        self._ticks = (self._ticks + 1) % REFILL
        if self._ticks == 0:
            for flow in self.spent:
                flow.refill()
            self.spent.clear()

    # What members do

    def flow(self, room_id: str, sender: Peer, target: Peer, message: Relay) -> Flow:
        """Return the flow of a message from a member to a peer, who is there.

        An offer begins a call where there is none, and so does a candidate that comes before it.
        Where none may begin, all that comes before the next offer is UNSEEN: what is made for each
        call of a flood would cost more than all else here, and be kept until it is looked at again.
        """
        before = sender.flow
        call = self._of(room_id, sender.client_id).get(target.client_id)
        if call is None or call.ring is self._attempts:
            begins = type(message) is Offer or (type(message) is IceCandidate and before is None)
            call = self._reach(room_id, sender, target, call) if begins else None
        if call is None:
            return UNSEEN
        flow = call.flow_of(sender.client_id)
        flow.peer_id = target.client_id  # the very string, which tells that it is that member
        return flow

    def fail(
        self, room_id: str, sender: Peer, message: Relay, error: SignalError, now_ns: int
    ) -> None:
        """What a member said reached nobody."""
        call = self._attempt(room_id, sender, message.target_id)
        if call is None:
            return
        by, last = call.flow_of(sender.client_id).by, call.steps[-1]
        kind, detail = StepKind.TARGET_MISSING, message.kind
        if not isinstance(error, PeerNotFound):
            kind = StepKind.NOT_DELIVERED
            reason = _REASONS.get(type(error), error.code)
            detail = f"{message.kind}: {reason}"
        elif last.kind is kind and last.by == by:
            detail = last.detail or detail  # one step for all candidates
        call.add(now_ns, kind, by, detail)

    def wait(self, room_id: str, sender: Peer, now_ns: int) -> None:
        """A member offers to nobody in particular, and nobody is there."""
        call = self._attempt(room_id, sender, None)
        if call is not None:
            call.add(now_ns, StepKind.WAITING, call.flow_of(sender.client_id).by)

    def join(self, room_id: str, peer: Peer) -> None:
        """Somebody came into a room, in which it may have had calls before."""
        for call in self._of(room_id, peer.client_id).values():
            call.join(peer)

    def note(self, kind: StepKind, room_id: str, client_id: str, now_ns: int) -> None:
        """Somebody left, or lost its connection, or goes on with another one."""
        for call in self._of(room_id, client_id).values():
            call.add(now_ns, kind, call.flow_of(client_id).by)

    # Keeping them

    def _of(self, room_id: str, client_id: str) -> dict[str | None, Call]:
        """Return the calls of somebody in a room, by whom they are with."""
        of_room = self.of_rooms.get(room_id)
        return _NONE if of_room is None else of_room.get(client_id, _NONE)

    def _reach(self, room_id: str, sender: Peer, target: Peer, attempt: Call | None) -> Call | None:
        """Return the call of two who are there, for whom there is none yet.

        Args:
            attempt: what one of them tried when the other was not there.
        """
        if attempt is None:
            attempt = self._of(room_id, sender.client_id).get(None)
            if attempt is not None:
                self._know(attempt, target)
        if attempt is not None:
            del self._attempts[attempt.number]
            return self._keep(attempt, self._calls)
        if not self._calls.may_begin():
            return None
        call = Call(self.next_number(), room_id)
        for peer in (sender, target):
            call.attach(Flow(self.spent, peer.client_id, None))
        self._index(call)
        self._keep(call, self._calls)
        for peer in sorted((sender, target), key=lambda one: one.joined_at_ns):
            call.join(peer)
        return call

    def _know(self, attempt: Call, target: Peer) -> None:
        """Somebody has come for whom a member waited that named nobody."""
        self._unindex(attempt)
        attempt.attach(Flow(self.spent, target.client_id, None))
        self._index(attempt)
        attempt.join(target)

    def _attempt(self, room_id: str, sender: Peer, target_id: str | None) -> Call | None:
        """Return the call in which a member tries to reach somebody who is not there."""
        calls = self._of(room_id, sender.client_id)
        call = calls.get(target_id)
        if call is None and target_id is None:
            call = calls.get(sender.last_partner)
        if call is not None:
            return call
        if not self._attempts.may_begin():
            return None
        attempts = [each for each in calls.values() if each.ring is self._attempts]
        if len(attempts) >= ATTEMPTS_OF_ONE:
            self._forget(attempts[0])
        call = Call(self.next_number(), room_id)
        call.attach(Flow(self.spent, sender.client_id, target_id))
        if target_id is not None:
            call.attach(Flow(self.spent, target_id, sender.client_id))
        self._index(call)
        self._keep(call, self._attempts)
        call.join(sender)
        return call

    def _keep(self, call: Call, ring: Ring) -> Call:
        """Put a call among others, of which one goes where they are too many."""
        call.ring = ring
        ring[call.number] = call
        if len(ring) > ring.most:
            self._forget(next(iter(ring.values())))
        return call

    def _forget(self, call: Call) -> None:
        del call.ring[call.number]
        self._unindex(call)
        for flow in call.flows:
            flow.call = None  # they know each other: else they wait for the garbage collector

    def _index(self, call: Call) -> None:
        of_room = self.of_rooms.setdefault(call.room_id, {})
        for client_id, other_id in call.pairs():
            of_room.setdefault(client_id, {})[other_id] = call

    def _unindex(self, call: Call) -> None:
        of_room = self.of_rooms[call.room_id]
        for client_id, other_id in call.pairs():
            del of_room[client_id][other_id]
            if not of_room[client_id]:
                del of_room[client_id]
        if not of_room:
            del self.of_rooms[call.room_id]
