"""What the kernel knows of a TCP connection: how much of what was sent has arrived.

Other systems than Linux tell less of it; there, all that the kernel took counts as arrived.
"""

import socket
import sys
from typing import Any

try:
    from fcntl import ioctl
    from termios import TIOCOUTQ
except ImportError:  # pragma: no cover - Windows
    ioctl = None  # type: ignore[assignment] # a function elsewhere

from twisted.internet.tcp import Server
from twisted.python.failure import Failure

SIOCOUTQNSD = 0x894B
"""Linux: asks how many bytes are not sent yet (linux/sockios.h); Python has no name for it."""


# Where struct tcp_info has them (linux/tcp.h): a number of one byte, and microseconds in four.
_RETRANSMITS = 2
_RTT = slice(68, 72)


class Connection(Server):
    """A connection of which is known, once it has ended, how much had not arrived by then.

    Attributes:
        left: bytes that had not.
    """

    left = 0

    def connectionLost(self, reason: Failure) -> None:
        """The connection has ended. The kernel forgets it when its socket is closed."""
        self.left = unacknowledged(self)
        super().connectionLost(reason)


def unacknowledged(tcp: Any) -> int:
    """Return how many bytes the kernel has, or had, that the other end has not acknowledged.

    A slow reader is seen by it. That the socket takes more is no sign: with its buffers as large as
    they grow, that may be a megabyte later.

    Args:
        tcp: a FileDescriptor with a socket, or one whose socket is closed.
    """
    if tcp.fileno() == -1:
        left: int = getattr(tcp, "left", 0)
        return left
    return _queued(tcp.fileno(), TIOCOUTQ)


def is_stuck(tcp: Any) -> bool:
    """Tell whether the kernel has sent something in vain, or cannot send it as nobody reads."""
    if tcp.fileno() == -1:
        return True
    info = _tcp_info(tcp, 8)
    return bool(info and (info[_RETRANSMITS] or _queued(tcp.fileno(), SIOCOUTQNSD)))


def round_trip_ms(tcp: Any) -> float | None:
    """Return the smoothed round trip time of a connection in milliseconds; None: not known."""
    info = _tcp_info(tcp, _RTT.stop) if tcp.fileno() != -1 else b""
    return int.from_bytes(info[_RTT], sys.byteorder) / 1000 if info else None


def _tcp_info(tcp: Any, size: int) -> bytes:
    """Return the beginning of the kernel's struct tcp_info, or nothing where there is none."""
    try:
        info: bytes = tcp.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
    except (AttributeError, OSError):  # not on Linux, or a local socket
        return b""
    return info if len(info) == size else b""


def _queued(descriptor: int, request: int) -> int:
    if ioctl is None:  # pragma: no cover - Windows
        return 0
    try:
        return int.from_bytes(ioctl(descriptor, request, bytes(4)), sys.byteorder)
    except (OSError, ValueError):  # it knows nothing of that
        return 0
