"""A reactor that signals come to."""

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock


class Running(Clock):
    """A reactor that is running. Stands for IReactorCore where only this is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = 0

    def callWhenRunning(self, action: Callable[..., Any], *arguments: object) -> None:
        action(*arguments)

    def callFromThread(self, action: Callable[..., Any], *arguments: object) -> None:
        action(*arguments)

    def stop(self) -> None:
        self.stopped += 1

    def addReader(self, _reader: object) -> None:
        """The poller's, which nothing is to be read from."""
