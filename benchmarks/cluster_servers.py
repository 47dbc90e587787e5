"""A cluster for measurements: a Redis, and nodes that share it."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from servers import SERVERS, MissingError, Server, Settings, StartError, output, running

PATIENCE = 10.0
"""Seconds that Redis may take to listen."""


@dataclass(frozen=True)
class Cluster:
    """Nodes that serve.

    Attributes:
        ports: where each listens.
        pids: of each; of its parent, where a node has several workers.
        redis_port, redis_pid: what they share; 0: nothing.
    """

    ports: list[int]
    pids: list[int]
    redis_port: int = 0
    redis_pid: int = 0

    def dealt(self, *nodes: int) -> dict[str, object]:
        """Say where clients come to, for the load generator: the nodes by number, in turn."""
        there: dict[str, object] = {
            "ports": [self.ports[node] for node in nodes or range(len(self.ports))],
            "pids": self.pids,
        }
        if self.redis_pid:
            there["redis"] = {"port": self.redis_port, "pid": self.redis_pid}
        return there


@contextmanager
def cluster(
    number: int, home: Path, usable: Iterable[int], options: Sequence[str] = ()
) -> Iterator[Cluster]:
    """Run a Redis and so many nodes on some cores, for as long as the block takes.

    Raises:
        MissingError: there is no Redis.
        StartError: something did not start; what it said is told.
    """
    with ExitStack() as stack:
        port, pid = stack.enter_context(redis_server(home, usable))
        shared = (*options, "--redis-url", f"redis://127.0.0.1:{port}")
        started = [
            stack.enter_context(running(server, usable, home))
            for server in (node(f"node-{index}", shared) for index in range(number))
        ]
        ports, pids = [node.port for node in started], [node.pid for node in started]
        yield Cluster(ports, pids, port, pid)


@contextmanager
def alone(home: Path, usable: Iterable[int]) -> Iterator[Cluster]:
    """Run a server that is no node of any cluster."""
    with running(node("alone", ()), usable, home) as started:
        yield Cluster([started.port], [started.pid])


def node(name: str, options: Sequence[str]) -> Server:
    """Describe our server as one of several on this machine."""
    ours = SERVERS["ours"](Settings(Path()))
    return replace(ours, name=name, command=[*ours.command, "--admin-endpoint=none", *options])


@contextmanager
def redis_server(home: Path, usable: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Run a Redis that keeps nothing on disk; yields its port and its process's id."""
    program = shutil.which("redis-server")
    if program is None:
        raise MissingError("there is no redis-server")
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port: int = place.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with (home / "redis.log").open("wb") as output:
        process = subprocess.Popen([*command, "--dir", str(home)], stdout=output)
    os.sched_setaffinity(process.pid, usable)
    try:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and process.poll() is None:
            with socket.socket() as place:
                if place.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        else:
            said = (home / "redis.log").read_text(errors="replace")[-1000:]
            raise StartError(f"Redis does not listen. It said:\n{said}")
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def versions() -> str:
    """Say which versions of the server and of Redis these are."""
    ours = SERVERS["ours"](Settings(Path())).title
    found = re.search(r"v=(\S+)", output("redis-server", "--version"))
    return f"{ours}; Redis {found[1] if found else 'of unknown version'}"
