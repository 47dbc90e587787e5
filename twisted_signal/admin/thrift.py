"""What is asked for again and again, found so rarely that it costs little. No I/O, no clock."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Wanted = TypeVar("Wanted", bound=Hashable)
Found = TypeVar("Found")

FRESH = 0.5
"""Seconds for which what was found for one is good enough for another."""
SHARE = 50
"""What was found is good for this many times as long as it took to find: that is 2 % of a core."""


class Thrift(Generic[Wanted, Found]):
    """Finds things. What that costs is bounded, however many ask for how much: see SHARE."""

    def __init__(self, stopwatch: Callable[[], float]) -> None:
        """`stopwatch`: returns seconds, of any clock; it measures how dear something is."""
        self._stopwatch = stopwatch
        self._found: dict[Wanted, tuple[Found, float]] = {}

    def get(self, wanted: Wanted, now: float, find: Callable[[], Found]) -> Found:
        """Return what is wanted, as it is now or was a little earlier.

        Args:
            now: seconds.
            find: finds it.
        """
        had = self._found.get(wanted)
        if had is not None and now < had[1]:
            return had[0]
        self._found = {other: found for other, found in self._found.items() if now < found[1]}
        began = self._stopwatch()
        found = find()
        cost = (self._stopwatch() - began) * (len(self._found) + 1)
        self._found[wanted] = found, now + max(FRESH, SHARE * cost)
        return found
