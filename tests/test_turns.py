"""A client that sends much at once: others have their turn before all of it is handled."""

import logging
from itertools import chain

import pytest
from memory import Memory, MemoryClient

from twisted_signal.factory import SLICE, SLICE_OF_MANY, TOGETHER
from twisted_signal.frames import PING, TEXT

MANY = 3 * SLICE + 5


@pytest.fixture
def memory() -> Memory:
    return Memory(register_timeout=0)


def masked(first: int, payload: bytes) -> bytes:
    return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload


def numbered(count: int) -> bytes:
    """Return messages for `b` as one read."""
    return b"".join(
        masked(TEXT, b'{"type":"offer","target_id":"b","sdp":%d}' % number)
        for number in range(count)
    )


def said(client: MemoryClient) -> list[int]:
    return [message["sdp"] for message in client.hear() if message["type"] == "offer"]


def turn(memory: Memory) -> None:
    """Let what was postponed go on once, as the reactor does; a Clock would go on to its end."""
    memory.factory._go_on()


def pair(memory: Memory) -> tuple[MemoryClient, MemoryClient]:
    a, b = memory.registered("a"), memory.registered("b")
    a.hear()
    return a, b


def test_what_comes_in_one_read_is_handled_a_slice_at_a_time_and_in_order(memory: Memory) -> None:
    a, b = pair(memory)

    a.receive(numbered(MANY))
    heard = [said(b)]
    while heard[-1]:
        turn(memory)
        heard.append(said(b))

    assert [len(each) for each in heard] == [SLICE, SLICE, SLICE, 5, 0]
    assert list(chain(*heard)) == list(range(MANY))


def test_control_frames_count_too(memory: Memory) -> None:
    a, b = pair(memory)

    a.receive(masked(PING, b"") * SLICE + numbered(1))

    assert said(b) == []
    memory.clock.advance(0)
    assert said(b) == [0]


def test_nothing_more_is_read_until_all_of_it_is_handled(memory: Memory) -> None:
    a, b = pair(memory)

    a.receive(numbered(SLICE + 1))
    assert a.transport.producerState == "paused"
    a.receive(numbered(1))  # which was read already
    memory.clock.advance(0)

    assert a.transport.producerState == "producing"
    assert said(b) == [*range(SLICE), SLICE, 0]


def test_a_frame_that_is_cut_goes_on_where_it_was(memory: Memory) -> None:
    a, b = pair(memory)
    data = numbered(SLICE + 1)

    a.receive(data[:-5])
    memory.clock.advance(0)
    assert len(said(b)) == SLICE
    a.receive(data[-5:])

    assert said(b) == [SLICE]


@pytest.mark.parametrize("end", ["the server closes", "the server drops it", "the client is gone"])
def test_of_a_connection_that_ends_meanwhile_nothing_more_is_handled(
    memory: Memory, end: str
) -> None:
    a, b = pair(memory)
    a.receive(numbered(MANY))
    said(b)

    match end:
        case "the server closes":
            a.protocol.close(1001, "bye")
        case "the server drops it":
            a.protocol.vanish()
        case "the client is gone":
            a.transport.end()
    for _ in range(5):
        memory.clock.advance(0)

    assert said(b) == []
    assert memory.registered("c").hear() == []


def test_all_of_it_is_handled_without_anybody_s_doing(memory: Memory) -> None:
    a, b = pair(memory)

    for _ in range(2):
        a.receive(numbered(MANY))
        memory.clock.advance(0)

        assert said(b) == list(range(MANY))


def test_a_mistake_of_ours_ends_the_connection_and_no_other(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    a, _ = pair(memory)
    c, d = memory.registered("a", "2"), memory.registered("b", "2")
    for client in (a, c):
        client.receive(numbered(SLICE + 1))

    def fail() -> None:
        raise ValueError("of ours")

    monkeypatch.setattr(a.transport, "resumeProducing", fail)
    with caplog.at_level(logging.ERROR):
        memory.clock.advance(0)

    assert a.transport.aborted
    assert "A connection failed" in caplog.text
    assert said(d) == list(range(SLICE + 1))


def test_a_crowd_goes_on_a_few_at_a_time_and_in_turns(memory: Memory) -> None:
    pairs = []
    for number in range(3 * TOGETHER):
        room = f"room {number}"
        pairs.append((memory.registered("a", room), memory.registered("b", room)))
    shares = []
    for a, b in pairs:
        a.receive(numbered(3 * SLICE))
        shares.append(len(said(b)))
    assert shares == [SLICE] + [SLICE_OF_MANY] * (len(pairs) - 1)

    rounds = []
    for _ in range(6):
        turn(memory)
        rounds.append([len(said(b)) for _, b in pairs])

    one, none = [SLICE] * TOGETHER, [0] * TOGETHER
    assert rounds[:3] == [one + none + none, none + one + none, none + none + one]
    assert rounds[3:] == rounds[:3]


def test_who_says_little_has_an_answer_while_others_wait(memory: Memory) -> None:
    a, _ = pair(memory)
    c, d = memory.registered("a", "2"), memory.registered("b", "2")
    a.receive(numbered(MANY))

    c.receive(numbered(1))

    assert said(d) == [0]
