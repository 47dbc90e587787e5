"""A Clock that takes the Poller for its only reader, and connections of it on real sockets."""

import select
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOFactory

from twisted_signal.outbox import Outbox
from twisted_signal.poller import Poller
from twisted_signal.tally import Tally
from twisted_signal.tcp import Connection

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
        self.tally = Tally()
        self.poller = Poller(self.reactor, self.outbox, self.tally)
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
        self,
        protocol: Protocol,
        *,
        send_buffer: int | None = None,
        receive_buffer: int | None = None,
        tls: Path | None = None,
    ) -> tuple[Connection, socket.socket]:
        """Return a connection with a protocol at the server's end, and the client's end.

        Args:
            protocol: the protocol.
            send_buffer: what the kernel holds at our end, in bytes; None: as much as it likes.
            receive_buffer: the same at the client's; None: as much.
            tls: a file with a key and its certificate.
        """
        ours, theirs = self.pair()
        if send_buffer is not None:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            receive_buffer = receive_buffer or send_buffer
        if receive_buffer is not None:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        port: Any = None  # for its log lines only
        wrapped = protocol if tls is None else self._over_tls(protocol, str(tls))
        transport = Connection(ours, wrapped, ours.getpeername(), port, 1, self.poller)
        wrapped.makeConnection(transport)
        if tls is None:
            return transport, theirs
        secure = ssl.create_default_context(cafile=str(tls)).wrap_socket(
            theirs, server_hostname="127.0.0.1", do_handshake_on_connect=False
        )
        secure.settimeout(0)
        while True:
            try:
                secure.do_handshake()
            except ssl.SSLWantReadError:
                self.turn()
            else:
                break
        secure.settimeout(PATIENCE)
        self._sockets.append(secure)
        return transport, secure

    def _over_tls(self, protocol: Protocol, pem: str) -> Protocol:
        class Only(Factory):
            def buildProtocol(self, _: object) -> Protocol:
                return protocol

        contexts = DefaultOpenSSLContextFactory(pem, pem)
        made = TLSMemoryBIOFactory(contexts, isClient=False, wrappedFactory=Only())
        made._clock = self.reactor
        return made.buildProtocol(None)

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
