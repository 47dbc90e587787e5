"""Real processes for the tests: started on free ports, watched by their output, stopped again."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PATIENCE = 30.0
"""Seconds to wait for what must come; only a failing test waits that long."""

Found = TypeVar("Found")


class Watched:
    """A process whose output lines can be waited for. Its stderr goes with its stdout."""

    def __init__(
        self,
        *command: str | Path,
        cwd: Path | None = None,
        grown: threading.Condition | None = None,
    ) -> None:
        """`grown`: is told of each line; several processes may share one."""
        self.process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.lines: list[str] = []
        self.grown = grown or threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.grown:
                self.lines.append(line.rstrip("\n"))
                self.grown.notify_all()
        with self.grown:
            self.lines.append("(end of output)")
            self.grown.notify_all()

    def write(self, line: str) -> None:
        """Give it a line of input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    @property
    def output(self) -> str:
        """All output so far."""
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
        """Return the first match of a line with the pattern, once there is one."""
        return first_match([self], pattern, timeout)

    def wait_until(self, look: Callable[[], Found], timeout: float = PATIENCE) -> Found:
        """Return what a look at the output finds, once that is something, or there is no more."""
        with self.grown:
            self.grown.wait_for(lambda: look() or "(end of output)" in self.lines, timeout)
            return look()

    def wait(self, timeout: float = PATIENCE) -> int:
        """Return the exit status, once the process has ended."""
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        return status

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def first_match(
    watched: Sequence[Watched], pattern: str, timeout: float = PATIENCE
) -> re.Match[str]:
    """Return the first match of a line of any of some processes, which share `grown`."""

    def search() -> re.Match[str] | None:
        lines = (line for one in watched for line in one.lines)
        return next(filter(None, (re.search(pattern, line) for line in lines)), None)

    grown = watched[0].grown
    with grown:
        grown.wait_for(
            lambda: search() is not None or all("(end of output)" in one.lines for one in watched),
            timeout,
        )
        found = search()
    output = "\n".join(one.output for one in watched)
    assert found is not None, f"no line with {pattern!r} in:\n{output}"
    return found


@contextmanager
def running(*command: str | Path, cwd: Path | None = None) -> Iterator[Watched]:
    """Run a command for as long as the block takes."""
    watched = Watched(*command, cwd=cwd)
    try:
        yield watched
    finally:
        watched.stop(signal.SIGKILL)


class Server(Watched):
    """`twistd -n vislam-signal`. `url`: where it listens, the most local of its addresses.

    It has an admin endpoint only where the options name one, as several servers run at once.
    """

    def __init__(self, *options: str, cwd: Path, grown: threading.Condition | None = None) -> None:
        """`grown`: see Watched."""
        admin = () if "--admin-endpoint" in options else ("--admin-endpoint", "none")
        command = (BIN / "twistd", "--nodaemon", "--pidfile=", "vislam-signal")
        super().__init__(*command, *admin, *options, cwd=cwd, grown=grown)
        try:
            self.url = self.wait_for(r"Listening on ([^\s\"]+)")[1]
        except BaseException:
            self.stop(signal.SIGKILL)
            raise


@contextmanager
def server(*options: str, cwd: Path) -> Iterator[Server]:
    """Run the server for as long as the block takes, and end it as an operator would.

    It listens on a free port, unless an endpoint is among the options.
    """
    place = () if "--endpoint" in options else ("--port", "0")
    started = Server(*place, *options, cwd=cwd)
    try:
        yield started
    finally:
        started.stop()


class Restarted:
    """A server on one port, which is killed and started again."""

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd
        self.server = Server("--port", "0", cwd=cwd)
        self.url = self.server.url

    def kill(self) -> None:
        self.server.stop(signal.SIGKILL)

    def start(self) -> None:
        self.server = Server("--port", str(urlsplit(self.url).port), cwd=self._cwd)


def free_port() -> int:
    """Return a port that is free for UDP and for TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port: int = udp.getsockname()[1]
            try:
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def found(program: str) -> str:
    """Return the path of a program, or skip the test where there is none."""
    path = shutil.which(program, path=f"{BIN}:{os.environ['PATH']}:/usr/sbin")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path
