import pytest

from twisted_signal.history import History


def sample(
    history: History, now: float, total: float = 0, level: float = 0, peak: float = 0
) -> None:
    history.sample(now, totals={"total": total}, levels={"level": level}, peaks={"peak": peak})


def test_there_are_no_points_before_the_first_step_is_over() -> None:
    history = History(step=5)

    sample(history, 100, 7, 7, 7)
    sample(history, 104, 8, 8, 8)

    assert history.series() == {"total": [], "level": [], "peak": []}


def test_a_total_becomes_a_rate_a_level_stays_and_a_peak_is_the_most_of_the_step() -> None:
    history = History(step=5)
    sample(history, 100, total=1000, level=1, peak=0)

    sample(history, 102, total=1001, level=9, peak=4)
    sample(history, 105, total=1010, level=3, peak=2)

    assert history.series() == {"total": [2.0], "level": [3], "peak": [4]}


def test_a_peak_is_of_its_step_only() -> None:
    history = History(step=5)
    sample(history, 0, peak=9)
    sample(history, 5, peak=1)

    sample(history, 10, peak=2)

    assert history.series()["peak"] == [9, 2]


def test_what_happens_while_the_process_stands_still_is_spread_over_that_time() -> None:
    history = History(step=5)
    sample(history, 0)
    sample(history, 5, total=10)

    sample(history, 21, total=10 + 32)
    sample(history, 25, total=42 + 4)

    assert history.series()["total"] == [2, 2, 2, 2, 1.0]


def test_samples_that_come_a_little_late_do_not_move_the_steps() -> None:
    history = History(step=5)

    for second in range(61):
        sample(history, second * 1.001)

    assert len(history.series()["total"]) == 12


@pytest.mark.parametrize("pause", [1, 10**9])
def test_only_the_last_points_are_kept(pause: int) -> None:
    history = History(step=1, points=3)

    for number in range(10):
        sample(history, number * pause, level=number)

    assert history.series()["level"] == ([7, 8, 9] if pause == 1 else [9, 9, 9])
