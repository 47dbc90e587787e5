"""What a worker has from its parent: its number, the options, and the sockets that it listens at.

`workers` is the parent's part. Nothing here is of use to a server without a parent.
"""

import errno
import json
import os
import select
import shutil
import socket
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from twisted.internet import tcp, unix
from twisted.internet.interfaces import IProtocolFactory, IReadDescriptor
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from twisted_signal.config.settings import Origin, Setting

VARIABLE = "VISLAM_WORKER"
"""In the environment; not with the prefix of options, as it is none."""
LIFELINE = 0
"""The descriptor that ends when the parent does, whichever way: stdin."""
FIRST_SOCKET = 3
"""The descriptor of the first listening socket; the others follow."""
HELP = 0.1
"""Seconds from one look at the other workers' queues to the next."""

_PROXY = "haproxy:"


class Inheritance(NamedTuple):
    """What a worker has from its parent.

    Attributes:
        number: the worker's, from 1.
        settings: the value of each option, as the parent has it. The file may say something else by
            now that has not been taken yet.
        sockets: for each listener how many sockets there are: one for all workers, or one for each.
        directory: where the sockets of parent and workers are.
    """

    number: int
    settings: Mapping[str, Setting]
    sockets: Sequence[int]
    directory: str

    def encode(self) -> str:
        """Return it for the environment."""
        settings = {
            name: (value, origin.value, place)
            for name, (value, origin, place) in self.settings.items()
        }
        return json.dumps([self.number, settings, self.sockets, self.directory])

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return what `encode` was asked about."""
        number, settings, sockets, directory = json.loads(text)
        found = {
            name: Setting(value, Origin(origin), place)
            for name, (value, origin, place) in settings.items()
        }
        return cls(number, found, sockets, directory)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """Return what the environment says; None: the process is no worker."""
        text = environment.get(VARIABLE)
        return None if text is None else cls.decode(text)

    @property
    def admin_endpoint(self) -> str:
        """Where the worker's admin endpoint is: for the parent alone."""
        return f"unix:{self.admin_path}:mode=600"

    @property
    def admin_path(self) -> str:
        """The path of that."""
        return admin_path(self.directory, self.number)

    def remove(self) -> None:
        """Remove the directory, as a parent that was killed could not."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def reactor_for(self, reactor: Any, listener: int) -> "AdoptingReactor":
        """Return what an endpoint takes for the reactor. `listener`: which one it is, from 0."""
        first = FIRST_SOCKET + sum(self.sockets[:listener])
        found = list(range(first, first + self.sockets[listener]))
        own = found.pop((self.number - 1) % len(found))
        return AdoptingReactor(reactor, own, found)


def admin_path(directory: str, number: int) -> str:
    """Return the path of a worker's admin endpoint."""
    return str(Path(directory) / f"{number}.admin")


def adoptable(description: str) -> str:
    """Return the description of an endpoint for a worker.

    Sockets that systemd has handed over are the parent's, and a worker may not ask for them.
    """
    proxy = _PROXY if description.startswith(_PROXY) else ""
    return f"{proxy}tcp:0" if is_from_systemd(description) else description


def is_from_systemd(description: str) -> bool:
    """Tell whether an endpoint's socket is one that systemd has handed over."""
    return description.removeprefix(_PROXY).startswith("systemd:")


class AdoptingReactor:
    """A reactor that listens at sockets which are there already, whatever it is told.

    So endpoints of all kinds do in a worker what they do elsewhere, such as speak TLS.
    """

    def __init__(self, reactor: Any, own: int, others: Sequence[int]) -> None:
        """
        Args:
            reactor: the real one.
            own: the descriptor of the socket to listen at.
            others: those of sockets at which other workers do.
        """
        self._reactor = reactor
        self._own = own
        self._others = others

    def __getattr__(self, name: str) -> Any:
        """Be the reactor in all else."""
        return getattr(self._reactor, name)

    def listenTCP(self, _port: int, factory: IProtocolFactory, **_: Any) -> tcp.Port:
        """See IReactorTCP."""
        return self._adopt(factory)

    def listenUNIX(self, _address: str, factory: IProtocolFactory, **_: Any) -> tcp.Port:
        """See IReactorUNIX."""
        return self._adopt(factory)

    def listenSSL(
        self, _port: int, factory: IProtocolFactory, contextFactory: Any, **_: Any
    ) -> tcp.Port:
        """See IReactorSSL."""
        return self._adopt(TLSMemoryBIOFactory(contextFactory, False, factory))  # noqa: FBT003 - its order

    def _adopt(self, factory: IProtocolFactory) -> tcp.Port:
        with socket.socket(fileno=self._own) as own:
            if own.family == socket.AF_UNIX:
                port: tcp.Port = InheritedUnixPort._fromListeningDescriptor(  # noqa: SLF001 - as the reactor does
                    self._reactor, own.fileno(), factory
                )
                port.startListening()
            else:
                port = self._reactor.adoptStreamPort(own.fileno(), own.family, factory)
        if self._others:
            Helper(self._reactor, port, [Queue(each) for each in self._others])
        return port


class Queue:
    """The socket of another worker, in the place of a port's own. Nobody is there if it fails."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.settimeout(0)

    def accept(self) -> tuple[socket.socket, Any]:
        """See `socket.socket.accept`."""
        try:
            return self._socket.accept()
        except OSError as error:
            raise BlockingIOError(errno.EWOULDBLOCK, error.strerror) from None

    def close(self) -> None:
        """Free the descriptor; the socket itself is the others'."""
        self._socket.close()


class Helper:
    """Lets a port accept those who wait for other workers, too: for one that is busy, or dead.

    The kernel deals connections out to the sockets of all workers, and does not know how they are.
    It does so evenly, which workers that race for one socket do not: docs/cluster.md has figures.
    """

    def __init__(self, reactor: Any, port: tcp.Port, queues: Sequence[Queue]) -> None:
        """Begin. It ends with the port."""
        self._reactor = reactor
        self._port = port
        self._queues = queues
        self._wait()

    def _wait(self) -> None:
        self._reactor.callLater(HELP, self._look)

    def _look(self) -> None:
        port = self._port
        if port.disconnecting or not port.connected:
            for queue in self._queues:
                queue.close()
            return
        own, accepts = port.socket, port.numberAccepts
        try:
            for port.socket in self._queues:
                port.doRead()
        finally:
            port.socket, port.numberAccepts = own, accepts
        self._wait()


@implementer(IReadDescriptor)
class Lifeline:
    """Tells when the parent has gone, however it went: the pipe from it ends."""

    def __init__(self, reactor: Any, gone: Callable[[], object]) -> None:
        """`gone`: called then, once."""
        self._reactor = reactor
        self._gone = gone
        self._is_over = False
        reactor.addReader(self)

    def fileno(self) -> int:
        """See IFileDescriptor."""
        return LIFELINE

    def logPrefix(self) -> str:
        """See ILoggingContext."""
        return "lifeline"

    def connectionLost(self, _reason: Any) -> None:
        """It has ended, or the reactor has. A hook of IFileDescriptor."""
        self.doRead()

    def doRead(self) -> None:
        """See whether it has ended: nothing is ever written to it. A hook of IReadDescriptor."""
        is_readable, _, _ = select.select([LIFELINE], [], [], 0)
        if is_readable and not self._is_over:
            self._is_over = True
            self._reactor.removeReader(self)
            self._gone()


class InheritedUnixPort(unix.Port):
    """A local socket with a path that belongs to another process, which removes it in the end."""

    _shouldShutdown = False  # the others go on

    def startListening(self) -> None:
        """Take the socket as it is. Twisted's would open its path to all users."""
        self.mode = stat.S_IMODE(Path(os.fsdecode(self._bindPath)).stat().st_mode)
        super().startListening()

    def connectionLost(self, reason: Any) -> None:
        """The socket is closed; the path stays."""
        tcp.Port.connectionLost(self, reason)
