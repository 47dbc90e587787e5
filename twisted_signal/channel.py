"""A WebSocket of Autobahn's with a short way for ordinary traffic.

The opening handshake (`handshake`) and the frames (`frames`) that a client sends all day are read
here; everything else goes to Autobahn unchanged, from the place where it begins.

This module, `sending` and `slim` are the ones that know Autobahn from the inside. Their tests hold
what is taken for granted against the release that is installed.
"""

import logging
from collections import Counter
from math import ceil
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory
from autobahn.util import encode_truncate
from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_signal.admission import Admission, Refusal
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
from twisted_signal.opening import OpeningProtocol
from twisted_signal.outbox import Outbox
from twisted_signal.slim import CLOSED, CONNECTING, OPEN
from twisted_signal.sparingly import Sparingly
from twisted_signal.text import printable

# A TLS handshake that fails is no error of the server's: anybody may send anything.
_ORDINARY_ENDS = (ConnectionDone, ConnectionAborted, ConnectionLost, SSL.Error)

log = logging.getLogger(__name__)

# Close codes, RFC 6455, section 7.4.1.
ABNORMAL_CLOSURE = 1006
POLICY_VIOLATION = 1008

TOLD = -1
"""In the place of how many messages are left: none, and the client knows."""
UNLIMITED = 2**62
"""More than anybody sends."""
MANY = 1000
"""Addresses that are looked at each second, whether they may be forgotten."""


class Channel(OpeningProtocol):
    """One client's WebSocket."""

    __slots__ = (
        "_is_midway",  # Autobahn is in the middle of a frame, a message or a request
        "_missing",
        "_train",
        "due",
        "excess",  # messages that were refused lately
        "frames_left",  # how many may come in this second
        "heard",
        "is_expected",
        "messages_left",  # the same, which `onMessage` counts
    )

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
        if self.heard != factory.keep_alive.now:
            self._refill()
        if not factory.outbox.open:
            with factory.outbox:
                self.dataReceived(data)
        elif self.state == OPEN and not self._is_midway:
            self._receive_frames(data)
        elif self.state == CONNECTING and not self._is_midway:
            self._receive_request(data)
        elif self.state != CLOSED:
            cut, self._cut = self._cut, None
            self._hand_over(data if cut is None else bytes(cut) + data)
        elif self._discards:
            self._discard(len(data))

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
        self._drop("it does not answer")

    def expire(self) -> None:
        """See `keepalive.Watched`."""
        if self.state == CONNECTING:
            seconds = self.factory.limits.handshake_timeout
            sentence = f"The WebSocket handshake was not there in {seconds} s"
            self.factory.refused("handshake_timeout", self.address, sentence)
        self.transport.abortConnection()

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
            self.failedByMe = True
            self.end_with(code, reason)

    def _refill(self) -> None:
        """Let it send as much as the time allows that has passed."""
        factory = self.factory
        now = factory.keep_alive.now
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
            self.factory.refusals["frame_rate"] += 1
            rate = self.factory.limits.frame_rate
            self.end_with(POLICY_VIOLATION, f"More than {rate} frames came in a second")

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
        frame_rate, message_rate: how many more may come each second.
        most_frames, most_messages: how many may come at once.
        frames_bind: whether it is the number of frames that bounds messages.
        keep_alive: finds those at whose other end nobody is.
        refusals: how often each limit was met, by its name.
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
        self.frame_rate, self.message_rate = limits.frame_rate, limits.message_rate
        # A second here is as long as the reactor makes it, and reads may come late: twice as many.
        self.most_frames = 2 * self.frame_rate or UNLIMITED
        self.most_messages = UNLIMITED
        if limits.message_rate and limits.message_burst:
            self.most_messages = max(limits.message_rate, limits.message_burst)
        # A text frame counts as a message only: where fewer frames are allowed, that is the limit.
        self.frames_bind = 0 < self.most_frames < self.most_messages
        if self.frames_bind:
            self.most_messages, self.message_rate = self.most_frames, self.frame_rate
        self.keep_alive = KeepAlive(limits.ping_interval, limits.ping_timeout)
        self.admission = Admission(limits)
        self.refusals: Counter[str] = Counter()
        self._sparingly = Sparingly()
        self._next_tick: IDelayedCall | None = None

    def arrive(self, channel: Channel) -> Refusal | None:
        """Count a TCP connection; or return why there are so many that it must go at once."""
        place = self.admission.arrive(channel.host, self.reactor.seconds())
        if isinstance(place, Refusal):
            return place
        channel.place = place
        if self._next_tick is None:
            self._next_tick = self.reactor.callLater(1, self._tick)
        self.expect(channel, self.limits.handshake_timeout)
        return None

    def ask(self, channel: Channel, origin: str) -> Refusal | None:
        """Ask whether a WebSocket may be opened. `origin`: the header of that name, or nothing."""
        assert channel.place is not None
        return self.admission.ask(channel.place, self.reactor.seconds())

    def depart(self, channel: Channel) -> None:
        """A TCP connection has ended."""
        self.keep_alive.remove(channel)
        if channel.place is None:
            return
        self.admission.leave(channel.place, self.reactor.seconds())
        if not self.admission.connections and self._next_tick is not None:
            self._next_tick.cancel()
            self._next_tick = None

    def watch(self, channel: Channel) -> None:
        """See that a channel which is open ends when its client is gone."""
        self.keep_alive.add(channel)

    def expect(self, channel: Channel, seconds: int) -> None:
        """Let a channel expire after that time, or up to a second later, unless it is watched.

        Args:
            seconds: 0: it does not expire.
        """
        if seconds:
            self.keep_alive.expect(channel, seconds)

    def refused(self, kind: str, address: str, sentence: str) -> None:
        """Count a refusal, and log it if there was none of that kind in this second."""
        self.refusals[kind] += 1
        left_out = self._sparingly.ask(kind, self.reactor.seconds())
        if left_out is not None:
            log.warning("Refused %s: %s%s", address, printable(sentence), _and_more(left_out))

    @property
    def refill_in_ms(self) -> int:
        """When clients may send more, in milliseconds."""
        if self._next_tick is None:
            return 1000
        left: float = self._next_tick.getTime() - self.reactor.seconds()
        return max(1, ceil(1000 * left))

    def _tick(self) -> None:
        self._next_tick = self.reactor.callLater(1, self._tick)
        with self.outbox:
            self.keep_alive.tick()
        now = self.reactor.seconds()
        self.admission.forget(now, MANY)
        for kind, count in self._sparingly.rest(now).items():
            log.warning("Refused %d more: %s", count, kind)


def _and_more(count: int) -> str:
    return f" ({count} more before)" if count else ""
