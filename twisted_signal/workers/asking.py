"""Asks workers at their admin endpoints, which are local sockets."""

from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import Any, NamedTuple, NoReturn
from typing import Protocol as TypingProtocol

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IPushProducer, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from twisted_signal.admin.routes import JSON

TIMEOUT = 5.0
"""Seconds that a worker has to answer."""
HEADERS = ("Cache-Control", "Retry-After", "Allow", "X-Accel-Buffering")
"""Of an answer, those that are passed on; the others are made anew."""


class NoAnswer(Exception):
    """A worker does not answer. `str(error)` says why."""


class Reply(NamedTuple):
    """The head of an answer, which may have no end.

    Attributes:
        status: of the answer.
        content_type: of the body.
        headers: more of them that are to be passed on.
        response: has the body.
    """

    status: HTTPStatus
    content_type: str
    headers: tuple[tuple[str, str], ...]
    response: IResponse


class _QuietPool(HTTPConnectionPool):
    """Makes connections of which there are no lines in the log, as there would be for each."""

    def _factory(  # type: ignore[override] # it is a class there
        self, quiescentCallback: Any, metadata: Any
    ) -> Any:
        """See HTTPConnectionPool."""
        factory = HTTPConnectionPool._factory(quiescentCallback, metadata)  # noqa: SLF001 - see above
        factory.noisy = False
        return factory


@implementer(IAgentEndpointFactory)
class _Place:
    """One local socket, whatever the URI."""

    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor = reactor
        self._path = path

    def endpointForURI(self, _uri: URI) -> IStreamClientEndpoint:
        """See IAgentEndpointFactory."""
        endpoint: IStreamClientEndpoint = UNIXClientEndpoint(
            self._reactor, self._path, timeout=TIMEOUT
        )
        return endpoint


@inlineCallbacks
def ask(
    reactor: Any, path: str, method: str, target: str, accept: str = ""
) -> Generator[Deferred[Any], Any, Reply]:
    """Ask at a local socket; the Deferred fires when the head of the answer is there.

    Args:
        reactor: connects.
        path: of the socket.
        method: GET or POST.
        target: path and query, as they came.
        accept: the header of that name.

    Raises:
        ValueError: the target has characters that no URI has.
        NoAnswer: there is no answer.
    """
    pool = _QuietPool(reactor, persistent=False)
    agent = Agent.usingEndpointFactory(reactor, _Place(reactor, path), pool)
    headers = Headers({"Accept": [accept or "*/*"], "Content-Type": [JSON]})
    uri = f"http://localhost{target}".encode("ascii")
    asking: Deferred[Any] = agent.request(method.encode("ascii"), uri, headers)
    response = yield asking.addTimeout(TIMEOUT, reactor).addErrback(_no_answer)

    def header(name: str) -> str | None:
        values = response.headers.getRawHeaders(name)
        return None if values is None else str(values[0])

    found = tuple((name, value) for name in HEADERS if (value := header(name)) is not None)
    status = HTTPStatus(response.code)
    return Reply(status, header("Content-Type") or "text/plain", found, response)


class Ended(TypingProtocol):
    """Is told that a passage has ended, once."""

    def __call__(self, *, is_whole: bool) -> object:
        """`is_whole`: all of the body came."""


@implementer(IPushProducer)
class Passage(Protocol):
    """Passes a body on as it comes, and no faster than it is taken, until either side ends."""

    transport: Any = None

    def __init__(self, write: Callable[[bytes], object], ended: Ended) -> None:
        """`write`: is given each part."""
        self._write = write
        self._ended = ended

    def dataReceived(self, data: bytes) -> None:
        """A part came. A hook of Twisted's."""
        self._write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It has ended. A hook of Twisted's."""
        self._ended(is_whole=reason.check(ResponseDone) is not None)

    def end(self) -> None:
        """End it."""
        if self.transport is not None:
            self.transport.loseConnection()

    def pauseProducing(self) -> None:
        """The reader does not take what was sent. A hook of IPushProducer."""
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The reader has taken it. A hook of IPushProducer."""
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The reader is gone. A hook of IPushProducer."""
        self.end()


def body_of(reactor: Any, reply: Reply) -> "Deferred[bytes]":
    """Return all of an answer's body, when it is there.

    The Deferred fails with NoAnswer if it does not come.
    """
    parts: list[bytes] = []

    def ended(*, is_whole: bool) -> None:
        if whole.called:
            return
        if is_whole:
            whole.callback(b"".join(parts))
        else:
            whole.errback(NoAnswer("The answer breaks off"))

    def give_up(_: Deferred[bytes]) -> None:
        passage.end()

    whole: Deferred[bytes] = Deferred(give_up)
    passage = Passage(parts.append, ended)
    reply.response.deliverBody(passage)
    return whole.addTimeout(TIMEOUT, reactor).addErrback(_no_answer)


def _no_answer(failure: Failure) -> NoReturn:
    """Raise NoAnswer for whatever went wrong."""
    error = failure.value
    reasons = getattr(error, "reasons", None)  # of twisted.web's own errors
    if reasons:
        error = reasons[0].value
    if isinstance(error, CancelledError | TookTooLong):
        raise NoAnswer(f"It takes longer than {TIMEOUT:.0f} s")
    raise NoAnswer(str(error) or type(error).__name__)
