"""What expires, and must be asked for again before: a token, the credentials of TURN servers."""

from msgspec import Struct

LIFE = 0.75
"""The part of its life after which it is asked for."""
PAUSE = 30
"""Seconds after which it is asked for again, if none came."""
LONGEST = 30 * 24 * 3600
"""Seconds; no timer is set for longer."""


class Renewal(Struct):
    """When something must be asked for. `at`: None: never."""

    at: float | None = None

    def start(self, life: float | None, now: float) -> None:
        """It is new. `life`: for how many seconds it is good; None: for ever, or nobody knows."""
        self.at = None if life is None else now + max(1.0, min(life, LONGEST) * LIFE)

    def is_due(self, now: float) -> bool:
        """Tell whether to ask for it now; there is some time for that, then it is due again."""
        if self.at is None or now < self.at:
            return False
        self.at = now + PAUSE
        return True
