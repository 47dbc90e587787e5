"""A WebSocket of Autobahn's with a short way for ordinary traffic, and bounded output.

The opening handshake (`handshake`) and the frames (`frames`) that a client sends all day are read
here; everything else goes to Autobahn unchanged, from the place where it begins.

This module and `slim` are the ones that know Autobahn from the inside. Their tests hold what is
taken for granted against the release that is installed.
"""

import logging
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_signal import handshake
from twisted_signal.addresses import peer_text
from twisted_signal.frames import (
    CLOSE,
    CUT,
    FIN,
    ODD,
    PING,
    PONG,
    TEXT,
    TEXT_BEGINS,
    TEXT_ENDS,
    FragmentTrain,
    frame,
    read_frame,
)
from twisted_signal.keepalive import KeepAlive
from twisted_signal.outbox import Outbox
from twisted_signal.slim import CLOSED, CONNECTING, OPEN, SlimProtocol

log = logging.getLogger(__name__)

MAX_BUFFER = 1024 * 1024
"""The most that may wait for one client that does not read, in bytes."""

ABNORMAL_CLOSURE = 1006  # RFC 6455, section 7.4.1


class Channel(SlimProtocol):
    """One client's WebSocket."""

    # What each message looks at; the interpreter finds it in a slot five times as fast as among
    # what Autobahn keeps in the __dict__.
    __slots__ = (
        "_cut",  # the beginning of a frame that is not all there
        "_is_due",  # what is gathered goes out when the outbox closes
        "_is_midway",  # Autobahn is in the middle of a frame, a message or a request
        "_missing",
        "_out",  # gathered until the outbox closes, or a little longer
        "_train",
        "_waiting",  # until the transport can take more; None if it can
        "_waiting_size",
        "due",
        "factory",
        "heard",
        "is_expected",
        "state",
        "transport",
    )

    factory: Any  # a ChannelFactory
    transport: Any  # a TCP connection, TLS over one, or a local socket

    def __init__(self) -> None:
        """Begin where nothing has come yet."""
        self.state = CONNECTING
        self.heard = 0
        self.due = -1  # not watched
        self.is_expected = self._is_midway = self._is_due = False
        self._waiting_size = self._missing = 0
        self._out: list[bytes] | None = None
        self._waiting: list[bytes] | None = None
        self._cut: bytearray | None = None
        self._train: FragmentTrain | None = None

    def connectionMade(self) -> None:
        """A TCP connection came in."""
        transport = self.transport
        self.address = peer_text(transport.getPeer())
        self._direct = isinstance(transport, FileDescriptor)
        if not self._direct:
            transport.registerProducer(self, streaming=True)
        # With Nagle's algorithm on, a message that follows another waits 40 ms for the client's
        # delayed ACK.
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        self.factory.countConnections += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The TCP connection is gone."""
        self._out = self._waiting = self._cut = self._train = None
        self.factory.unwatch(self)
        if not isinstance(reason.value, ConnectionDone | ConnectionAborted | ConnectionLost):
            super().connectionLost(reason)
            return
        # Autobahn's own way, without its debug lines, which cost more than all else here.
        self.state = CLOSED
        self.factory.countConnections -= 1
        if self.wasClean:
            self.onClose(wasClean=True, code=self.remoteCloseCode, reason=self.remoteCloseReason)
        else:
            why = self.wasNotCleanReason or "the connection ended without a Close frame"
            self.onClose(wasClean=False, code=ABNORMAL_CLOSURE, reason=why)

    def dataReceived(self, data: bytes) -> None:
        """Bytes came in."""
        factory = self.factory
        self.heard = factory.keep_alive.now
        if not factory.outbox.open:
            with factory.outbox:
                self.dataReceived(data)
        elif self.state == OPEN and not self._is_midway:
            self._receive_frames(data)
        elif self.state == CONNECTING and not self._is_midway:
            self._receive_request(data)
        elif self.state != CLOSED:  # else it came before the end, and is too late
            cut, self._cut = self._cut, None
            self._hand_over(data if cut is None else bytes(cut) + data)

    def probe(self) -> None:
        """See `keepalive.Watched`."""
        self.sendPing()

    def vanish(self) -> None:
        """See `keepalive.Watched`."""
        self._drop("it does not answer")

    def expire(self) -> None:
        """See `keepalive.Watched`."""
        self.transport.abortConnection()

    def _drop(self, reason: str) -> None:
        """End the connection without a word, for there is nobody to hear it."""
        log.warning("Dropping the connection of %s: %s", self.address, reason)
        self.wasNotCleanReason = reason
        self.droppedByMe = True
        self.state = CLOSED
        self.transport.abortConnection()

    def _receive_request(self, data: bytes) -> None:
        factory = self.factory
        request = handshake.read(data) if factory.takes_any_origin else None
        if request is None:
            self._hand_over(data)
            return
        self.http_request_path = request.path
        self.onConnect(
            ConnectionRequest(
                self.address,
                request.headers,
                request.headers["host"],
                request.path,
                request.params,
                13,
                request.headers.get("origin", ""),
                [],
                [],
            )
        )
        self.sendData(handshake.response(request, factory.server))
        self.state = OPEN
        self.onOpen()
        if len(data) > request.end:
            self.dataReceived(data[request.end :])

    def _receive_frames(self, data: bytes) -> None:
        if self._cut is not None:
            self._cut += data
            if len(self._cut) < self._missing:
                return
            data = bytes(self._cut)
            self._cut = None
        at, size = 0, len(data)
        max_size = self.factory.maxFramePayloadSize
        while at < size:
            first, payload, end = read_frame(data, at, max_size)
            if self.state != OPEN or first == ODD:
                self._hand_over(data[at:])
                return
            if first == CUT:
                self._cut = bytearray(data[at:])
                self._missing = end
                return
            if first == TEXT and self._train is None:
                self.onMessage(payload, isBinary=False)
            elif not self._take(first, payload):
                self._hand_over(data[at:])
                return
            at = end

    def _take(self, first: int, payload: bytes) -> bool:
        """Do what a frame asks for; or return False, if it has no place here."""
        if first == PING:
            self.onPing(payload)
        elif first == PONG:
            self.onPong(payload)
        elif first == CLOSE:
            return self._take_close(payload)
        else:
            return self._take_fragment(first, payload)
        return True

    def _take_close(self, payload: bytes) -> bool:
        if len(payload) == 1:
            return False  # half a code
        code = int.from_bytes(payload[:2], "big") if payload else None
        self._train = None  # it will not be finished
        self.onCloseFrame(code, payload[2:] or None)  # type: ignore[arg-type] # it takes None
        return True

    def _take_fragment(self, first: int, payload: bytes) -> bool:
        train = self._train
        if first == TEXT or (train is None) != (first == TEXT_BEGINS):
            return False
        if train is None:
            train = FragmentTrain()
        max_size = self.factory.maxMessagePayloadSize
        if 0 < max_size < train.size + len(payload) or not train.add(payload, first == TEXT_ENDS):
            return False
        if first == TEXT_ENDS:
            self._train = None
            self.onMessage(train.message(), isBinary=False)
        else:
            self._train = train
        return True

    def _hand_over(self, data: bytes) -> None:
        """Let Autobahn go on with these bytes, and with the message that they belong to."""
        train, self._train = self._train, None
        self._dataReceived(data if train is None else train.as_one_fragment() + data)
        self._is_midway = bool(self.current_frame is not None or self.inside_message or self.data)

    def sendFrame(self, opcode: int, payload: bytes = b"", *rest: Any, **options: Any) -> None:
        """Send a frame; a whole one, if no more is said, without Autobahn's way for any other."""
        if rest or options:
            super().sendFrame(opcode, payload, *rest, **options)
        else:
            self.sendData(frame(FIN | opcode, payload))

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Send bytes. All that is sent comes by here, Autobahn's frames too."""
        if self._out is None:
            self._out = [data]
        else:
            self._out.append(data)
        if not self._is_due:
            self._is_due = True
            self.factory.outbox.add(self)

    def send_later(self, data: bytes) -> None:
        """Send bytes that are in no hurry; what is sent after them goes out after them."""
        if self._out is None:
            self._out = [data]
            self.factory.outbox.add_later(self)
        else:
            self._out.append(data)

    def flush(self) -> None:
        """See `outbox.Flushable`."""
        out, self._out = self._out, None
        self._is_due = False
        if out is None:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        if self._waiting is not None:
            self._wait(data)
        elif not self._direct:
            self.transport.write(data)
        elif self.state != CLOSED:
            self._write_directly(data)

    def _write_directly(self, data: bytes) -> None:
        """Write past the transport's buffer, for which the reactor would have to be told twice."""
        try:
            sent = self.transport.socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            return  # the connection is lost, which the reactor will say
        if sent < len(data):
            self._waiting = []
            self._wait(data[sent:])
            self.transport.registerProducer(self, streaming=False)

    def _wait(self, data: bytes) -> None:
        assert self._waiting is not None
        self._waiting.append(data)
        self._waiting_size += len(data)
        max_buffer = self.factory.max_buffer
        if 0 < max_buffer < self._waiting_size and self.state != CLOSED:
            self._drop(f"it does not read, and {self._waiting_size // 1024} KiB wait for it")

    def pauseProducing(self) -> None:
        """The transport has more than it can send. A hook of IPushProducer."""
        if self._waiting is None:
            self._waiting = []

    def resumeProducing(self) -> None:
        """The transport has sent all that it had, or nearly so. A hook of both producers."""
        waiting, self._waiting = self._waiting, None
        self._waiting_size = 0
        if waiting:
            data = b"".join(waiting)
            if self._direct:  # what is in the transport counts until it is sent
                self._waiting = []
                self._waiting_size = len(data)
            self.transport.write(data)
        elif self._direct:
            self.transport.unregisterProducer()

    def stopProducing(self) -> None:
        """The connection is gone, which connectionLost tells too. A hook of both producers."""

    def unregisterProducer(self) -> None:
        """Autobahn is about to end the connection; what waits is dealt with below."""

    def _closeConnection(self, abort: bool = False) -> None:
        """End the TCP connection. Without `abort`, what was sent before still goes out."""
        rest = b"".join(self._out or [])
        self._out = None
        if abort:
            pass
        elif self._waiting is not None or not self._direct:
            self.transport.write(b"".join([*(self._waiting or []), rest]))
        elif rest:
            self._write_directly(rest)
        self._waiting = None
        self.transport.unregisterProducer()
        super()._closeConnection(abort)


class ChannelFactory(WebSocketServerFactory):
    """What all channels share.

    Attributes:
        outbox: gathers what they send.
        max_buffer: the most that may wait for one client, in bytes; 0 for any.
        keep_alive: finds those at whose other end nobody is.
    """

    def __init__(
        self,
        reactor: Any,
        server: str,
        *,
        outbox: Outbox,
        max_buffer: int,
        ping_interval: int,
        ping_timeout: int,
    ) -> None:
        """
        Args:
            server: for the header of that name.
            ping_interval: seconds of silence after which a client is pinged; 0: never.
            ping_timeout: seconds after that in which it must have said something.
        """
        super().__init__(reactor=reactor, server=server)
        self.outbox = outbox
        outbox.call_later = reactor.callLater
        self.max_buffer = max_buffer
        self.keep_alive = KeepAlive(ping_interval, ping_timeout)
        self._next_tick: IDelayedCall | None = None

    def watch(self, channel: Channel) -> None:
        """See that a channel which is open ends when its client is gone."""
        self.keep_alive.add(channel)
        self._go_on()

    def expect(self, channel: Channel, seconds: int) -> None:
        """Let a channel expire after that time, or up to a second later, unless it is watched."""
        self.keep_alive.expect(channel, seconds)
        self._go_on()

    def unwatch(self, channel: Channel) -> None:
        """A channel has ended."""
        self.keep_alive.remove(channel)
        if not self.keep_alive and self._next_tick is not None:
            self._next_tick.cancel()
            self._next_tick = None

    def _go_on(self) -> None:
        if self._next_tick is None and self.keep_alive:
            self._next_tick = self.reactor.callLater(1, self._tick)

    def _tick(self) -> None:
        self._next_tick = None
        with self.outbox:
            self.keep_alive.tick()
        self._go_on()

    @property
    def takes_any_origin(self) -> bool:
        """Whether a page from anywhere may connect."""
        return bool(self.allowedOrigins == ["*"] and self.allowNullOrigin)
