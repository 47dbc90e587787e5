"""Nodes of a cluster in memory, whose admin endpoints ask each other directly: no Redis, no rooms
in common but those that a test shares.
"""

from collections.abc import Callable, Sequence

from admin_stage import AdminMemory
from plain import PlainClient

from twisted_signal.admin.whole import Whole
from twisted_signal.cluster.local import LocalCluster
from twisted_signal.cluster.moves import Absent
from twisted_signal.registry import Member, Registry


class Away:
    """Owns a place that is on another node. Implements `registry.Owner`."""

    address = "another node"
    source = None

    def __init__(self) -> None:
        self.member: Member | None = None

    def log_fields(self) -> dict[str, object]:
        return {}

    def refuse(self, error: object) -> None:
        """Nobody is there."""


class FakeCluster(LocalCluster):
    """What one node knows of the others. `up`: whether it is in touch with them."""

    def __init__(self, nodes: "FakeNodes", name: str, registry: Registry) -> None:
        super().__init__(registry)
        self.name = name
        self.up = True
        self._nodes = nodes

    @property
    def is_up(self) -> bool:  # type: ignore[override] # a server by itself always is
        return self.up

    def others(self) -> Sequence[str]:
        return sorted(name for name in self._nodes.clusters if name != self.name)

    def ask(self, node: str, question: bytes, answered: Callable[[bytes | None], None]) -> None:
        self._nodes.ask(node, question, answered)


class FakeNodes:
    """All nodes.

    Attributes:
        by_name: the servers.
        asked: which nodes were asked what.
        silent: the nodes that do not answer: the time for it is over as soon as they are asked.
        is_late: what is answered waits for `deliver`.
    """

    def __init__(self, *names: str) -> None:
        self.by_name: dict[str, AdminMemory] = {}
        self.clusters: dict[str, FakeCluster] = {}
        self.asked: list[tuple[str, bytes]] = []
        self.silent: set[str] = set()
        self.is_late = False
        self._late: list[Callable[[], None]] = []
        for name in names:
            self.start(name)

    def __getitem__(self, name: str) -> AdminMemory:
        return self.by_name[name]

    def start(self, name: str) -> AdminMemory:
        """Let there be another node."""

        def cluster(registry: Registry) -> FakeCluster:
            made = self.clusters[name] = FakeCluster(self, name, registry)
            return made

        memory = self.by_name[name] = AdminMemory(cluster=cluster, looks_on=True)
        return memory

    def whole(self, name: str) -> Whole:
        return self.by_name[name].whole

    def ask(self, node: str, question: bytes, answered: Callable[[bytes | None], None]) -> None:
        self.asked.append((node, question))
        answer = self.clusters[node].answer if node not in self.silent else None
        said = None if answer is None else answer(question)
        if self.is_late:
            self._late.append(lambda: answered(said))
        else:
            answered(said)

    def deliver(self) -> int:
        """Let answers arrive, and those to what is asked then. Returns how many there were."""
        count = 0
        while self._late:
            waiting, self._late = self._late, []
            for arrive in waiting:
                count += 1
                arrive()
        return count

    def share(self, room_id: str) -> None:
        """Let each node that has a member in a room know those of the others."""
        rooms = {
            name: memory.factory.registry.rooms[room_id]
            for name, memory in self.by_name.items()
            if room_id in memory.factory.registry.rooms
        }
        local = [
            (name, member)
            for name, room in rooms.items()
            for member in room.members.values()
            if member.node is None
        ]
        for here, room in rooms.items():
            for name, member in local:
                if name != here and member.client_id not in room.members:
                    owner = Away()
                    owner.member = Member(
                        owner,
                        PlainClient(),
                        room,
                        member.client_id,
                        member.client_type,
                        now_ns=member.joined_at_ns,
                        node=name,
                        place=f"{name}-{member.client_id}",
                    )
                    self.by_name[here].factory.registry.add(owner.member)


def take_over(memory: AdminMemory, client_id: str, room_id: str) -> Member:
    """Let a node have a place that another one kept for a client that is away. Returns it."""
    registry = memory.factory.registry
    client = Absent(0, registry.tally, lambda member: registry.leave(member, memory.now_ns()))
    member = registry.join(
        client, client, room_id, client_id, "android", now_ns=memory.now_ns(), place=f"x{client_id}"
    )
    registry.remember(member)
    assert member.mailbox is not None
    member.mailbox.disconnect()
    return member


def phone_and_pc() -> FakeNodes:
    """Return the nodes `a`, with a phone in the room `hall`, and `b`, with a pc in `lab`."""
    nodes = FakeNodes("a", "b")
    nodes["a"].registered("phone", "hall")
    nodes["b"].registered("pc", "lab")
    return nodes
