"""How often a time was how long: counted in buckets, in fixed memory. No I/O and no clock."""

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Counts observations in buckets that have an upper bound each, and one that has none.

    Attributes:
        bounds: the buckets' upper bounds, ascending; what equals one is in its bucket.
        counts: how many observations are in each bucket, the one without a bound last.
        total: the sum of all that was observed.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count what was observed. `times`: how often the same was."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def cumulative(self) -> list[int]:
        """Return how many observations were at most each bound, and how many there were in all."""
        counted, sums = 0, []
        for count in self.counts:
            counted += count
            sums.append(counted)
        return sums
