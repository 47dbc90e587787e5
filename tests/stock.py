"""Autobahn as it comes, with our factory's options: what our short ways are held against."""

from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from memory import MemoryTransport
from twisted.internet.task import Clock

from twisted_signal.limits import Limits
from twisted_signal.server import SignalFactory


class TurningTransport(MemoryTransport):
    """A TCP connection in memory that sends at the end of a turn, as the reactor does it.

    Attributes:
        lost: what was written in the turn in which the connection was aborted.
    """

    def __init__(self, protocol: Any, port: int) -> None:
        super().__init__(protocol, port)
        self._written: list[bytes] = []
        self.lost = b""

    def write(self, data: bytes) -> None:
        self._written.append(data)

    def turn(self) -> None:
        """End a turn: what was put off is done, and what was written goes out."""
        self.protocol.factory.reactor.advance(0)
        written, self._written = self._written, []
        self.io.write(b"".join(written))

    def abortConnection(self) -> None:
        self.lost += b"".join(self._written)
        self._written.clear()
        super().abortConnection()


def ours(protocol: type, max_message_size: int) -> SignalFactory:
    """Return our factory, but for what it makes: another of our channels."""
    limits = Limits(
        max_message_size=max_message_size, connect_rate_per_address=0, max_clients_per_address=0
    )
    factory = SignalFactory(Clock(), limits=limits)
    factory.protocol = protocol  # type: ignore[assignment] # as Autobahn's own factory does
    return factory


def stock(protocol: type, like: SignalFactory) -> WebSocketServerFactory:
    """Return a factory of Autobahn's with the options of one of ours."""
    factory = WebSocketServerFactory(reactor=Clock(), server=like.server)
    for option in WebSocketServerProtocol.CONFIG_ATTRS:
        setattr(factory, option, getattr(like, option))
    factory.protocol = protocol  # type: ignore[assignment] # as above
    return factory


def connected(factory: WebSocketServerFactory) -> tuple[Any, TurningTransport]:
    """Return a protocol of a factory's, with a connection in memory."""
    protocol: Any = factory.buildProtocol(None)
    transport = TurningTransport(protocol, 40000)
    protocol.makeConnection(transport)
    return protocol, transport
