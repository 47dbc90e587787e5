"""The parent of the workers: opens the sockets, keeps processes running, passes signals on."""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.task import LoopingCall

from twisted_signal.addresses import is_local
from twisted_signal.notify import EXTENSION
from twisted_signal.options import Options
from twisted_signal.server import warn_of_anybody
from twisted_signal.service import CannotStart, tell_operator
from twisted_signal.signals import ReloadSignal, StopSignals
from twisted_signal.text import quoted
from twisted_signal.workers.launch import Launcher
from twisted_signal.workers.sockets import SharedListening
from twisted_signal.workers.worker import State, Worker

LONGEST_PATH = 80
"""Bytes of the directory for sockets: a path of one may have 107, with its end (unix(7))."""


class Workers(Service):
    """All workers.

    Attributes:
        all: the workers, in the order of their numbers; none before the start.
    """

    def __init__(self, reactor: Any, options: Options, listening: list[SharedListening]) -> None:
        """`listening`: has the sockets."""
        self.all: list[Worker] = []
        self.directory = ""
        self._reactor = reactor
        self._options = options
        self._listening = listening
        self._ready: Deferred[None] | None = Deferred()
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = reactor

    @property
    def ready(self) -> list[Worker]:
        """Those that listen."""
        return [each for each in self.all if each.state is State.READY]

    def startService(self) -> None:
        """Start all of them, as soon as the reactor hears what becomes of them."""
        super().startService()
        self.directory = _directory()
        self._reactor.addSystemEventTrigger(
            "after", "shutdown", partial(shutil.rmtree, self.directory, ignore_errors=True)
        )
        launcher = Launcher(self._options, self._listening, self.directory)
        self.all = [
            Worker(self._reactor, number, launcher, self.directory, self._changed)
            for number in range(1, self._options.workers + 1)
        ]
        self._reactor.callWhenRunning(self._start)

    def when_ready(self) -> "Deferred[None]":
        """Return what fires when all of them listen for the first time. For one who waits."""
        return succeed(None) if self._ready is None else self._ready

    def signal(self, name: str) -> None:
        """Send a signal to all of them, such as `HUP`."""
        for worker in self.all:
            worker.signal(name)

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """Send SIGTERM to all of them, and SIGKILL in the end, and wait until they are gone."""
        super().stopService()
        if self._ticking.running:
            self._ticking.stop()
        gone = [worker.stop() for worker in self.all]
        timeout = self._options.limits.drain_timeout + EXTENSION
        last = self._reactor.callLater(timeout, self.signal, "KILL")
        yield DeferredList(gone)
        if last.active():
            last.cancel()

    def _start(self) -> None:
        for worker in self.all:
            if self.running:
                worker.start()
        self._ticking.start(1, now=False)

    def _tick(self) -> None:
        for worker in self.all:
            worker.tick()

    def _changed(self) -> None:
        if self._ready is not None and len(self.ready) == len(self.all):
            ready, self._ready = self._ready, None
            ready.callback(None)


def _directory() -> str:
    """Make a directory for sockets, for this user alone.

    Raises:
        CannotStart: that is not possible.
    """
    place = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or tempfile.gettempdir()
    if len(os.fsencode(place)) > LONGEST_PATH:
        place = "/tmp"  # noqa: S108 - mkdtemp's is for this user alone
    try:
        return tempfile.mkdtemp(prefix="vislam-signal-", dir=place)
    except OSError as error:
        sentence = f"--workers: cannot make a directory in {quoted(place)}: {error.strerror}"
        tell_operator(sentence)
        raise CannotStart(sentence) from None


class Parent(MultiService):
    """The server, where several processes share the work. See `SignalService` for what it is like.

    Attributes:
        workers: the processes.
        reloads: what SIGHUP calls; each logs what it did.
        outlasting: services that run until the last worker is gone.
        is_draining: whether it is stopping.
    """

    def __init__(self, reactor: Any, options: Options) -> None:
        super().__init__()
        self._options = options
        self.is_draining = False
        self.outlasting = MultiService()
        self.reloads: list[Callable[[], None]] = []
        self._has_warned = False
        self._listening = [SharedListening(each, options.workers) for each in options.listeners]
        self.workers = Workers(reactor, options, self._listening)
        self._stop_signals = StopSignals(reactor, self._hurry)
        for service in (
            self._stop_signals,
            ReloadSignal(reactor, self.reloads),
            *self._listening,
            self.workers,
        ):
            self.addService(service)

    @property
    def stop_timeout(self) -> int:
        """Seconds that clients have to go when it stops."""
        return self._options.limits.drain_timeout

    def urls(self) -> list[str]:
        """Return where clients reach the server, now, in the order of the listeners."""
        return [url for service in self._listening for url in service.urls]

    def summary(self) -> str:
        """Return in a few words how much there is to do."""
        workers = self.workers
        connections = sum(worker.connections for worker in workers.all)
        return f"workers: {len(workers.ready)} of {len(workers.all)}, connections: {connections}"

    @inlineCallbacks
    def when_listening(self) -> Generator[Deferred[Any], Any, bool]:
        """Wait until all workers listen, however long that takes; return True."""
        yield self.workers.when_ready()
        return True

    def privilegedStartService(self) -> None:
        """Open the sockets."""
        super().privilegedStartService()
        self.outlasting.privilegedStartService()
        self._warn_if_open()

    def startService(self) -> None:
        """Start everything."""
        super().startService()
        self.outlasting.startService()
        self._warn_if_open()

    def pass_reload_on(self) -> None:
        """Let the workers do what SIGHUP is for."""
        for worker in self.workers.all:
            worker.reload()

    def drain(self, why: str) -> None:
        """End the process as SIGTERM does, if it is not ending. `why`: for the log."""
        self._stop_signals.stop(why)

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """Accept nobody any more, let the workers say goodbye, and wait until they are gone."""
        self.is_draining = True
        yield super().stopService()
        yield maybeDeferred(self.outlasting.stopService)

    def _warn_if_open(self) -> None:
        ports = (service.port for service in self._listening)
        is_open = any(port is not None and not is_local(port.getHost()) for port in ports)
        if is_open and self._options.verifier is None and not self._has_warned:
            self._has_warned = True
            warn_of_anybody(self._options.origins, self._options.relays.provider)

    def _hurry(self) -> None:
        """End what the stopping workers wait for."""
        self.workers.signal("TERM")
