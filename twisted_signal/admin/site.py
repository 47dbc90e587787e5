"""The admin endpoint's HTTP, by twisted.web, within limits: nobody there may hurt the signaling.

A request is small, and must be there in time, and its answer be read in time. Whoever may not ask
is told so once, and must connect anew, which the rate of connections bounds.
"""

from http import HTTPStatus
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from twisted_signal import event_log, events
from twisted_signal.addresses import peer_text
from twisted_signal.admin.api import Api, refusal
from twisted_signal.admin.errors import ApiError
from twisted_signal.admin.guard import Asking, Guard
from twisted_signal.admin.later import Task
from twisted_signal.admin.stream import CONTENT_TYPE, Events
from twisted_signal.admission import Admission, Bucket, Place
from twisted_signal.limits import Limits
from twisted_signal.refusals import Refusals
from twisted_signal.text import quoted
from twisted_signal.web.answers import Answer
from twisted_signal.web.requests import AnsweredRequest

log = event_log.logger(__name__)

MOST = 100
"""Connections at once."""
MOST_OF_ONE = 16
"""Half as many as may come from one address at once."""
RATE = 20
"""Requests that may come from one address each second, in the long run; twice as many connections.
"""
PUBLIC_RATE = 200
"""Requests that may come each second from anywhere, of those who have not shown the token."""
AT_ONCE = 4
"""Requests that may come at once on a connection: browsers wait for each answer."""
MAX_BODY = 1024
"""Bytes of a request's body."""
MAX_UNREAD = 64 * 1024
"""Bytes of a body that is too large, after which nobody waits for its end to say so."""
IDLE = 30
"""Seconds in which a whole request must have come, from the beginning or the last answer on."""
SLOW = 10
"""Seconds in which the rest of an answer must be read, where the connection ends after it."""

MISTAKE = refusal(
    ApiError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "server_mistake",
        "The server made a mistake, which is in its log.",
    )
)
_TOO_LARGE = refusal(
    ApiError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        f"The body of a request may have {MAX_BODY} bytes.",
    )
)
_TWO_HOSTS = ApiError(  # RFC 9112, section 3.2
    HTTPStatus.BAD_REQUEST, "bad_host", "A request has one Host header."
)
_EVENT_HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),  # nginx would gather events
)


class AdminRequest(AnsweredRequest):
    """One request. `channel`: the AdminChannel that it came by."""

    _body = b""
    _body_size = 0

    def gotLength(self, length: int | None) -> None:
        """The header is there. What Twisted would keep a body in may be a file."""

    def handleContentChunk(self, data: bytes) -> None:
        """A part of the body came in."""
        self._body_size += len(data)
        if self._body_size <= MAX_BODY:
            self._body += data
        elif self._body_size > MAX_UNREAD:
            self.channel.abort()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """All of the request is there. The body is no form: Twisted would look for one in it."""
        self.method, self.uri, self.clientproto = command, path, version
        self.path = path.partition(b"?")[0]
        self.process()

    def process(self) -> None:
        """All of the request is there: answer it."""
        site = self.channel.site
        self.server = site.server
        try:
            answer = _TOO_LARGE if self._body_size > MAX_BODY else self._answer(site)
        except ApiError as error:
            answer = self._refuse(site, error)
        except Exception:
            log.exception(events.ADMIN_REQUEST_FAILED, about=event_log.OTHERS)
            answer = MISTAKE
        if isinstance(answer, Events):
            self._stream(site, answer)
        elif isinstance(answer, Task):
            self._wait_for(answer)
        else:
            self.send(answer)

    def _wait_for(self, task: Task[Answer]) -> None:
        """Send an answer when it is there, unless nobody waits for it any more."""
        is_gone = False

        def gone(_: Failure) -> None:
            nonlocal is_gone
            is_gone = True

        def done() -> None:
            if not is_gone:
                try:
                    answer = task.result()
                except Exception:
                    log.exception(events.ADMIN_REQUEST_FAILED, about=event_log.OTHERS)
                    answer = MISTAKE
                self.send(answer)

        self.notifyFinish().addErrback(gone)
        task.when_done(done)

    def _answer(self, site: "AdminSite") -> Answer | Events | Task[Answer]:
        path, _, query = self.uri.decode("ascii", "replace").partition("?")
        is_open = site.api.is_open(path)
        try:
            asking = self._asking()
            site.guard.check(asking, is_open=is_open)
        except ApiError:
            site.count_request(self.channel.place, is_trusted=False)
            raise
        site.count_request(self.channel.place, is_trusted=not is_open)
        accept = self.header(b"accept")
        return site.api.answer(asking.method, path, query, self._body, accept)

    def _asking(self) -> Asking:
        """Return what decides whether the request is answered."""
        if len(self.requestHeaders.getRawHeaders(b"host", [])) > 1:
            raise _TWO_HOSTS
        return Asking(
            self.method.decode("ascii", "replace"),
            self.header(b"host"),
            self.header(b"origin"),
            self.header(b"authorization"),
            self.header(b"content-type"),
            self.header(b"sec-fetch-site"),
        )

    def _refuse(self, site: "AdminSite", error: ApiError) -> Answer:
        address = peer_text(self.channel.getPeer())
        who = f"a request to the admin endpoint from {address}"
        site.note_refusal(error.code, who, str(error))
        self.channel.persistent = False
        self.setHeader("Connection", "close")
        return refusal(error)

    def _stream(self, site: "AdminSite", events: Events) -> None:
        self.begin(Answer(HTTPStatus.OK, CONTENT_TYPE, b"", _EVENT_HEADERS))
        if self.method == b"HEAD":
            self.finish()
        else:
            site.streams.begin(self, events)


class AdminChannel(http.HTTPChannel):
    """One connection. `place`: where it is counted; None: it is not, and ends."""

    requestFactory = AdminRequest
    callLater: Any
    transport: Any

    def __init__(self, site: "AdminSite") -> None:
        super().__init__()
        self.site = self.factory = site
        self.callLater = site.reactor.callLater
        self.timeOut = IDLE
        self.place: Place | None = None
        self._in_this_read = 0
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """A connection came in."""
        self.place = self.site.admit(self)
        if self.place is None:
            self.transport.abortConnection()
        else:
            super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Bytes came in."""
        if self.place is not None:
            self._in_this_read = 0
            super().dataReceived(data)

    def checkPersistence(self, request: AdminRequest, version: bytes) -> bool:
        """Tell whether the connection goes on after a request. A hook of HTTPChannel.

        It would answer all requests of a read, however much of the answers waits.
        """
        self._in_this_read += 1
        persists: bool = super().checkPersistence(request, version)
        if persists and self._in_this_read >= AT_ONCE:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return persists

    def resetTimeout(self) -> None:
        """Do nothing: more bytes are no reason to wait longer for the whole request."""

    def timeoutConnection(self) -> None:
        """No request came in time. That is no event worth a line."""
        self.loseConnection()

    def loseConnection(self) -> None:
        """End the connection when all is read, or when that takes too long."""
        if self._deadline is None:
            self._deadline = self.callLater(SLOW, self.abort)
        super().loseConnection()

    def abort(self) -> None:
        """End the connection at once."""
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        place, self.place = self.place, None
        if place is not None:
            super().connectionLost(reason)
            self.site.leave(self, place)


class AdminSite(ServerFactory):
    """Makes a channel for each connection.

    Attributes:
        api: what is answered.
        guard: who is answered.
        streams: what is streamed now.
        reactor: its timers and its clock.
        server: for the header of that name.
    """

    noisy = False

    def __init__(self, api: Api, guard: Guard, reactor: Any, server: str) -> None:
        self.api = api
        self.guard = guard
        self.streams = api.streams
        self._refusals = Refusals()
        self._ticks = False
        self.reactor = reactor
        self.server = server
        self._channels: set[AdminChannel] = set()
        self._public = Bucket(PUBLIC_RATE, PUBLIC_RATE, reactor.seconds())
        self._admission = Admission(
            Limits(
                max_clients=0, max_clients_per_address=MOST_OF_ONE, connect_rate_per_address=RATE
            )
        )

    def buildProtocol(self, addr: IAddress | None) -> AdminChannel:
        """Return what serves a connection. A hook of ServerFactory."""
        return AdminChannel(self)

    def admit(self, channel: AdminChannel) -> Place | None:
        """Count a connection; or return None, as there are too many."""
        peer = channel.transport.getPeer()
        host = None if isinstance(peer, UNIXAddress) else getattr(peer, "host", None)
        if len(self._channels) >= MOST:
            reason = f"{MOST} connections are there already"
        else:
            place = self._admission.arrive(host, self.reactor.seconds())
            if isinstance(place, Place):
                self._channels.add(channel)
                return place
            reason = place.sentence
        who = f"a connection to the admin endpoint from {peer_text(peer)}"
        self.note_refusal("connections", who, reason)
        return None

    def leave(self, channel: AdminChannel, place: Place) -> None:
        """A connection is gone."""
        self._channels.discard(channel)
        self._admission.leave(place, self.reactor.seconds(), is_client=False)

    def count_request(self, place: Place, *, is_trusted: bool) -> None:
        """Count a request.

        Args:
            place: where it comes from.
            is_trusted: whoever sent it is known to be the operator.

        Raises:
            ApiError: there are too many.
        """
        now = self.reactor.seconds()
        refusal = self._admission.ask(place, now)
        wait = refusal.retry_after if refusal is not None else 0
        if not wait and not is_trusted:
            wait = self._public.take(now)
        if wait:
            raise ApiError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many requests come at once.",
                (("Retry-After", str(wait)),),
            )

    def note_refusal(self, kind: str, who: str, sentence: str) -> None:
        """Log a refusal, within bounds. See `Refusals.note`."""
        self._refusals.note(kind, who, sentence)
        if not self._ticks:
            self._ticks = True
            self.reactor.callLater(1, self._tick)

    def _tick(self) -> None:
        self._refusals.tick()
        self._ticks = self._refusals.were_lately
        if self._ticks:
            self.reactor.callLater(1, self._tick)

    def end(self) -> None:
        """End all connections, when what was answered on them is read."""
        self.streams.end()
        for channel in list(self._channels):
            channel.loseConnection()

    def log(self, request: AdminRequest) -> None:
        """A request was answered. A hook of HTTPChannel's factory."""
        path = quoted(request.path.decode("ascii", "replace"))
        method = request.method.decode("ascii", "replace")
        log.debug(events.ADMIN_REQUESTED, method, path, request.code)
