from collections.abc import Iterator

import pytest
from memory import Memory

from twisted_signal.history import STEP
from twisted_signal.telemetry import Telemetry


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def telemetry(memory: Memory) -> Iterator[Telemetry]:
    made = Telemetry(memory.clock, memory.factory)
    made.startService()
    yield made
    made.stopService()


@pytest.mark.parametrize(("late", "bucket"), [(0, 0), (0.003, 2), (0.3, 8)])
def test_the_reactor_lags_by_as_much_as_a_timer_comes_late(
    late: float, bucket: int, memory: Memory, telemetry: Telemetry
) -> None:
    memory.clock.advance(1 + late)

    lag = memory.factory.tally.lag
    assert lag.counts[bucket] == 1
    assert lag.total == pytest.approx(late)


def test_lateness_does_not_add_up(memory: Memory, telemetry: Telemetry) -> None:
    memory.clock.advance(1.5)
    memory.clock.advance(1)

    assert memory.factory.tally.lag.total == 0.5


def test_the_history_tells_what_came_and_what_there_is(
    memory: Memory, telemetry: Telemetry
) -> None:
    pc, phone = memory.registered("pc"), memory.registered("phone")
    for _ in range(10):
        pc.say(type="message", target_id="phone", data="x")
    phone.say(type="message", target_id="nobody", data="x")
    memory.wait(STEP - 1)
    memory.clock.advance(1.25)

    series = telemetry.history.series()
    assert {name: len(points) for name, points in series.items()} == dict.fromkeys(series, 1)
    assert series["messages"] == [13 / (STEP + 0.25)]
    assert series["connections"] == series["registrations"] == [2 / (STEP + 0.25)]
    assert series["refusals"] == [1 / (STEP + 0.25)]
    assert series["bytes_in"][0] > 0 < series["bytes_out"][0]
    assert (series["clients"], series["rooms"], series["lag"]) == ([2], [1], [0.25])


def test_nothing_is_looked_at_after_the_end(memory: Memory) -> None:
    telemetry = Telemetry(memory.clock, memory.factory)
    telemetry.startService()

    telemetry.stopService()

    assert not memory.clock.getDelayedCalls()
