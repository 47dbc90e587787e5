"""Finds the clients that read nothing of what waits for them. No I/O and no clock.

A keep-alive does not see them: their machine answers. Only those for which something waits are
looked at, once a tick, and nobody else pays for it.
"""

from typing import Protocol


class Waiting(Protocol):
    """A connection to whose client not all could be sent."""

    def backlog(self) -> tuple[int, object]:
        """Return how many bytes wait, and what changes whenever the client takes some of them."""

    def stalled(self) -> None:
        """It takes nothing."""


class Stalls:
    """Those for whose clients something waits.

    Attributes:
        size: bytes that may wait for any time; 0: any number.
    """

    def __init__(self, size: int, patience: int) -> None:
        """
        Args:
            size: see Stalls.
            patience: ticks in which a client for which more waits must take something.
        """
        self.size = size
        self._patience = patience
        self._waiting: dict[Waiting, tuple[object, int]] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._waiting)

    def add(self, connection: Waiting) -> None:
        """Look at a connection, something waits for its client."""
        self._waiting[connection] = (None, 0)

    def remove(self, connection: Waiting) -> None:
        """Look at it no more."""
        self._waiting.pop(connection, None)

    def tick(self) -> None:
        """Look at all of them."""
        if not self.size:
            return
        for connection, (before, ticks) in list(self._waiting.items()):
            if connection not in self._waiting:
                continue  # removed meanwhile, by the end of another
            size, mark = connection.backlog()
            if size <= self.size or mark != before:
                self._waiting[connection] = (mark, 0)
            elif ticks + 1 < self._patience:
                self._waiting[connection] = (mark, ticks + 1)
            else:
                self.remove(connection)
                connection.stalled()
