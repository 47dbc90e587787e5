from twisted_signal.sparingly import Sparingly


def test_one_line_a_second_is_written_and_says_how_many_were_not() -> None:
    lines = Sparingly()

    assert [lines.ask("origin", now) for now in (5.0, 5.1, 5.9)] == [0, None, None]
    assert [lines.ask("origin", now) for now in (6.0, 6.5, 7.0, 8.0)] == [2, None, 1, 0]


def test_kinds_do_not_silence_each_other() -> None:
    lines = Sparingly()

    assert lines.ask("origin", 5.0) == 0
    assert lines.ask("header", 5.0) == 0
    assert lines.ask("header", 5.1) is None
    assert lines.ask("origin", 6.0) == 0


def test_what_no_later_line_tells_is_told_in_the_end() -> None:
    lines = Sparingly()
    for now in (5.0, 5.1, 5.2):
        lines.ask("origin", now)

    assert lines.rest(5.9) == {}
    assert lines.rest(6.0) == {"origin": 2}
    assert lines.rest(7.0) == {}
    assert lines.ask("origin", 7.0) == 0


def test_a_clock_that_is_set_back_silences_nothing_for_long() -> None:
    lines = Sparingly()
    lines.ask("origin", 1000.0)

    assert lines.ask("origin", 5.0) == 0
    assert lines.ask("origin", 5.5) is None
    assert lines.rest(1.0) == {"origin": 1}
