"""The place of one worker: a process in it, and another one when that has ended."""

import re
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IReadDescriptor
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_signal import event_log, events, logs
from twisted_signal.text import printable
from twisted_signal.workers.backoff import Backoff
from twisted_signal.workers.launch import Launcher

log = event_log.logger(__name__)

SILENT = 20
"""Seconds after which a worker that said nothing is taken for stuck."""
STARTING = 60
"""Seconds that it may take until it listens."""
LONGEST = 64 * 1024
"""Bytes of a line that is taken for one."""

_DATAGRAM = 4096


class State(Enum):
    """How a worker is; the value says it to people."""

    ENDED = "has ended, and is to be started anew"
    STARTING = "is starting"
    READY = "is ready"
    STOPPING = "is stopping"


class Lines:
    """Takes bytes as they come, and hands on whole lines."""

    def __init__(self, take: Callable[[str], object]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take more of them."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._take(line.decode("utf-8", "backslashreplace"))

    def end(self) -> None:
        """Nothing more comes."""
        if self._rest:
            self.feed(b"\n")


class Running(ProcessProtocol):
    """A process that is there."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._lines = {1: Lines(logs.pass_on), 2: Lines(worker.complain)}

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """It wrote something. A hook of Twisted's."""
        self._lines[childFD].feed(data)

    def processEnded(self, reason: Failure) -> None:
        """It has ended, and all it wrote has come. A hook of Twisted's."""
        for lines in self._lines.values():
            lines.end()
        self._worker.ended(how_it_ended(reason.value))


@implementer(IReadDescriptor)
class Told:
    """Hears what a worker tells its service manager, which is its parent (sd_notify(3))."""

    def __init__(self, reactor: Any, path: str, hear: Callable[[dict[str, str]], object]) -> None:
        """
        Args:
            path: of a local socket, in a directory where nobody else can look.
            hear: is given assignments, by name.
        """
        self._reactor = reactor
        self._hear = hear
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._socket.bind(path)
        reactor.addReader(self)

    def fileno(self) -> int:
        """See IFileDescriptor."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """See ILoggingContext."""
        return "told"

    def connectionLost(self, _reason: Any) -> None:
        """The reactor ends. A hook of IFileDescriptor."""

    def doRead(self) -> None:
        """Something was said. A hook of IReadDescriptor."""
        with suppress(BlockingIOError):
            words = self._socket.recv(_DATAGRAM).decode("utf-8", "replace").split("\n")
            self._hear(dict(word.split("=", 1) for word in words if "=" in word))

    def close(self) -> None:
        """Hear nothing any more."""
        self._reactor.removeReader(self)
        self._socket.close()
        Path(self._path).unlink(missing_ok=True)


class Worker:
    """One of the workers, whichever process it is.

    Attributes:
        number: from 1.
        state: how it is.
        connections: how many it had when it said so.
        process_id: of the last process; 0: there was none yet.
        restarts: how many processes have followed the first.
    """

    def __init__(
        self,
        reactor: Any,
        number: int,
        launcher: Launcher,
        directory: str,
        changed: Callable[[], object],
    ) -> None:
        """
        Args:
            reactor: starts processes.
            launcher: knows how.
            directory: for the socket by which it tells how it is.
            changed: called when its state has changed.
        """
        self.number = number
        self.state = State.ENDED
        self.connections = 0
        self.process_id = 0
        self.restarts = -1
        self._reactor = reactor
        self._launcher = launcher
        self._changed = changed
        self._backoff = Backoff()
        self._process: Any = None
        self._began = 0.0
        self._silent_for = 0
        self._is_to_reload = False
        self._next: IDelayedCall | None = None
        self._gone: Deferred[None] | None = None
        self._is_stopping = False
        self._path = str(Path(directory) / f"{number}.told")
        self._told = Told(reactor, self._path, self._hear)

    def start(self) -> None:
        """Start a process."""
        self._next = None
        self._silent_for = 0
        self._is_to_reload = False
        self._began = self._reactor.seconds()
        self.restarts += 1
        told = {"NOTIFY_SOCKET": self._path, "WATCHDOG_USEC": str(SILENT * 1_000_000)}
        launch = self._launcher.launch(self.number, told)
        try:
            self._process = self._reactor.spawnProcess(Running(self), **launch._asdict())
        except OSError as error:  # there is no memory, or there are too many processes
            reason = error.strerror or str(error)
            wait = self._start_later()
            log.error(events.WORKER_NOT_STARTED, self.number, reason, wait)  # noqa: TRY400 - it says all
            return
        self.process_id = self._process.pid
        self.state = State.STARTING
        log.info(events.WORKER_STARTED, self.number, self.process_id)
        self._changed()

    def tick(self) -> None:
        """A second has gone by: end a process that is stuck.

        Seconds in which the parent itself stood still do not count.
        """
        self._silent_for += 1
        longest = {State.STARTING: STARTING, State.READY: SILENT}.get(self.state)
        if longest is not None and self._silent_for > longest:
            log.error(events.WORKER_STUCK, self.number, self.process_id, longest)
            self._silent_for = 0
            self.signal("KILL")

    def signal(self, name: str) -> None:
        """Send a signal, such as `TERM`, where there is a process."""
        if self._process is not None:
            with suppress(ProcessExitedAlready):
                self._process.signalProcess(name)

    def reload(self) -> None:
        """Send SIGHUP, but not before it is ready: until then that would end it."""
        if self.state is State.READY:
            self.signal("HUP")
        else:
            self._is_to_reload = True

    def stop(self) -> "Deferred[None]":
        """Send SIGTERM; the Deferred fires when the process is gone. No other follows."""
        self._is_stopping = True
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._process is None:
            self._close()
            return succeed(None)
        self.state = State.STOPPING
        self._gone = Deferred()
        self.signal("TERM")
        return self._gone

    def complain(self, line: str) -> None:
        """It wrote a line to stderr."""
        if line.strip():
            log.warning(events.WORKER_SAID, self.number, printable(line))

    def ended(self, how: str) -> None:
        """The process has ended. `how`: in words."""
        self._process = None
        self.connections = 0
        if self._is_stopping:
            log.info(events.WORKER_STOPPED, self.number, self.process_id, how)
            self._close()
            assert self._gone is not None
            self._gone.callback(None)
        else:
            self.state = State.ENDED
            wait = self._start_later()
            log.error(events.WORKER_ENDED, self.number, self.process_id, how, wait)
        self._changed()

    def _start_later(self) -> float:
        """Start another process in a while; return in how many seconds."""
        wait = self._backoff.after(self._reactor.seconds() - self._began)
        self._next = self._reactor.callLater(wait, self.start)
        return wait

    def _close(self) -> None:
        self.state = State.ENDED
        self._told.close()

    def _hear(self, words: dict[str, str]) -> None:
        self._silent_for = 0
        found = re.search(r"connections: (\d+)", words.get("STATUS", ""))
        if found is not None:
            self.connections = int(found[1])
        if "STOPPING" in words:
            self.state = State.STOPPING
        elif "READY" in words and self.state is State.STARTING:
            self.state = State.READY
            log.info(events.WORKER_READY, self.number)
            if self._is_to_reload:
                self.reload()
        else:
            return
        self._changed()


def how_it_ended(error: BaseException | None) -> str:
    """Return in words how a process ended."""
    match error:
        case ProcessDone():
            return "status 0"
        case ProcessTerminated(signal=int(number)):
            names = {each.value: each.name for each in signal.Signals}
            return names.get(number, f"signal {number}")
        case ProcessTerminated(exitCode=code):
            return f"status {code}"
    return str(error)
