"""When to try again."""

from collections.abc import Callable

LONGEST = (1, 1, 1, 1, 1, 1, 2, 4, 8)
"""Seconds before the second try, and so on. A server that is restarted is soon there again."""
LAST = 10
STAY = 5
"""Seconds in a room after which tries to come back begin at once again."""
HOLDS = 60
"""Seconds in which the server finds out that an old connection of the client's is gone."""
LONGEST_WAIT = 3600
"""Seconds, whatever the server says."""


def pause(tries: int, chance: float) -> float:
    """Return how long to wait before a try, in seconds.

    Args:
        tries: how many there were since the connection broke.
        chance: a random number from 0 to 1, so that not all clients of a server that was restarted
            come at once.
    """
    if tries == 0:
        return 0.0
    longest = LONGEST[tries - 1] if tries <= len(LONGEST) else LAST
    return longest * (1 + chance) / 2


class Patience:
    """How long a client waits, by itself or because the server wants it.

    Attributes:
        not_before: the server wants to hear nothing until then.
        next_try_at: nor is there a connection before.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        """`random`: returns a number from 0 to 1."""
        self.not_before = 0.0
        self.next_try_at = 0.0
        self._random = random
        self._tries = 0
        self._entered_at: float | None = None
        self._broke_at = 0.0

    def connecting(self) -> None:
        """A try begins."""
        self._tries += 1

    def entered(self, now: float) -> None:
        """The client is in the room."""
        if self._entered_at is None:
            self._tries = 0
        self._entered_at = now

    def broke(self, now: float) -> None:
        """The client was in the room, and its connection broke."""
        self._broke_at = now
        if self._entered_at is not None and now - self._entered_at >= STAY:
            self._tries = 0

    def try_later(self, now: float) -> None:
        """Another try is to be made."""
        self.next_try_at = max(now + pause(self._tries, self._random()), self.not_before)

    def wait(self, milliseconds: float, now: float) -> None:
        """The server asks to hear nothing for so long."""
        seconds = min(max(milliseconds, 0), LONGEST_WAIT * 1000) / 1000
        self.not_before = max(self.not_before, now + seconds)

    def is_held(self, now: float) -> bool:
        """Whether the server may still hold the place that the client had."""
        return now - self._broke_at < HOLDS
