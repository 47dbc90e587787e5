"""The reactor's timers, freed of the wall clock."""

import time
from collections.abc import Callable
from typing import Any


def run_steadily(reactor: Any, seconds: Callable[[], float] = time.monotonic) -> None:
    """Let a reactor of Twisted's take its time from a clock that nobody sets.

    On the wall clock, one that is set back by an hour (by NTP, at the start of a machine without a
    battery) stops all timers for that hour, and one that is set forward lets all run out at once.
    Calls that are already waiting go on to wait for as long as they would have.

    What takes `reactor.seconds()` for the time of day is wrong after this, such as the access log
    of `twisted.web`.

    Args:
        reactor: the reactor, running or not yet.
        seconds: the clock.
    """
    before: Callable[[], float] = reactor.seconds
    waiting = [(call, call.getTime() - before()) for call in reactor.getDelayedCalls()]
    reactor.seconds = seconds
    for call, left in waiting:
        call.seconds = seconds
        call.reset(left)
