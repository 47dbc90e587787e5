"""Clients on an in-memory transport and a Clock; `websockets` speaks the client's side."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri
from zope.interface import implementer

from twisted_signal.auth import Verifier
from twisted_signal.limits import Limits
from twisted_signal.server import SignalFactory
from twisted_signal.web.connection import Pages
from twisted_signal.web.website import Website
from twisted_signal.websocket import SignalProtocol

NOW_NS = 1_795_417_440_399_364_306


@implementer(ITCPTransport)
class MemoryTransport(StringTransport):  # type: ignore[misc] # abortConnection: only ITCPTransport has it
    """A TCP connection in memory, which ends when it is told to.

    Attributes:
        is_stubborn: the client does not end its side when the server has ended its own.
    """

    def __init__(self, protocol: Any, port: int) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", "192.0.2.7", port))
        self.protocol = protocol
        self.no_delay = False
        self.aborted = False
        self.half_closed = False
        self.is_stubborn = False
        self.ended = False

    def sent(self) -> bytes:
        """Return what the server sent and nobody took yet."""
        sent: bytes = self.value()
        return sent

    def take(self) -> bytes:
        """Return what the server sent since the last call."""
        sent = self.sent()
        self.io.seek(0)
        self.io.truncate()
        return sent

    def receive(self, data: bytes) -> None:
        """Give bytes to whatever protocol has the connection, unless it has ended."""
        if not self.ended:
            self.protocol.dataReceived(data)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def abortConnection(self) -> None:
        self.aborted = True
        self.end()

    def loseConnection(self) -> None:
        super().loseConnection()
        self.end()

    def loseWriteConnection(self) -> None:
        self.half_closed = True
        if not self.is_stubborn:
            self.end()

    def unregisterProducer(self) -> None:
        """Have no producer; where there was none, that is none either, as with a real one."""
        self.producer = None

    def end(self) -> None:
        """End the connection, from whichever side."""
        if not self.ended:
            self.ended = True
            self.protocol.connectionLost(Failure(ConnectionDone()))


class Memory:
    """A factory on a Clock, and clients that connect to it."""

    def __init__(self, verifier: Verifier | None = None, **limits: int) -> None:
        self.clock = Clock()
        self.factory = SignalFactory(
            self.clock, limits=Limits(**limits), verifier=verifier, now_ns=self.now_ns
        )
        self.factory.startFactory()
        self._port = 40000

    def serve_pages(self) -> Pages:
        """Have pages from now on, as a server that has nowhere to listen."""
        pages = Pages(Website(list, wants_token=False, now=0), self.clock, "test")
        self.factory.pages = pages
        return pages

    def now_ns(self) -> int:
        """Return the wall clock's time."""
        return NOW_NS + round(self.clock.seconds() * 1e9)

    def wait(self, seconds: int) -> None:
        """Let time pass as it does: a second at a time."""
        self.clock.pump([1] * seconds)

    def connect(self) -> "MemoryClient":
        """Return a client with a TCP connection, which has not said anything."""
        self._port += 1
        protocol = self.factory.buildProtocol(None)
        assert isinstance(protocol, SignalProtocol)
        transport = MemoryTransport(protocol, self._port)
        protocol.makeConnection(transport)
        return MemoryClient(protocol, transport)

    def open(self, path: str = "/") -> "MemoryClient":
        """Return a client whose WebSocket is open."""
        client = self.connect()
        client.request(path)
        assert client.websocket.state is State.OPEN, client.response
        return client

    def registered(self, client_id: str, room_id: str = "default") -> "MemoryClient":
        """Return a client in a room, that has forgotten that it was told so."""
        client = self.open()
        client.say(type="register", client_id=client_id, room_id=room_id)
        client.hear()
        return client


class MemoryClient:
    """The client's side of a connection."""

    def __init__(self, protocol: SignalProtocol, transport: MemoryTransport) -> None:
        self.protocol = protocol
        self.transport = transport
        self.websocket = ClientProtocol(parse_uri("ws://test/"))
        self.response: Response | None = None
        self._frames: list[Frame] = []

    def request(
        self,
        path: str = "/",
        headers: Mapping[str, str] = MappingProxyType({}),
        subprotocols: Sequence[str] | None = None,
    ) -> None:
        """Send the opening handshake and take the answer."""
        offered = [Subprotocol(name) for name in subprotocols] if subprotocols else None
        self.websocket = ClientProtocol(parse_uri(f"ws://test{path}"), subprotocols=offered)
        request = self.websocket.connect()
        request.headers.update(headers)
        self.websocket.send_request(request)
        self.flush()
        self._read()

    def flush(self) -> None:
        """Let the server have what the client sends."""
        for data in self.websocket.data_to_send():
            self.receive(data)

    def receive(self, data: bytes) -> None:
        """Let the server have these bytes."""
        if not self.transport.ended:
            self.protocol.dataReceived(data)

    def answer(self) -> None:
        """See the pings that the server sent, and answer them."""
        self._read()
        self.flush()

    def take(self) -> list[Frame]:
        """Return the data frames that the server sent since the last call."""
        self._read()
        frames, self._frames = self._frames, []
        return frames

    def _read(self) -> None:
        sent = self.transport.sent()
        self.transport.clear()
        self.websocket.receive_data(sent)
        for event in self.websocket.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY):
                self._frames.append(event)

    def say(self, **message: object) -> None:
        self.say_text(msgspec.json.encode(message))

    def say_text(self, data: bytes) -> None:
        self.websocket.send_text(data)
        self.flush()

    def hear(self) -> list[Any]:
        """Return what the server said since the last call."""
        frames = self.take()
        assert all(frame.opcode is Opcode.TEXT and frame.fin for frame in frames)
        return [msgspec.json.decode(frame.data) for frame in frames]

    @property
    def close_code(self) -> int | None:
        """The code of the server's Close frame, if it has sent one."""
        self._read()
        received = self.websocket.close_rcvd
        return received.code if received is not None else None
