"""A WebSocket of Autobahn's with a short way for ordinary traffic.

The opening handshake (`handshake`) and the frames (`frames`) that a client sends all day are read
here; everything else goes to Autobahn unchanged, from the place where it begins.

This module, `opening`, `sending` and `slim` are the ones that know Autobahn from the inside. Their
tests hold what is taken for granted against the release that is installed.
"""

from autobahn.util import encode_truncate
from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_signal.close_codes import ABNORMAL_CLOSURE, POLICY_VIOLATION
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
from twisted_signal.opening import OpeningProtocol
from twisted_signal.slim import CLOSED, CONNECTING, OPEN

# A TLS handshake that fails is no error of the server's: anybody may send anything.
_ORDINARY_ENDS = (ConnectionDone, ConnectionAborted, ConnectionLost, SSL.Error)

_FAULTS = {1007: "invalid_utf8", 1009: "message_size"}


UNKNOWN = 2**62
"""In the place of how many bytes a frame has: it is not looked at yet."""
TOLD = -1
"""In the place of how many messages are left: none, and the client knows."""


class Channel(OpeningProtocol):
    """One client's WebSocket."""

    __slots__ = (
        "_is_midway",  # Autobahn is in the middle of a frame, a message or a request
        "_missing",
        "_train",
        "connected_at",
        "due",
        "excess",  # messages that were refused lately
        "frames_left",  # how many may come in this second
        "heard",
        "is_expected",
        "messages_left",  # the same, which `onMessage` counts
        "number",
    )

    connected_at: float
    """When its TCP connection came, by the reactor's clock."""
    number: int
    """How many connections there had been with it: no other of this process has it."""

    def __init__(self) -> None:
        """Begin where nothing has come yet."""
        super().__init__()
        self.heard = self.excess = 0
        self.due = -1  # not watched
        self.is_expected = self._is_midway = False
        self._missing = 0
        self._train: FragmentTrain | None = None

    def connectionMade(self) -> None:
        """A TCP connection came in."""
        factory = self.factory
        self.frames_left = factory.most_frames
        self.messages_left = factory.most_messages
        factory.countConnections += 1
        factory.tally.connections += 1
        self.number = factory.tally.connections
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The TCP connection is gone."""
        self._cut = self._train = None
        self._forget_output()
        self.factory.depart(self)
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
        if self.heard < factory.keep_alive.now:
            self._refill(factory.keep_alive.now)
        if not factory.outbox.open:
            with factory.outbox:
                self.dataReceived(data)
            return
        if self.state == OPEN and not self._is_midway:
            self._receive_frames(data)  # which counts them
            return
        factory.tally.bytes_in += len(data)
        if self.state == CONNECTING and not self._is_midway:
            self._receive_request(data)
        elif self.state != CLOSED:
            cut, self._cut = self._cut, None
            self._hand_over(data if cut is None else bytes(cut) + data)
        elif self._discards:
            self._discard(len(data))

    def go_on(self) -> None:
        """Others had their turn: handle the next frames of what came in."""
        cut, self._cut = self._cut, None
        if self.state != CLOSED or self._discards:
            self.transport.resumeProducing()
        if cut is not None:
            self.dataReceived(bytes(cut))

    def end_with(self, code: int, reason: str) -> None:
        """Close with a Close frame after which nothing that the client sends is looked at.

        Args:
            code: RFC 6455, section 7.4.
            reason: for people; what is over 123 bytes of it is cut off.
        """
        if self.state == OPEN:
            self.sendCloseFrame(code, encode_truncate(reason, 123))
        self._train = self._cut = None
        self.linger()

    def probe(self) -> None:
        """See `keepalive.Watched`."""
        self.sendPing()

    def vanish(self) -> None:
        """See `keepalive.Watched`."""
        self._drop("ping_timeout", "it does not answer")

    def expire(self) -> None:
        """See `keepalive.Watched`."""
        if self.state == CONNECTING:
            self._expire_handshake()
        self.transport.abortConnection()

    def _expire_handshake(self) -> None:
        refusals = self.factory.refusals
        if self.factory.pages is not None and self._cut is None and not self._is_midway:
            # Browsers open connections that they may need, and may never say anything by them.
            refusals.count["handshake_timeout"] += 1
        else:
            seconds = self.factory.limits.handshake_timeout
            sentence = f"The WebSocket handshake was not there in {seconds} s"
            refusals.note("handshake_timeout", self.address, sentence, self)

    def onFrameBegin(self) -> None:
        """A frame begins that Autobahn reads."""
        super().onFrameBegin()
        self.frames_left -= 1
        if self.frames_left < 0:
            self._flooded()

    def _fail_connection(self, code: int = 1001, reason: str = "") -> None:
        """Close, because of what Autobahn finds wrong with a frame.

        It would read on, and abort the connection where a Close frame follows, its own with it.
        """
        if self.state != CLOSED:
            self.factory.refusals.count[_FAULTS.get(code, "protocol_error")] += 1
            self.failedByMe = True
            self.end_with(code, reason)

    def refill_early(self) -> bool:
        """Let it send more if the second is over, but the tick comes late; tell whether it may.

        The reactor reads before it looks at its timers: who waits as long as it was told, and not a
        millisecond longer, would be refused once more.
        """
        factory = self.factory
        next_tick = factory.keep_alive.now + 1
        if self.heard >= next_tick or not factory.is_tick_late:
            return False
        self._refill(next_tick)
        return True

    def _refill(self, now: int) -> None:
        """Let it send as much as the time allows that has passed. `now`: in ticks."""
        factory = self.factory
        passed = now - self.heard
        self.heard = now
        self.frames_left = min(factory.most_frames, self.frames_left + passed * factory.frame_rate)
        if self.messages_left != TOLD or passed > 1:
            self.excess = 0
        self.messages_left = min(
            factory.most_messages, max(self.messages_left, 0) + passed * factory.message_rate
        )

    def _flooded(self) -> None:
        if self.state != CLOSED:
            self.factory.refusals.count["frame_rate"] += 1
            rate = self.factory.limits.frame_rate
            self.end_with(POLICY_VIOLATION, f"More than {rate} frames came in a second")

    def _receive_frames(self, data: bytes) -> None:
        factory, at, size = self.factory, 0, len(data)
        factory.tally.bytes_in += size
        if self._cut is not None:
            self._cut += data
            size = len(self._cut)
            if size < self._missing:
                return
            data = bytes(self._cut)
            self._cut = None
        max_size = factory.maxFramePayloadSize
        left_in_slice = factory.slice
        while at < size:
            if not left_in_slice and self.state == OPEN:
                self._postpone(data[at:])
                return
            left_in_slice -= 1
            first, payload, end = read_frame(data, at, max_size)
            if self.state != OPEN or first == ODD:
                self._hand_over(data[at:])
                return
            if first == CUT:
                self._cut = bytearray(data[at:])
                self._missing = end
                return
            if first == TEXT and self._train is None:
                self.onMessage(payload, isBinary=False)  # which counts it
                at = end
                continue
            self.frames_left = left = self.frames_left - 1
            if left < 0:
                self._flooded()
                return
            if not self._take(first, payload):
                self._hand_over(data[at:])
                return
            at = end

    def _postpone(self, data: bytes) -> None:
        """Let others have their turn before the rest is handled, and more is read."""
        self.factory.tally.bytes_in -= len(data)  # it is counted when it is handled
        self._cut = bytearray(data)
        self._missing = UNKNOWN
        self.transport.pauseProducing()
        self.factory.postpone(self)

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
