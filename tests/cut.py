"""A way to a server that a test can break."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit


class Cut:
    """A way to a server that breaks, without a Close frame.

    Attributes:
        url: where it begins.
        is_last: tells of what comes, from the client or else the server, whether the way breaks
            instead of passing it on. It does so once.
    """

    def __init__(self, url: str) -> None:
        self._target = (urlsplit(url).hostname, urlsplit(url).port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self.is_last: Callable[[bytes, bool], bool] = lambda data, from_client: False
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break what there is."""
        sockets, self._sockets = self._sockets, []
        self._end(*sockets)

    def _end(self, *sockets: socket.socket) -> None:
        for one in sockets:
            with suppress(OSError):  # a thread may be reading from it: to close it is not enough
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                there = socket.create_connection(self._target)
                self._sockets += (client, there)
                for one, other in ((client, there), (there, client)):
                    threading.Thread(
                        target=self._pass_on, args=(one, other, one is client), daemon=True
                    ).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, from_client: bool) -> None:
        with one, other, suppress(OSError):
            while data := one.recv(65536):
                if self.is_last(data, from_client):
                    self.is_last = lambda data, from_client: False
                    self.cut()
                    return
                other.sendall(data)
            self._end(one, other)
