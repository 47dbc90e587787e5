"""A WebSocket client in one thread, which does nothing that it is not told to.

It is for TLS above all. `websockets.sync` reads in a thread of its own while another one writes, on
one SSL object. OpenSSL does not allow that, and Python does not prevent it (python/cpython#151508):
where a session ticket (RFC 8446, section 4.6.1) comes in just then, the connection ends in the
opening handshake, or the interpreter crashes, with any server.
"""

import json
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from processes import PATIENCE
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri


class Caller:
    """A client. It answers pings while it hears, and at no other time.

    Attributes:
        socket: its end of the connection, which may be closed instead of the client.
    """

    def __init__(
        self,
        url: str,
        tls: ssl.SSLContext | None = None,
        *,
        over: socket.socket | None = None,
        receive_buffer: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Connect, and open the WebSocket.

        Args:
            url: where the server listens.
            tls: what trusts its certificate; None: no TLS, or `over` speaks it already.
            over: a connection to the server; None: a new one.
            receive_buffer: what the kernel holds for the client, in bytes, of which it makes twice
                as many; None: as much as it likes.
            headers: of the opening handshake, besides those that must be there.
        """
        uri = parse_uri(url)
        if over is None:
            over = socket.socket(socket.AF_INET6 if ":" in uri.host else socket.AF_INET)
            over.settimeout(PATIENCE)
            if receive_buffer is not None:
                over.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            over.connect((uri.host, uri.port))
        self.socket = over if tls is None else tls.wrap_socket(over, server_hostname=uri.host)
        self._websocket = ClientProtocol(uri, max_size=None)
        self._heard: list[str] = []
        request = self._websocket.connect()
        request.headers.update(headers or {})
        self._websocket.send_request(request)
        self._flush()
        give_up = time.monotonic() + PATIENCE
        while self._websocket.state is State.CONNECTING:
            assert self._read(give_up), "the server ended the connection"
            assert self._websocket.handshake_exc is None, self._websocket.handshake_exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        self.socket.close()

    def say(self, **message: object) -> None:
        """Send a message."""
        self.say_all([message])

    def say_all(self, messages: Iterable[dict[str, object]]) -> None:
        """Send messages, all at once."""
        self.say_texts(json.dumps(message) for message in messages)

    def say_texts(self, texts: Iterable[str]) -> None:
        """Send messages as they are, all at once."""
        for text in texts:
            self._websocket.send_text(text.encode())
        self._flush()

    def hear(self) -> Any:
        """Return the next message."""
        return json.loads(self.hear_text())

    def hear_text(self) -> str:
        """Return the next message as it is."""
        give_up = time.monotonic() + PATIENCE
        while not self._heard:
            assert self._read(give_up), f"the connection ended: {self._websocket.close_exc}"
        return self._heard.pop(0)

    @property
    def close_code(self) -> int | None:
        """The code that the connection ended with; 1006: without a Close frame."""
        return self._websocket.close_code

    def hear_the_rest(self) -> list[Any]:
        """Return what still comes until the end of the connection."""
        give_up = time.monotonic() + PATIENCE
        with suppress(ConnectionError, ssl.SSLError):
            while self._read(give_up):
                pass
        heard, self._heard = self._heard, []
        return [json.loads(text) for text in heard]

    def close(self) -> None:
        """Take leave, and wait until the server has ended the connection. Twice is once."""
        if self.socket.fileno() < 0:
            return
        with suppress(ConnectionError, ssl.SSLError):
            if self._websocket.state is State.OPEN:
                self._websocket.send_close(1000)
                self._flush()
            self.hear_the_rest()
        self.socket.close()

    def _flush(self) -> None:
        self.socket.settimeout(PATIENCE)
        data = b"".join(self._websocket.data_to_send())
        if data:
            self.socket.sendall(data)

    def _read(self, give_up: float) -> bool:
        left = give_up - time.monotonic()
        if left <= 0:
            raise TimeoutError("it does not come")
        self.socket.settimeout(left)
        data = self.socket.recv(65536)
        if data:
            self._websocket.receive_data(data)
        else:
            self._websocket.receive_eof()
        for event in self._websocket.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._heard.append(bytes(event.data).decode())
        if data:
            self._flush()
        return bool(data)
