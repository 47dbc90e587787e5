import logging

import pytest

from twisted_signal.refusals import LINES, Refusals


@pytest.fixture
def refusals(caplog: pytest.LogCaptureFixture) -> Refusals:
    caplog.set_level(logging.WARNING)
    return Refusals()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged since it was asked last."""
    said = [record.message for record in caplog.records]
    caplog.clear()
    return said


def refuse(refusals: Refusals, count: int, kind: str = "origin") -> None:
    for number in range(count):
        refusals.note(kind, f"client {number}", "no")


def test_each_is_counted_and_few_are_logged_as_they_come(
    refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(refusals, 2)
    refuse(refusals, 1, "header")

    assert lines(caplog) == [
        "Refused client 0: no",
        "Refused client 1: no",
        "Refused client 0: no",
    ]
    assert refusals.count == {"origin": 2, "header": 1}
    refusals.tick()
    assert lines(caplog) == []


def test_of_many_a_line_a_second_says_how_many_there_were_and_who_was_last(
    refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(refusals, LINES + 3)
    assert len(lines(caplog)) == LINES

    for _ in range(3):
        refusals.tick()
        (line,) = lines(caplog)
        assert line.startswith("Refused 3 more of these, the last: client ")
        refuse(refusals, 3)
        assert lines(caplog) == []
    assert refusals.count == {"origin": LINES + 12}


def test_kinds_do_not_silence_each_other(
    refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(refusals, 2 * LINES)
    lines(caplog)

    refuse(refusals, 1, "header")

    assert len(lines(caplog)) == 1


def test_after_quiet_seconds_each_has_its_line_again(
    refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(refusals, LINES)
    refusals.tick()
    refusals.tick()
    lines(caplog)

    refuse(refusals, 3)

    assert len(lines(caplog)) == 2
    refusals.tick()
    assert lines(caplog) == ["Refused 1 more of these, the last: client 2: no"]


def test_what_others_chose_stays_in_its_line(
    refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    refusals.note("origin", "a\nb", "c\u2028d")

    assert lines(caplog) == ["Refused a\\nb: c\\u2028d"]
