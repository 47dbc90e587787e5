from collections.abc import Iterator

import pytest
from memory import Memory

from twisted_signal import call_board, diagnosis
from twisted_signal.call_board import AT_ONCE, CallBoard
from twisted_signal.calls import Calls
from twisted_signal.case import SECOND
from twisted_signal.diagnosis import CallView, call_views
from twisted_signal.timeline import Call


@pytest.fixture
def memory() -> Memory:
    return Memory(max_clients_per_address=0, connect_rate_per_address=0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the calls of which a view was made."""
    numbers: list[int] = []

    def counting(call: Call, *rest: object) -> CallView:
        numbers.append(call.number)
        return diagnosis.call_view(call, *rest)  # type: ignore[arg-type] # they are passed on

    monkeypatch.setattr(call_board, "call_view", counting)
    return numbers


def begin_calls(memory: Memory, count: int) -> None:
    for number in range(count):
        memory.registered("phone", f"room{number}")
        memory.registered("pc", f"room{number}").say(
            type="offer", target_id="phone", sdp={"type": "offer", "sdp": "v=0"}
        )


def looks(memory: Memory, board: CallBoard, begin: int, seconds: int) -> Iterator[list[CallView]]:
    """Yield what is seen each second, `begin` seconds from now on."""
    for second in range(begin, begin + seconds):
        yield board.views(memory.now_ns() + second * SECOND)


def test_what_is_seen_is_what_is_and_the_times_are_nearly_right(memory: Memory) -> None:
    begin_calls(memory, 3)
    board = CallBoard(memory.factory.registry)
    for second, seen in enumerate(looks(memory, board, 0, 90)):
        now = call_views(memory.factory.registry, memory.now_ns() + second * SECOND)
        assert [call.number for call in seen] == [call.number for call in now]
        for one, other in zip(seen, now, strict=True):
            assert one.steps == other.steps
            assert (one.diagnosis is None) == (other.diagnosis is None)


def test_a_step_is_seen_at_once(memory: Memory, made: list[int]) -> None:
    begin_calls(memory, 2)
    board = CallBoard(memory.factory.registry)
    list(looks(memory, board, 0, 1))
    made.clear()
    memory.registered("pc2", "room1").say(
        type="offer", target_id="phone", sdp={"type": "offer", "sdp": "v=0"}
    )
    ((*_, new, _, _),) = looks(memory, board, 0, 1)

    assert made == [new.number]
    assert {peer.client_id for peer in new.peers} == {"pc2", "phone"}


def test_old_calls_are_looked_at_rarely(memory: Memory, made: list[int]) -> None:
    begin_calls(memory, 4)
    list(looks(memory, CallBoard(memory.factory.registry), 3600, 61))

    assert len(made) == 4 * 3  # now, and every 30 s


def test_calls_that_fall_due_together_are_spread(memory: Memory, made: list[int]) -> None:
    begin_calls(memory, 3 * AT_ONCE)
    board = CallBoard(memory.factory.registry)
    list(looks(memory, board, 60, 1))
    made.clear()
    counts = []
    for _ in looks(memory, board, 61, 6):
        counts.append(len(made))
        made.clear()

    assert max(counts) == AT_ONCE
    assert sum(counts) >= 3 * AT_ONCE


def test_after_a_long_time_without_a_look_nothing_is_old(memory: Memory, made: list[int]) -> None:
    begin_calls(memory, 3 * AT_ONCE)
    board = CallBoard(memory.factory.registry)
    list(looks(memory, board, 0, 1))
    made.clear()
    list(looks(memory, board, 60, 1))

    assert len(made) == 3 * AT_ONCE


def test_calls_that_are_not_kept_any_more_are_forgotten(memory: Memory) -> None:
    begin_calls(memory, 2)
    board = CallBoard(memory.factory.registry)
    list(looks(memory, board, 0, 1))
    assert len(board._kept) == 2
    memory.factory.registry.calls = Calls()
    list(looks(memory, board, 0, 1))

    assert board._kept == {}
