"""Whether the server is there: something comes from it now and then, or it is asked."""

SILENCE = 10
"""Seconds of silence after which the server is asked whether it is there, and again until it is
given up: together less than the time for which it keeps a place."""


class Pulse:
    """When something came from the server last.

    Attributes:
        is_lost: it was asked, and did not answer in time.
    """

    def __init__(self) -> None:
        self.is_lost = False
        self._heard_at = 0.0
        self._is_listening = True
        self._asked = False

    @property
    def at(self) -> float | None:
        """When to look again; None: not now."""
        return self._heard_at + SILENCE if self._is_listening else None

    def begin(self, now: float) -> None:
        """There is a new connection."""
        self.is_lost = False
        self._is_listening = True
        self.heard(now)

    def heard(self, now: float) -> None:
        """Something came."""
        self._heard_at = now
        self._asked = False

    def listen(self, now: float, *, listens: bool) -> None:
        """From now on what comes is read, or not, so that silence means nothing."""
        if listens is not self._is_listening:
            self._is_listening = listens
            self.heard(now)

    def asks(self, now: float) -> bool:
        """Tell whether the server should be asked now."""
        if self.at is None or now < self.at:
            return False
        if self._asked:
            self.is_lost = True
            return False
        self._asked = True
        self._heard_at = now
        return True
