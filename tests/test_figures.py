import pytest

from twisted_signal.figures import counted, duration, later, milliseconds, short


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (7_980, "2 h 13 min"),
        (86_400 + 59, "1 d"),
        (90_000, "1 d 1 h"),
        (400 * 86_400, "400 d"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("at_ms", "words"),
    [
        (1000, "+0.000 s"),
        (900, "−0.100 s"),
        (1482, "+0.482 s"),
        (32_000, "+31.0 s"),
        (201_000, "+3 min 20 s"),
    ],
)
def test_how_much_later_is_told_more_exactly_the_sooner(at_ms: int, words: str) -> None:
    assert later(at_ms, 1000) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (0.44, "0.4"),
        (38, "38"),
        (99.9, "99.9"),
        (1234.6, "1,235"),
        (12_345, "12.3 k"),
        (2_500_000, "2.5 M"),
        (3.2e9, "3.2 G"),
    ],
)
def test_a_number_is_short(value: float, words: str) -> None:
    assert short(value) == words


def test_a_round_trip_may_be_unknown() -> None:
    assert milliseconds(None) == "–"
    assert milliseconds(0.44) == "0.4 ms"
    assert milliseconds(38.4) == "38 ms"


def test_one_thing_is_no_things() -> None:
    assert counted(1, "room") == "1 room"
    assert counted(3000, "room") == "3,000 rooms"
