"""Signals to the process: which end it, and which have it read files anew."""

import errno
import os
import signal
from collections.abc import Callable
from typing import ClassVar

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorCore, IReactorFromThreads, IReactorTime

from twisted_signal import event_log, events

log = event_log.logger(__name__)

PATIENCE = 0.5
"""Seconds before a second signal ends the process: one to it and its group comes twice at once."""


class Reactor(IReactorCore, IReactorFromThreads, IReactorTime):
    """What a service needs of a reactor."""


class SignalHandler(Service):
    """Handles signals to the process, in the reactor and not in the middle of anything."""

    SIGNALS: ClassVar[tuple[signal.Signals, ...]]

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor

    def received(self, name: str) -> None:
        """A signal came. `name`: which one, such as `SIGTERM`."""
        raise NotImplementedError

    def privilegedStartService(self) -> None:
        """Let signals wait from before the server says that it listens."""
        super().privilegedStartService()
        self._hold()

    def startService(self) -> None:
        """Let signals wait until Twisted has installed its handlers, and ours replaced them."""
        super().startService()
        self._hold()
        self._reactor.callWhenRunning(self._install)

    def _hold(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)

    def _install(self) -> None:
        for number in self.SIGNALS:
            signal.signal(number, self._handle)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.SIGNALS)

    def _handle(self, number: int, _frame: object) -> None:
        self._reactor.callFromThread(self.received, signal.Signals(number).name)


class StopSignals(SignalHandler):
    """Ends the process with status 0 on SIGINT and SIGTERM, and at once on a second one.

    With Twisted's own handlers the process ends by the signal, which looks like a failure.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, reactor: Reactor, hurry: Callable[[], None]) -> None:
        """`hurry`: ends what the stopping server waits for."""
        super().__init__(reactor)
        self._hurry = hurry
        self._stopped_at: float | None = None

    def received(self, name: str) -> None:
        """See SignalHandler."""
        if self._stopped_at is None:
            self.stop(f"{name} received")
        else:
            now = self._reactor.seconds()
            self._reactor.callLater(max(self._stopped_at + PATIENCE - now, 0), self._hurry)

    def stop(self, why: str) -> None:
        """End the process, if it is not ending. `why`: for the log."""
        if self._stopped_at is None:
            self._stopped_at = self._reactor.seconds()
            log.info(events.STOPPING, why)
            self._reactor.stop()


class ReloadSignal(SignalHandler):
    """Reads certificates and the like anew on SIGHUP, which would end the process otherwise.

    It still ends a server in the foreground of a terminal that is closed, unless under nohup.
    """

    SIGNALS = (signal.SIGHUP,)

    def __init__(self, reactor: Reactor, reloads: list[Callable[[], None]]) -> None:
        """`reloads`: what is called then; each logs what it did."""
        super().__init__(reactor)
        self._reloads = reloads
        self._needs_terminal = False

    def _install(self) -> None:
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        self._needs_terminal = _foreground() == os.getpgrp() and not ignored
        super()._install()

    def received(self, name: str) -> None:
        """See SignalHandler."""
        if self._needs_terminal and _foreground() is None:
            log.info(events.TERMINAL_CLOSED, name)
            self._reactor.stop()
            return
        log.info(events.RELOADING if self._reloads else events.NOTHING_TO_RELOAD, name)
        for reload in self._reloads:
            try:
                reload()
            except Exception:
                log.exception(events.RELOAD_FAILED)


def _foreground() -> int | None:
    """Return the process group in the foreground of our terminal, or None without a terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)  # ours under any name, tty(4)
    except OSError as error:
        return 0 if error.errno in (errno.EMFILE, errno.ENFILE) else None  # that says nothing
    try:
        return os.tcgetpgrp(terminal)
    except OSError:
        return None
    finally:
        os.close(terminal)
