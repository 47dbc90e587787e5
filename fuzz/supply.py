"""Bytes as a supply of choices: whatever they are, they mean something."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Supply:
    """Bytes that are used up from the front. Where there are no more, all is zero or empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def __bool__(self) -> bool:
        """Whether there is more."""
        return self._place < len(self._data)

    def byte(self) -> int:
        """Return the next byte."""
        return next(iter(self.take(1)), 0)

    def below(self, bound: int) -> int:
        """Return a number below `bound`, which is 256 at most."""
        return self.byte() % bound

    def choice(self, choices: Sequence[T]) -> T:
        """Return one of at most 256."""
        return choices[self.below(len(choices))]

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        taken = self._data[self._place : self._place + size]
        self._place += len(taken)
        return taken

    def text(self) -> str:
        """Return a text, which has its length before it."""
        return self.take(self.byte()).decode("utf-8", "replace")

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._data))
