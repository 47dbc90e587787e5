"""One readiness event for the reactor in the place of one for each connection.

Twisted sets up a logging context for each event of each connection, which nobody here looks at and
which costs more than the read. An epoll instance is itself something that can be polled: all
connections stand in one of ours, the reactor sees that one, and what is read between two turns of
the reactor is answered together.
"""

import select
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableDescriptor, IReactorFDSet, IReadDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.tcp import Port, Server
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_signal import event_log, events
from twisted_signal.event_log import OTHERS
from twisted_signal.outbox import Outbox
from twisted_signal.tally import Tally
from twisted_signal.tcp import Connection

log = event_log.logger(__name__)

MAX_EVENTS = 32
"""How many connections are served together."""
MAX_TURNS = 16
"""How often, before the reactor's timers and other events have their turn."""

READ_SIZE = 64 * 1024
"""How many bytes are read from a connection before others have their turn, as in Twisted."""

_READ = select.EPOLLIN
_WRITE = select.EPOLLOUT
_GONE = select.EPOLLHUP | select.EPOLLERR

_DONE_FAILURE = Failure(ConnectionDone())
_LOST_FAILURE = Failure(ConnectionLost())


@implementer(IReactorFDSet, IReadDescriptor)
class Poller:
    """Implements the part of a reactor that sockets need, on an epoll instance of its own."""

    def __init__(self, reactor: Any, outbox: Outbox, tally: Tally) -> None:
        """
        Args:
            reactor: the running one, which is told to read from here.
            outbox: gathers what is sent while many connections are read.
            tally: is told how long that takes.
        """
        self._reactor = reactor
        self._outbox = outbox
        self._tally = tally
        self._times = tally.relay_times
        self._epoll = select.epoll()
        self._descriptors: dict[int, Any] = {}
        self._reading: set[int] = set()
        self._writing: set[int] = set()
        # Those that began to write in this turn. Most have written all, or are closed, when it
        # ends, and epoll need not hear of them: that is two system calls each.
        self._new_writers: dict[Any, None] | None = None
        reactor.addReader(self)

    def adopt(self, port: Port) -> None:
        """Serve a listening port from here, and with it all the connections that it accepts."""
        port.stopReading()
        port.reactor = self
        if port.transport is Server:  # and no local socket
            port.transport = Connection
        port.startReading()

    def close(self) -> None:
        """Free the epoll instance. Only for when no descriptor is left."""
        self._reactor.removeReader(self)
        self._epoll.close()

    # What the reactor needs of a descriptor.

    def fileno(self) -> int:
        """Return the descriptor of the epoll instance."""
        return self._epoll.fileno()

    def logPrefix(self) -> str:
        """Return what Twisted's log calls this."""
        return "poller"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has given up; there is nothing to free that close does not."""

    def doRead(self) -> None:
        """Serve the connections that are ready, and those that become ready meanwhile."""
        for _ in range(MAX_TURNS):
            events = self._epoll.poll(0, MAX_EVENTS)
            if not events:
                break
            self._times.skip -= 1
            if self._times.skip < 0:
                self._timed_turn(events)
            else:
                self._turn(events)

    def _timed_turn(self, events: list[tuple[int, int]]) -> None:
        before, began = self._tally.for_peers(), self._reactor.seconds()
        self._turn(events)
        took = self._reactor.seconds() - began
        self._times.turn_took(took, self._tally.for_peers() - before)

    def _turn(self, events: list[tuple[int, int]]) -> None:
        self._new_writers = {}
        self._read_all(events)
        if self._new_writers:
            with self._outbox:
                for writer in list(self._new_writers):
                    self._serve(writer, _WRITE)  # it may be closed by now
        left, self._new_writers = self._new_writers, None
        for writer in left:  # there is more than the socket took
            self._watch(writer, self._writing, _WRITE)

    def _read_all(self, events: list[tuple[int, int]]) -> None:
        # All is read before any of it is handled: what the processor has in its caches for the one
        # is not what it needs for the other.
        with self._outbox:
            came: list[tuple[Connection, bytes]] = []
            for number, event in events:
                descriptor = self._descriptors.get(number)
                if descriptor is None:
                    continue  # an earlier event's handler closed it
                if event != _READ or type(descriptor) is not Connection:
                    self._serve(descriptor, event)
                    continue
                try:
                    data = descriptor.socket.recv(READ_SIZE)
                except BlockingIOError:
                    continue
                except OSError:
                    self._disconnect(descriptor, CONNECTION_LOST, is_read=True)
                    continue
                if data:
                    came.append((descriptor, data))
                else:
                    self._disconnect(descriptor, CONNECTION_DONE, is_read=True)
            for connection, data in came:
                if connection.disconnecting or not connection.connected:
                    continue  # it was ended while an earlier one was handled
                try:
                    connection.protocol.dataReceived(data)
                except Exception as error:
                    self._fail(connection, error)

    def _fail(self, descriptor: Any, error: Exception) -> None:
        log.error(events.CONNECTION_FAILED, exc_info=error, about=OTHERS)
        self._disconnect(descriptor, error, is_read=False)

    def _serve(self, descriptor: Any, event: int) -> None:
        is_read = True
        why: Any = None
        try:
            if event & _READ:
                why = descriptor.doRead()
            elif event & _GONE:
                is_read = descriptor.fileno() in self._reading
                why = CONNECTION_DONE if is_read else CONNECTION_LOST
            if event & _WRITE and not why and descriptor.fileno() != -1:
                is_read = False
                why = descriptor.doWrite()
        except Exception as error:
            self._fail(descriptor, error)
            return
        if why:
            self._disconnect(descriptor, why, is_read=is_read)

    def _disconnect(self, descriptor: Any, why: Exception, *, is_read: bool) -> None:
        self.removeReader(descriptor)
        if isinstance(why, ConnectionDone):
            failure = _DONE_FAILURE
        else:
            failure = _LOST_FAILURE if isinstance(why, ConnectionLost) else Failure(why)
        tell = descriptor.connectionLost
        if is_read and failure is _DONE_FAILURE and IHalfCloseableDescriptor.providedBy(descriptor):
            tell = descriptor.readConnectionLost
        else:
            self.removeWriter(descriptor)
        try:
            tell(failure)
        except Exception:
            # The reactor would take the poller for broken, and all connections with it.
            log.exception(events.CONNECTION_END_FAILED, about=OTHERS)

    # What a descriptor needs of the reactor.

    def callLater(self, delay: float, function: Callable[..., object], *arguments: Any) -> Any:
        """See IReactorTime."""
        return self._reactor.callLater(delay, function, *arguments)

    def addReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        self._watch(reader, self._reading, _READ)

    def addWriter(self, writer: Any) -> None:
        """See IReactorFDSet."""
        if self._new_writers is None:
            self._watch(writer, self._writing, _WRITE)
        elif writer.fileno() not in self._writing:
            self._new_writers[writer] = None

    def removeReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        self._forget(reader, self._reading)

    def removeWriter(self, writer: Any) -> None:
        """See IReactorFDSet."""
        if self._new_writers is not None:
            self._new_writers.pop(writer, None)
        self._forget(writer, self._writing)

    def removeAll(self) -> list[Any]:
        """See IReactorFDSet."""
        descriptors = list(self._descriptors.values())
        for descriptor in descriptors:
            self.removeReader(descriptor)
            self.removeWriter(descriptor)
        return descriptors

    def getReaders(self) -> list[Any]:
        """See IReactorFDSet."""
        return [self._descriptors[number] for number in self._reading]

    def getWriters(self) -> list[Any]:
        """See IReactorFDSet."""
        return [self._descriptors[number] for number in self._writing]

    def _watch(self, descriptor: Any, interested: set[int], event: int) -> None:
        number = descriptor.fileno()
        if number in interested:
            return
        if number in self._descriptors:
            self._epoll.modify(number, _READ | _WRITE)
        else:
            self._epoll.register(number, event)
            self._descriptors[number] = descriptor
        interested.add(number)

    def _forget(self, descriptor: Any, interested: set[int]) -> None:
        number = descriptor.fileno()
        if number not in interested:
            return
        interested.remove(number)
        if number in self._reading:
            self._epoll.modify(number, _READ)
        elif number in self._writing:
            self._epoll.modify(number, _WRITE)
        else:
            del self._descriptors[number]
            self._epoll.unregister(number)
