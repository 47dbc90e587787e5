"""Gathers what is said to a client while many are read, so that it goes out in one system call.

A send costs about as much as all else that a message costs (docs/performance.md), however small.
"""

from typing import Protocol


class Flushable(Protocol):
    """What has something to send."""

    def flush(self) -> None:
        """Send it."""


class Outbox:
    """Who has something to send, in the order in which they came by it.

    Attributes:
        open: whether things are gathered. Else they are sent at once.
    """

    __slots__ = ("_waiting", "open")

    def __init__(self) -> None:
        self.open = False
        self._waiting: list[Flushable] = []

    def add(self, sender: Flushable) -> None:
        """Let a sender wait for the end of the gathering, or send at once where there is none."""
        if self.open:
            self._waiting.append(sender)
        else:
            sender.flush()

    def close(self) -> None:
        """End the gathering: everything is sent."""
        self.open = False
        waiting, self._waiting = self._waiting, []
        for sender in waiting:
            sender.flush()
