"""Nodes of a cluster: real servers with a real Redis."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from processes import PATIENCE, Server, first_match

from twisted_signal.admin_client import AdminClient, AdminError

LEASE = 6.0
"""Seconds after which a node that says nothing is gone."""
ANNOUNCED = 10.0
"""Seconds within which the clients of a node that died are announced as left."""
AT_ONCE = 2.0
"""Seconds within which that happens which waits for nothing, on a machine that is busy."""


class Node(Server):
    """A server of a cluster. `admin`: asks its admin endpoint."""

    def __init__(self, *options: str, cwd: Path, grown: threading.Condition | None = None) -> None:
        """Start it. `options`: besides those that every node has. `grown`: see Watched."""
        super().__init__(
            *("--port", "0", "--admin-endpoint", "tcp:0:interface=127.0.0.1"),
            *("--log-level", "DEBUG"),
            *options,
            cwd=cwd,
            grown=grown,
        )
        self.admin = AdminClient(self.wait_for(r"Admin page on (\S+)/")[1])

    @property
    def port(self) -> int:
        """Where clients connect to."""
        return urlsplit(self.url).port or 0

    @property
    def is_ready(self) -> bool:
        """What /readyz says."""
        try:
            return bool(self.admin.get("/readyz")["ready"])
        except AdminError:
            return False

    def wait_until_ready(self) -> None:
        """Wait until it takes clients, and has its place in the cluster."""
        until(lambda: self.is_ready)

    def kill(self) -> None:
        """End it as a machine that loses its power."""
        self.stop(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it stand still (SIGSTOP)."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def nodes(*redis_urls: str, cwd: Path, options: Sequence[str] = ()) -> Iterator[list[Node]]:
    """Run a node with each URL of Redis, for as long as the block takes.

    Args:
        redis_urls: mostly the same one, again and again.
        cwd: their working directory.
        options: of all of them.
    """
    grown = threading.Condition()
    running: list[Node] = []

    def start(url: str) -> Node:
        node = Node("--redis-url", url, *options, cwd=cwd, grown=grown)
        running.append(node)
        return node

    try:
        with ThreadPoolExecutor() as executor:  # all at once, for it takes a second
            started = list(executor.map(start, redis_urls))
        for node in started:
            node.wait_until_ready()
        yield started
    finally:
        for node in running:
            node.kill()


class Dealt:
    """Nodes that look like one server: connections are dealt out to them in turn.

    It has of a Server what tests of a server use.
    """

    def __init__(self, dealt: Sequence[Node], url: str) -> None:
        """`url`: of what deals them out."""
        self._nodes = dealt
        self.url = url
        self.process = self

    @property
    def lines(self) -> list[str]:
        """What any of them has written."""
        return [line for node in self._nodes for line in node.lines]

    @property
    def output(self) -> str:
        """The same as text."""
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, timeout: float = PATIENCE) -> Any:
        """Return the first match of a line of any of them, once there is one."""
        return first_match(self._nodes, pattern, timeout)

    def send_signal(self, number: int) -> None:
        """Send a signal to all of them."""
        for node in self._nodes:
            node.process.send_signal(number)


def until(condition: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until something is true of which nobody tells.

    Raises:
        AssertionError: it is not, so many seconds later.
    """
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, "it does not come true"
        time.sleep(0.05)  # it is looked at from outside: a process, or what it says
