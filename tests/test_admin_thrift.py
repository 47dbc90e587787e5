"""How rarely something is found that is asked for again and again."""

import pytest

from twisted_signal.admin.thrift import FRESH, SHARE, Thrift


class Search:
    """Finds how often it was asked, which takes some time. `seconds`: a clock that measures it."""

    def __init__(self, cost: float = 0.0) -> None:
        self.count = 0
        self.seconds = 0.0
        self.cost = cost
        self.thrift: Thrift[str, int] = Thrift(lambda: self.seconds)

    def find(self) -> int:
        self.count += 1
        self.seconds += self.cost
        return self.count

    def get(self, wanted: str, now: float) -> int:
        return self.thrift.get(wanted, now, self.find)


def test_what_was_found_a_moment_ago_will_do() -> None:
    search = Search()

    assert [search.get("x", now) for now in (0.0, FRESH - 0.01, FRESH, FRESH + 0.1)] == [1, 1, 2, 2]


def test_what_is_dear_is_found_as_rarely_as_it_is_dear() -> None:
    search = Search(cost=0.1)
    for tenth in range(1000):
        search.get("x", tenth / 10)

    assert search.count == pytest.approx(100 / (SHARE * 0.1), abs=1)


def test_all_that_is_wanted_shares_what_may_be_spent() -> None:
    search = Search(cost=0.1)
    for second in range(1000):
        for wanted in "abcde":
            search.get(wanted, float(second))

    assert search.count * search.cost <= 1000 / SHARE * 1.25


def test_what_nobody_wants_any_more_is_forgotten() -> None:
    search = Search()
    for number in range(10):
        search.get(f"{number}", number * 2 * FRESH)

    assert list(search.thrift._found) == ["9"]


def test_a_mistake_is_not_kept() -> None:
    search = Search()

    def fail() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        search.thrift.get("x", 0.0, fail)
    assert search.get("x", 0.0) == 1
