"""Nodes of a cluster in one process: their cores, a simulated Redis, the ways between, and time.

Nothing moves by itself: a step lets Redis do one command, or a node hear one thing, so that a test
chooses what comes before what. `settle` lets all go its way.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from plain import NOW_NS
from simulated_redis import SimulatedRedis

from twisted_signal.cluster.node import Node
from twisted_signal.cluster.scripts import LOST
from twisted_signal.limits import Limits
from twisted_signal.outbox import Outbox
from twisted_signal.registry import DuplicateId, Registry

TICK: Final = 0.25
"""Seconds from one tick of a node to the next."""
SILENCE: Final = 2.0
"""Seconds after which a node gives up a Redis that answers nothing."""
BACK_OFF: Final = 0.5
"""Seconds after which it tries again."""
ENDLESS: Final = 5000
"""Steps after which nodes will never come to rest by themselves."""
LIMITS: Final = Limits(max_room_size=3, resume_window=8, probe_timeout=2)

if TYPE_CHECKING:
    from cluster_people import Line

Step = Callable[[], None]


class SimulatedLink:
    """A pair of connections to Redis, as `cluster.redis` has them. Implements `scripts.Link`.

    Attributes:
        commands: what is on its way to Redis.
        replies: what Redis has answered, on its way back.
        channel: what the node's channel said, likewise.
        is_cut: whether nothing gets through, which neither end knows.
        is_gone: whether Redis has no such connections any more, which the node may not know.
        is_deaf: whether the node does not listen any more: it is about to begin anew.
    """

    def __init__(self, node: "SimulatedNode") -> None:
        self._node = node
        self._redis = node.stage.redis
        self.commands: deque[tuple[Callable[[], Any], Callable[[Any], None]]] = deque()
        self.replies: deque[Step] = deque()
        self.channel: deque[bytes] = deque()
        self.is_cut = self.is_gone = self.is_deaf = False
        self._topic = f"vislam:to:{node.name}"
        self._redis.listen(self._topic, self.channel.append)

    def call(
        self,
        script: str,
        keys: Sequence[str],
        arguments: Sequence[str | int],
        answered: Callable[[Any], None],
    ) -> None:
        """See Link."""
        self.commands.append((partial(self._redis.run, script, keys, arguments), answered))

    def publish(self, node: str, payload: bytes, answered: Callable[[int | None], None]) -> None:
        """See Link."""
        publish = partial(self._redis.execute, "PUBLISH", f"vislam:to:{node}", payload)
        self.commands.append(
            (publish, lambda reply: answered(None if reply is LOST else reply)),
        )

    def restart(self, why: str) -> None:
        """See Link. It happens when the caller has returned."""
        self.is_deaf = True

    def unsubscribe(self) -> None:
        """Redis knows that the connections are gone."""
        self._redis.unlisten(self._topic, self.channel.append)

    def run(self) -> None:
        """Let Redis do one command."""
        command, answered = self.commands.popleft()
        self.replies.append(partial(answered, command()))

    def hear(self) -> None:
        """Let the node hear one thing of its channel."""
        payload = self.channel.popleft()
        self._node.node.heard(payload, self._node.now, self._node.now_ns)


class SimulatedNode:
    """A node's core, with what `cluster.redis` does about it.

    Attributes:
        link: the connections to Redis; None: there are none.
        lines: the connections of clients that the server does not know to be broken.
        is_frozen: whether the process stands still (SIGSTOP).
        is_dead: whether there is no such process any more.
        is_stopping: whether it has been told to stop; it is dead when it is done.
    """

    def __init__(self, stage: "Stage", name: str) -> None:
        self.stage = stage
        self.name = name
        self.outbox = Outbox()
        self.registry = Registry(stage.limits, stage.duplicate_id)
        self.node = Node(name, self.registry, self.outbox)
        self.link: SimulatedLink | None = None
        self.lines: list[Line] = []
        self.is_frozen = self.is_dead = self.is_stopping = False
        self._is_connected = False  # the core knows of the link
        self._silent_for = 0.0
        self._try_at = 0.0

    @property
    def now(self) -> float:
        """Its clock, in seconds."""
        return self.stage.now

    @property
    def now_ns(self) -> int:
        """The wall clock, in nanoseconds since 1970."""
        return self.stage.now_ns

    @property
    def runs(self) -> bool:
        """Whether the process does anything."""
        return not (self.is_frozen or self.is_dead)

    def turn(self, *steps: Step) -> None:
        """Let it do things in one turn of its reactor."""
        with self.outbox:
            for step in steps:
                step()
        if self.link is not None and self.link.is_deaf:
            self.lose()

    def tick(self) -> None:
        """A quarter of a second has passed."""
        if not self.runs:
            return
        self.turn(lambda: self.node.tick(self.now, self.now_ns))
        if self.link is None:
            if self.now >= self._try_at and not self.is_stopping:
                self.connect()
        elif self.link.is_cut or self.stage.is_paused:
            self._silent_for += TICK
            if self._silent_for >= SILENCE:
                self.lose(late=len(self.link.commands))
        else:
            self._silent_for = 0.0

    def connect(self) -> None:
        """Connect to Redis, if it can be reached, and let it know the channel."""
        if not self.stage.is_paused and self.link is None:
            self.link = SimulatedLink(self)
            self._is_connected = False
            self._silent_for = 0.0

    def lose(self, *, run: int = 0, late: int = 0) -> None:
        """The connections are broken.

        Args:
            run: how many commands Redis does before it knows.
            late: how many more may be done much later, for they wait somewhere.
        """
        link = self.link
        if link is None:
            return
        for _ in range(min(run, len(link.commands))):
            link.run()
        replies, commands = list(link.replies), list(link.commands)
        link.replies.clear()
        link.channel.clear()
        while len(link.commands) > late:
            link.commands.pop()
        if link.commands:
            self.stage.late.append(link)
        else:
            link.unsubscribe()
        self.link = None
        self._try_at = self.now + BACK_OFF
        if self.is_dead:
            return
        if self._is_connected:
            self.turn(lambda: self.node.disconnected(self.now))
        # What was not answered is lost.
        lost = [partial(reply.func, LOST) for reply in replies if isinstance(reply, partial)]
        lost += [partial(answered, LOST) for _, answered in commands]
        self.turn(*lost)

    def kill(self, *, run: int = 0) -> None:
        """End the process. `run`: see `lose`."""
        self.is_dead = True
        self.lose(run=run)

    def stop(self) -> None:
        """Let it stop, and hand over what others can take."""
        self.is_stopping = True

        def done() -> None:
            self.is_dead = True

        if self.link is not None and not self._is_connected:
            self.lose()
        self.turn(lambda: self.node.stop(done))

    def steps(self) -> Iterator[Step]:
        """Yield what can happen next, apart from the passing of time."""
        link = self.link
        if self.is_dead:
            if link is not None:
                self.lose(run=len(link.commands))
            return
        if link is None or link.is_cut:
            return
        if link.commands and not self.stage.is_paused:
            yield link.run
        if self.runs:
            yield from self._turns(link)

    def _turns(self, link: SimulatedLink) -> Iterator[Step]:
        """Yield what it can hear next."""
        if link.is_gone:
            yield self.lose
            return
        if not self._is_connected:
            yield self._connected
        elif link.replies:
            yield lambda: self.turn(link.replies.popleft())
        if link.channel:
            yield lambda: self.turn(link.hear)
            if len(link.channel) > 1:
                yield lambda: self.turn(link.hear, lambda: self._hear_more(link))

    def _hear_more(self, link: SimulatedLink) -> None:
        """It reads all that came in one turn, as a socket does."""
        while link.channel and not link.is_deaf:
            link.hear()

    def _connected(self) -> None:
        assert self.link is not None
        self._is_connected = True
        link = self.link
        self.turn(lambda: self.node.connected(link, self.now))


class Stage:
    """Some nodes, and a Redis.

    Attributes:
        nodes: by their names; those that are dead too.
        late: connections that nobody has any more, with commands that Redis may still do.
        is_paused: whether Redis does nothing.
        now: the nodes' clock, in seconds.
    """

    def __init__(
        self,
        names: Sequence[str] = ("a", "b", "c"),
        *,
        limits: Limits = LIMITS,
        duplicate_id: DuplicateId = DuplicateId.PROBE,
    ) -> None:
        self.redis = SimulatedRedis()
        self.limits = limits
        self.duplicate_id = duplicate_id
        self.now = 100.0
        self.is_paused = False
        self.late: list[SimulatedLink] = []
        self.nodes: dict[str, SimulatedNode] = {}
        self._timers: list[tuple[float, Step]] = []
        for name in names:
            self.start(name)

    @property
    def now_ns(self) -> int:
        """The wall clock, in nanoseconds since 1970."""
        return NOW_NS + int(self.now * 1_000_000_000)

    @property
    def running(self) -> list[SimulatedNode]:
        """The nodes that are not dead."""
        return [node for node in self.nodes.values() if not node.is_dead]

    def start(self, name: str) -> SimulatedNode:
        """Start a node."""
        node = self.nodes[name] = SimulatedNode(self, name)
        node.connect()
        return node

    def later(self, seconds: float, step: Step) -> None:
        """Let something happen some time later."""
        self._timers.append((self.now + seconds, step))

    def steps(self) -> list[Step]:
        """Return what can happen next."""
        steps = [step for node in list(self.nodes.values()) for step in node.steps()]
        if not self.is_paused:
            steps += [partial(self._run_late, link) for link in self.late]
        return steps

    def settle(self) -> None:
        """Let all that is under way arrive."""
        for _ in range(ENDLESS):
            steps = self.steps()
            if not steps:
                return
            steps[0]()
        raise AssertionError("it does not come to rest")

    def until(self, condition: Callable[[], object]) -> None:
        """Let one thing after the other happen, until something is so."""
        while not condition():
            self.steps()[0]()

    def pass_time(self, seconds: float, *, settles: bool = True) -> None:
        """Let time go by. `settles`: whether things get through meanwhile."""
        for _ in range(round(seconds / TICK)):
            if settles:
                self.settle()
            self.now += TICK
            self.redis.now_us += int(TICK * 1_000_000)
            for node in list(self.nodes.values()):
                node.tick()
            due = [step for at, step in self._timers if at <= self.now]
            self._timers = [timer for timer in self._timers if timer[0] > self.now]
            for step in due:
                step()
        if settles:
            self.settle()

    def drop_late(self) -> None:
        """What waited somewhere on broken connections is lost."""
        for link in self.late:
            link.unsubscribe()
        self.late.clear()

    def restart_redis(self, keys: dict[bytes, Any] | None = None) -> None:
        """Redis begins anew. `keys`: with what it knew some time ago; None: with nothing."""
        self.drop_late()
        for node in self.running:
            if node.link is not None:
                node.link.is_gone = True
                node.link.commands.clear()
        self.redis.keys = {} if keys is None else keys

    def _run_late(self, link: SimulatedLink) -> None:
        link.run()
        if not link.commands:
            self.late.remove(link)
            link.unsubscribe()
