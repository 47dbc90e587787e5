"""A Clock that takes the Poller for its only reader, and connections of it on real sockets."""

import select
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Server

from twisted_signal.outbox import Outbox
from twisted_signal.poller import Poller

PATIENCE = 10.0
"""Seconds to wait for what must come; only a failing test waits that long."""


class StubReactor(Clock):
    """A Clock that knows who wants to read."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)


class Wires:
    """A Poller, and sockets that are served by it."""

    def __init__(self) -> None:
        self.reactor = StubReactor()
        self.outbox = Outbox()
        self.poller = Poller(self.reactor, self.outbox)
        self._sockets: list[socket.socket] = []

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Return two ends of a TCP connection, the first of them without blocking."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            theirs = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        ours.settimeout(0)
        theirs.settimeout(PATIENCE)
        self._sockets += (ours, theirs)
        return ours, theirs

    def connect(
        self, protocol: Protocol, *, send_buffer: int | None = None
    ) -> tuple[Server, socket.socket]:
        """Return a connection with a protocol at the server's end, and the client's end."""
        ours, theirs = self.pair()
        if send_buffer is not None:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, send_buffer)
        port: Any = None  # for its log lines only
        transport = Server(ours, protocol, ours.getpeername(), port, 1, self.poller)
        protocol.makeConnection(transport)
        return transport, theirs

    def turn(self, timeout: float = PATIENCE) -> bool:
        """Let the poller work once, as soon as it has something to do; return whether it had."""
        ready, _, _ = select.select([self.poller], [], [], timeout)
        if ready:
            self.poller.doRead()
        self.reactor.advance(0)
        return bool(ready)

    def turn_until(self, condition: Callable[[], object]) -> None:
        """Let the poller work until something is so."""
        for _ in range(10_000):
            self.reactor.advance(0)
            if condition():
                return
            assert self.turn(), "nothing more happens"
        raise AssertionError("it goes on and on")

    def receive(self, theirs: socket.socket, size: int) -> bytes:
        """Return as many bytes as a client reads while the poller works."""
        theirs.settimeout(0)
        got = bytearray()

        def read() -> bool:
            try:
                while len(got) < size:
                    data = theirs.recv(65536)
                    assert data, f"the connection ended after {len(got)} bytes"
                    got.extend(data)
            except BlockingIOError:
                return False
            return True

        while not read():
            self.turn(0.05)
        return bytes(got)

    def close(self) -> None:
        for one in self._sockets:
            one.close()
        self.poller.close()
