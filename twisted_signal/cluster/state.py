"""What the parts of a node share: its name, its rooms, its way to the others, and the time."""

from collections.abc import Callable
from typing import Final

from twisted_signal.cluster.neighbours import Neighbours
from twisted_signal.cluster.remote import RemoteClient
from twisted_signal.cluster.scripts import Scripts, ignore
from twisted_signal.cluster.wire import Say, Undelivered
from twisted_signal.errors import NodeUnreachable, SignalError
from twisted_signal.messages import Relayed, RelayedToAll
from twisted_signal.outbox import Outbox
from twisted_signal.registry import Member, Registry
from twisted_signal.relay import arrive

GONE_TO: Final = "gone to "
"""What a node answers that is asked for a place that another one has, before that one's name."""


class NodeState:
    """A node of a cluster.

    Attributes:
        name: its name.
        registry: the rooms in which it has a client, with all who are there.
        places: all members of those rooms by what the cluster calls their places.
        passed_on: to which node what comes for a place goes on that was here, by the place, and
            until when, in seconds.
        scripts: run in Redis.
        neighbours: the other nodes.
        is_up: whether there is a way to them, and Redis knows that this node is there.
        now: seconds, of a clock that only goes on.
        now_ns: the wall clock, in nanoseconds since 1970.
    """

    def __init__(self, name: str, registry: Registry, outbox: Outbox) -> None:
        self.name = name
        self.registry = registry
        self.places: dict[str, Member] = {}
        self.passed_on: dict[str, tuple[str, float]] = {}
        self.neighbours = Neighbours(name, outbox, self.failed)
        self.scripts = Scripts(name, self.neighbours.flush)
        self.is_up = False
        self.now = 0.0
        self.now_ns = 0
        self._last_place = 0

    def new_place(self) -> str:
        """Return a name for a place that no other has or had."""
        self._last_place += 1
        return f"{self.name}.{self._last_place:x}"

    def node_after(self, place: str) -> str | None:
        """Return where a place went that was here."""
        found = self.passed_on.get(place)
        return None if found is None else found[0]

    def ours(self, place: str) -> Member | None:
        """Return the member of this node with that place."""
        member = self.places.get(place)
        return member if member is not None and member.node is None else None

    def forget(self, member: Member) -> None:
        """A member of this node has left, as those know who are here."""
        place = str(member.place)
        if self.places.pop(place, None) is not None:
            self.scripts.leave(member.room.room_id, member.client_id, place, ignore)

    def deliver(self, member: Member, message: Relayed) -> None:
        """Tell a member of this node what a peer says, or the peer why that cannot be."""
        try:
            arrive(message, member, self.now_ns)
        except SignalError as error:
            self.not_told(member, message, error)

    def not_told(self, target: Member, message: Relayed, error: SignalError) -> None:
        """Tell a peer why its message could not be told, unless that was for everybody."""
        if not isinstance(message, RelayedToAll):
            self.tell_refused(target.room.room_id, message.sender_id, error)

    def tell_refused(self, room_id: str, client_id: str, error: SignalError) -> None:
        """Tell a client, on whichever node, why its message was refused."""
        sender = self.registry.holder(room_id, client_id)
        if sender is None:
            return
        if sender.node is None:
            sender.owner.refuse(error)
            return
        undelivered = Undelivered(room_id, client_id, error.code, str(error), error.target_id)
        self.neighbours.of(sender.node).tell(undelivered)

    def failed(self, say: Say) -> None:
        """What a client of this node said did not reach another node."""
        for place in say.places:
            target = self.places.get(place)
            if target is not None and target.node is not None:
                error = NodeUnreachable(target.client_id)
                error.target_id = target.client_id
                self.not_told(target, say.message, error)

    def probe(self, client: RemoteClient, answered: Callable[[bool], None]) -> None:
        """Ask the node of a client whether the client is alive. See `remote.Probe`."""
        self._probe_at(client.neighbour.name, client, answered)

    def _probe_at(self, node: str, client: RemoteClient, answered: Callable[[bool], None]) -> None:
        def told(text: str | None) -> None:
            if text is not None and text.startswith(GONE_TO) and client.member is not None:
                self._probe_at(text.removeprefix(GONE_TO), client, answered)
            else:
                answered(text == "yes")

        patience = self.registry.limits.probe_timeout + 1
        self.neighbours.ask(node, "alive", client.place, told, patience)
