"""A node's core that does nothing but write down what it is told."""

from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from twisted_signal.cluster.scripts import Link, Reply


class RecordedCore:
    """Implements `redis.Core`. It is up as soon as Redis answers its hello.

    Attributes:
        told: what it was told but for ticks, in order: `connected`, `disconnected`, a payload, or
            what a test adds.
        link: the way to Redis; None: it is away.
        hello: is called when it is connected; None: it is up at once.
    """

    def __init__(self, name: str = "one") -> None:
        self.name = name
        self.is_up = False
        self.told: list[object] = []
        self.ticks: list[float] = []
        self.link: Link | None = None
        self.hello: Callable[[], None] | None = None
        self.on_heard: Callable[[bytes], None] = lambda payload: None
        self.farewell: Callable[[Callable[[], None]], None] = lambda done: done()
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def connected(self, link: Link, now: float) -> None:
        self.link = link
        if self.hello is None:
            self.is_up = True
        else:
            self.hello()
        self.note("connected")

    def disconnected(self, now: float) -> None:
        self.link = None
        self.is_up = False
        self.note("disconnected")

    def heard(self, payload: bytes, now: float, now_ns: int) -> None:
        self.note(payload)
        self.on_heard(payload)

    def tick(self, now: float, now_ns: int) -> None:
        self.ticks.append(now)
        self._look()

    def stop(self, done: Callable[[], None]) -> None:
        self.note("stop")
        self.farewell(done)

    def note(self, what: object) -> None:
        """Write something down."""
        self.told.append(what)
        self._look()

    def noted(self, reply: Reply) -> None:
        """Write an answer down. For `answered`."""
        self.note(("answer", reply))

    def call(self, script: str, *arguments: str | int) -> None:
        assert self.link is not None
        self.link.call(script, [], arguments, self.noted)

    def publish(self, node: str, payload: bytes) -> None:
        assert self.link is not None
        self.link.publish(node, payload, self.noted)

    def until(self, condition: Callable[[], bool], patience: float = 20) -> "Deferred[None]":
        """Wait for something to be so, which is looked at whenever the core is told anything."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append((condition, waiting))
        self._look()
        return waiting.addTimeout(patience, reactor)

    def until_told(self, *what: object) -> "Deferred[None]":
        """Wait until the last that it was told is this."""
        return self.until(lambda: self.told[-len(what) :] == list(what))

    def _look(self) -> None:
        for entry in list(self._waiting):
            condition, waiting = entry
            if condition():
                self._waiting.remove(entry)
                # Not within what the core is told.
                reactor.callLater(0, waiting.callback, None)
