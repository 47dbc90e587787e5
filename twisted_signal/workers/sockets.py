"""The sockets at which workers listen: opened by their parent, which keeps them while it lives."""

import socket
import sys
from typing import Any, cast

from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.tcp import Port

from twisted_signal.inheritance import is_from_systemd
from twisted_signal.service import Listener, Listening


class SharedListening(Listening):
    """Opens the sockets of one place, and accepts nobody.

    At a TCP port each worker has a socket of its own, to which the kernel deals out connections
    (SO_REUSEPORT, socket(7)): that spreads them evenly. All of them belong to the parent, too, so
    that whoever waits for a worker that dies is not lost. A local socket, one of systemd's, and any
    on a system other than Linux, is one for all.

    Attributes:
        sockets: one for each worker, or one for all. They close with the service.
    """

    def __init__(self, listener: Listener, workers: int) -> None:
        """`workers`: how many share the place."""
        super().__init__(listener, Factory())
        self._workers = workers
        self.sockets: list[socket.socket] = []

    def listens(self, port: IListeningPort) -> None:
        """See Listening."""
        cast("Any", port).stopReading()
        if isinstance(port, Port):
            self.sockets = [port.socket, *self._more(port)]
        self.tell()

    def stopService(self) -> Any:
        """See Listening."""
        for one in self.sockets[1:]:
            one.close()
        self.sockets.clear()
        return super().stopService()

    def _more(self, port: Port) -> list[socket.socket]:
        """Return the sockets of further workers, as the port's is the first one's."""
        first = port.socket
        is_ours = first.family != socket.AF_UNIX and not is_from_systemd(self.listener.name)
        if sys.platform != "linux" or not is_ours:
            return []
        # Only now: nobody else, not even of this user, may listen at the port together with these.
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made: list[socket.socket] = []
        try:
            for _ in range(self._workers - 1):
                made.append(_companion(first, port.backlog))  # noqa: PERF401 - some are closed again
        except OSError:  # the system does not want to, or there are no more descriptors
            for one in made:
                one.close()
            return []
        return made


def _companion(first: socket.socket, backlog: int) -> socket.socket:
    one = socket.socket(first.family, first.type)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        one.setsockopt(socket.SOL_SOCKET, option, 1)
    if first.family == socket.AF_INET6:
        is_only = first.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, is_only)
    one.settimeout(0)
    one.bind(first.getsockname())
    one.listen(backlog)
    return one
