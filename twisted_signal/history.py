"""How things went lately: rates and levels at even steps, in fixed memory. No I/O and no clock."""

from collections import deque
from collections.abc import Mapping

STEP = 5
"""Seconds from one point to the next."""
POINTS = 180
"""How many points there are: the last quarter of an hour."""


class History:
    """The last points of some series.

    Attributes:
        step: seconds from one point to the next.
        made: how many points were made, those that are forgotten too.
    """

    def __init__(self, step: float = STEP, points: int = POINTS) -> None:
        self.step = step
        self.made = 0
        self._points = points
        self._series: dict[str, deque[float]] = {}
        self._totals: Mapping[str, float] = {}
        self._peaks: dict[str, float] = {}
        self._begun: float | None = None  # when the step did
        self._seen_at = 0.0  # when the totals were so

    def sample(
        self,
        now: float,
        *,
        totals: Mapping[str, float],
        levels: Mapping[str, float],
        peaks: Mapping[str, float],
    ) -> None:
        """Look at everything, as often as you like; a point is made of it at each step.

        Args:
            now: seconds, by a clock that is not set back.
            totals: what only grows. Its points are by how much it did, a second.
            levels: what goes up and down. Its points are what it was at the end of the step.
            peaks: the same, where the points are the most that it was within the step.
        """
        for name, value in peaks.items():
            self._peaks[name] = max(value, self._peaks.get(name, value))
        if self._begun is None:
            self._begun = self._seen_at = now
            self._totals = dict(totals)
            for name in (*totals, *levels, *peaks):
                self._series[name] = deque(maxlen=self._points)
            return
        # More than one where the process stood still: the points stay even.
        steps = int((now - self._begun) / self.step)
        if not steps:
            return
        passed = now - self._seen_at
        point = {name: (total - self._totals[name]) / passed for name, total in totals.items()}
        point.update(levels)
        point.update(self._peaks)
        for name, value in point.items():
            self._series[name].extend([value] * min(steps, self._points))
        self.made += steps
        self._begun += steps * self.step
        self._seen_at, self._totals = now, dict(totals)
        self._peaks.clear()

    def series(self) -> dict[str, list[float]]:
        """Return the points of each series by its name, the latest last."""
        return {name: list(series) for name, series in self._series.items()}
