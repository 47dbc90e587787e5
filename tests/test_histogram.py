import pytest

from twisted_signal.histogram import Histogram


@pytest.mark.parametrize(
    ("value", "cumulative"),
    [(0, [1, 1, 1]), (1, [1, 1, 1]), (1.5, [0, 1, 1]), (2, [0, 1, 1]), (99, [0, 0, 1])],
)
def test_a_value_counts_for_each_bound_that_it_does_not_exceed(
    value: float, cumulative: list[int]
) -> None:
    histogram = Histogram((1, 2))

    histogram.observe(value)

    assert histogram.cumulative() == cumulative


def test_what_was_observed_is_summed_up() -> None:
    histogram = Histogram((1, 2))

    histogram.observe(0.5)
    histogram.observe(3, times=2)

    assert histogram.total == 6.5
    assert histogram.cumulative() == [1, 1, 3]
