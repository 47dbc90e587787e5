"""The poller with real sockets, mostly on a Clock for a reactor."""

import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
from sockets import Wires
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.tcp import Port
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_signal.event_log import OTHERS
from twisted_signal.messages import Offer
from twisted_signal.outbox import Outbox
from twisted_signal.poller import MAX_EVENTS, MAX_TURNS, READ_SIZE, Poller
from twisted_signal.tally import Tally

LOOPBACK = "127.0.0.1"


@pytest.fixture
def wires() -> Iterator[Wires]:
    made = Wires()
    yield made
    made.close()


class Remembers(Protocol):
    """Remembers what came in and how it ended."""

    def __init__(self) -> None:
        self.received = b""
        self.reads = 0
        self.lost: Failure | None = None
        self.times_lost = 0

    def dataReceived(self, data: bytes) -> None:
        self.reads += 1
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason
        self.times_lost += 1


@implementer(IHalfCloseableProtocol)
class HalfCloses(Remembers):
    """Is told of the end of one direction only."""

    read_lost = 0

    def readConnectionLost(self) -> None:
        self.read_lost += 1

    def writeConnectionLost(self) -> None:
        """Do nothing."""


class Breaks(Remembers):
    """Has a mistake in it."""

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        raise ValueError("a mistake")


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class Flushed:
    """Counts how often it is flushed."""

    count = 0

    def flush(self) -> None:
        self.count += 1


class Sends(Remembers):
    """Has something to send for all that it reads; `counts`: how often it went out before."""

    def __init__(self, wires: Wires, flushed: Flushed, counts: list[int]) -> None:
        super().__init__()
        self.outbox = wires.outbox
        self.flushed = flushed
        self.counts = counts

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.outbox.add(self.flushed)
        self.counts.append(self.flushed.count)


def is_empty(poller: Poller) -> bool:
    return not (
        poller.getReaders() or poller.getWriters() or poller._descriptors or poller.removeAll()
    )


# Reads and writes


def test_the_reactor_reads_from_the_poller_until_it_is_closed() -> None:
    wires = Wires()
    assert wires.reactor.readers == {wires.poller}
    number = wires.poller.fileno()

    wires.close()

    assert wires.reactor.readers == set()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_what_comes_in_is_read(wires: Wires) -> None:
    protocol = Remembers()
    _, theirs = wires.connect(protocol)
    assert not wires.turn(0)

    theirs.sendall(b"hello")
    wires.turn()

    assert protocol.received == b"hello"
    assert not wires.turn(0)


def test_much_comes_in_pieces_so_that_others_have_their_turn(wires: Wires) -> None:
    order: list[tuple[str, int]] = []

    class Notes(Remembers):
        name = ""

        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            order.append((self.name, len(data)))

    greedy, modest = Notes(), Notes()
    greedy.name, modest.name = "greedy", "modest"
    _, much = wires.connect(greedy)
    _, little = wires.connect(modest)
    much.settimeout(0.1)
    sent = 0
    try:
        while sent < 4 * READ_SIZE:
            sent += much.send(bytes(READ_SIZE))
    except TimeoutError:
        pass
    little.sendall(b"x")

    wires.turn_until(lambda: modest.received and len(greedy.received) == sent)

    assert order.index(("modest", 1)) <= 1
    assert max(size for _, size in order) <= READ_SIZE


def test_what_does_not_fit_is_written_when_it_does(wires: Wires) -> None:
    transport, theirs = wires.connect(Remembers(), send_buffer=65536)
    data = os.urandom(1_000_000)

    transport.write(data)

    assert wires.poller.getWriters() == [transport]
    assert wires.receive(theirs, len(data)) == data
    wires.turn_until(lambda: not wires.poller.getWriters())
    assert wires.poller.getReaders() == [transport]


def test_reads_go_on_while_writes_wait(wires: Wires) -> None:
    protocol = Remembers()
    transport, theirs = wires.connect(protocol, send_buffer=65536)
    transport.write(bytes(1_000_000))
    while wires.turn(0.01):  # until the client's buffers are full
        pass

    theirs.sendall(b"and you?")
    wires.turn_until(lambda: protocol.received == b"and you?")

    assert wires.poller.getWriters() == [transport]
    assert wires.receive(theirs, 1_000_000) == bytes(1_000_000)


def test_who_is_paused_is_not_read_and_can_be_resumed(wires: Wires) -> None:
    protocol = Remembers()
    transport, theirs = wires.connect(protocol)
    transport.pauseProducing()
    theirs.sendall(b"later")

    assert not wires.turn(0.01)
    assert is_empty(wires.poller)
    transport.resumeProducing()
    wires.turn()

    assert protocol.received == b"later"


def test_asking_twice_is_asking_once(wires: Wires) -> None:
    transport, _ = wires.connect(Remembers())
    poller = wires.poller

    for _ in range(2):
        poller.addReader(transport)
        poller.addWriter(transport)
    assert (poller.getReaders(), poller.getWriters()) == ([transport], [transport])
    for _ in range(2):
        poller.removeReader(transport)
    assert (poller.getReaders(), poller.getWriters()) == ([], [transport])
    for _ in range(2):
        poller.removeWriter(transport)

    assert is_empty(poller)


def test_all_can_be_removed_at_once(wires: Wires) -> None:
    first, _ = wires.connect(Remembers())
    second, _ = wires.connect(Remembers())
    wires.poller.addWriter(second)

    assert wires.poller.removeAll() == [first, second]

    assert is_empty(wires.poller)


def test_what_is_sent_while_many_are_read_is_gathered(wires: Wires) -> None:
    flushed = Flushed()
    counts: list[int] = []

    for _ in range(3):
        _, theirs = wires.connect(Sends(wires, flushed, counts))
        theirs.sendall(b"x")

    wires.turn_until(lambda: len(counts) == 3)

    assert counts[0] == 0
    assert flushed.count == 3
    assert not wires.outbox.open


# Ends


def test_a_client_that_ends_its_connection_is_gone(wires: Wires) -> None:
    protocol = Remembers()
    _, theirs = wires.connect(protocol)

    theirs.close()
    wires.turn_until(lambda: protocol.lost)

    assert protocol.lost is not None
    assert protocol.lost.check(ConnectionDone)
    assert is_empty(wires.poller)
    assert not wires.turn(0)


def test_what_came_before_the_end_is_read(wires: Wires) -> None:
    protocol = Remembers()
    _, theirs = wires.connect(protocol)

    theirs.sendall(b"bye")
    theirs.close()
    wires.turn_until(lambda: protocol.lost)

    assert protocol.received == b"bye"


def test_a_half_close_is_told_to_who_wants_to_know_it(wires: Wires) -> None:
    protocol = HalfCloses()
    transport, theirs = wires.connect(protocol)

    theirs.shutdown(socket.SHUT_WR)
    wires.turn()

    assert (protocol.read_lost, protocol.lost) == (1, None)
    assert is_empty(wires.poller)
    transport.write(b"still here")
    wires.turn()
    assert theirs.recv(100) == b"still here"
    transport.loseConnection()
    wires.turn_until(lambda: protocol.lost)
    assert is_empty(wires.poller)


def test_a_half_close_ends_the_connection_of_everybody_else(wires: Wires) -> None:
    protocol = Remembers()
    _, theirs = wires.connect(protocol)

    theirs.shutdown(socket.SHUT_WR)
    wires.turn_until(lambda: protocol.lost)

    assert protocol.times_lost == 1
    assert theirs.recv(100) == b""


def reset(theirs: socket.socket) -> None:
    """End a connection by a TCP reset."""
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()


@pytest.mark.parametrize("is_writing", [False, True])
def test_a_reset_is_a_connection_lost(wires: Wires, is_writing: bool) -> None:
    protocol = Remembers()
    transport, theirs = wires.connect(protocol)
    if is_writing:
        wires.poller.addWriter(transport)

    reset(theirs)
    wires.turn_until(lambda: protocol.lost)

    assert protocol.lost is not None
    assert protocol.lost.check(ConnectionLost)
    assert protocol.times_lost == 1
    assert is_empty(wires.poller)


def test_a_reset_of_who_is_not_read_but_written_to_is_a_connection_lost(wires: Wires) -> None:
    protocol = Remembers()
    transport, theirs = wires.connect(protocol, send_buffer=65536)
    transport.pauseProducing()
    transport.write(bytes(1_000_000))

    reset(theirs)
    wires.turn_until(lambda: protocol.lost)

    assert protocol.lost is not None
    assert protocol.lost.check(ConnectionLost)
    assert is_empty(wires.poller)


class Hung:
    """A descriptor at which the poller sees EPOLLHUP and no data: a pipe without a writer."""

    def __init__(self) -> None:
        self.number, writer = os.pipe()
        os.close(writer)
        self.lost: Failure | None = None

    def fileno(self) -> int:
        return self.number

    def connectionLost(self, reason: Failure) -> None:
        self.lost = reason
        os.close(self.number)


def test_a_hangup_without_data_is_an_end(wires: Wires) -> None:
    hung = Hung()
    wires.poller.addReader(hung)

    wires.turn()

    assert hung.lost is not None
    assert hung.lost.check(ConnectionDone)
    assert is_empty(wires.poller)


def test_a_server_that_ends_a_connection_sends_the_rest_first(wires: Wires) -> None:
    protocol = Remembers()
    transport, theirs = wires.connect(protocol, send_buffer=65536)
    data = os.urandom(300_000)

    transport.write(data)
    transport.loseConnection()

    assert wires.receive(theirs, len(data)) == data
    wires.turn_until(lambda: protocol.lost)
    assert theirs.recv(100) == b""
    assert is_empty(wires.poller)


def test_a_connection_that_is_aborted_is_gone_at_once(wires: Wires) -> None:
    protocol = Remembers()
    transport, _ = wires.connect(protocol, send_buffer=65536)
    transport.write(bytes(1_000_000))

    transport.abortConnection()
    wires.reactor.advance(0)

    assert protocol.times_lost == 1
    assert is_empty(wires.poller)


@pytest.mark.parametrize("kind", ["_read", "_serve"])
def test_who_was_closed_by_an_earlier_event_is_left_alone(wires: Wires, kind: str) -> None:
    """The kernel said that both are ready; serving one of them closes the other."""
    protocols: list[Remembers] = []

    class ClosesTheOther(Remembers):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            other = protocols[1 - protocols.index(self)]
            assert other.transport is not None
            if kind == "_serve":
                wires.poller.addWriter(other.transport)
            other.transport.connectionLost(Failure(ConnectionDone()))  # type: ignore[attr-defined] # a Server's

    for _ in range(2):
        protocols.append(ClosesTheOther())
        _, theirs = wires.connect(protocols[-1])
        theirs.sendall(b"x")

    wires.turn()

    assert sorted((one.reads, one.times_lost) for one in protocols) == [(0, 1), (1, 0)]
    assert len(wires.poller.getReaders()) == 1
    assert wires.poller.getWriters() == []


class Acts:
    """Something else that is read, and does something then."""

    def __init__(self, poller: Poller, action: Callable[[], object]) -> None:
        self._read, self._write = os.pipe()
        self._poller = poller
        self._action = action
        poller.addReader(self)
        os.write(self._write, b"x")

    def fileno(self) -> int:
        return self._read

    def doRead(self) -> None:
        self._poller.removeReader(self)
        os.close(self._read)
        os.close(self._write)
        self._action()


def test_who_was_closed_by_something_else_is_not_read(wires: Wires) -> None:
    protocol = Remembers()
    transport, theirs = wires.connect(protocol)
    Acts(wires.poller, lambda: transport.connectionLost(Failure(ConnectionDone())))
    theirs.sendall(b"x")

    wires.turn()

    assert (protocol.reads, protocol.times_lost) == (0, 1)
    assert is_empty(wires.poller)


def test_a_read_for_which_nothing_is_left_does_no_harm(wires: Wires) -> None:
    protocol = Remembers()
    transport, theirs = wires.connect(protocol)
    Acts(wires.poller, lambda: transport.socket.recv(1))
    theirs.sendall(b"x")

    wires.turn()
    theirs.sendall(b"y")
    wires.turn()

    assert protocol.received == b"y"
    assert protocol.lost is None


def test_a_reset_between_the_event_and_the_read_is_a_connection_lost(wires: Wires) -> None:
    protocol = Remembers()
    transport, theirs = wires.connect(protocol)

    def break_off() -> None:
        transport.socket.recv(1)
        reset(theirs)

    Acts(wires.poller, break_off)
    theirs.sendall(b"x")

    wires.turn()

    assert protocol.lost is not None
    assert protocol.lost.check(ConnectionLost)
    assert is_empty(wires.poller)


def test_who_is_ended_while_an_earlier_one_is_handled_is_not_told_more(wires: Wires) -> None:
    protocols: list[Remembers] = []

    class EndsTheOther(Remembers):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            other = protocols[1 - protocols.index(self)]
            assert other.transport is not None
            other.transport.loseConnection()

    for _ in range(2):
        protocols.append(EndsTheOther())
        _, theirs = wires.connect(protocols[-1])
        theirs.sendall(b"x")

    wires.turn_until(lambda: any(protocol.lost for protocol in protocols))

    assert sorted((one.reads, one.times_lost) for one in protocols) == [(0, 1), (1, 0)]


def test_a_mistake_ends_its_connection_only_and_is_logged(
    wires: Wires, caplog: pytest.LogCaptureFixture
) -> None:
    broken, bystander = Breaks(), Remembers()
    for protocol in (broken, bystander):
        _, theirs = wires.connect(protocol)
        theirs.sendall(b"x")
    flushed = Flushed()
    wires.outbox.open = True
    wires.outbox.add(flushed)

    wires.turn_until(lambda: broken.lost and bystander.received)

    assert broken.lost is not None
    assert broken.lost.check(ValueError)
    assert bystander.lost is None
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "A connection failed")
    assert vars(record)["about"] is OTHERS  # by which its lines are bounded
    assert "a mistake" in caplog.text
    assert flushed.count == 1
    assert len(wires.poller.getReaders()) == 1


def test_a_mistake_while_writing_ends_its_connection_only_and_is_logged(
    wires: Wires, caplog: pytest.LogCaptureFixture
) -> None:
    protocol = Remembers()
    transport, _ = wires.connect(protocol)

    def fail() -> None:
        raise ValueError("a mistake")

    transport.doWrite = fail  # type: ignore[method-assign] # breaks it
    wires.poller.addWriter(transport)
    wires.turn()

    assert protocol.times_lost == 1
    assert "a mistake" in caplog.text
    assert is_empty(wires.poller)


def test_a_mistake_while_a_turn_is_written_ends_its_connection_only(
    wires: Wires, caplog: pytest.LogCaptureFixture
) -> None:
    class CannotWrite(Remembers):
        def dataReceived(self, data: bytes) -> None:
            self.transport.doWrite = None  # type: ignore[union-attr]  # breaks it
            wires.poller.addWriter(self.transport)

    broken = CannotWrite()
    clients = [wires.connect(protocol)[1] for protocol in (broken, Echo())]
    for theirs in clients:
        theirs.sendall(b"x")

    wires.turn_until(lambda: broken.lost)

    assert clients[1].recv(10) == b"x"
    assert "A connection failed" in caplog.text
    assert len(wires.poller.getReaders()) == 1
    assert wires.poller.getWriters() == []


def test_who_was_closed_while_a_turn_is_written_is_not_written(
    wires: Wires, caplog: pytest.LogCaptureFixture
) -> None:
    """Both have something to write; the first to try it closes the other."""
    protocols: list[Remembers] = []

    class ClosesTheOther(Remembers):
        def dataReceived(self, data: bytes) -> None:
            assert self.transport is not None
            self.transport.write(data)
            other: Any = protocols[1 - protocols.index(self)].transport

            def close() -> None:
                transport.stopWriting()
                other.connectionLost(Failure(ConnectionDone()))

            transport: Any = self.transport
            transport.doWrite = close

    for _ in range(2):
        protocols.append(ClosesTheOther())
        _, theirs = wires.connect(protocols[-1])
        theirs.sendall(b"x")

    wires.turn()

    assert sorted(protocol.times_lost for protocol in protocols) == [0, 1]
    assert caplog.records == []
    assert wires.poller.getWriters() == []


@pytest.mark.parametrize("half", [False, True])
def test_a_mistake_at_the_end_of_a_connection_is_logged_and_others_go_on(
    wires: Wires, caplog: pytest.LogCaptureFixture, half: bool
) -> None:
    class EndsBadly(HalfCloses if half else Remembers):  # type: ignore[misc] # either will do
        def connectionLost(self, reason: Failure = connectionDone) -> None:
            raise ValueError("a mistake")

        def readConnectionLost(self) -> None:
            raise ValueError("a mistake")

    clients = [wires.connect(protocol)[1] for protocol in (EndsBadly(), Echo(), Echo())]
    clients[0].close()
    clients[1].sendall(b"x")
    wires.turn()
    clients[2].sendall(b"y")
    wires.turn()

    assert [client.recv(10) for client in clients[1:]] == [b"x", b"y"]
    assert "a mistake" in caplog.text
    assert len(wires.poller.getReaders()) == 2
    assert wires.poller.getWriters() == []


def test_a_sender_that_fails_does_not_stop_the_poller(
    wires: Wires, caplog: pytest.LogCaptureFixture
) -> None:
    """What doRead raises makes the reactor give the poller up, and with it all connections."""
    flushed = Flushed()

    class Fails:
        def flush(self) -> None:
            raise ValueError("a mistake")

    class SendsTwoThings(Remembers):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            wires.outbox.add(Fails())
            wires.outbox.add(flushed)

    _, theirs = wires.connect(SendsTwoThings())
    theirs.sendall(b"x")
    wires.turn()

    assert flushed.count == 1
    assert "a mistake" in caplog.text


# Fairness


def test_the_reactors_timers_have_their_turn_while_many_are_ready(wires: Wires) -> None:
    class IsReadyAgain(Remembers):
        client: socket.socket

        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.client.sendall(b"x")

    protocols = [IsReadyAgain() for _ in range(MAX_EVENTS + 10)]
    for protocol in protocols:
        _, protocol.client = wires.connect(protocol)
        protocol.client.sendall(b"x")

    wires.turn()

    assert sum(protocol.reads for protocol in protocols) == MAX_EVENTS * MAX_TURNS
    reads = [protocol.reads for protocol in protocols]
    assert max(reads) - min(reads) <= 2  # nobody comes short


class Counts:
    """Passes on what is asked of an epoll instance, and counts it."""

    def __init__(self, epoll: Any) -> None:
        self._epoll = epoll
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._epoll, name)


def test_epoll_hears_nothing_of_a_write_that_fits(
    wires: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, theirs = wires.connect(Echo())
    counts = Counts(wires.poller._epoll)
    monkeypatch.setattr(wires.poller, "_epoll", counts)
    theirs.sendall(b"hello")

    wires.poller.doRead()

    assert theirs.recv(100) == b"hello"
    assert set(counts.calls) == {"poll"}


def test_what_does_not_fit_at_the_end_of_a_turn_is_written_when_it_does(wires: Wires) -> None:
    data = os.urandom(1_000_000)

    class Floods(Protocol):
        def dataReceived(self, _: bytes) -> None:
            assert self.transport is not None
            self.transport.write(data)

    transport, theirs = wires.connect(Floods(), send_buffer=65536)
    theirs.sendall(b"x")

    wires.turn()

    assert wires.poller.getWriters() == [transport]
    assert wires.receive(theirs, len(data)) == data
    wires.turn_until(lambda: not wires.poller.getWriters())


def test_what_is_sent_goes_out_before_more_is_read(wires: Wires) -> None:
    flushed = Flushed()
    counts: list[int] = []

    for _ in range(MAX_EVENTS + 1):
        _, theirs = wires.connect(Sends(wires, flushed, counts))
        theirs.sendall(b"x")

    wires.turn_until(lambda: len(counts) == MAX_EVENTS + 1)

    assert counts == [0] * MAX_EVENTS + [MAX_EVENTS]


def test_who_always_has_something_to_say_does_not_keep_others_waiting(wires: Wires) -> None:
    noisy = [Remembers() for _ in range(MAX_EVENTS)]
    clients = [wires.connect(protocol)[1] for protocol in noisy]
    late = Remembers()
    _, theirs = wires.connect(late)
    for client in clients:
        client.sendall(b"x")
    theirs.sendall(b"x")

    for _ in range(2):
        wires.turn()
        for client in clients:
            client.sendall(b"x")

    assert late.reads == 1


# A listening port


def listening(wires: Wires, protocol: type[Protocol]) -> Port:
    port = Port(0, Factory.forProtocol(protocol), interface=LOOPBACK, reactor=StartsNowhere())
    port.startListening()
    wires.poller.adopt(port)
    return port


class StartsNowhere:
    """The reactor that the port was made on, which is left without it."""

    def addReader(self, reader: Any) -> None:
        """Do nothing."""

    def removeReader(self, reader: Any) -> None:
        """Do nothing."""

    def removeWriter(self, writer: Any) -> None:
        """Do nothing."""


def test_a_port_that_was_adopted_serves_its_connections_and_can_stop(wires: Wires) -> None:
    port = listening(wires, Echo)
    assert wires.poller.getReaders() == [port]

    with socket.create_connection((LOOPBACK, port.getHost().port)) as client:
        wires.turn_until(lambda: len(wires.poller.getReaders()) == 2)
        client.sendall(b"hello")
        assert wires.receive(client, 5) == b"hello"

        stopped = port.stopListening()
        wires.reactor.advance(0)

        assert stopped.called
        assert len(wires.poller.getReaders()) == 1
        client.sendall(b"still here")
        assert wires.receive(client, 10) == b"still here"
    wires.turn_until(lambda: not wires.poller.getReaders())
    assert is_empty(wires.poller)


# How long a turn takes


class Relays(Remembers):
    """Takes a while for what it reads, which counts as messages for peers."""

    def __init__(self, wires: Wires, messages: int, seconds: float = 0.003) -> None:
        super().__init__()
        self._wires = wires
        self._messages = messages
        self._seconds = seconds

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self._wires.tally.messages["readme"][Offer] += self._messages
        self._wires.reactor.advance(self._seconds)


def test_a_turn_s_time_is_that_of_all_messages_for_peers_in_it(wires: Wires) -> None:
    for _ in range(2):
        _, theirs = wires.connect(Relays(wires, 3))
        theirs.sendall(b"two messages")

    wires.turn()

    histogram = wires.tally.relay_times.histogram
    assert histogram.cumulative()[-1] == 6
    assert histogram.total == pytest.approx(6 * 0.006)


def test_what_is_sent_at_the_end_of_a_turn_is_in_its_time(wires: Wires) -> None:
    class Slow(Flushed):
        def flush(self) -> None:
            wires.reactor.advance(0.5)

    class RelaysSlowly(Relays):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            wires.outbox.add(Slow())

    _, theirs = wires.connect(RelaysSlowly(wires, 1))
    theirs.sendall(b"a message")

    wires.turn()

    assert wires.tally.relay_times.histogram.total == pytest.approx(0.503)


def test_a_turn_without_a_message_for_a_peer_is_not_counted(wires: Wires) -> None:
    _, theirs = wires.connect(Relays(wires, 0))
    theirs.sendall(b"a ping")

    wires.turn()

    assert wires.tally.relay_times.histogram.cumulative()[-1] == 0


def test_a_turn_that_is_left_out_costs_no_look_at_the_clock(
    wires: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = Relays(wires, 1)
    _, theirs = wires.connect(protocol)
    wires.tally.relay_times.skip = 1
    theirs.sendall(b"a message")
    with monkeypatch.context() as patched:
        patched.setattr(wires.reactor, "seconds", lambda: pytest.fail("it was looked at"))
        wires.poller.doRead()
    assert protocol.received == b"a message"

    theirs.sendall(b"another")
    wires.turn()

    assert wires.tally.relay_times.histogram.cumulative()[-1] == 1


@pytest_twisted.ensureDeferred  # type: ignore[untyped-decorator] # has no annotations
async def test_on_the_real_reactor() -> None:
    real: Any = reactor
    poller = Poller(real, Outbox(), Tally())
    answered: Deferred[bytes] = Deferred()
    lost: Deferred[None] = Deferred()

    class Server(Echo):
        def connectionLost(self, reason: Failure = connectionDone) -> None:
            lost.callback(None)

    class Client(Protocol):
        def connectionMade(self) -> None:
            assert self.transport is not None
            self.transport.write(b"hello")

        def dataReceived(self, data: bytes) -> None:
            answered.callback(data)
            assert self.transport is not None
            self.transport.loseConnection()

    port = real.listenTCP(0, Factory.forProtocol(Server), interface=LOOPBACK)
    poller.adopt(port)
    client: Any = Factory.forProtocol(Client)
    client.doStart = client.doStop = lambda: None
    client.startedConnecting = client.clientConnectionLost = lambda *_: None
    real.connectTCP(LOOPBACK, port.getHost().port, client)

    assert await answered.addTimeout(10, real) == b"hello"
    await lost.addTimeout(10, real)
    await port.stopListening()

    assert is_empty(poller)
    poller.close()
    assert poller not in real.getReaders()
    await deferLater(real, 0)
