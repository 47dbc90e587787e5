"""Ways to a server over TCP that a test can cut, or let pass nothing, as a bad network does."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Way:
    """A way to a port of this machine, or to several: then connections are dealt out in turn.

    Attributes:
        port: where it begins.
        url: the same, for a WebSocket.
        delay: seconds that all takes longer, each way. It comes in the same order.
        is_last: tells of what comes, from the client or else the server, whether the way is cut
            instead of passing it on. That happens once.
    """

    def __init__(self, *targets: int) -> None:
        self.lead_to(*targets)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}"
        self.is_last: Callable[[bytes, bool], bool] = lambda data, from_client: False
        self.delay = 0.0
        self._sockets: list[socket.socket] = []
        self._passable = threading.Event()
        self._passable.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def lead_to(self, *targets: int) -> None:
        """Let new connections go to other ports."""
        self._targets = itertools.cycle(targets)

    def stall(self) -> None:
        """Let nothing pass from now on; nobody is told. What is sent meanwhile waits."""
        self._passable.clear()

    def flow(self) -> None:
        """Let all pass again."""
        self._passable.set()

    def cut(self) -> None:
        """End all connections, without a word of any protocol above TCP."""
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            with suppress(OSError):  # a thread may be reading from it: to close it is not enough
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()
        self.flow()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                there = client, next(self._targets)
                threading.Thread(target=self._lead, args=there, daemon=True).start()

    def _lead(self, client: socket.socket, target: int) -> None:
        self._sockets.append(client)
        self._passable.wait()
        try:
            there = socket.create_connection(("127.0.0.1", target))
        except OSError:  # nobody is there
            client.close()
            return
        self._sockets.append(there)
        for one, other in ((client, there), (there, client)):
            threading.Thread(
                target=self._pass_on, args=(one, other, one is client), daemon=True
            ).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, from_client: bool) -> None:
        with one, suppress(OSError):
            while data := one.recv(65536):
                self._passable.wait()
                if self.is_last(data, from_client):
                    self.is_last = lambda data, from_client: False
                    self.cut()
                    break
                time.sleep(self.delay)
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


@contextmanager
def way(*targets: int) -> Iterator[Way]:
    """Have a way to a port, or to several, for as long as the block takes."""
    made = Way(*targets)
    try:
        yield made
    finally:
        made.close()
