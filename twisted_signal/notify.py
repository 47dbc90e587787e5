"""Tells systemd how the server is: ready, reloading, stopping, and alive.

The protocol of sd_notify(3): datagrams of assignments to a local socket that the service manager
names in the environment. Others speak it too (Podman, s6, supervisors in containers).
"""

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from twisted_signal import event_log, events
from twisted_signal.signals import Reactor
from twisted_signal.text import quoted

log = event_log.logger(__name__)

RETRY = 1.0
"""Seconds after which a datagram is sent again that the service manager had no room for."""
STATUS_INTERVAL = 10.0
"""Seconds from one look at the numbers of the status to the next."""
EXTENSION = 5
"""Seconds that the process may take to end, beyond those that clients have to go."""

_SECOND = 1_000_000
"""In the microseconds of the protocol."""


def socket_address(environment: Mapping[str, str]) -> str | None:
    """Return where the service manager hears, for `socket.sendto`; None: it does not want to.

    A leading `@` stands for the null byte of an abstract socket (unix(7)).
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        return "\0" + address[1:]
    if address and not address.startswith("/"):
        log.warning(events.NOTIFY_SOCKET_UNUSABLE, quoted(address))
        return None
    return address or None


def watchdog_interval(environment: Mapping[str, str], process: int) -> float | None:
    """Return after how many seconds the service manager is to be told that the server is alive.

    That is half of the time after which it takes it for stuck (sd_watchdog_enabled(3)).

    Args:
        environment: the process's.
        process: its number; another process may be meant.

    Returns:
        The seconds; None: it need not be told.
    """
    time_limit = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(process)) != str(process):
        return None
    if not (time_limit.isascii() and time_limit.isdecimal() and 0 < len(time_limit) < 20):
        if time_limit:
            log.warning(events.WATCHDOG_UNUSABLE, quoted(time_limit))
        return None
    return int(time_limit) / 2 / _SECOND or None


class Managed(Protocol):
    """What the service manager is told of."""

    @property
    def stop_timeout(self) -> int:
        """Seconds that clients have to go when it stops."""

    def when_listening(self) -> Deferred[bool]:
        """Wait until it is known whether it listens; return whether it does at all places."""

    def summary(self) -> str:
        """Return in a few words how much there is to do."""


class Notifier(Service):
    """Sends what the service manager is to know.

    It sends from the reactor, so that nothing comes from a server that is stuck.
    """

    def __init__(
        self,
        reactor: Reactor,
        server: Managed,
        address: str,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """
        Args:
            server: what is told of.
            address: see `socket_address`.
            environment: the process's.
        """
        self._reactor = reactor
        self._server = server
        self._address = address
        self._environment = environment
        # Taken now, as there may be no descriptor when it is needed.
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._waiting: deque[bytes] = deque()
        self._has_warned = False
        self._status = ""

    def startService(self) -> None:
        """Say `READY=1` as soon as the server listens at all its places, and go on from there."""
        super().startService()
        self._reactor.callWhenRunning(self._start)

    def stopService(self) -> None:
        """Say `STOPPING=1`, and how long that may take.

        What is sent at intervals goes on until the process ends: clients may take a while to go.
        """
        super().stopService()
        timeout = self._server.stop_timeout + EXTENSION
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={timeout * _SECOND}", self._new_status())

    def reloading(self) -> None:
        """Say `RELOADING=1`, and `READY=1` after this turn of the reactor, in which all reload."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._reactor.callLater(0, self._send, "READY=1")

    def _start(self) -> None:
        self._server.when_listening().addCallback(self._listens)

    def _listens(self, everywhere: bool) -> None:
        if not everywhere or not self.running:
            return
        self._send("READY=1", self._new_status())
        self._repeat(self._tell_status, STATUS_INTERVAL)
        interval = watchdog_interval(self._environment, os.getpid())
        if interval is not None:
            self._repeat(self._tell_alive, interval)

    def _repeat(self, action: Callable[[], None], interval: float) -> None:
        loop = LoopingCall(action)
        loop.clock = self._reactor
        loop.start(interval)

    def _tell_alive(self) -> None:
        if not self._waiting:
            self._send("WATCHDOG=1")

    def _tell_status(self) -> None:
        before = self._status
        status = self._new_status()
        if status != before and not self._waiting:
            self._send(status)

    def _new_status(self) -> str:
        doing = "Serving" if self.running else "Stopping"
        self._status = f"STATUS={doing}; {self._server.summary()}"
        return self._status

    def _send(self, *assignments: str) -> None:
        self._waiting.append("\n".join(assignments).encode())
        if len(self._waiting) == 1:
            self._flush()

    def _flush(self) -> None:
        """Send what waits. What cannot be sent now is sent later, in order."""
        while self._waiting:
            try:
                self._socket.sendto(self._waiting[0], self._address)
            except OSError as error:
                # The manager may be busy with itself, and its queue full.
                if not isinstance(error, BlockingIOError) and not self._has_warned:
                    self._has_warned = True
                    log.warning(events.MANAGER_NOT_TOLD, error.strerror or error)
                self._reactor.callLater(RETRY, self._flush)
                return
            self._waiting.popleft()
