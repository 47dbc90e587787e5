"""A reactor that starts processes which a test makes up."""

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.task import Clock
from twisted.python.failure import Failure


class FakeProcess:
    """A process. `signals`: what it was sent."""

    def __init__(self, pid: int, protocol: Any, launch: dict[str, Any]) -> None:
        self.pid = pid
        self.protocol = protocol
        self.launch = launch
        self.signals: list[str] = []
        self.has_ended = False

    def signalProcess(self, name: str) -> None:
        if self.has_ended:
            raise ProcessExitedAlready
        self.signals.append(name)

    def end(self, error: BaseException) -> None:
        self.has_ended = True
        self.protocol.processEnded(Failure(error))

    @property
    def place(self) -> str:
        """Where it tells how it is."""
        place: str = self.launch["env"]["NOTIFY_SOCKET"]
        return place


class FakeReactor(Clock):
    """A Clock that starts processes, and runs.

    Attributes:
        refusal: why it starts none.
        triggers: what is done when it has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.readers: list[Any] = []
        self.refusal: OSError | None = None
        self.triggers: list[Callable[[], None]] = []
        self.stopped = 0
        self.addReader = self.readers.append
        self.removeReader = self.readers.remove

    def spawnProcess(self, protocol: Any, **launch: Any) -> FakeProcess:
        if self.refusal is not None:
            raise self.refusal
        self.processes.append(FakeProcess(100 + len(self.processes), protocol, launch))
        return self.processes[-1]

    def tell(self, process: FakeProcess, *assignments: str) -> None:
        """Let a process tell what a service manager is told, and somebody hear it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto("\n".join(assignments).encode(), process.place)
        for reader in self.readers:
            reader.doRead()

    def callWhenRunning(self, action: Callable[..., Any], *arguments: object) -> None:
        action(*arguments)

    def addSystemEventTrigger(self, _phase: str, _event: str, action: Callable[[], None]) -> None:
        self.triggers.append(action)

    def stop(self) -> None:
        self.stopped += 1
