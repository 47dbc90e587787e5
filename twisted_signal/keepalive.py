"""Finds the connections at whose other end nobody is any more: one timer for all of them.

A connection from which nothing came for a while is pinged (RFC 6455, section 5.5.2); one that stays
silent after that is gone. Where something must happen within a time, such as the opening handshake,
a connection expires without it. No I/O and no clock: whoever holds this lets it tick once a second.
"""

from collections.abc import Iterable
from typing import Protocol


class Watched(Protocol):
    """A connection.

    Attributes:
        heard: the tick in which something came from it last.
        due: the tick in which it is looked at next.
        is_expected: whether it expires then, whatever was heard.
    """

    heard: int
    due: int
    is_expected: bool

    def probe(self) -> None:
        """Make the other end say something, if it is there."""

    def vanish(self) -> None:
        """Nobody is there."""

    def expire(self) -> None:
        """What was expected of it has not happened."""


class KeepAlive:
    """A timer wheel: the connections by the tick in which they are looked at.

    Attributes:
        now: ticks so far.
    """

    def __init__(self, interval: int, timeout: int) -> None:
        """
        Args:
            interval: ticks of silence after which a connection is probed; 0: never.
            timeout: ticks of silence after that in which it must have said something.
        """
        self.now = 0
        self._interval = interval
        self._timeout = timeout
        self._by_due: dict[int, set[Watched]] = {}
        self._unasked: set[Watched] = set()  # to be probed before they are given up

    def __bool__(self) -> bool:
        """Whether there is any connection to look at."""
        return bool(self._by_due)

    def add(self, connection: Watched) -> None:
        """Watch a connection; where no interval is set: no more."""
        self.remove(connection)
        connection.is_expected = False
        if self._interval:
            self._look_in(connection, max(connection.heard + self._interval, self.now + 1))

    def set_times(self, interval: int, timeout: int) -> None:
        """Watch by other times from now on; see `__init__`."""
        if (interval, timeout) != (self._interval, self._timeout):
            self._interval, self._timeout = interval, timeout
            watched = [one for group in self._by_due.values() for one in group]
            self.watch_anew(one for one in watched if not one.is_expected)

    def watch_anew(self, connections: Iterable[Watched]) -> None:
        """Watch connections by times that did not hold for them before.

        Nobody is given up for a silence that was allowed then: who is silent for longer than the
        interval is probed first. They are not all looked at in one tick.
        """
        for number, connection in enumerate(connections):
            self.remove(connection)
            if self._interval:
                soonest = self.now + 1 + number % self._interval
                self._look_in(connection, max(connection.heard + self._interval, soonest))
                self._unasked.add(connection)

    def expect(self, connection: Watched, ticks: int) -> None:
        """Let a connection expire, unless it is watched otherwise within that many ticks."""
        self.remove(connection)
        connection.is_expected = True
        self._look_in(connection, self.now + ticks + 1)  # this tick has partly gone

    def remove(self, connection: Watched) -> None:
        """Watch a connection no more."""
        others = self._by_due.get(connection.due)
        if others is not None:
            others.discard(connection)
            if not others:
                del self._by_due[connection.due]
        connection.due = -1
        if self._unasked:
            self._unasked.discard(connection)

    def tick(self) -> None:
        """Look at those that are due."""
        self.now += 1
        for connection in self._by_due.pop(self.now, ()):
            if connection.due != self.now:
                continue  # removed meanwhile, by the end of another
            silence = self.now - connection.heard
            if connection.is_expected:
                connection.expire()
            elif silence < self._interval:
                self._look_in(connection, connection.heard + self._interval)
            elif connection in self._unasked:
                self._unasked.discard(connection)
                self._look_in(connection, self.now + max(self._timeout, 1))
                connection.probe()
            elif silence < self._interval + self._timeout:
                self._look_in(connection, connection.heard + self._interval + self._timeout)
                connection.probe()
            else:
                connection.vanish()

    def _look_in(self, connection: Watched, due: int) -> None:
        connection.due = due
        others = self._by_due.get(due)
        if others is None:
            self._by_due[due] = {connection}
        else:
            others.add(connection)
