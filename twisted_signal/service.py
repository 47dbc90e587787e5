"""The running server: where it listens, how it starts and how it stops."""

import select
import sys
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.tcp import Port
from twisted.python.failure import Failure

from twisted_signal import event_log, events
from twisted_signal.addresses import is_local, urls
from twisted_signal.descriptors import Patience
from twisted_signal.poller import Poller
from twisted_signal.server import SignalFactory
from twisted_signal.signals import Reactor, ReloadSignal, StopSignals
from twisted_signal.telemetry import Telemetry
from twisted_signal.text import quoted

log = event_log.logger(__name__)


class CannotStart(SystemExit, Exception):
    """The server cannot listen where it was told to.

    An Exception, so that twistd tidies up after it and tells its parent process; a SystemExit, so
    that the interpreter ends with status 1 and without a traceback.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.code = 1


class Listener(NamedTuple):
    """A place to listen at.

    Attributes:
        name: how the operator named it.
        endpoint: what listens there.
        secure: whether TLS is spoken there.
        is_inherited: this process has it from its parent, which tells of it.
    """

    name: str
    endpoint: IStreamServerEndpoint
    secure: bool = False
    is_inherited: bool = False


class Listening(Service):
    """Listens at one place.

    Attributes:
        listener: where.
        attempt: fires when it listens, or cannot; None before it tries.
        port: what listens; None: nothing does.
    """

    def __init__(self, listener: Listener, factory: IProtocolFactory) -> None:
        """`factory`: makes a protocol for each connection."""
        self.listener = listener
        self._factory = factory
        self.attempt: Deferred[None] | None = None
        self._failure: str | None = None
        self.port: IListeningPort | None = None

    def listens(self, port: IListeningPort) -> None:
        """It listens."""
        raise NotImplementedError

    def privilegedStartService(self) -> None:
        """Listen, while the process still may use a port below 1024.

        Raises:
            CannotStart: that fails at once, as it does with all endpoints of Twisted's own.
        """
        super().privilegedStartService()
        listening: Deferred[IListeningPort] = self.listener.endpoint.listen(self._factory)
        self.attempt = listening.addCallbacks(self._is_listening, self._cannot_listen)
        if self._failure is not None:
            self.failed(self._failure)

    def failed(self, sentence: str) -> None:
        """It cannot listen, and that was known at once. `sentence`: says why.

        Raises:
            CannotStart: that is a reason not to start.
        """
        tell_operator(sentence)
        raise CannotStart(sentence)

    @property
    def urls(self) -> list[str]:
        """Where clients reach it, now: the addresses of a machine change."""
        return [] if self.port is None else urls(self.port.getHost(), self.listener.secure)

    def tell(self) -> None:
        """Log where it listens."""
        for url in self.urls:
            log.info(events.LISTENING, url)

    def startService(self) -> None:
        """Listen, unless that was done with privileges (twist knows no such step)."""
        super().startService()
        if self.attempt is None:
            self.privilegedStartService()

    def stopService(self) -> "Deferred[None] | None":
        """Accept nobody any more."""
        super().stopService()
        port, self.port = self.port, None
        return port.stopListening() if port is not None else None

    def _cannot_listen(self, failure: Failure) -> None:
        self._failure = f"cannot listen at {quoted(self.listener.name)}: {_reason(failure)}"
        self.log_failure(self._failure)

    def log_failure(self, sentence: str) -> None:
        """Log that it cannot listen. `sentence`: says why."""
        log.error(events.LISTENING_FAILED, sentence)

    def _is_listening(self, port: IListeningPort) -> None:
        self.port = port
        self.listens(port)


class ListenerService(Listening):
    """Listens for clients at one place."""

    def __init__(
        self,
        listener: Listener,
        factory: SignalFactory,
        patience: Patience,
        poller: Poller | None = None,
    ) -> None:
        """
        Args:
            patience: lets the port pause when there are no descriptors.
            poller: serves the connections, where the system has it.
        """
        super().__init__(listener, factory)
        self._patience = patience
        self._poller = poller
        self._clients = factory

    def listens(self, port: IListeningPort) -> None:
        """See Listening."""
        if isinstance(port, Port):
            self._patience.teach(port)
            if self._poller is not None:
                self._poller.adopt(port)
        if not self.listener.is_inherited:
            self.tell()
            if not is_local(port.getHost()):
                self._clients.warn_if_open()


class SignalService(MultiService):
    """The server: a factory, and the places where it listens.

    Attributes:
        reloads: what SIGHUP calls; each logs what it did.
        outlasting: services that run until the last client is gone, and not only until it is sent
            away; they start with all others.
        is_draining: whether the server is stopping: it accepts nobody any more.
        started_at: when it started, in seconds of the reactor's clock.
        started_at_ms: the same, in milliseconds since 1970.
        telemetry: looks how the server is.
    """

    started_at = 0.0
    started_at_ms = 0

    def __init__(self, reactor: Reactor, factory: SignalFactory, listeners: list[Listener]) -> None:
        super().__init__()
        self._reactor = reactor
        self.factory = factory
        self.is_draining = False
        self.outlasting = MultiService()
        self._stop_signals = StopSignals(reactor, factory.abort_all)
        self.addService(self._stop_signals)
        self.reloads: list[Callable[[], None]] = []
        self.addService(ReloadSignal(reactor, self.reloads))
        self.telemetry = Telemetry(reactor, factory)
        self.outlasting.addService(self.telemetry)
        patience = Patience(reactor)
        poller = (
            Poller(reactor, factory.outbox, factory.tally) if hasattr(select, "epoll") else None
        )
        self._listening = [ListenerService(each, factory, patience, poller) for each in listeners]
        for service in self._listening:
            self.addService(service)

    def urls(self) -> list[str]:
        """Return where clients reach the server, now, in the order of the listeners."""
        return [url for service in self._listening for url in service.urls]

    @property
    def is_listening(self) -> bool:
        """Whether it accepts clients, at all the places where it should."""
        return all(service.port is not None for service in self._listening)

    def privilegedStartService(self) -> None:
        """Start what needs privileges."""
        super().privilegedStartService()
        self.outlasting.privilegedStartService()

    def startService(self) -> None:
        """Start everything."""
        self.started_at = self._reactor.seconds()
        self.started_at_ms = self.factory.now_ns() // 1_000_000
        super().startService()
        self.outlasting.startService()

    @property
    def stop_timeout(self) -> int:
        """Seconds that clients have to go when it stops."""
        return self.factory.limits.drain_timeout

    def summary(self) -> str:
        """Return in a few words how much there is to do."""
        connections, rooms = len(self.factory.connections), len(self.factory.registry.rooms)
        return f"connections: {connections}, rooms: {rooms}"

    def drain(self, why: str) -> None:
        """End the process as SIGTERM does, if it is not ending. `why`: for the log."""
        self._stop_signals.stop(why)

    @inlineCallbacks
    def when_listening(self) -> Generator[Deferred[Any], Any, bool]:
        """Wait until each place has been tried; return whether the server listens at all of them.

        It must have been started.
        """
        for service in self._listening:
            assert service.attempt is not None
            yield service.attempt
        return self.is_listening

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """Accept nobody any more, say goodbye to those who are there, and wait a little."""
        self.is_draining = True
        yield super().stopService()
        gone = self.factory.close_all()
        timeout = self.factory.limits.drain_timeout
        yield gone.addTimeout(timeout, self._reactor, onTimeoutCancel=lambda *_: None)
        self.factory.abort_all()
        yield maybeDeferred(self.outlasting.stopService)


def tell_operator(sentence: str) -> None:
    """Write a line to the real stderr: twistd has put its log in the place of sys.stderr."""
    if sys.__stderr__ is not None:
        sys.__stderr__.write(f"vislam-signal: {sentence}\n")


def _reason(failure: Failure) -> str:
    """Return in words why listening failed."""
    error = failure.value
    if isinstance(error, CannotListenError):
        error = error.socketError
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
