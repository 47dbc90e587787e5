"""Log lines that anybody can cause from outside, kept from filling the log. No I/O and no clock."""

INTERVAL = 1.0
"""Seconds from one line of a kind to the next."""


class Sparingly:
    """Decides which lines are written: one a second of each kind, which says how many were not."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def ask(self, kind: str, now: float) -> int | None:
        """Ask whether to write a line.

        Args:
            kind: one of a few words.
            now: any clock's seconds.

        Returns:
            How many lines of the kind were left out before this one; None: leave it out too.
        """
        if 0 <= now - self._last.get(kind, -INTERVAL) < INTERVAL:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return None
        self._last[kind] = now
        return self._left_out.pop(kind, 0)

    def rest(self, now: float) -> dict[str, int]:
        """Return how many lines of each kind were left out, where no line has come to say it."""
        over = [kind for kind in self._left_out if not 0 <= now - self._last[kind] < INTERVAL]
        return {kind: self._left_out.pop(kind) for kind in over}
