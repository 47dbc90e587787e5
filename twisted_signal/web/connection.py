"""A connection that asks for pages, not for a WebSocket: HTTP by twisted.web, within limits."""

from http import HTTPStatus
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from twisted_signal import event_log, events
from twisted_signal.admission import Refusal
from twisted_signal.text import quoted
from twisted_signal.web.answers import Answer, in_words
from twisted_signal.web.requests import AnsweredRequest
from twisted_signal.web.website import Website

log = event_log.logger(__name__)

MOST = 1000
"""Connections that may ask for pages at once."""
LIFETIME = 60
"""Seconds after which such a connection ends, whatever comes by it."""
IDLE = 15
"""Seconds without a request after which it ends."""
REQUESTS = 32
"""Requests that a connection may bring: a page needs ten."""

_FULL = Refusal("pages", 503, f"{MOST} connections ask for pages already", 1)
_MISTAKE = in_words(HTTPStatus.INTERNAL_SERVER_ERROR, "The server made a mistake, see its log")


class PageRequest(AnsweredRequest):
    """One request. `channel`: the PageChannel that it came by."""

    _has_body = False

    def gotLength(self, length: int | None) -> None:
        """The header is there. A page is asked for without a body, which would be kept."""
        super().gotLength(0)
        if length != 0:
            self._has_body = True
            self.channel.abort()

    def handleContentChunk(self, data: bytes) -> None:
        """A part of a body came in that nobody wants."""

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """All of the request is there."""
        if not self._has_body:  # else the connection is ending
            super().requestReceived(command, path, version)

    def process(self) -> None:
        """All of the request is there: answer it."""
        try:
            answer = self._answer()
        except Exception:
            log.exception(events.PAGE_FAILED, about=self.channel.taken_for)
            answer = _MISTAKE
        self.server = self.channel.pages.server
        self.send(answer)

    def _answer(self) -> Answer:
        if self.method not in (b"GET", b"HEAD"):
            return in_words(
                HTTPStatus.METHOD_NOT_ALLOWED,
                "Pages are for GET and HEAD",
                (("Allow", "GET, HEAD"),),
            )
        answer: Answer = self.channel.answer(self.uri)
        return answer


class PageChannel(http.HTTPChannel):
    """HTTP for a few requests. Implements `keepalive.Watched` too."""

    requestFactory = PageRequest
    callLater: Any
    transport: Any
    heard = 0
    due = -1
    is_expected = False

    def __init__(self, pages: "Pages", channel: Any) -> None:
        """`channel`: the WebSocket channel that the connection was taken for."""
        super().__init__()
        self.pages = self.factory = pages
        self.callLater = pages.reactor.callLater
        self.timeOut = IDLE
        self.taken_for = channel
        self._left = REQUESTS

    def answer(self, uri: bytes) -> Answer:
        """Return what is answered to a GET."""
        path, _, query = uri.decode("ascii", "replace").partition("?")
        refusal = self.taken_for.factory.ask(self.taken_for)
        if refusal is not None:
            retry = (("Retry-After", str(refusal.retry_after)),)
            return in_words(HTTPStatus(refusal.code), refusal.sentence, retry)
        return self.pages.website.answer(path, query, self.pages.reactor.seconds())

    def checkPersistence(self, request: PageRequest, version: bytes) -> bool:
        """Tell whether the connection goes on after a request. A hook of HTTPChannel."""
        self._left -= 1
        persists: bool = super().checkPersistence(request, version)
        if self._left <= 0 and persists:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return persists

    def timeoutConnection(self) -> None:
        """Nothing came for a while. Browsers do so, and it is no event worth a line."""
        self.loseConnection()

    def abort(self) -> None:
        """End the connection at once."""
        self.transport.abortConnection()

    def expire(self) -> None:
        """See `keepalive.Watched`: its time is over."""
        self.abort()

    def probe(self) -> None:
        """See `keepalive.Watched`: one that expires is not probed."""

    def vanish(self) -> None:
        """See `keepalive.Watched`: likewise."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone, for the one that it was taken for too."""
        super().connectionLost(reason)
        self.taken_for.factory.keep_alive.remove(self)
        self.pages.forget(self)
        self.taken_for.connectionLost(reason)


class Pages:
    """Takes over the connections that ask for pages.

    Attributes:
        website: what there is.
        reactor: its timers and its clock.
        server: for the header of that name.
    """

    def __init__(self, website: Website, reactor: Any, server: str) -> None:
        self.website = website
        self.reactor = reactor
        self.server = server
        self._channels: set[PageChannel] = set()

    def take(self, channel: Any, data: bytes) -> Refusal | None:
        """Serve a connection from here on; or return why not. `data`: what came by it so far."""
        if len(self._channels) >= MOST:
            return _FULL
        pages = PageChannel(self, channel)
        self._channels.add(pages)
        channel.factory.keep_alive.remove(channel)
        channel.factory.expect(pages, LIFETIME)
        channel.pass_on(pages)
        pages.dataReceived(data)
        return None

    def forget(self, channel: PageChannel) -> None:
        """A connection is gone."""
        self._channels.discard(channel)

    def log(self, request: PageRequest) -> None:
        """A request was answered. A hook of HTTPChannel's factory."""
        # Without the query, in which a link may have a token.
        path = quoted(request.path.decode("ascii", "replace"))
        log.debug(events.PAGE_REQUESTED, path, request.code, about=request.channel.taken_for)
