"""When a worker that has ended is followed by another. No I/O, no clock."""

FIRST = 0.5
"""Seconds until the next one, where the one before has lived long."""
MOST = 30.0
"""Seconds until the next one at most."""
STEADY = 60.0
"""Seconds after which a worker is taken to do well."""


class Backoff:
    """Waits twice as long each time, as long as each ends soon."""

    def __init__(self) -> None:
        self._next = FIRST

    def after(self, lived: float) -> float:
        """Return the seconds to wait. `lived`: for how many seconds the one that ended ran."""
        if lived >= STEADY:
            self._next = FIRST
        found, self._next = self._next, min(2 * self._next, MOST)
        return found
