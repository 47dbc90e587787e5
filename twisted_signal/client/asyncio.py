"""The client for asyncio, on the `websockets` library: `pip install vislam-signal[client]`.

    from twisted_signal.client.asyncio import connect

    async with connect("ws://127.0.0.1:8765", room="lab1", client_id="pc") as signal:
        async for event in signal:
            ...

`twisted_signal.client.twisted` is the same for Twisted.
"""

import asyncio
import ssl as tls
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import State as WebSocketState
from websockets.uri import WebSocketURI, parse_uri

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

CLOSE_TIMEOUT = 2
"""Seconds in which the server should answer a Close frame."""


def connect(
    url: str,
    *,
    room: str = "default",
    client_id: str,
    client_type: str = UNKNOWN_TYPE,
    token: Token | None = None,
    ice_servers: bool = False,
    ssl: tls.SSLContext | None = None,
) -> Signal:
    """Return a client, which connects when it is entered as a context manager.

        async with connect("wss://192.0.2.7:8766", room="lab1", client_id="pc") as signal:
            async for event in signal:

    No proxy is used: phone, PC and server are on one network more often than not.

    Args:
        url: the server, such as `wss://192.0.2.7:8766`.
        room: where peers meet.
        client_id: the own id, of which there is one in each room.
        client_type: what the client is, for others: "pc", "android" or any other word.
        token: a JWT, where the server wants one; or a function, which may be a coroutine function,
            that makes a fresh one for each connection, and before one expires.
        ice_servers: whether to ask for STUN and TURN servers.
        ssl: what is trusted, for a certificate that no known authority has signed.

    Raises:
        ValueError: the URL is none of a WebSocket.
    """
    registration = Registration(client_id, room, client_type, ice_servers)
    return Signal(AsyncioDriver(url, registration, token, ssl))


class AsyncioDriver(Driver):
    """A client on asyncio."""

    def __init__(
        self,
        url: str,
        registration: Registration,
        token: Token | None,
        context: tls.SSLContext | None,
    ) -> None:
        """See `connect`."""
        try:
            self._uri = parse_uri(url)
        except InvalidURI as error:
            raise ValueError(str(error)) from None
        super().__init__(url, registration, token)
        self._context = context
        if self._uri.secure and context is None:
            self._context = tls.create_default_context()

    def now(self) -> float:
        """See `driver.Driver`."""
        return asyncio.get_running_loop().time()

    def call_later(self, seconds: float, call: Callable[[], None]) -> Cancellable:
        """See `driver.Driver`."""
        return asyncio.get_running_loop().call_later(seconds, call)

    def spawn(self, work: Coroutine[Any, Any, None]) -> Cancellable:
        """See `driver.Driver`."""
        return asyncio.get_running_loop().create_task(work)

    def waiter(self) -> "FutureWaiter":
        """See `driver.Driver`."""
        return FutureWaiter()

    async def open(self) -> None:
        """See `driver.Driver`."""
        loop, uri = asyncio.get_running_loop(), self._uri
        wire = WebSocket(self, uri)
        context = self._context if uri.secure else None
        try:
            await loop.create_connection(lambda: wire, uri.host, uri.port, ssl=context)
        except ConnectionRefusedError:
            raise OpeningFailed(NOBODY_LISTENS) from None
        except OSError as error:
            raise OpeningFailed(str(error) or repr(error)) from None
        try:
            await wire.decided.wait()
        except asyncio.CancelledError:
            wire.abort()
            raise


class FutureWaiter:
    """Something to wait for. Implements `driver.Waiter`."""

    def __init__(self) -> None:
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wait(self) -> Awaitable[None]:
        """See `driver.Waiter`."""
        return self._future

    def happen(self) -> None:
        """See `driver.Waiter`."""
        if not self._future.done():
            self._future.set_result(None)


class WebSocket(asyncio.Protocol):
    """A connection. Implements `driver.Pausable`.

    It is `websockets`' protocol without I/O, not its connection: that hands out messages in one
    task and tells of pongs in another, and here their order matters.

    Attributes:
        decided: set when it is open, or will never be.
    """

    _transport: asyncio.Transport

    def __init__(self, driver: AsyncioDriver, uri: WebSocketURI) -> None:
        self.decided = asyncio.Event()
        self._driver = driver
        self._protocol = ClientProtocol(uri, max_size=None)
        self._fragments: list[bytes] = []
        self._is_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there, with TLS if that was wanted."""
        self._transport = cast("asyncio.Transport", transport)
        self._protocol.send_request(self._protocol.connect())
        self._write()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        was_connecting = self._protocol.state is WebSocketState.CONNECTING
        self._protocol.receive_data(data)
        if was_connecting and self._protocol.state is WebSocketState.OPEN:
            self.decided.set()
            self._driver.opened(self)
        self._handle_events()
        self._write()

    def eof_received(self) -> None:
        """No more will come."""
        self._protocol.receive_eof()
        self._handle_events()
        self._write()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._protocol.receive_eof()
        self.decided.set()
        error = self._protocol.handshake_exc
        if error is not None or self._protocol.state is WebSocketState.CONNECTING:
            self._driver.failed(_failure(error))
            return
        received = self._protocol.close_rcvd
        if received is not None:
            self._driver.lost(self, received.code, received.reason)
        else:
            reason = str(exc) if exc else "it ended without a Close frame"
            self._driver.lost(self, None, reason)

    def send_text(self, text: str) -> None:
        """See `state.Wire`."""
        if self._protocol.state is WebSocketState.OPEN:
            self._protocol.send_text(text.encode())
            self._write()

    def send_ping(self, payload: bytes) -> None:
        """See `state.Wire`."""
        if self._protocol.state is WebSocketState.OPEN:
            self._protocol.send_ping(payload)
            self._write()

    def close(self, code: int) -> None:
        """See `state.Wire`."""
        if self._protocol.state is WebSocketState.OPEN:
            self._protocol.send_close(code)
            self._write()
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self._transport.abort)

    def abort(self) -> None:
        """See `state.Wire`."""
        self._transport.abort()

    def pause_reading(self, *, pause: bool) -> None:
        """See `driver.Pausable`."""
        if pause is not self._is_paused and not self._transport.is_closing():
            self._is_paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _handle_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._handle(event)

    def _handle(self, frame: Frame) -> None:
        match frame.opcode:
            case Opcode.PONG:
                self._driver.ponged(self, bytes(frame.data))
            case Opcode.TEXT | Opcode.CONT | Opcode.BINARY:
                self._fragments.append(bytes(frame.data))
                if frame.fin:
                    text = b"".join(self._fragments)
                    self._fragments.clear()
                    self._driver.received(self, text)

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            else:  # the end, of which TLS knows no half
                self._transport.close()


def _failure(error: Exception | None) -> OpeningFailed:
    if isinstance(error, InvalidStatus):
        response = error.response
        said = bytes(response.body or b"").decode(errors="replace").strip()
        after = response.headers.get("Retry-After", "")
        return refusal(response.status_code, said or response.reason_phrase, after)
    return OpeningFailed(str(error) if error else "the connection ended in the opening handshake")
