"""Many clients on raw sockets in one process, far cheaper than the server that they load."""

import gc
import json
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import usage
import wire
from redis_figures import Redis

PATIENCE = 30.0
"""Seconds without a byte from the server after which the workload is given up."""
IN_FLIGHT = 40
"""Connections that are opened at a time; fewer than the 50 that Twisted's listen backlog holds."""
PER_ADDRESS = 20_000
"""Connections from one loopback address; it has some 28,000 ports for them."""
READ_SIZE = 1 << 16
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class LoadError(Exception):
    """The server did not do what the workload needs."""


@dataclass(frozen=True)
class Result:
    """What one workload measured in one server.

    Attributes:
        units: pieces of work that were done.
        server, generator: CPU seconds of both while they were.
        seconds: that they took by the clock.
        p50, p99: latency in seconds; what it is the time of, the workload says.
        extra: further figures that only this workload has.
    """

    units: int
    server: float
    generator: float
    seconds: float
    p50: float
    p99: float
    extra: dict[str, float] = field(default_factory=dict)


class Client:
    """One connection. `frames`: messages that came so far. `began`: when it was opened."""

    __slots__ = ("began", "counter", "ended", "fd", "frames", "head", "kept", "opened", "socket")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.fd = sock.fileno()
        self.began = time.perf_counter()
        self.head = b""
        self.opened = False
        self.ended = False
        self.frames = 0
        self.counter = wire.Counter()
        self.kept: bytes | None = None
        """All that came since it was set; None: nothing is kept."""

    def send(self, data: bytes) -> None:
        """Send some frames at once; little enough is in flight for the socket to take them all."""
        if self.socket.send(data) != len(data):
            raise LoadError("A socket's buffer is full: the server does not read.")

    def payloads(self) -> list[dict[str, object]]:
        """Return the messages that were kept, and keep no more."""
        frames, _ = wire.split(self.kept or b"")
        self.kept = None
        return [json.loads(payload) for opcode, payload in frames if opcode == wire.TEXT]


class Load:
    """All clients of one server, or of the nodes of a cluster.

    Attributes:
        pids: of the server's processes; their children count, too.
        redis: what the nodes share, if they do.
        opened, frames, ended: opening handshakes, messages and ends of connections so far.
        pings: that were answered so far.
        size: bytes of messages and control frames so far.
    """

    def __init__(
        self, ports: Sequence[int], pids: Sequence[int], redis: Redis | None = None
    ) -> None:
        """
        Args:
            ports: where the server listens. Clients are dealt out to them, the first to the first,
                then round and round; a port that stands there twice gets two clients a round.
            pids: see the attributes.
            redis: see the attributes.
        """
        self.pids = pids
        self.redis = redis
        self.clients: dict[int, Client] = {}
        self.epoll = select.epoll()
        self.opened = self.frames = self.ended = self.size = self.pings = 0
        self._ports = ports
        self._made = count()

    def connect(self) -> Client:
        """Open a connection, and send the opening handshake."""
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Linux: the port is chosen when the other end is known, so that one serves for several.
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        number = next(self._made)
        sock.bind((f"127.0.0.{1 + number // PER_ADDRESS % 250}", 0))
        client = Client(sock)
        sock.connect(("127.0.0.1", self._ports[number % len(self._ports)]))
        sock.settimeout(0)
        self.clients[client.fd] = client
        self.epoll.register(client.fd, select.EPOLLIN)
        client.send(wire.HANDSHAKE)
        return client

    def forget(self, client: Client) -> None:
        """Drop a connection with a reset, which leaves nothing behind in the kernel."""
        del self.clients[client.fd]
        self.epoll.unregister(client.fd)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        client.socket.close()

    def ready(self) -> list[int]:
        """Wait until clients have something to read; return their sockets' numbers."""
        if not self.clients:
            raise LoadError("The server ended all connections.")
        events = self.epoll.poll(PATIENCE, 1024)
        if not events:
            raise LoadError(f"Nothing came from the server for {PATIENCE:.0f} s.")
        return [fd for fd, _ in events]

    def turn(self) -> list[Client]:
        """Read once from every client that has something; return those clients."""
        clients = [self.clients[fd] for fd in self.ready()]
        for client in clients:
            self.read(client)
        return clients

    def read(self, client: Client) -> int:
        """Read once from a client that has something; return how many messages ended in it."""
        try:
            data = client.socket.recv(READ_SIZE)
        except ConnectionResetError:
            data = b""
        if not data:
            client.ended = True
            self.ended += 1
            self.forget(client)
            return 0
        if not client.opened:
            client.head += data
            head, end, data = client.head.partition(b"\r\n\r\n")
            if not end:
                return 0
            if not head.startswith(b"HTTP/1.1 101") or wire.ACCEPT not in head:
                raise LoadError(f"The opening handshake failed: {head!r}")
            client.opened = True
            self.opened += 1
            if not data:
                return 0
        if client.kept is not None:
            client.kept += data
        came = client.counter.feed(data)
        client.frames += came
        self.frames += came
        self.size += len(data)
        if client.counter.pings:
            client.send(b"".join(wire.frame(ping, wire.PONG) for ping in client.counter.pings))
            self.pings += len(client.counter.pings)
            client.counter.pings.clear()
        return came

    def until(self, done: Callable[[], bool]) -> None:
        """Read until something is the case."""
        while not done():
            self.turn()

    def expect(self, frames: int) -> None:
        """Read until that many more messages have come than so far, over all clients."""
        goal = self.frames + frames
        self.until(lambda: self.frames >= goal)
        if self.frames > goal:
            raise LoadError(f"{self.frames - goal} more messages came than should.")

    def open(self, number: int) -> list[Client]:
        """Open that many WebSockets."""
        clients: list[Client] = []
        before = self.opened
        while self.opened - before < number:
            while len(clients) < min(number, self.opened - before + IN_FLIGHT):
                clients.append(self.connect())
            self.turn()
        return clients

    def arrive(self, registers: Sequence[bytes]) -> tuple[list[Client], list[float]]:
        """Connect and register clients, some at a time.

        Returns:
            The clients, and the seconds from each one's connect to its first message. What is said
            to others of their rooms may still be on its way.
        """
        clients: list[Client] = []
        waiting: dict[int, bytes | None] = {}  # by fd: what to send once the handshake is through
        latencies: list[float] = []
        while len(latencies) < len(registers):
            while len(clients) < len(registers) and len(waiting) < IN_FLIGHT:
                client = self.connect()
                waiting[client.fd] = registers[len(clients)]
                clients.append(client)
            ready = self.turn()
            now = time.perf_counter()
            for client in ready:
                if client.ended:
                    raise LoadError("The server ended a connection.")
                if client.fd not in waiting:
                    continue
                if client.frames:
                    del waiting[client.fd]
                    latencies.append(now - client.began)
                elif client.opened and (register := waiting[client.fd]):
                    waiting[client.fd] = None
                    client.send(register)
        return clients, latencies


class Stopwatch:
    """Measures one stretch: begins when it is made, ends with `stop`.

    With a Redis, what that did meanwhile is among the extra figures: see `Redis.totals`.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        gc.collect()
        gc.freeze()
        self._redis = load.redis.totals() if load.redis else {}
        self._server = usage.cpu(*load.pids)
        self._generator = time.process_time()
        self._clock = time.perf_counter()

    def stop(self, units: int, latencies: list[float], **extra: float) -> Result:
        """Return what the stretch was."""
        seconds = time.perf_counter() - self._clock
        generator = time.process_time() - self._generator
        server = usage.cpu(*self._load.pids).since(self._server)
        if self._load.redis:
            now = self._load.redis.totals()
            extra |= {name: now[name] - before for name, before in self._redis.items()}
        ordered = sorted(latencies) or [0.0]
        return Result(
            units=units,
            server=server,
            generator=generator,
            seconds=seconds,
            p50=ordered[len(ordered) // 2],
            p99=ordered[int(len(ordered) * 0.99)],
            extra=extra,
        )
