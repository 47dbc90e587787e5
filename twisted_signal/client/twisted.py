"""The client for Twisted, on Autobahn: the same calls, in coroutines that Twisted runs.

`Deferred.fromCoroutine` runs one, and `await` waits for Deferreds in it.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.util import parse_url
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust
from twisted.python.failure import Failure

from twisted_signal.client.driver import (
    NOBODY_LISTENS,
    Cancellable,
    Driver,
    OpeningFailed,
    Token,
    refusal,
)
from twisted_signal.client.signal import Signal
from twisted_signal.client.state import Registration
from twisted_signal.messages import UNKNOWN_TYPE

log = logging.getLogger(__name__)

CLOSE_TIMEOUT = 2
"""Seconds in which the server should end the connection after a Close frame."""


def connect(
    url: str,
    *,
    room: str = "default",
    client_id: str,
    client_type: str = UNKNOWN_TYPE,
    token: Token | None = None,
    ice_servers: bool = False,
    ssl: Certificate | None = None,
    reactor: Any = None,
) -> Signal:
    """Return a client, which connects when it is entered as a context manager.

    Args:
        url, room, client_id, client_type, ice_servers: as on asyncio (`client.asyncio.connect`).
        token: as there; a function may return a Deferred.
        ssl: the certificate that is trusted, for one that no known authority has signed.
        reactor: the reactor; None: the global one.

    Raises:
        ValueError: the URL is none of a WebSocket.
    """
    if reactor is None:
        from twisted.internet import reactor
    registration = Registration(client_id, room, client_type, ice_servers)
    return Signal(TwistedDriver(url, registration, token, ssl, reactor))


class TwistedDriver(Driver):
    """A client on Twisted."""

    def __init__(
        self,
        url: str,
        registration: Registration,
        token: Token | None,
        trusted: Certificate | None,
        reactor: Any,
    ) -> None:
        """See `connect`."""
        try:
            is_secure, host, port, *_ = parse_url(url)
        except Exception as error:  # Autobahn's is a bare Exception
            raise ValueError(str(error)) from None
        super().__init__(url, registration, token)
        self.reactor = reactor
        self._factory = WebSocketClientFactory(url, reactor=reactor)
        # The timers are ours: Autobahn's are on a global reactor, and in whole seconds.
        self._factory.setProtocolOptions(
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            serverConnectionDropTimeout=0,
            failByDrop=False,
        )
        self._factory.protocol = lambda: WebSocket(self)  # type: ignore[assignment] # it makes one
        self._endpoint: IStreamClientEndpoint = HostnameEndpoint(reactor, host, port)
        if is_secure:
            options = optionsForClientTLS(host, trustRoot=trusted or platformTrust())
            self._endpoint = wrapClientTLS(options, self._endpoint)

    def now(self) -> float:
        """See `driver.Driver`."""
        seconds: float = self.reactor.seconds()
        return seconds

    def call_later(self, seconds: float, call: Callable[[], None]) -> Cancellable:
        """See `driver.Driver`."""
        timer: Cancellable = self.reactor.callLater(seconds, call)
        return timer

    def spawn(self, work: Coroutine[Any, Any, None]) -> Cancellable:
        """See `driver.Driver`."""
        return Deferred.fromCoroutine(work).addErrback(_report)

    def waiter(self) -> "DeferredWaiter":
        """See `driver.Driver`."""
        return DeferredWaiter()

    async def open(self) -> None:
        """See `driver.Driver`."""
        try:
            websocket: Any = await self._endpoint.connect(self._factory)  # a WebSocket, or TLS
        except Refused:
            raise OpeningFailed(NOBODY_LISTENS) from None
        except CancelledError:
            raise
        except Exception as error:  # of many kinds, most of which are no OSError
            raise OpeningFailed(str(error) or repr(error)) from None
        try:
            await websocket.decided.wait()
        except CancelledError:
            websocket.abort()
            raise


class DeferredWaiter:
    """Something to wait for. Implements `driver.Waiter`."""

    def __init__(self) -> None:
        self._deferred: Deferred[None] = Deferred()

    def wait(self) -> Awaitable[None]:
        """See `driver.Waiter`."""
        return self._deferred

    def happen(self) -> None:
        """See `driver.Waiter`."""
        if not self._deferred.called:
            self._deferred.callback(None)


class WebSocket(WebSocketClientProtocol):
    """A connection. Implements `driver.Pausable`.

    Attributes:
        decided: happens when it is open, or will never be.
    """

    transport: Any  # TCP, or TLS over it

    def __init__(self, driver: TwistedDriver) -> None:
        """`driver`: whom to tell."""
        super().__init__()
        self.decided = DeferredWaiter()
        self._driver = driver
        self._was_open = False
        self._is_paused = False
        self._end: Cancellable | None = None

    def connectionMade(self) -> None:
        """The TCP connection is there."""
        super().connectionMade()
        self.transport.setTcpNoDelay(True)

    def onOpen(self) -> None:
        """The WebSocket is open."""
        self._was_open = True
        self._driver.opened(self)
        self.decided.happen()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A message came."""
        self._driver.received(self, payload)

    def onPong(self, payload: bytes) -> None:
        """A ping was answered."""
        self._driver.ponged(self, payload)

    def onCloseFrame(self, code: int | None, reasonRaw: bytes | None) -> None:
        """The server closes the connection."""
        super().onCloseFrame(code, reasonRaw)  # type: ignore[arg-type] # it takes None
        self._end_soon()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        super().connectionLost(reason)
        if self._end is not None:
            self._end.cancel()
        if not self._was_open:
            self._driver.failed(self._failure(reason))
        elif self.remoteCloseCode is None:
            said = "it ended without a Close frame"
            self._driver.lost(self, None, said)
        else:
            self._driver.lost(self, self.remoteCloseCode, self.remoteCloseReason or "")
        self.decided.happen()

    def send_text(self, text: str) -> None:
        """See `state.Wire`."""
        if self.state == self.STATE_OPEN:
            self.sendMessage(text.encode())

    def send_ping(self, payload: bytes) -> None:
        """See `state.Wire`."""
        if self.state == self.STATE_OPEN:
            self.sendPing(payload)

    def close(self, code: int) -> None:
        """See `state.Wire`."""
        self.sendClose(code)
        self._end_soon()

    def abort(self) -> None:
        """See `state.Wire`."""
        self.transport.abortConnection()

    def pause_reading(self, *, pause: bool) -> None:
        """See `driver.Pausable`."""
        if pause is not self._is_paused:
            self._is_paused = pause
            if pause:
                self.transport.pauseProducing()
            else:
                self.transport.resumeProducing()

    def _end_soon(self) -> None:
        if self._end is None:
            self._end = self._driver.reactor.callLater(CLOSE_TIMEOUT, self._end_now)

    def _end_now(self) -> None:
        self._end = None
        self.abort()

    def _failure(self, reason: Failure) -> OpeningFailed:
        status = str(getattr(self, "http_status_line", "")).split(maxsplit=2)
        if len(status) > 1 and status[1].isdecimal() and status[1] != "101":
            after = self.http_headers.get("retry-after", "")
            return refusal(int(status[1]), " ".join(status[2:]), after)
        return OpeningFailed(self.wasNotCleanReason or str(reason.value))


def _report(failure: Failure) -> None:
    if not failure.check(CancelledError):
        log.error("A part of the client failed: %s", failure.getTraceback())
