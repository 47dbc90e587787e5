"""Gathers what is said to a client while many are read, so that it goes out in one system call.

A send costs about as much as all else that a message costs (docs/performance.md), however small.
"""

from collections.abc import Callable
from typing import Protocol

from twisted_signal import event_log, events
from twisted_signal.event_log import OTHERS

log = event_log.logger(__name__)

FEW = 16
"""As many senders that are in no hurry are served at the end of a turn all the same."""
PATIENCE = 0.005
"""Seconds that more of them wait for others to come."""


class Flushable(Protocol):
    """What has something to send."""

    def flush(self) -> None:
        """Send it."""


class Outbox:
    """Who has something to send, in the order in which they came by it.

    Attributes:
        open: whether things are gathered. Else they are sent at once.
        call_later: what the reactor has of that name. None: nobody waits longer than the turn.
        clock: the wall clock, in nanoseconds since 1970.
        now_ns: what it said when the gathering began: to ask it for each message would cost as
            much as all that is counted of one.
    """

    __slots__ = ("_due", "_is_late", "_later", "call_later", "clock", "now_ns", "open")

    def __init__(self) -> None:
        self.open = False
        self.call_later: Callable[[float, Callable[[], None]], object] | None = None
        self.clock: Callable[[], int] = int  # which is 0: nobody has said what time it is
        self.now_ns = 0
        self._due: list[Flushable] = []
        self._later: list[Flushable] = []
        self._is_late = False  # a time is set for those who are in no hurry

    def add(self, sender: Flushable) -> None:
        """Let a sender wait for the end of the gathering, or send at once where there is none."""
        if self.open:
            self._due.append(sender)
        else:
            sender.flush()

    def add_later(self, sender: Flushable) -> None:
        """As `add`, for what is in no hurry: where many wait, they wait a little longer."""
        if self.open:
            self._later.append(sender)
        else:
            sender.flush()

    def __enter__(self) -> None:
        """Gather."""
        self.open = True
        self.now_ns = self.clock()

    def __exit__(self, *error: object) -> None:
        """Send, even if there was a mistake."""
        self.close()

    def close(self) -> None:
        """End the gathering: what is due is sent, and what comes of that."""
        while self._due:
            due, self._due = self._due, []
            _flush(due)
        self.open = False
        if self._later and not self._is_late:
            if len(self._later) <= FEW or self.call_later is None:
                self._flush_later()
            else:
                self._is_late = True
                self.call_later(PATIENCE, self._flush_later)

    def _flush_later(self) -> None:
        self._is_late = False
        later, self._later = self._later, []
        _flush(later)


def _flush(senders: list[Flushable]) -> None:
    for sender in senders:
        try:
            sender.flush()
        except Exception:
            # The others must not lose what they have, nor the reactor its reader.
            log.exception(events.SENDING_FAILED, about=OTHERS)
