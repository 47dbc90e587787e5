"""Connections to Redis: commands go out together, and answers come in the order of the commands.

`txredisapi` reads, with hiredis. Its own way of sending makes three Deferreds a command: 9 µs for a
PUBLISH and 15 µs for a script, against 1 µs for what is here.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import hiredis
import OpenSSL.SSL
from service_identity import VerificationError
from twisted.internet import defer, error
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    DNSLookupError,
)
from twisted.internet.interfaces import ITCPTransport
from twisted.python.failure import Failure
from txredisapi import HiredisProtocol, InvalidData, ResponseError, SubscriberProtocol

from twisted_signal import event_log, events
from twisted_signal.cluster.scripts import LOST, Answered
from twisted_signal.outbox import Outbox
from twisted_signal.text import printable

log = event_log.logger(__name__)

Words = Sequence[str | bytes | int]
"""A command: its name and its arguments."""

SHOWN_LENGTH = 160
"""Characters that are shown of an error of Redis's."""

ANSWER_TIMEOUT = 2.0
"""Seconds for an answer that is waited for."""

SILENT = "Redis does not answer"
FAILED = "what Redis said could not be handled"


class Refused(Exception):
    """Redis refused a command. `str(error)` is what it said, in one line."""

    def __init__(self, reply: Exception) -> None:
        super().__init__(_shortened(str(reply)))


class Broken(Exception):
    """The connection broke, or there is none. `str(error)` says why, without a full stop."""


_IN_WORDS = (
    (ConnectionDone, "Redis has closed the connection"),
    ((ConnectionLost, ConnectionAborted), "the connection broke"),
    (DNSLookupError, "its name has no address"),
    ((defer.TimeoutError, error.TimeoutError), SILENT),
    (VerificationError, "TLS failed: the certificate is for another name"),
)


def in_words(reason: BaseException | None) -> str:
    """Return why there is no connection, without a full stop."""
    for kinds, words in _IN_WORDS:
        if isinstance(reason, kinds):
            return words
    match reason:
        case Refused():
            text = f"Redis says: {reason}"
        case error.ConnectError(osError=int(number)):
            text = os.strerror(number).lower()
        case OpenSSL.SSL.Error(args=[[[*_, str(last)], *_]] | [int(), str(last)]):
            text = f"TLS failed: {last}"
        case OpenSSL.SSL.Error():
            text = "TLS failed"
        case _:
            text = str(reason) or type(reason).__name__
    return _shortened(text).removesuffix(".")


def _shortened(text: str) -> str:
    return printable(text)[:SHOWN_LENGTH]


class _Replies:
    """Whoever waits for an answer, in order. It takes the place of txredisapi's ReplyQueue."""

    def __init__(self) -> None:
        self.waiting: deque[Answered] = deque()
        self.unasked: object = None  # what nobody waited for, as that there are too many clients

    def put(self, reply: object) -> None:
        """Redis has answered, or the connection is lost."""
        if self.waiting:
            self.waiting.popleft()(reply)
        else:
            self.unasked = reply


class Connection(HiredisProtocol):  # type: ignore[misc] # txredisapi has no annotations
    """A connection to Redis.

    Attributes:
        gone: why nothing is said here any more; None: that is not so.
        ended: is told, once, that the connection is gone, if nobody here dropped it; and why.
    """

    def __init__(self, reactor: Any, outbox: Outbox) -> None:
        """
        Args:
            reactor: tells when the time for an answer is over.
            outbox: gathers commands, and what is sent to clients for what comes here.
        """
        super().__init__(charset=None, convertNumbers=False)
        self.replyQueue = _Replies()
        self.gone: str | None = None
        self.ended: Callable[[str], None] = _nobody
        self._reactor = reactor
        self._outbox = outbox
        self._gathered: list[bytes] = []
        self._is_deaf = self._is_direct = False
        self._reads = self._reads_before = self._silence = 0

    @property
    def is_waiting(self) -> bool:
        """Whether something is not answered yet."""
        return bool(self.replyQueue.waiting)

    def silence(self) -> int:
        """Return how often in a row this was asked while an answer was owed and nothing came."""
        if self.is_waiting and self._reads == self._reads_before:
            self._silence += 1
        else:
            self._silence = 0
        self._reads_before = self._reads
        return self._silence

    def connectionMade(self) -> None:
        """A connection is there, for which nobody has said yet who asks."""
        super().connectionMade()
        self._is_direct = isinstance(self.transport, FileDescriptor)
        if ITCPTransport.providedBy(self.transport):
            # Else a command waits for the answer to the one before (Nagle's algorithm).
            self.transport.setTcpNoDelay(True)

    def send(self, words: Words, answered: Answered) -> None:
        """Send a command. `answered`: is told what Redis answers, later."""
        self.replyQueue.waiting.append(answered)
        gathered = self._gathered
        gathered.append(hiredis.pack_command(tuple(words)))  # type: ignore[arg-type] # its stub lacks the dots
        if len(gathered) == 1:
            self._outbox.add(self)

    def take_back(self, answered: Answered) -> None:
        """What was just answered is to be as if it was not; the connection is about to go."""
        self.replyQueue.waiting.appendleft(answered)

    def ask(self, *words: str | bytes | int) -> "Deferred[Any]":
        """Send a command; the Deferred is for the answer.

        It fails with `Refused` or `Broken`, or TimeoutError; who gives up drops the connection.
        """
        asked: Deferred[Any] = Deferred(lambda _: self._give_up())

        def answered(reply: object) -> None:
            if reply is LOST:
                asked.errback(Broken(self.gone))
            elif isinstance(reply, Exception):
                asked.errback(Refused(reply))
            else:
                asked.callback(reply)

        if self.gone is None:
            self.send(words, answered)
        else:
            answered(LOST)
        return asked.addTimeout(ANSWER_TIMEOUT, self._reactor)

    def _give_up(self) -> None:
        self.replyQueue.waiting.clear()  # of several questions the others would wait in vain
        self.drop(SILENT)

    def flush(self) -> None:
        """See `outbox.Flushable`."""
        gathered, self._gathered = self._gathered, []
        data = b"".join(gathered)
        transport = self.transport
        is_last = self._outbox.open  # of this turn: else the reactor gathers what comes
        if is_last and self._is_direct and not (transport.dataBuffer or transport._tempDataBuffer):  # noqa: SLF001 - nothing else tells that all is sent
            # Past the transport's buffer: a message there and back costs 21 µs then, and not 32.
            with suppress(OSError):  # that it is full or broken is found again below
                data = data[transport.socket.send(data) :]
        if data:
            transport.write(data)

    def drop(self, why: str) -> None:
        """End the connection at once, and tell those who wait for an answer. `why`: for people."""
        if self.gone is not None:
            return
        self.gone = why
        if self.transport is not None:  # there was a connection
            self.transport.abortConnection()
        replies = self.replyQueue
        while replies.waiting:
            replies.put(LOST)

    def deafen(self) -> None:
        """Take no answers and no messages any more; the connection is about to go."""
        self._is_deaf = True

    def close(self) -> None:
        """End the connection when all is sent."""
        self.deafen()
        self.gone = "this node has closed it"
        self.transport.loseConnection()

    def dataReceived(self, data: bytes, unpause: bool = False) -> None:
        """Read what came."""
        self._reads += 1
        with self._outbox:
            try:
                super().dataReceived(data)
            except InvalidData:
                self._end("what answers there is no Redis")
            except Exception:
                log.exception(events.CLUSTER_FAILED)
                self._end(FAILED)

    def replyReceived(self, reply: object) -> None:
        """An answer came, as one of several that were read at once."""
        if self.gone is None and not self._is_deaf:
            super().replyReceived(reply)

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        unasked = self.replyQueue.unasked
        cause = Refused(unasked) if isinstance(unasked, ResponseError) else reason.value
        with self._outbox:
            self._end(in_words(cause))
        self.replyQueue.waiting.clear()  # of one that was closed, where nobody waits any more
        super().connectionLost(reason)

    def _end(self, why: str) -> None:
        if self.gone is None:
            self.ended(why)
            self.drop(why)


class Subscription(Connection, SubscriberProtocol):  # type: ignore[misc] # txredisapi has no annotations
    """A connection that hears what is said on channels. `heard`: is told of each."""

    def __init__(self, reactor: Any, outbox: Outbox, heard: Callable[[bytes], None]) -> None:
        """See Connection."""
        super().__init__(reactor, outbox)
        self.heard = heard

    def messageReceived(self, pattern: None, channel: bytes, message: bytes) -> None:
        """Something was said. A hook of txredisapi."""
        self.heard(message)


def _nobody(why: str) -> None:
    """Nobody wants to know that a connection has ended."""
