import logging

import pytest
from logged import Someone

from twisted_signal.events import CLIENT_LEFT, CLIENT_REGISTERED
from twisted_signal.log_bounds import ADDRESSES, BURST, HEAD, LogBounds

RATE = 1000
SIZE = RATE - HEAD
"""Characters of a line that is a second's worth."""


def written(bounds: LogBounds, someone: Someone, times: int) -> int:
    """Return how many of so many lines may be written."""
    return sum(bounds.take(someone, CLIENT_LEFT, SIZE) for _ in range(times))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return said


@pytest.fixture
def bounds() -> LogBounds:
    bounds = LogBounds(RATE)
    bounds.tick(1000.0)
    return bounds


def test_an_address_may_cause_much_at_once_and_then_a_little_each_second(bounds: LogBounds) -> None:
    someone = Someone()

    assert written(bounds, someone, 2 * BURST) == BURST
    bounds.tick(1001.0)
    assert written(bounds, someone, 5) == 1
    bounds.tick(1003.5)
    assert written(bounds, someone, 5) == 2
    bounds.tick(1000.0)  # a clock that is set back
    assert written(bounds, someone, 5) == 0


def test_addresses_do_not_silence_each_other(bounds: LogBounds) -> None:
    written(bounds, Someone("192.0.2.1"), 2 * BURST)

    assert written(bounds, Someone("192.0.2.2"), BURST) == BURST


def test_who_is_quiet_may_cause_as_much_again(bounds: LogBounds) -> None:
    someone = Someone()
    written(bounds, someone, 2 * BURST)

    bounds.tick(1000.0 + BURST)

    assert written(bounds, someone, 2 * BURST) == BURST


def test_what_was_left_out_is_told_once_a_second_in_one_line(
    bounds: LogBounds, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = Someone("192.0.2.1"), Someone("192.0.2.2")
    written(bounds, one, BURST + 3)
    written(bounds, other, BURST + 5)
    bounds.take(other, CLIENT_REGISTERED, SIZE)

    bounds.tick(1001.0)
    bounds.tick(1002.0)

    (line,) = told(caplog)
    assert line.startswith("Left out 9 lines; 6 of them were about 192.0.2.2:4711, the last of")
    assert line.endswith(": client_registered")
    assert caplog.records == []


def test_all_addresses_together_are_bounded_too(
    bounds: LogBounds, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2 * ADDRESSES):
        assert written(bounds, Someone(str(number)), BURST) == BURST

    bounds.tick(1001.0)

    newcomer, local = Someone("newcomer"), Someone(None)
    assert written(bounds, newcomer, 1) == written(bounds, local, 1) == 0
    bounds.tick(1002.0)
    assert told(caplog)[0].startswith("Left out 2 lines; 1 of them")
    bounds.tick(1001.0 + 2 * BURST)
    assert written(bounds, newcomer, 1) == written(bounds, local, 1) == 1


def test_a_fleet_that_comes_back_is_in_the_log(bounds: LogBounds) -> None:
    bounds.rate = 2048
    for number in range(5000):
        someone = Someone(str(number))
        for _ in range(8):
            assert bounds.take(someone, CLIENT_LEFT, 60)
        if number % 1000 == 999:
            bounds.tick(1001.0 + number / 1000)


def test_who_is_not_counted_is_not_bounded(bounds: LogBounds) -> None:
    assert written(bounds, Someone(None), 3 * BURST) == 3 * BURST


def test_without_a_rate_nothing_is_bounded_and_nothing_remembered() -> None:
    bounds = LogBounds(0)

    assert written(bounds, Someone(), 3 * BURST) == 3 * BURST
    bounds.tick(1001.0)
    bounds.rate = RATE
    assert written(bounds, Someone(), 3 * BURST) == BURST


def test_another_rate_holds_at_once(bounds: LogBounds) -> None:
    written(bounds, Someone(), 2 * BURST)

    bounds.rate = 2 * RATE

    assert written(bounds, Someone(), 3 * BURST) == 2 * BURST


def test_nothing_is_remembered_of_those_who_caused_little(bounds: LogBounds) -> None:
    for number in range(100):
        bounds.take(Someone(str(number)), CLIENT_LEFT, 10)

    bounds.tick(1001.0)

    assert bounds.remembered == 0


@pytest.fixture(autouse=True)
def _shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
