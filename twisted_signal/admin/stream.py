"""An answer that goes on: server-sent events (HTML, section 9.2) for a page that stays open.

What is streamed comes from a `Source`, one for each reader, which is asked once a second. It is not
asked while the reader takes nothing of what was sent before, so that at most one answer of the
source waits for each; one that takes nothing for long is dropped.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_signal import event_log, events

log = event_log.logger(__name__)

CONTENT_TYPE = "text/event-stream"
MOST = 16
"""Readers at once."""
HEARTBEAT = 15
"""Seconds after which a reader that was sent nothing gets a comment, or proxies would end it."""
PATIENCE = 20
"""Seconds in which a reader must take something of what waits for it."""

_COMMENT = b":\n\n"


class Source(Protocol):
    """What one reader is told. It is made for the reader, and forgotten with it."""

    def begin(self, query: Mapping[str, str], now: float) -> bytes:
        """Return the first events, whole ones, each with the empty line after it.

        Args:
            query: that of the request's URL.
            now: seconds of the reactor's clock.

        Raises:
            ApiError: the query makes no sense; the reader is told so, and nothing is streamed.
        """

    def tick(self, now: float) -> bytes | None:
        """Return what is new since what was returned last; None: nothing.

        It is asked each second, and not at all while the reader is behind: so what is returned is
        the difference to what it has, and not an account of all that happened.
        """


class Events(NamedTuple):
    """In the place of an `Answer`: what is streamed. `first`: what `source.begin` returned."""

    first: bytes
    source: Source


@implementer(IPushProducer)
class Stream:
    """Events on their way to one reader."""

    def __init__(self, streams: "Streams", request: Any, source: Source) -> None:
        self._streams = streams
        self._request = request
        self._source = source
        self._paused_at: float | None = None
        self._timer: IDelayedCall | None = None
        self._sent_at = 0.0

    def begin(self, first: bytes) -> None:
        """Send the first events; the headers go before them."""
        self._request.notifyFinish().addBoth(self._ended)
        self._request.registerProducer(self, streaming=True)
        self._send(first, self._streams.reactor.seconds())
        self._wait()

    def end(self) -> None:
        """Say that it is over."""
        self._request.unregisterProducer()
        self._request.finish()

    def pauseProducing(self) -> None:
        """The reader does not take what was sent. A hook of IPushProducer."""
        if self._paused_at is None:
            self._paused_at = self._streams.reactor.seconds()

    def resumeProducing(self) -> None:
        """The reader has taken it. A hook of IPushProducer."""
        self._paused_at = None

    def stopProducing(self) -> None:
        """The connection is gone, which the request tells too. A hook of IPushProducer."""

    def _wait(self) -> None:
        self._timer = self._streams.reactor.callLater(1, self._tick)

    def _tick(self) -> None:
        now = self._streams.reactor.seconds()
        if self._paused_at is not None:
            if now - self._paused_at >= PATIENCE:
                self._drop()
                return
        else:
            try:
                data = self._source.tick(now)
            except Exception:
                log.exception(events.ADMIN_STREAM_FAILED, about=event_log.OTHERS)
                self._drop()
                return
            if not data and now - self._sent_at >= HEARTBEAT:
                data = _COMMENT
            if data:
                self._send(data, now)
        self._wait()

    def _send(self, data: bytes, now: float) -> None:
        self._sent_at = now
        self._request.write(data)

    def _drop(self) -> None:
        self._request.channel.abort()

    def _ended(self, _: Failure | None) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._streams.forget(self)


class Streams:
    """All that are streamed now.

    Attributes:
        reactor: its timers and its clock.
    """

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self._streams: set[Stream] = set()

    @property
    def are_full(self) -> bool:
        """Whether there may be no more of them."""
        return len(self._streams) >= MOST

    def begin(self, request: Any, events: Events) -> None:
        """Stream events as the body of the answer to a request, until either side ends it.

        Args:
            request: of twisted.web's, with a channel that has `abort`; the headers are set.
        """
        stream = Stream(self, request, events.source)
        self._streams.add(stream)
        stream.begin(events.first)

    def end(self) -> None:
        """End all of them."""
        for stream in list(self._streams):
            stream.end()

    def forget(self, stream: Stream) -> None:
        """One has ended."""
        self._streams.discard(stream)
