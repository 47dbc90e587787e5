"""The other nodes: what is said to them, gathered, and what they are asked."""

from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakValueDictionary

from twisted_signal.cluster.scripts import Link
from twisted_signal.cluster.wire import Answer, From, Item, Question, Say, encode
from twisted_signal.errors import NodeUnreachable
from twisted_signal.messages import Relayed, RelayedToAll
from twisted_signal.outbox import Outbox

PATIENCE = 2.0
"""Seconds for another node's answer."""

Said = Callable[[str | None], None]
"""Is told what another node answers; None: nothing, in time."""


class Asked(NamedTuple):
    """A question that is not answered yet. `due_at`: until when it waits, in seconds."""

    answered: Said
    due_at: float


class Neighbour:
    """Another node. Implements `outbox.Flushable`.

    Attributes:
        name: its name.
    """

    __slots__ = ("__weakref__", "_items", "_of", "name")

    def __init__(self, name: str, of: "Neighbours") -> None:
        self.name = name
        self._of = of
        self._items: list[Item] = []

    def say(self, place: str, client_id: str, message: Relayed, hops: int = 0) -> None:
        """Pass a message on to a client there.

        Args:
            place: the client's.
            client_id: the client's, for the error.
            hops: see `wire.Say`.

        Raises:
            NodeUnreachable: there is no way to it.
        """
        if self._of.link is None:
            raise NodeUnreachable(client_id)
        if type(message) is not RelayedToAll:
            self.tell(Say([place], message, hops))
            return
        last = self._items[-1] if self._items else None
        if (
            isinstance(last, Say)
            and isinstance(last.message, RelayedToAll)
            and last.message.data is message.data
            and last.hops == hops
        ):
            last.places.append(place)  # it goes there once
        else:
            self.tell(Say([place], message, hops, is_for_all=True))

    def tell(self, item: Item) -> None:
        """Tell the node something at the end of the turn. It is lost where there is no way."""
        self._items.append(item)
        if len(self._items) == 1:
            self._of.outbox.add(self)

    def flush(self) -> None:
        """Send what is gathered."""
        items, self._items = self._items, []
        if items:
            self._of.send(self.name, items)


class Neighbours:
    """All other nodes that this one has to do with.

    Attributes:
        link: the way to them; None: there is none.
        epoch: since when there is one; see `wire.From`.
        outbox: gathers what is said to them in a turn.
        names: those that are there, in order.
        batches: how often something was sent to another node.
        messages: how many messages of clients were in that.
        batches_heard: how often something was heard, from other nodes or of what they did in Redis.
        messages_heard: how many messages of clients were in that.
    """

    def __init__(self, name: str, outbox: Outbox, failed: Callable[[Say], None]) -> None:
        """
        Args:
            name: of this node.
            outbox: gathers what is said in a turn.
            failed: is told what did not reach its node.
        """
        self._name = name
        self.outbox = outbox
        self._failed = failed
        self.link: Link | None = None
        self.epoch = 0
        self.names: tuple[str, ...] = ()
        self.batches = self.messages = self.batches_heard = self.messages_heard = 0
        # As long as a client of theirs is known, or something is gathered.
        self._known: WeakValueDictionary[str, Neighbour] = WeakValueDictionary()
        self._epochs: dict[str, int] = {}  # theirs, as far as they were heard
        self._asked: dict[int, Asked] = {}
        self._last_number = 0
        self._now = 0.0

    def of(self, name: str) -> Neighbour:
        """Return another node."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = Neighbour(name, self)
        return found

    def flush(self) -> None:
        """Send all that is gathered, now: what comes next must not overtake it."""
        for neighbour in list(self._known.values()):
            neighbour.flush()

    def send(self, name: str, items: list[Item]) -> None:
        """Send what was gathered for a node."""
        says = [item for item in items if isinstance(item, Say)]
        numbers = [item.number for item in items if isinstance(item, Question)]
        self.batches += 1
        self.messages += len(says)

        def answered(receivers: int | None) -> None:
            if not receivers:
                for say in says:
                    self._failed(say)
                for number in numbers:
                    self.answered(number, None)

        if self.link is None:
            answered(None)
        else:
            before: list[Item] = [From(self._name, self.epoch)] if says else []
            self.link.publish(name, encode(before + items), answered)

    def ask(
        self, node: str, kind: str, text: str, answered: Said, patience: float = PATIENCE
    ) -> None:
        """Ask another node.

        Args:
            kind, text: see `wire.Question`.
            patience: how long to wait for the answer, in seconds.
        """
        self._last_number += 1
        self._asked[self._last_number] = Asked(answered, self._now + patience)
        self.of(node).tell(Question(self._name, self._last_number, kind, text))

    def answer(self, question: Question, text: str | None) -> None:
        """Answer another node's question."""
        self.of(question.node).tell(Answer(question.number, text))

    def answered(self, number: int, text: str | None) -> None:
        """A question of this node is answered, or will not be."""
        asked = self._asked.pop(number, None)
        if asked is not None:
            asked.answered(text)

    def tick(self, now: float) -> None:
        """Wait no longer for answers that are too late. `now`: seconds."""
        self._now = now
        late = [number for number, asked in self._asked.items() if asked.due_at <= now]
        for number in late:
            self.answered(number, None)

    def lose_all(self) -> None:
        """There is no way to anybody any more."""
        self.names = ()
        for number in list(self._asked):
            self.answered(number, None)

    def is_late(self, item: From) -> bool:
        """Tell whether what follows was said before its node was away last."""
        if item.epoch < self._epochs.get(item.node, 0):
            return True
        self._epochs[item.node] = item.epoch
        return False

    def see(self, names: list[str]) -> None:
        """It is known who is there."""
        for name in self._epochs.keys() - set(names):
            del self._epochs[name]
        self.names = tuple(sorted(name for name in names if name != self._name))
