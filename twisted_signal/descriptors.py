"""File descriptors: as many as the system gives, and what happens when there are no more.

Twisted accepts what it has no descriptor for with one that it holds ready, closes it, and logs two
lines each time; where it has none ready, or the whole machine has none, it tries again without end,
at full speed. Here those who come wait in the kernel's queue, and are accepted as soon as somebody
else has gone.
"""

import errno
import resource
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.tcp import Port

from twisted_signal import event_log, events

log = event_log.logger(__name__)

RETRY = 1.0
"""Seconds after which connections are accepted again."""
LOG_INTERVAL = 60.0
"""Seconds from one line about it to the next."""
OTHERS = 64
"""Descriptors that are not connections: listening sockets, the log, what is read now and then."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def raise_limit(max_clients: int) -> None:
    """Let the process have as many descriptors as it may, and warn if they are too few.

    Args:
        max_clients: how many connections there may be; 0: any number.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    except (ValueError, OSError) as error:  # macOS does not keep its word on "unlimited"
        log.debug(events.FILE_LIMIT_STAYS, soft, error)
    if soft != resource.RLIM_INFINITY and max_clients + OTHERS > soft:
        log.warning(events.FEW_FILES, soft, max_clients)


class PatientSocket:
    """A listening socket at which nobody seems to be while there is no descriptor for anybody."""

    def __init__(self, listening: socket.socket, exhausted: Callable[[OSError], None]) -> None:
        """`exhausted`: called then; it must see that nobody asks again at once."""
        self._listening = listening
        self._exhausted = exhausted

    def accept(self) -> tuple[socket.socket, Any]:
        """See `socket.socket.accept`."""
        try:
            return self._listening.accept()
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            self._exhausted(error)
            raise BlockingIOError(errno.EWOULDBLOCK, error.strerror) from None

    def __getattr__(self, name: str) -> Any:
        """Be the socket in all else."""
        return getattr(self._listening, name)


class Patience:
    """Lets listening ports pause while there are no descriptors."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._quiet_until = 0.0

    def teach(self, port: Port) -> None:
        """Let a port that listens pause, from now on, where it would try without end."""
        port.socket = PatientSocket(port.socket, partial(self._pause, port))

    def _pause(self, port: Port, error: OSError) -> None:
        port.stopReading()
        self._clock.callLater(RETRY, self._go_on, port)
        now = self._clock.seconds()
        if now >= self._quiet_until:
            self._quiet_until = now + LOG_INTERVAL
            may, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            log.warning(events.NO_FILES_LEFT, error.strerror, may)

    def _go_on(self, port: Port) -> None:
        if port.connected and not port.disconnecting:
            port.startReading()
