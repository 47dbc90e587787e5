from collections.abc import Iterator
from typing import get_args

import pytest
from memory import Memory

from twisted_signal.dialects.android import AndroidDialect
from twisted_signal.dialects.readme import ReadmeDialect
from twisted_signal.messages import ClientMessage, IceCandidate, Message, Offer, Ping, Register
from twisted_signal.tally import DIALECTS, SAMPLES, RelayTimes, Tally


@pytest.fixture
def memory() -> Memory:
    return Memory()


def counted(tally: Tally, dialect: str) -> dict[type, int]:
    return {type_: count for type_, count in tally.messages[dialect].items() if count}


def test_every_dialect_and_every_message_can_be_counted() -> None:
    assert {ReadmeDialect.name, AndroidDialect.name} == set(DIALECTS)
    for by_type in Tally().messages.values():
        assert set(by_type) == set(get_args(ClientMessage))


# Messages


def test_messages_are_counted_by_their_type_under_the_client_s_dialect(memory: Memory) -> None:
    pc, phone = memory.registered("pc"), memory.open("/signaling")
    pc.say(type="ping")
    pc.say(type="ping")
    phone.say(type="offer", sdp="v=0")

    tally = memory.factory.tally
    assert counted(tally, "readme") == {Register: 1, Ping: 2}
    assert counted(tally, "flat") == {Offer: 1}
    assert tally.received() == 4


def test_what_is_not_understood_is_not_counted(memory: Memory) -> None:
    pc = memory.registered("pc")

    pc.say_text(b"nonsense")
    pc.say(type="invented", x=1)

    assert memory.factory.tally.received() == 1


def test_messages_for_peers_are_those_of_a_call_and_those_of_an_application(memory: Memory) -> None:
    pc, phone = memory.registered("pc"), memory.open("/signaling")
    memory.registered("other")

    pc.say(type="offer", target_id="other", sdp="v=0")
    pc.say(type="ice_candidate", target_id="other", candidate={})
    pc.say(type="message", data=1)
    pc.say(type="ping")
    phone.say(type="answer", sdp="v=0")

    tally = memory.factory.tally
    assert counted(tally, "readme") == {Register: 2, Offer: 1, IceCandidate: 1, Message: 1, Ping: 1}
    assert tally.for_peers() == 4


# Clients


def test_a_client_is_counted_under_its_dialect_as_soon_as_that_is_known(memory: Memory) -> None:
    tally = memory.factory.tally
    client = memory.open()
    assert (tally.clients, client.protocol.dialect) == ({"readme": 0, "flat": 0}, None)

    client.say(type="register", client_id="pc")

    assert (tally.clients, client.protocol.dialect) == ({"readme": 1, "flat": 0}, "readme")


def test_a_client_that_says_nothing_right_has_no_dialect(memory: Memory) -> None:
    client = memory.open()

    client.say_text(b"nonsense")

    assert client.protocol.dialect is None


def test_who_is_taken_for_the_app_and_registers_is_counted_once(memory: Memory) -> None:
    tally = memory.factory.tally
    client = memory.open("/signaling")
    memory.wait(1)
    assert (tally.clients, client.protocol.dialect) == ({"readme": 0, "flat": 1}, "flat")

    client.say(type="register", client_id="pc")

    assert (tally.clients, client.protocol.dialect) == ({"readme": 1, "flat": 0}, "readme")


@pytest.mark.parametrize("path", ["/", "/signaling?room=lab"])
def test_a_client_that_has_gone_is_not_counted(path: str, memory: Memory) -> None:
    client = memory.open(path)
    client.say(type="offer", sdp="v=0")
    assert sum(memory.factory.tally.clients.values()) == 1

    client.transport.end()

    assert memory.factory.tally.clients == {"readme": 0, "flat": 0}
    assert client.protocol.dialect is None


def test_a_connection_without_a_websocket_has_no_dialect(memory: Memory) -> None:
    client = memory.connect()

    assert client.protocol.dialect is None
    client.transport.end()
    assert memory.factory.tally.clients == {"readme": 0, "flat": 0}


# Rooms


def test_members_come_go_and_move(memory: Memory) -> None:
    tally = memory.factory.tally
    pc = memory.registered("pc")
    phone = memory.registered("phone")
    assert (tally.members, tally.registrations) == (2, 2)

    pc.say(type="register", client_id="pc", room_id="other")
    assert (tally.members, tally.registrations) == (2, 3)

    pc.say(type="leave")
    phone.transport.end()
    assert (tally.members, tally.registrations) == (0, 3)


def resumable(memory: Memory, client_id: str) -> tuple[str, str]:
    """Let a client come and break off; return what it may resume with."""
    client = memory.open()
    client.say(type="register", client_id=client_id, resume=True)
    token = client.hear()[0]["resume_token"]
    client.transport.end()
    return client_id, token


def test_a_place_is_kept_until_its_client_resumes(memory: Memory) -> None:
    tally = memory.factory.tally
    _, token = resumable(memory, "pc")
    assert (tally.members, tally.kept, tally.resumes) == (1, 1, 0)

    memory.open().say(type="resume", resume_token=token)

    assert (tally.members, tally.kept, tally.resumes, tally.expired) == (1, 0, 1, 0)
    assert tally.registrations == 1


def test_a_place_for_which_nobody_comes_back_expires(memory: Memory) -> None:
    tally = memory.factory.tally
    resumable(memory, "pc")

    memory.wait(memory.factory.limits.resume_window + 1)

    assert (tally.members, tally.kept, tally.resumes, tally.expired) == (0, 0, 0, 1)


def test_a_resume_in_vain_is_none(memory: Memory) -> None:
    memory.open().say(type="resume", resume_token="0")

    assert memory.factory.tally.resumes == 0
    assert memory.factory.refusals.count == {"resume_expired": 1}


# Connections


def test_connections_are_numbered_and_know_when_they_came(memory: Memory) -> None:
    first = memory.connect().protocol
    memory.wait(3)
    second = memory.connect().protocol

    assert (first.number, second.number) == (1, 2)
    assert second.connected_at - first.connected_at == 3
    assert memory.factory.tally.connections == 2


def test_a_connection_that_is_refused_at_once_counts_and_has_a_number() -> None:
    memory = Memory(max_clients_per_address=1)
    protocols = [memory.connect().protocol for _ in range(3)]

    assert [each.number for each in protocols] == [1, 2, 3]
    assert memory.factory.refusals.count == {"max_clients_per_address": 1}


def test_a_connection_counts_its_messages_whatever_comes_of_them(memory: Memory) -> None:
    client = memory.registered("pc")

    client.say(type="ping")
    client.say_text(b"nonsense")

    assert client.protocol.messages == 3


def test_the_time_from_the_connection_to_the_websocket_is_taken(memory: Memory) -> None:
    client = memory.connect()
    memory.wait(2)

    client.request()

    handshake = memory.factory.tally.handshake
    assert handshake.total == 2
    assert handshake.cumulative()[-1] == 1


# Bytes


class Bytes:
    """Counts what a client sends and gets."""

    def __init__(self, memory: Memory) -> None:
        self.client = memory.connect()
        self.sent = self.got = 0

    def send(self, data: bytes) -> None:
        self.sent += len(data)
        self.client.receive(data)
        self.got += len(self.client.transport.take())


def frames_of(client_id: str, count: int) -> Iterator[bytes]:
    """Yield masked text frames as a client sends them (the mask is 0)."""
    text = b'{"type":"register","client_id":"%b"}' % client_id.encode()
    yield bytes([0x81, 0x80 | len(text)]) + bytes(4) + text
    for _ in range(count):
        yield bytes([0x81, 0x80 | 15]) + bytes(4) + b'{"type":"ping"}'


REQUEST = (
    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_bytes_are_counted_once_however_they_come(size: int, memory: Memory) -> None:
    peer = Bytes(memory)
    data = REQUEST + b"".join(frames_of("pc", 70))

    for at in range(0, len(data), size):
        peer.send(data[at : at + size])
    memory.clock.advance(0)  # what is more than a turn's share is handled later
    while peer.client.transport.producerState == "paused":
        memory.clock.advance(0)
    peer.send(b"")

    tally = memory.factory.tally
    assert counted(tally, "readme") == {Register: 1, Ping: 70}
    assert (tally.bytes_in, tally.bytes_out) == (peer.sent, peer.got)


def test_bytes_of_a_close_and_of_a_refused_handshake_count(memory: Memory) -> None:
    peer, refused = Bytes(memory), Bytes(memory)

    peer.send(REQUEST)
    peer.send(bytes([0x88, 0x82]) + bytes(4) + (1000).to_bytes(2, "big"))
    refused.send(REQUEST.replace(b": 13", b": 12"))

    tally = memory.factory.tally
    assert tally.bytes_in == peer.sent + refused.sent
    assert tally.bytes_out == peer.got + refused.got


# How long a relay takes


class Turns:
    """Runs turns, and takes the time of some as the poller does."""

    def __init__(self) -> None:
        self.times = RelayTimes()
        self.timed = 0

    def run(self, count: int) -> None:
        """Run a second's turns."""
        self.timed = 0
        for _ in range(count):
            self.times.skip -= 1
            if self.times.skip < 0:
                self.times.turn_took(0.001, 1)
                self.timed += 1
        self.times.tick()


def test_at_a_low_load_every_turn_is_timed() -> None:
    turns = Turns()

    for _ in range(5):
        turns.run(SAMPLES - 1)

        assert turns.timed == SAMPLES - 1


@pytest.mark.parametrize("count", [100, 1000, 20_000])
def test_at_a_high_load_some_turns_are_timed_all_over_the_second(count: int) -> None:
    turns = Turns()
    turns.run(count)  # by the first second it knows

    for _ in range(5):
        turns.run(count)

        assert SAMPLES / 2 <= turns.timed <= SAMPLES * 2


def test_when_the_load_falls_every_turn_is_timed_again() -> None:
    turns = Turns()
    turns.run(20_000)
    turns.run(20_000)

    for _ in range(20):
        turns.run(10)

    assert turns.timed == 10


def test_a_turn_s_time_is_that_of_each_message_in_it() -> None:
    times = RelayTimes()

    times.turn_took(0.002, 3)
    times.turn_took(0.5, 0)

    assert times.histogram.cumulative()[-1] == 3
    assert times.histogram.total == pytest.approx(0.006)
