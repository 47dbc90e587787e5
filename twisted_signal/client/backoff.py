"""How long to wait before each try to come back."""

LONGEST = (1, 1, 1, 1, 1, 1, 2, 4, 8)
"""Seconds. A server that is restarted is there again within a second or two."""
LAST = 10


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
