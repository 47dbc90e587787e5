"""Real servers of several processes, for the tests."""

import http.client
import json
import os
import re
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from processes import PATIENCE, Server

NO_REDIS = "redis://127.0.0.1:1"
"""Where no Redis is: the server starts all the same, and nobody can join a room."""


class Parent(Server):
    """A server with workers and an admin endpoint, all of which are ready.

    Attributes:
        admin: where its admin endpoint is.
        directory: where it runs.
    """

    def __init__(self, *options: str, redis: str = NO_REDIS, count: int = 2, cwd: Path) -> None:
        self.count = count
        self.directory = cwd
        place = () if "--endpoint" in options else ("--host", "127.0.0.1", "--port", "0")
        admin = ("--admin-endpoint", "tcp:0:interface=127.0.0.1")
        super().__init__(
            *(*place, "--workers", str(count), "--redis-url", redis, *admin, *options), cwd=cwd
        )
        self.admin = self.wait_for(r"Admin page on (http://[^/\"]+)")[1]
        for number in range(1, count + 1):
            self.wait_for(f"Worker {number} is ready")
            if redis != NO_REDIS:
                self.wait_for(rf"\[{number}\]: In the cluster")

    @property
    def workers(self) -> list[int]:
        """The processes that are the workers now, in the order of their numbers."""
        found = dict(re.findall(r"Worker (\d+) is process (\d+)", self.output))
        return [int(found[str(number + 1)]) for number in range(self.count)]

    def wait_for_another(self, number: int) -> None:
        """Wait until a second process is the worker of a number, and ready."""
        ready = f"Worker {number} is ready"
        assert self.wait_until(lambda: self.times(ready) > 1), self.output

    def times(self, pattern: str) -> int:
        """Return how many lines of the output have a pattern."""
        return sum(re.search(pattern, line) is not None for line in self.lines)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        """Return the status and the body that the admin endpoint answers with."""
        place = urlsplit(self.admin)
        assert place.hostname is not None
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask_json(self, path: str) -> Any:
        """Return what the admin endpoint says, from JSON."""
        return json.loads(self.ask(path)[1])

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples."""
        text = self.ask("/metrics")[1].decode()
        found = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))


@contextmanager
def parent(*options: str, redis: str = NO_REDIS, count: int = 2, cwd: Path) -> Iterator[Parent]:
    """Run a server with workers for as long as the block takes. `redis`: for `--redis-url`."""
    started = Parent(*options, redis=redis, count=count, cwd=cwd)
    try:
        yield started
    finally:
        started.stop()


class Ends:
    """Tells when processes that are no children of the test's have ended."""

    def __init__(self, processes: list[int]) -> None:
        """`processes`: which are there."""
        self._files = [os.pidfd_open(each) for each in processes]

    def wait(self) -> bool:
        """Wait until all have; return whether they did."""
        give_up = time.monotonic() + PATIENCE
        try:
            return all(
                select.select([file], [], [], max(0, give_up - time.monotonic()))[0]
                for file in self._files
            )
        finally:
            for file in self._files:
                os.close(file)
