"""What is sent: gathered, in order, and no more than a client that reads takes."""

import logging
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import make_certificate
from memory import Memory, MemoryClient
from sockets import PATIENCE, Wires
from twisted.internet.error import ConnectionAborted
from twisted.internet.tcp import Server
from twisted.python.failure import Failure
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from twisted_signal.frames import TEXT, frame
from twisted_signal.limits import Limits
from twisted_signal.sending import (
    CLOSE_TIMEOUT,
    GATHERED,
    LINGER_SIZE,
    STALL_PATIENCE,
    STALL_SIZE,
)
from twisted_signal.server import SignalFactory
from twisted_signal.slim import CLOSED, OPEN
from twisted_signal.websocket import SignalProtocol

MASK = bytes(4)
BUFFER = 65536
"""What the kernel holds for a connection at each end, about, in bytes."""
MESSAGE = 10_000


class Line:
    """A client whose WebSocket is open, on a real socket."""

    def __init__(
        self,
        wires: Wires,
        factory: SignalFactory,
        *,
        tls: Path | None = None,
        send_buffer: int = BUFFER,
        receive_buffer: int = BUFFER,
    ) -> None:
        """
        Args:
            tls: a file with a key and its certificate.
            send_buffer: what the kernel holds at our end, about, in bytes.
            receive_buffer: the same at the client's.
        """
        protocol = factory.buildProtocol(None)
        assert isinstance(protocol, SignalProtocol)
        self.wires: Wires = wires
        self.channel: Any = protocol  # of Autobahn, which has no annotations
        self.frames: list[Frame] = []
        transport, client = wires.connect(
            protocol, send_buffer=send_buffer, receive_buffer=receive_buffer, tls=tls
        )
        self.transport: Server = transport
        self.socket: socket.socket = client
        self.websocket: ClientProtocol = ClientProtocol(parse_uri("ws://test/"), max_size=None)
        self.websocket.send_request(self.websocket.connect())
        self.flush()
        while self.websocket.state is State.CONNECTING:
            wires.turn()
            self.read_available()

    def flush(self) -> None:
        for data in self.websocket.data_to_send():
            self.socket.sendall(data)

    def read_available(self) -> None:
        """Take what has come."""
        self.socket.settimeout(0)
        try:
            while data := self.socket.recv(65536):
                self.websocket.receive_data(data)
            self.websocket.receive_eof()
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        self.socket.settimeout(PATIENCE)
        events = self.websocket.events_received()
        self.frames += [event for event in events if isinstance(event, Frame)]

    def hear(self, count: int) -> list[Frame]:
        """Return the next frames, once they are there."""
        self.read_available()
        while len(self.frames) < count:
            self.wires.turn(0.05)
            self.read_available()
        heard, self.frames = self.frames[:count], self.frames[count:]
        return heard

    def send_texts(self, start: int, count: int) -> None:
        """Let the server send numbered messages, each at once."""
        for number in range(start, start + count):
            self.channel.sendData(frame(TEXT, b"%d" % number + b"." * MESSAGE))


def numbers(frames: list[Frame]) -> list[int]:
    assert all(one.opcode is Opcode.TEXT for one in frames)
    return [int(bytes(one.data).partition(b".")[0]) for one in frames]


@pytest.fixture
def wires() -> Iterator[Wires]:
    made = Wires()
    yield made
    made.close()


def make_factory(wires: Wires, **limits: int) -> SignalFactory:
    return SignalFactory(
        wires.reactor,
        limits=Limits(ping_interval=0, register_timeout=0, **limits),
        outbox=wires.outbox,
    )


@pytest.fixture
def line(wires: Wires) -> Line:
    return Line(wires, make_factory(wires))


def count_sends(line: Line, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list of what goes out in one system call each."""
    sent: list[bytes] = []
    real = line.transport.socket

    class Counting:
        def send(self, data: bytes) -> int:
            sent.append(data)
            return real.send(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    monkeypatch.setattr(line.transport, "socket", Counting())
    return sent


# Gathered


def test_what_is_sent_in_a_turn_goes_out_in_one_call_and_in_order(
    line: Line, wires: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = count_sends(line, monkeypatch)
    wires.outbox.open = True

    line.channel.sendData(frame(TEXT, b"1."))
    line.channel.sendPong(b"pong")
    line.channel.sendData(frame(TEXT, b"2."))
    line.channel.close(1001, "bye")
    assert sent == []
    wires.outbox.close()

    assert len(sent) == 1
    heard = line.hear(4)
    assert [one.opcode for one in heard] == [Opcode.TEXT, Opcode.PONG, Opcode.TEXT, Opcode.CLOSE]
    assert [bytes(one.data)[:4] for one in heard[:3]] == [b"1.", b"pong", b"2."]


def test_outside_a_turn_things_go_out_at_once(line: Line) -> None:
    line.send_texts(0, 2)

    assert numbers(line.hear(2)) == [0, 1]


def test_pongs_take_their_place_among_what_is_sent(line: Line, wires: Wires) -> None:
    """The fast path answers the one, Autobahn the other (it is too close to a broken frame)."""
    line.socket.sendall(b"\x89\x81" + MASK + b"1" + b"\x81\x82" + MASK + b"[]")
    line.socket.sendall(b"\x89\x81" + MASK + b"2" + b"\x88\x82" + MASK + b"\x03\xe8")

    heard = line.hear(4)

    assert [one.opcode for one in heard] == [Opcode.PONG, Opcode.TEXT, Opcode.PONG, Opcode.CLOSE]
    wires.turn_until(lambda: line.channel.state == CLOSED)


def test_what_is_in_no_hurry_goes_out_before_what_is_sent_after_it(
    line: Line, wires: Wires
) -> None:
    wires.outbox.open = True
    line.channel.send_later(frame(TEXT, b"1."))
    line.channel.sendData(frame(TEXT, b"2."))
    wires.outbox.close()
    line.channel.send_later(frame(TEXT, b"3."))

    assert numbers(line.hear(3)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, b"\x81\x01x"),
        ({"fin": True}, b"\x81\x01x"),
        ({"fin": False}, b"\x01\x01x"),
        ({"rsv": 4}, b"\xc1\x01x"),
        ({"payload_len": 3}, b"\x81\x03xxx"),
    ],
)
def test_a_frame_is_sent_as_autobahn_is_asked_for_it(
    line: Line, options: dict[str, Any], sent: bytes
) -> None:
    line.channel.sendFrame(1, b"x", **options)

    assert line.socket.recv(100) == sent


# Short writes


def test_short_writes_go_on_in_order(line: Line, wires: Wires) -> None:
    line.send_texts(0, 80)
    assert wires.poller.getWriters() == [line.transport]
    line.channel.sendPong(b"pong")
    line.send_texts(80, 5)

    heard = line.hear(86)

    assert numbers(heard[:80]) == list(range(80))
    assert heard[80].opcode is Opcode.PONG
    assert numbers(heard[81:]) == list(range(80, 85))


def test_it_is_sent_directly_again_once_nothing_waits(
    line: Line, wires: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    for round_ in range(3):
        line.send_texts(100 * round_, 80)
        assert wires.poller.getWriters() == [line.transport]
        assert numbers(line.hear(80)) == list(range(100 * round_, 100 * round_ + 80))
        wires.turn_until(lambda: not wires.poller.getWriters())

    sent = count_sends(line, monkeypatch)
    line.send_texts(0, 1)
    assert len(sent) == 1
    assert numbers(line.hear(1)) == [0]


def test_what_is_sent_while_some_waits_comes_after_it(line: Line) -> None:
    heard: list[int] = []
    for number in range(0, 400, 10):
        line.send_texts(number, 10)
        if number >= 40:
            heard += numbers(line.hear(10))

    heard += numbers(line.hear(400 - len(heard)))

    assert heard == list(range(400))


# The limit


def test_a_client_for_whom_too_much_waits_is_dropped_and_no_other(
    wires: Wires, caplog: pytest.LogCaptureFixture
) -> None:
    factory = make_factory(wires, max_buffer=200_000)
    line, other = Line(wires, factory), Line(wires, factory)
    caplog.set_level(logging.WARNING)

    line.send_texts(0, 100)
    other.send_texts(0, 3)
    wires.turn_until(lambda: line.channel not in factory.connections)

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(
        f"Dropping the connection of {line.channel.address}: it does not read, and "
    )
    assert line.channel.state == CLOSED
    assert numbers(other.hear(3)) == [0, 1, 2]
    assert other.channel.state == OPEN
    assert wires.poller.getReaders() == [other.transport]
    assert wires.poller.getWriters() == []


def test_the_limit_is_for_what_waits_and_not_for_what_was_sent(wires: Wires) -> None:
    line = Line(wires, make_factory(wires, max_buffer=200_000))

    for number in range(0, 1000, 5):  # 10 MB
        line.send_texts(number, 5)
        assert numbers(line.hear(5)) == list(range(number, number + 5))

    assert line.channel.state == OPEN


def test_pings_of_a_client_that_does_not_read_count_too(wires: Wires) -> None:
    line = Line(wires, make_factory(wires, max_buffer=20_000, frame_rate=0))
    ping = b"\x89\xfd" + MASK + b"." * 125

    for _ in range(200):
        line.channel.dataReceived(ping * 20)

    assert line.channel.state == CLOSED
    wires.turn_until(lambda: not line.channel.factory.connections)


@pytest.mark.parametrize("hurry", [True, False])
def test_the_limit_holds_within_a_turn_too(wires: Wires, hurry: bool) -> None:
    """A read may hold hundreds of small questions, each with a large answer."""
    line = Line(wires, make_factory(wires, max_buffer=200_000))
    send = line.channel.sendData if hurry else line.channel.send_later
    wires.outbox.open = True

    for number in range(2 * GATHERED):
        send(frame(TEXT, b"%d" % number + b"." * MESSAGE))

    assert line.channel.state == CLOSED
    assert line.channel._waiting is None  # nor does it hold what nobody will read
    wires.outbox.close()
    wires.turn_until(lambda: not line.channel.factory.connections)


def test_many_small_frames_of_a_turn_arrive_in_order(line: Line, wires: Wires) -> None:
    wires.outbox.open = True
    for number in range(0, 5 * GATHERED, 2):
        line.channel.sendData(frame(TEXT, b"%d." % number))
        line.channel.send_later(frame(TEXT, b"%d." % (number + 1)))
    wires.outbox.close()

    assert numbers(line.hear(5 * GATHERED)) == list(range(5 * GATHERED))


def test_without_a_limit_everything_waits(wires: Wires) -> None:
    line = Line(wires, make_factory(wires, max_buffer=0))

    line.send_texts(0, 500)

    assert line.channel.state == OPEN
    assert numbers(line.hear(500)) == list(range(500))


@pytest.mark.parametrize("secure", [False, True])
def test_bytes_count_once_whether_or_not_they_wait(
    secure: bool, wires: Wires, tmp_path: Path
) -> None:
    factory = make_factory(wires)
    line = Line(wires, factory, tls=make_certificate(tmp_path) if secure else None)
    before = factory.tally.bytes_out

    line.send_texts(0, 80)
    assert factory.tally.bytes_out - before < 80 * MESSAGE
    line.hear(80)

    sizes = [len(frame(TEXT, b"%d" % number + b"." * MESSAGE)) for number in range(80)]
    assert factory.tally.bytes_out - before == sum(sizes)


# Ends


def test_what_was_sent_before_a_close_arrives_before_it(line: Line, wires: Wires) -> None:
    line.send_texts(0, 80)
    line.channel.close(1001, "bye")

    heard = line.hear(81)
    line.flush()  # the answer to the Close frame
    wires.turn_until(lambda: not line.channel.factory.connections)

    assert numbers(heard[:80]) == list(range(80))
    assert heard[80].opcode is Opcode.CLOSE
    assert bytes(heard[80].data) == b"\x03\xe9bye"
    assert line.channel.wasClean


def test_what_was_sent_before_the_clients_close_arrives_before_the_answer(
    line: Line, wires: Wires
) -> None:
    line.send_texts(0, 80)
    line.websocket.send_close(1000)
    line.flush()
    wires.turn_until(lambda: line.channel.state == CLOSED)
    assert wires.poller.getWriters() == [line.transport]

    heard = line.hear(81)

    assert numbers(heard[:80]) == list(range(80))
    assert heard[80].opcode is Opcode.CLOSE
    wires.turn_until(lambda: not line.channel.factory.connections)


def test_an_aborted_connection_sends_nothing_more(line: Line, wires: Wires) -> None:
    line.send_texts(0, 80)

    line.channel._closeConnection(abort=True)
    wires.turn_until(lambda: not line.channel.factory.connections)

    line.socket.settimeout(5)
    got = 0
    try:
        while data := line.socket.recv(65536):
            got += len(data)
    except ConnectionResetError:
        pass
    assert got < 80 * MESSAGE
    assert wires.poller.removeAll() == []


@pytest.mark.parametrize("in_a_turn", [True, False])
def test_an_end_frees_all_that_waits(line: Line, wires: Wires, in_a_turn: bool) -> None:
    line.send_texts(0, 80)
    line.socket.sendall(b"\x01\x81" + MASK + b"a" + b"\x81")  # a train, and a cut frame
    wires.turn()
    wires.outbox.open = in_a_turn
    line.send_texts(80, 1)

    line.transport.connectionLost(Failure(ConnectionAborted()))
    wires.outbox.close()

    channel = line.channel
    assert (channel._out, channel._waiting, channel._cut, channel._train) == (None,) * 4
    assert wires.poller.removeAll() == []
    assert channel.factory.connections == {}
    assert wires.reactor.getDelayedCalls() == []


def test_an_end_by_a_mistake_of_ours_is_an_end_too(line: Line) -> None:
    factory = line.channel.factory

    line.transport.connectionLost(Failure(ValueError("a mistake")))

    assert line.channel.state == CLOSED
    assert factory.connections == {}
    assert factory.countConnections == 0
    assert not factory.keep_alive


def test_what_is_sent_after_the_end_is_nothing(line: Line, wires: Wires) -> None:
    line.socket.close()
    wires.turn_until(lambda: line.channel.state == CLOSED)

    line.send_texts(0, 3)
    line.channel.sendPong(b"")

    assert wires.poller.removeAll() == []


def test_a_send_to_a_connection_that_broke_is_left_to_the_reactor(line: Line, wires: Wires) -> None:
    line.transport.socket.shutdown(socket.SHUT_WR)

    line.send_texts(0, 3)
    assert line.channel.state == OPEN
    line.socket.close()
    wires.turn_until(lambda: line.channel.state == CLOSED)

    assert line.channel.factory.connections == {}


def test_random_sizes_arrive_as_they_were_sent(line: Line) -> None:
    sent = [os.urandom(size % 30_000).hex().encode() for size in range(1, 200_000, 9_973)]

    for payload in sent:
        line.channel.sendData(frame(TEXT, payload))

    assert [bytes(one.data) for one in line.hear(len(sent))] == sent


# A transport that is more than a socket, such as TLS


def pause(client: MemoryClient) -> None:
    producer: Any = client.transport.producer
    producer.pauseProducing()


def test_a_transport_that_is_full_gets_nothing_until_it_asks() -> None:
    memory = Memory()
    client, other = memory.registered("a"), memory.registered("b")
    client.hear()
    producer: Any = client.transport.producer

    producer.pauseProducing()
    producer.pauseProducing()
    for _ in range(3):
        other.say(type="offer", target_id="a", sdp="x")
    assert client.transport.sent() == b""
    producer.resumeProducing()

    assert [message["type"] for message in client.hear()] == ["offer"] * 3
    producer.resumeProducing()
    other.say(type="answer", target_id="a", sdp="x")
    assert [message["type"] for message in client.hear()] == ["answer"]


def test_too_much_for_a_transport_that_is_full_ends_it() -> None:
    memory = Memory(max_buffer=1000)
    client, other = memory.registered("a"), memory.registered("b")
    pause(client)

    other.say(type="offer", target_id="a", sdp="x" * 2000)

    assert client.transport.aborted
    assert other.hear() == [{"type": "peer_left", "client_id": "a"}]


def test_what_waits_for_a_transport_that_is_full_goes_out_before_the_close() -> None:
    memory = Memory()
    client, other = memory.registered("a"), memory.registered("b")
    client.hear()
    pause(client)
    other.say(type="offer", target_id="a", sdp="x")

    client.websocket.send_close(1000)
    client.flush()

    assert [message["type"] for message in client.hear()] == ["offer"]
    assert client.close_code == 1000
    assert client.transport.ended


def test_what_was_gathered_for_a_client_that_is_gone_goes_nowhere(
    line: Line, wires: Wires, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = count_sends(line, monkeypatch)
    wires.outbox.open = True
    line.channel.sendData(frame(TEXT, b"1."))
    line.transport.connectionLost(Failure(ConnectionAborted()))
    wires.outbox.close()

    assert sent == []


# Stalls


def pass_seconds(line: Line, count: int, reads: int = 0) -> int:
    """Let time pass; return after how many seconds the client is dropped.

    Args:
        reads: how many bytes the client reads in each of them.
    """
    line.socket.settimeout(PATIENCE)  # the kernel has more, and is not that fast
    for second in range(count):
        if reads:
            line.socket.recv(reads)
        line.wires.reactor.advance(1)
        while line.wires.turn(0.002):  # kernels have timers of their own
            pass
        if line.channel.state == CLOSED:
            return second + 1
    return count


LARGE_BUFFER = 10**6
MUCH = 600
"""Messages that fill even that."""
LITTLE = 16_384
"""Bytes that a slow reader reads in a second: the socket takes nothing more for many of them."""


def settle(line: Line) -> None:
    """Wait until the kernel has taken and acknowledged all that it will: it has timers, too."""
    calm, before = 0, line.channel.backlog()
    while calm < 15:
        line.wires.turn(0.04)
        after = line.channel.backlog()
        calm = calm + 1 if after == before else 0
        before = after


@pytest.fixture(params=["plain", "tls"])
def stalling(request: pytest.FixtureRequest, wires: Wires, tmp_path: Path) -> Line:
    """A client for which much waits, and that does not read of itself."""
    tls = make_certificate(tmp_path) if request.param == "tls" else None
    factory = make_factory(wires, max_buffer=2**30)
    # The kernel tells of what was read in steps, which are large where the client's buffer is.
    line = Line(wires, factory, tls=tls, send_buffer=LARGE_BUFFER, receive_buffer=16_384)
    line.send_texts(0, MUCH)
    settle(line)
    return line


def test_a_client_that_takes_nothing_is_dropped(
    stalling: Line, caplog: pytest.LogCaptureFixture
) -> None:
    assert STALL_PATIENCE <= pass_seconds(stalling, 60) <= STALL_PATIENCE + 5

    assert stalling.channel.factory.refusals.count == {"stall": 1}
    assert "it reads nothing of what waits for it for 10 s" in caplog.text
    stalling.wires.turn_until(lambda: not stalling.channel.factory.connections)


def test_a_slow_reader_is_not(stalling: Line) -> None:
    assert pass_seconds(stalling, 30, reads=LITTLE) == 30
    assert stalling.channel._waiting is not None
    settle(stalling)

    assert pass_seconds(stalling, 60) <= STALL_PATIENCE + 5


def test_what_is_not_much_may_wait(wires: Wires) -> None:
    line = Line(wires, make_factory(wires))
    while line.channel._waiting is None:
        line.send_texts(0, 1)
    line.send_texts(0, 3)
    assert line.channel.backlog()[0] < STALL_SIZE

    assert pass_seconds(line, 30) == 30


def test_without_a_limit_of_the_buffer_everything_may_wait(wires: Wires) -> None:
    line = Line(wires, make_factory(wires, max_buffer=0))
    line.send_texts(0, 100)
    assert line.channel.backlog()[0] > STALL_SIZE

    assert pass_seconds(line, 30) == 30


def test_one_that_has_read_everything_is_not_looked_at(wires: Wires) -> None:
    line = Line(wires, make_factory(wires))
    line.send_texts(0, 80)
    assert line.channel.factory.stalls
    line.hear(80)
    wires.turn_until(lambda: not wires.poller.getWriters())

    assert not line.channel.factory.stalls


def test_nor_is_one_that_is_gone(stalling: Line) -> None:
    stalling.socket.close()
    stalling.wires.turn_until(lambda: not stalling.channel.factory.connections)

    assert not stalling.channel.factory.stalls


# The last word


def last_words(line: Line) -> bytes:
    """Return what the client reads until the connection ends, which no reset must cut short."""
    heard = bytearray()
    line.socket.settimeout(0)
    while True:
        try:
            data = line.socket.recv(65536)
        except (BlockingIOError, ssl.SSLWantReadError):
            line.wires.turn(0.05)
            continue
        if not data:
            return bytes(heard)
        heard += data


@pytest.mark.parametrize("has_tls", [False, True])
def test_a_close_frame_arrives_at_a_client_that_goes_on_sending(
    wires: Wires, tmp_path: Path, *, has_tls: bool
) -> None:
    tls = make_certificate(tmp_path) if has_tls else None
    line = Line(wires, make_factory(wires), tls=tls)
    pongs = b"\x8a\x80" + MASK
    line.socket.sendall(pongs * 2000)
    wires.turn_until(lambda: line.channel.state == CLOSED)
    line.socket.sendall(bytes(20_000))
    wires.turn()
    line.socket.sendall(bytes(20_000))

    assert last_words(line).startswith(b"\x88'\x03\xf0More than 500 frames came")
    assert line.channel.factory.connections
    line.socket.close()
    wires.turn_until(lambda: not line.channel.factory.connections)


def test_a_refusal_arrives_at_a_client_that_goes_on_sending(wires: Wires) -> None:
    factory = make_factory(wires)
    protocol: Any = factory.buildProtocol(None)
    _, client = wires.connect(protocol)
    client.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000)
    wires.turn_until(lambda: protocol.state == CLOSED)
    client.sendall(b"x" * 100_000)
    wires.turn()

    heard = client.makefile("rb").read()

    assert heard.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    client.close()
    wires.turn_until(lambda: not factory.connections)


def test_what_waits_for_a_client_goes_out_before_the_last_word(wires: Wires) -> None:
    line = Line(wires, make_factory(wires))
    count = 60
    line.send_texts(0, count)
    assert line.channel._waiting is not None

    line.channel.end_with(4429, "enough")

    assert line.channel.state == CLOSED
    while line.websocket.close_rcvd is None:
        wires.turn(0.05)
        line.read_available()
    assert numbers(line.frames[:-1]) == list(range(count))
    assert line.websocket.close_rcvd.code == 4429
    assert last_words(line) == b""


def test_a_client_that_neither_stops_nor_reads_fills_its_window_and_no_more(wires: Wires) -> None:
    line = Line(wires, make_factory(wires))
    line.channel.end_with(4429, "enough")
    line.socket.settimeout(0)

    sent = 0
    stuck = 0
    while stuck < 3:
        try:
            sent += line.socket.send(bytes(65536))
        except BlockingIOError:
            stuck = 0 if wires.turn(0.05) else stuck + 1

    assert LINGER_SIZE < sent < LINGER_SIZE + 100 * BUFFER
    wires.reactor.pump([1] * (CLOSE_TIMEOUT + 1))
    wires.turn_until(lambda: not line.channel.factory.connections)
