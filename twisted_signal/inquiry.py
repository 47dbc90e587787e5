"""Whether anybody is at the other end of a connection: asked by a ping, answered within a time."""

from collections.abc import Callable
from typing import Protocol

Answered = Callable[[bool], None]


class Timer(Protocol):
    """What the reactor gives for a call that is to come."""

    def active(self) -> bool:
        """Whether it is still to come."""

    def cancel(self) -> None:
        """Let it not come."""


class Inquiry:
    """The question whether a client is alive, for all who want to know.

    Attributes:
        heard: when something came from the client last, before it was asked.
    """

    __slots__ = ("_askers", "_timer", "heard")

    def __init__(self, heard: int, timer: Timer) -> None:
        """`timer`: ends the inquiry if nothing comes."""
        self.heard = heard
        self._timer = timer
        self._askers: list[Answered] = []

    def add(self, answered: Answered) -> None:
        """Let somebody be told."""
        self._askers.append(answered)

    def end(self, *, alive: bool) -> None:
        """Tell all."""
        if self._timer.active():
            self._timer.cancel()
        askers, self._askers = self._askers, []
        for answered in askers:
            answered(alive)
