"""Real Redis servers on the loopback address, started by a test and stopped again.

They keep nothing on disk, so that one that was killed comes back empty.
"""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from processes import PATIENCE, Watched, found, free_port

READY = r"Ready to accept connections|Address already in use|Could not create server"


class RedisError(Exception):
    """Redis answered with an error."""


class RedisServer:
    """A Redis of the test's own.

    Attributes:
        port: where it listens, each time that it is started.
        url: the same, for `--redis-url`.
        watched: the process that runs, or ran last.
    """

    def __init__(self, directory: Path, *options: str, password: str = "") -> None:
        """
        Args:
            directory: its working directory.
            options: more of its options, such as `--replicaof`, `127.0.0.1 7000`.
            password: what it asks for; empty: nothing.
        """
        self._program = found("redis-server")
        self._directory = directory
        self._options = [*options, *(("--requirepass", password) if password else ())]
        self._password = password
        self.port = 0
        self.watched = self._started_somewhere()

    @property
    def url(self) -> str:
        password = f":{self._password}@" if self._password else ""
        return f"redis://{password}127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it again, at its port and with nothing in it."""
        self.watched = self._start()
        assert self._is_ready(), self.watched.output

    def kill(self) -> None:
        """End it at once, and all that it knew."""
        self.watched.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it, and start it again with nothing in it."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Let it stand still (SIGSTOP): connections stay open, and new ones open too."""
        self.watched.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT), with all that was sent to it meanwhile."""
        self.watched.process.send_signal(signal.SIGCONT)

    def pause_clients(self, milliseconds: int) -> None:
        """Let it answer nobody for a time."""
        self.execute("CLIENT", "PAUSE", milliseconds)

    def client(self) -> "RedisClient":
        """Return a new client, to be closed by who asked for it."""
        made = RedisClient(self.port)
        if self._password:
            made.execute("AUTH", self._password)
        return made

    def execute(self, *words: str | int | bytes) -> Any:
        """Return the answer to one command; see RedisClient."""
        with self.client() as client:
            return client.execute(*words)

    def _started_somewhere(self) -> Watched:
        while True:  # until nobody else has taken the port meanwhile
            self.port = free_port()
            self.watched = self._start()
            if self._is_ready():
                return self.watched
            self.watched.stop(signal.SIGKILL)

    def _is_ready(self) -> bool:
        return self.watched.wait_for(READY)[0].startswith("Ready")

    def _start(self) -> Watched:
        return Watched(
            *(self._program, "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--dir", self._directory),
            *self._options,
            cwd=self._directory,
        )


class Sentinel(RedisServer):
    """A Sentinel that alone decides that a master is gone. `url`: for `--redis-url`."""

    NAME = "main"
    """Of the master."""

    def __init__(self, directory: Path, master: RedisServer, password: str = "") -> None:
        """
        Args:
            directory: for its file, which it writes itself.
            master: what it watches.
            password: what it asks for, and what it tells the master.
        """
        self._monitored = master.port
        super().__init__(directory, password=password)

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.port}/{self.NAME}"

    def master_port(self) -> int:
        """Return where the master is, as Sentinel sees it."""
        return int(self.execute("SENTINEL", "get-master-addr-by-name", self.NAME)[1])

    def _is_ready(self) -> bool:
        ready = r"\+monitor master|Address already in use"
        return self.watched.wait_for(ready)[0].startswith("+")

    def _start(self) -> Watched:
        file = self._directory / f"sentinel-{self.port}.conf"
        password = self._password
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {self._directory}\n"
            f"sentinel monitor {self.NAME} 127.0.0.1 {self._monitored} 1\n"
            f"sentinel down-after-milliseconds {self.NAME} 500\n"
            f"sentinel failover-timeout {self.NAME} 2000\n"
            + (f"requirepass {password}\n" if password else "")
            + (f"sentinel auth-pass {self.NAME} {password}\n" if password else "")
        )
        return Watched(self._program, file, "--sentinel", cwd=self._directory)


class RedisClient:
    """Asks a Redis one thing at a time, and waits for the answer (RESP 2).

    https://redis.io/docs/latest/develop/reference/protocol-spec/
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def execute(self, *words: str | int | bytes) -> Any:
        """Return the answer to a command: int, bytes, list or None.

        Raises:
            RedisError: that was the answer.
        """
        self.send(*words)
        return self.receive()

    def send(self, *words: str | int | bytes) -> None:
        """Send a command."""
        encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded]
        self._socket.sendall(b"*%d\r\n%s" % (len(parts), b"".join(parts)))

    def receive(self) -> Any:
        """Wait for one answer, or for a message of a channel; see `execute`."""
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError
        kind, rest = line[:1], line[1:-2]
        match kind:
            case b"+":
                return rest
            case b"-":
                raise RedisError(rest.decode())
            case b":":
                return int(rest)
            case b"$":
                return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
            case _:
                assert kind == b"*", line
                return None if rest == b"-1" else [self.receive() for _ in range(int(rest))]


@contextmanager
def redis_server(directory: Path, *options: str, password: str = "") -> Iterator[RedisServer]:
    """Run a Redis for as long as the block takes; see RedisServer."""
    started = RedisServer(directory, *options, password=password)
    try:
        yield started
    finally:
        started.kill()


@contextmanager
def sentinel(directory: Path, master: RedisServer, password: str = "") -> Iterator[Sentinel]:
    """Run a Sentinel for as long as the block takes; see Sentinel."""
    started = Sentinel(directory, master, password)
    try:
        yield started
    finally:
        started.kill()
