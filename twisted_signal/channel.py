"""A WebSocket of Autobahn's with a short way for ordinary traffic.

The opening handshake (`handshake`) and the frames (`frames`) that a client sends all day are read
here; everything else goes to Autobahn unchanged, from the place where it begins.

This module, `sending` and `slim` are the ones that know Autobahn from the inside. Their tests hold
what is taken for granted against the release that is installed.
"""

from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory
from autobahn.websocket.types import ConnectionRequest
from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_signal import handshake
from twisted_signal.frames import (
    CLOSE,
    CUT,
    ODD,
    PING,
    PONG,
    TEXT,
    TEXT_BEGINS,
    TEXT_ENDS,
    FragmentTrain,
    read_frame,
)
from twisted_signal.keepalive import KeepAlive
from twisted_signal.limits import Limits
from twisted_signal.outbox import Outbox
from twisted_signal.sending import SendingProtocol
from twisted_signal.slim import CLOSED, CONNECTING, OPEN

# A TLS handshake that fails is no error of the server's: anybody may send anything.
_ORDINARY_ENDS = (ConnectionDone, ConnectionAborted, ConnectionLost, SSL.Error)

ABNORMAL_CLOSURE = 1006  # RFC 6455, section 7.4.1


class Channel(SendingProtocol):
    """One client's WebSocket."""

    __slots__ = (
        "_cut",  # the beginning of a frame that is not all there
        "_is_midway",  # Autobahn is in the middle of a frame, a message or a request
        "_missing",
        "_train",
        "due",
        "heard",
        "is_expected",
    )

    def __init__(self) -> None:
        """Begin where nothing has come yet."""
        super().__init__()
        self.heard = 0
        self.due = -1  # not watched
        self.is_expected = self._is_midway = False
        self._missing = 0
        self._cut: bytearray | None = None
        self._train: FragmentTrain | None = None

    def connectionMade(self) -> None:
        """A TCP connection came in."""
        super().connectionMade()
        self.factory.countConnections += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The TCP connection is gone."""
        self._cut = self._train = None
        self._forget_output()
        self.factory.unwatch(self)
        if not isinstance(reason.value, _ORDINARY_ENDS):
            super().connectionLost(reason)
            return
        # Autobahn's own way, without its debug lines, which cost more than all else here.
        self.state = CLOSED
        self.factory.countConnections -= 1
        if self.wasClean:
            self.onClose(wasClean=True, code=self.remoteCloseCode, reason=self.remoteCloseReason)
        else:
            why = self.wasNotCleanReason or "the connection ended without a Close frame"
            if isinstance(reason.value, SSL.Error):
                why = f"TLS failed: {reason.value}"
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


class ChannelFactory(WebSocketServerFactory):
    """What all channels share.

    Attributes:
        outbox: gathers what they send.
        limits: how much one client may take.
        max_buffer: the limit of that name, which each send looks at.
        keep_alive: finds those at whose other end nobody is.
    """

    def __init__(
        self,
        reactor: Any,
        server: str,
        *,
        outbox: Outbox,
        limits: Limits,
    ) -> None:
        """
        Args:
            server: for the header of that name.
        """
        super().__init__(reactor=reactor, server=server)
        # One limit for both: a channel asks for either.
        max_size = limits.max_message_size
        self.setProtocolOptions(maxMessagePayloadSize=max_size, maxFramePayloadSize=max_size)
        self.outbox = outbox
        outbox.call_later = reactor.callLater
        self.limits = limits
        self.max_buffer = limits.max_buffer
        self.keep_alive = KeepAlive(limits.ping_interval, limits.ping_timeout)
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
