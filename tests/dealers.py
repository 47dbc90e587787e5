"""Deals TCP connections out to several ports of this machine, in turn."""

import itertools
import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class End:
    """One end of a connection that is dealt out.

    Attributes:
        other: where what it says goes.
        waiting: what it has not taken yet.
        ends: whether nothing comes for it after that.
        watched: the events of `selectors` that are waited for.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        self.socket = connection
        self.other: End = self
        self.waiting = bytearray()
        self.ends = False
        self.watched = 0

    @property
    def wants(self) -> int:
        """The events that are to be waited for."""
        reads = 0 if self.other.ends else selectors.EVENT_READ
        return reads | (selectors.EVENT_WRITE if self.waiting else 0)

    def hear(self) -> None:
        """Take what it says, for the other end."""
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        self.other.waiting += data
        self.other.ends = not data

    def send(self) -> None:
        """Let it have what waits."""
        try:
            if self.waiting:
                del self.waiting[: self.socket.send(self.waiting)]
        except BlockingIOError:
            return
        except OSError:  # nobody is there any more
            self.waiting.clear()
        if self.ends and not self.waiting:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)


class Dealer:
    """Deals connections out, all in one thread, and so in the order in which things happen.

    A connection that ends has ended at its port before something arrives there that was said on
    another connection after that. A thread for each could not promise that.

    Attributes:
        url: where it begins, for a WebSocket.
    """

    def __init__(self, *ports: int) -> None:
        self._ports = itertools.cycle(ports)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._stop, stopped = socket.socketpair()
        self._selector.register(stopped, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, and all that it has dealt out."""
        self._stop.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()

    def _run(self) -> None:
        while True:
            for key, events in self._selector.select():
                if key.fileobj is self._listener:
                    self._deal(self._listener.accept()[0])
                elif key.data is None:
                    return
                else:
                    self._pass_on(key.data, events)

    def _deal(self, connection: socket.socket) -> None:
        client = End(connection)
        server = End(socket.create_connection(("127.0.0.1", next(self._ports))))
        client.other, server.other = server, client
        self._watch(client)
        self._watch(server)

    def _pass_on(self, end: End, events: int) -> None:
        if events & selectors.EVENT_READ:
            end.hear()
            end.other.send()
        if events & selectors.EVENT_WRITE:
            end.send()
        self._watch(end)
        self._watch(end.other)
        if not end.watched and not end.other.watched:
            end.socket.close()
            end.other.socket.close()

    def _watch(self, end: End) -> None:
        before, end.watched = end.watched, end.wants
        if before and end.watched:
            self._selector.modify(end.socket, end.watched, end)
        elif before:
            self._selector.unregister(end.socket)
        elif end.watched:
            self._selector.register(end.socket, end.watched, end)


@contextmanager
def dealer(*ports: int) -> Iterator[Dealer]:
    """Deal connections out for as long as the block takes."""
    made = Dealer(*ports)
    try:
        yield made
    finally:
        made.close()
