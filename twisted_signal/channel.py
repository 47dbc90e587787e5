"""A WebSocket of Autobahn's with a short way for ordinary traffic, and bounded output.

The opening handshake (`handshake`) and the frames (`frames`) that a client sends all day are read
here; everything else goes to Autobahn unchanged, from the place where it begins. What Autobahn keeps
for each connection is kept once for all of them, as long as it is the same.

This module is the one place that knows Autobahn from the inside. `tests/test_channel.py` holds what
it takes for granted against the release that is installed.
"""

import logging
from collections import deque
from functools import cached_property
from operator import attrgetter
from typing import Any, ClassVar

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.wamp.types import TransportDetails
from autobahn.websocket.protocol import TrafficStats
from autobahn.websocket.types import ConnectionRequest
from autobahn.websocket.utf8validator import Utf8Validator
from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_signal import handshake
from twisted_signal.addresses import peer_text
from twisted_signal.frames import PING, PONG, TEXT, TEXT_BEGINS, TEXT_ENDS, FragmentTrain, split
from twisted_signal.outbox import Outbox

log = logging.getLogger(__name__)

MAX_BUFFER = 1024 * 1024
"""The most that may wait for one client that does not read, in bytes."""

# A connection's states, as Autobahn names them.
CONNECTING = WebSocketServerProtocol.STATE_CONNECTING
OPEN = WebSocketServerProtocol.STATE_OPEN
CLOSED = WebSocketServerProtocol.STATE_CLOSED

ABNORMAL_CLOSURE = 1006  # RFC 6455, section 7.4.1


class _Nobody:
    """In the place of a Deferred that nobody waits for."""

    def callback(self, result: object) -> None:
        """Do nothing."""


class Channel(WebSocketServerProtocol):
    """One client's WebSocket.

    What stands here in the class is what Autobahn sets anew for each connection. An attribute of an
    instance takes its place as soon as it differs.
    """

    factory: Any  # a ChannelFactory
    transport: Any  # a TCP connection, TLS over one, or a local socket

    # What Autobahn.__init__ and _connectionMade would set.
    is_open: ClassVar = _Nobody()
    is_closed: ClassVar = _Nobody()
    trafficStats: ClassVar = TrafficStats()  # nobody reads them
    send_queue: ClassVar = deque()  # for chopped writes only, which are not used
    _transport_details: ClassVar = TransportDetails()
    _perMessageCompress = None
    trackedTimings = None
    state = CONNECTING
    send_state = WebSocketServerProtocol.SEND_STATE_GROUND
    data = b""
    triggered = False
    wasMaxFramePayloadSizeExceeded = False
    wasMaxMessagePayloadSizeExceeded = False
    closedByMe = False
    failedByMe = False
    droppedByMe = False
    wasClean = False
    wasNotCleanReason = None
    wasServerConnectionDropTimeout = False
    wasOpenHandshakeTimeout = False
    wasCloseHandshakeTimeout = False
    wasServingFlashSocketPolicyFile = False
    localCloseCode = None
    localCloseReason = None
    remoteCloseCode = None
    remoteCloseReason = None
    openHandshakeTimeoutCall = None
    closeHandshakeTimeoutCall = None
    autoPingTimeoutCall = None
    autoPingPending = None
    autoPingPendingCall = None
    autoPingPendingSeq = 0
    autoPingPendingSent = None
    # What its succeedHandshake would set.
    inside_message = False
    current_frame = None
    websocket_version = 13

    # Ours.
    _out: list[bytes] | None = None  # gathered until the outbox closes
    _waiting: list[bytes] | None = None  # until the transport can take more; None if it can
    _waiting_size = 0
    _cut: bytearray | None = None  # the beginning of a frame that is not all there
    _missing = 0
    _train: FragmentTrain | None = None

    def __init__(self) -> None:
        """Not Autobahn's: that makes what stands above, for each connection."""

    @cached_property
    def utf8validator(self) -> Any:
        """Autobahn's, for the texts that it reads itself."""
        return Utf8Validator()

    @property
    def peer(self) -> str:
        """What Autobahn's log lines call the client."""
        return self.address

    def connectionMade(self) -> None:
        """A TCP connection came in."""
        transport = self.transport
        self.address = peer_text(transport.getPeer())
        self._direct = isinstance(transport, FileDescriptor)
        if not self._direct:
            transport.registerProducer(self, True)
        # With Nagle's algorithm on, a message that follows another waits 40 ms for the client's
        # delayed ACK.
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        self.factory.countConnections += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The TCP connection is gone."""
        self._out = self._waiting = self._cut = self._train = None
        if not self.wasClean and reason.check(ConnectionDone, ConnectionAborted, ConnectionLost):
            # Autobahn's own way, without its debug lines, which cost more than all else here.
            self.state = CLOSED
            self.factory.countConnections -= 1
            why = self.wasNotCleanReason or "the connection ended without a Close frame"
            self._onClose(False, ABNORMAL_CLOSURE, why)
        else:
            super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        """Bytes came in."""
        outbox = self.factory.outbox
        if outbox.open:
            if self.state == OPEN and self.current_frame is None and not self.inside_message:
                self._receive_frames(data)
            else:
                self._receive(data)
            return
        outbox.open = True
        try:
            self._receive(data)
        finally:
            outbox.close()

    def _receive(self, data: bytes) -> None:
        if self.state == OPEN and self.current_frame is None and not self.inside_message:
            self._receive_frames(data)
        elif self.state == CONNECTING and not self.data:
            self._receive_request(data)
        else:  # Autobahn is in the middle of something
            cut, self._cut = self._cut, None
            self._dataReceived(data if cut is None else bytes(cut) + data)

    def _receive_request(self, data: bytes) -> None:
        factory = self.factory
        request = handshake.read(data) if factory.takes_any_origin else None
        if request is None:
            self._dataReceived(data)
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
            self._receive(data[request.end :])

    def _receive_frames(self, data: bytes) -> None:
        if self._cut is not None:
            self._cut += data
            if len(self._cut) < self._missing:
                return
            data = bytes(self._cut)
            self._cut = None
        if self.data:
            self._dataReceived(data)  # Autobahn has the beginning of a frame
            return
        frames, end, missing = split(data, self.factory.maxFramePayloadSize)
        for first, payload, start in frames:
            if self.state != OPEN:
                self._hand_over(data[start:])
                return
            if first == TEXT and self._train is None:
                self.onMessage(payload, False)
            elif first == PING:
                self.onPing(payload)
            elif first == PONG:
                self.onPong(payload)
            elif not self._take_fragment(first, payload):
                self._hand_over(data[start:])
                return
        if end == len(data):
            return
        if missing and self.state == OPEN:
            self._cut = bytearray(data[end:])
            self._missing = missing
        else:
            self._hand_over(data[end:])

    def _take_fragment(self, first: int, payload: bytes) -> bool:
        """Take a fragment; or return False, if there is something wrong with it."""
        train = self._train
        if (train is None) != (first == TEXT_BEGINS):
            return False
        if train is None:
            train = FragmentTrain()
        max_size = self.factory.maxMessagePayloadSize
        if 0 < max_size < train.size + len(payload) or not train.add(payload, first == TEXT_ENDS):
            return False
        if first == TEXT_ENDS:
            self._train = None
            self.onMessage(train.message(), False)
        else:
            self._train = train
        return True

    def _hand_over(self, data: bytes) -> None:
        """Let Autobahn go on with these bytes, and with the message that they belong to."""
        train, self._train = self._train, None
        self._dataReceived(data if train is None else train.as_one_fragment() + data)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Send bytes. All that is sent comes by here, Autobahn's frames too."""
        out = self._out
        if out is None:
            self._out = [data]
            self.factory.outbox.add(self)
        else:
            out.append(data)

    def flush(self) -> None:
        """See `outbox.Flushable`."""
        out, self._out = self._out, None
        if out is None:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        if self._waiting is not None:
            self._wait(data)
        elif not self._direct:
            self.transport.write(data)
        elif self.state != CLOSED:
            # Past the transport's buffer, for which the reactor would have to be told twice.
            try:
                sent = self.transport.socket.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError:
                return  # the connection is lost, which the reactor will say
            if sent < len(data):
                self._waiting = []
                self._wait(data[sent:])
                self.transport.registerProducer(self, False)

    def _wait(self, data: bytes) -> None:
        assert self._waiting is not None
        self._waiting.append(data)
        self._waiting_size += len(data)
        max_buffer = self.factory.max_buffer
        if 0 < max_buffer < self._waiting_size and self.state != CLOSED:
            log.warning(
                "Dropping the connection of %s: it does not read, and %d KiB wait for it",
                self.address,
                self._waiting_size // 1024,
            )
            self.wasNotCleanReason = "it did not read what was sent to it"
            self.droppedByMe = True
            self.state = CLOSED
            self.transport.abortConnection()

    def pauseProducing(self) -> None:
        """The transport has more than it can send. A hook of IPushProducer."""
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
        rest = (self._waiting or []) + (self._out or [])
        self._waiting = self._out = None
        if rest and not abort:
            self.transport.write(b"".join(rest))
        self.transport.unregisterProducer()
        super()._closeConnection(abort)


# Autobahn copies its options from the factory to each connection.
for _option in Channel.CONFIG_ATTRS:
    setattr(Channel, _option, property(attrgetter(f"factory.{_option}")))


class ChannelFactory(WebSocketServerFactory):
    """What all channels share.

    Attributes:
        outbox: gathers what they send.
        max_buffer: the most that may wait for one client, in bytes; 0 for any.
    """

    def __init__(self, reactor: Any, server: str, outbox: Outbox, max_buffer: int) -> None:
        """`server`: the header of that name."""
        super().__init__(reactor=reactor, server=server)
        self.outbox = outbox
        self.max_buffer = max_buffer

    @property
    def takes_any_origin(self) -> bool:
        """Whether a page from anywhere may connect."""
        return bool(self.allowedOrigins == ["*"] and self.allowNullOrigin)
