"""A node of a cluster, without I/O and without a clock: what it says to Redis, and what it hears.

`cluster.redis` lends it a way to Redis and the time.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted_signal import event_log, events
from twisted_signal.claim import Claim
from twisted_signal.cluster.base import Cluster, Found, Joined
from twisted_signal.cluster.joining import Joining
from twisted_signal.cluster.moves import Moves
from twisted_signal.cluster.neighbours import Neighbours
from twisted_signal.cluster.replicas import Replicas
from twisted_signal.cluster.scripts import LOST, Link, Reply, ignore
from twisted_signal.cluster.state import GONE_TO, NodeState
from twisted_signal.cluster.wire import (
    Adopted,
    Answer,
    Changed,
    Entered,
    From,
    Handed,
    Inventory,
    Left,
    Moved,
    Question,
    Reaped,
    Restored,
    Say,
    Undelivered,
    read,
)
from twisted_signal.cluster.wire import Joined as JoinedItem
from twisted_signal.errors import RefusedElsewhere
from twisted_signal.messages import RelayedMessage, RelayedToAll, without_frame
from twisted_signal.outbox import Outbox
from twisted_signal.registry import Member, Owner, Registry

log = event_log.logger(__name__)

BEAT_S: Final = 2.0
"""Seconds after which a node says again that it is there."""
RESTORED_AT_ONCE: Final = 200
"""Rooms into which members are put back before other things have their turn."""
MOST_HOPS: Final = 8
"""How often a message is passed on to a place that changes its node, from node to node."""
LINGER_S: Final = 0.5
"""Seconds for which a node that stops passes on what others sent before they knew."""


class Node(Cluster):
    """One server of several that behave as one.

    Attributes:
        name: its name.
        neighbours: the other nodes.
        answer: see Cluster.
        losses: how often the way to Redis was lost.
    """

    def __init__(self, name: str, registry: Registry, outbox: Outbox) -> None:
        """
        Args:
            name: its name, which no other node has or had.
            registry: its rooms.
            outbox: gathers what is said in a turn.
        """
        self.name = name
        self.answer: Callable[[bytes], bytes] | None = None
        self.losses = 0
        self._state = state = NodeState(name, registry, outbox)
        self._replicas = Replicas(state)
        self._joining = Joining(state, self._replicas)
        self._moves = Moves(state, self._replicas, self._joining.handed)
        self._beat_at = 0.0
        self._to_restore: list[str] = []
        self._is_whole = True  # all members are where they were before the way to Redis broke
        self._stopped: Callable[[], None] | None = None
        self._stops_at: float | None = None
        self._size = 0  # of what is being heard
        self._hears: dict[type, Callable[[Any], None]] = {
            Say: self._pass_on,
            JoinedItem: self._replicas.joined,
            Left: self._replicas.left,
            Entered: self._joining.entered,
            Changed: self._replicas.changed,
            Moved: self._moved,
            Handed: self._moves.handed,
            Adopted: self._moves.adopted,
            Restored: self._replicas.restored,
            Reaped: self._reaped,
            Inventory: self._compare,
            Undelivered: self._refused,
            Question: self._answer,
            Answer: lambda item: self.neighbours.answered(item.number, item.text),
        }

    @property
    def neighbours(self) -> Neighbours:
        """The other nodes."""
        return self._state.neighbours

    @property
    def is_up(self) -> bool:
        """Whether there is a way to the other nodes."""
        return self._state.is_up

    # What sessions and the operator's endpoint want: see Cluster

    def join(self, claim: Claim, owner: Owner, answered: Joined) -> None:
        """See Cluster."""
        self._joining.join(claim, owner, answered)

    def leave(self, member: Member) -> None:
        """See Cluster."""
        self._state.forget(member)
        self._replicas.close_if_empty(member.room.room_id, member.owner)

    def change(self, member: Member) -> None:
        """See Cluster."""
        self._state.scripts.change(member, ignore)

    def find(self, claim: Claim, found: Found) -> None:
        """See Cluster."""
        self._joining.find(claim, found)

    def shelters(self, member: Member) -> bool:
        """See Cluster."""
        return member.mailbox is not None and self.is_up

    def others(self) -> Sequence[str]:
        """See Cluster."""
        return self.neighbours.names

    def ask(self, node: str, question: bytes, answered: Callable[[bytes | None], None]) -> None:
        """See Cluster."""
        self.neighbours.ask(
            node,
            "admin",
            question.decode(),
            lambda text: answered(None if text is None else text.encode()),
        )

    # The way to Redis

    def connected(self, link: Link, now: float) -> None:
        """There is a way to Redis, on which this node's channel is heard. `now`: seconds."""
        self._state.now = now
        self._state.scripts.link = link
        self._state.scripts.hello(self._greeted)

    def disconnected(self, now: float) -> None:
        """There is none any more. `now`: seconds."""
        self.losses += 1
        state = self._state
        state.now = now
        state.scripts.link = state.neighbours.link = None
        state.scripts.epoch = ""
        state.is_up = False
        self._replicas.disconnected()
        state.neighbours.lose_all()
        if self._stopped is not None:
            self._end()

    def _greeted(self, reply: Reply) -> None:
        state = self._state
        if not isinstance(reply, bytes):
            return
        state.scripts.epoch = reply.decode()
        state.neighbours.link, state.neighbours.epoch = state.scripts.link, int(reply)
        state.is_up = True
        state.scripts.inventory(ignore)
        self._to_restore = list(self._replicas.stale)
        self._restored_last(None)  # of none so far
        self._joining.connected()
        self._beat()

    def _compare(self, item: Inventory) -> None:
        """Look at which members Redis takes for this node's: those that are not have left."""
        for place, (room_id, client_id) in item.members.items():
            if self._state.ours(place) is not None or self._joining.is_awaited(place):
                continue
            if not self._moves.stays(place):
                self._state.scripts.leave(room_id, client_id, place, ignore, is_news=True)
        self._moves.is_sure()

    def _restore_some(self) -> None:
        """Put members back into their rooms, some rooms at a time."""
        batch = self._to_restore[:RESTORED_AT_ONCE]
        del self._to_restore[: len(batch)]
        for number, room_id in enumerate(batch, 1):
            then = self._restored_last if number == len(batch) else ignore
            if not self._replicas.put_back(room_id, then):
                then(None)

    def _restored_last(self, reply: Reply) -> None:
        if reply is LOST:
            return
        self._is_whole = not self._to_restore
        self._restore_some()

    # Time

    def tick(self, now: float, now_ns: int) -> None:
        """Some time has passed, a quarter of a second at most.

        Args:
            now: seconds.
            now_ns: the wall clock, in nanoseconds since 1970.
        """
        state = self._state
        state.now, state.now_ns = now, now_ns
        state.neighbours.tick(now)
        self._joining.tick()
        self._replicas.tick()
        self._moves.tick()
        if state.is_up and now >= self._beat_at:
            self._beat()
        if self._stops_at is not None and now >= self._stops_at:
            self._end()

    def _beat(self) -> None:
        self._beat_at = self._state.now + BEAT_S
        self._state.scripts.beat(self._beaten, is_whole=self._is_whole)

    def _beaten(self, reply: Reply) -> None:
        if not isinstance(reply, list):
            return
        live, over, returning = reply
        self._see(live)
        self._replicas.returning = {name.decode() for name in returning}
        for name in over:
            log.warning(events.NODE_GONE, name.decode())
            self._reap(name.decode())

    def _see(self, live: list[bytes]) -> None:
        self.neighbours.see([name.decode() for name in live])

    def _reap(self, node: str) -> None:
        def answered(left: Reply) -> None:
            if isinstance(left, int) and left:
                self._reap(node)

        self._state.scripts.reap(node, answered)

    # The end

    def stop(self, done: Callable[[], None]) -> None:
        """Let other nodes have the places that are kept, and say that this one stops.

        Args:
            done: is called when all of that has been said, or there is no way to say it.
        """
        self._stopped = done
        if not self.is_up:
            self._end()
            return
        # Tells who is there now: a node may just have come.
        self._state.scripts.beat(self._part, is_whole=self._is_whole)

    def _part(self, reply: Reply) -> None:
        if not isinstance(reply, list):
            return
        self._see(reply[0])
        others = self.neighbours.names
        ours = [member for member in self._state.places.values() if member.node is None]
        for number, member in enumerate(ours):
            if others and member.mailbox is not None:
                self._moves.hand_over(member, others[number % len(others)])
            else:
                self._moves.give_up(member)
        self._state.scripts.bye(self._said_bye)

    def _said_bye(self, _: Reply) -> None:
        self._stops_at = self._state.now + LINGER_S

    def _end(self) -> None:
        stopped, self._stopped, self._stops_at = self._stopped, None, None
        if stopped is not None:
            stopped()

    # What it hears

    def heard(self, payload: bytes, now: float, now_ns: int) -> None:
        """Something came on this node's channel.

        Args:
            payload: see `wire`.
            now: seconds.
            now_ns: the wall clock, in nanoseconds since 1970.

        Raises:
            msgspec.DecodeError: it is nothing that a node says.
        """
        self._state.now, self._state.now_ns = now, now_ns
        self._size = len(payload)
        self.neighbours.batches_heard += 1
        for item in read(payload):
            if type(item) is not From:
                self._hears[type(item)](item)
            elif self.neighbours.is_late(item):
                break

    def _moved(self, item: Moved) -> None:
        member = self._state.ours(item.record.place)
        if member is None:
            self._replicas.moved(item)
        elif member.is_away:
            self._moves.moved_away(member, item)
        # Else its client is here: the others took this node for dead, and will hear that it is not.

    def _reaped(self, _: Reaped) -> None:
        if self._state.scripts.link is not None:
            self._state.scripts.link.restart("the other nodes took this one for dead")

    def _refused(self, item: Undelivered) -> None:
        error = RefusedElsewhere(item.code, item.sentence, item.target_id)
        self._state.tell_refused(item.room_id, item.client_id, error)

    def _pass_on(self, say: Say) -> None:
        self.neighbours.messages_heard += 1
        message = without_frame(say.message, self._size)
        if say.is_for_all:
            assert isinstance(message, RelayedMessage)
            message = RelayedToAll(message.sender_id, message.data)
        for place in say.places:
            member = self._state.places.get(place)
            if member is not None and member.node is None:
                self._state.deliver(member, message)
                continue
            node = self._state.node_after(place)
            if node is not None and self._state.is_up and say.hops < MOST_HOPS:
                self.neighbours.of(node).say(place, "", message, say.hops + 1)

    def _answer(self, question: Question) -> None:
        """Answer another node's question."""
        match question.kind:
            case "alive":
                self._tell_if_alive(question)
            case "take":
                self.neighbours.answer(question, self._moves.take(question.text, question.node))
            case "fence":
                # What was passed on before must be on its way when the answer is.
                self.neighbours.flush()
                self.neighbours.answer(question, "")
            case _:
                answer = self.answer
                said = None if answer is None else answer(question.text.encode()).decode()
                self.neighbours.answer(question, said)

    def _tell_if_alive(self, question: Question) -> None:
        place = question.text
        member = self._state.ours(place)
        if member is None:
            self.neighbours.answer(question, self._gone_to(place))
            return
        asked = member.owner

        def told(alive: bool) -> None:
            said = self._gone_to(place)
            if member.node is None:
                is_there = alive and not member.is_away
                said = "yes" if is_there or member.has_changed_hands(asked) else "no"
            self.neighbours.answer(question, said)

        member.client.ask_if_alive(told)

    def _gone_to(self, place: str) -> str | None:
        node = self._state.node_after(place)
        return None if node is None else f"{GONE_TO}{node}"
