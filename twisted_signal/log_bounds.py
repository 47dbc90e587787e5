"""How much of the log each address may cause, and all addresses together.

Characters are counted, not lines: who wants to fill a disk does so with long ones. No I/O and no
clock: whoever holds this lets it tick once a second.
"""

from math import inf

from twisted_signal import event_log, events
from twisted_signal.event_log import Subject

log = event_log.logger(__name__)

HEAD = 50
"""Characters that are counted for what stands before the text of a line."""
BURST = 128
"""As many seconds' worth may come at once: at the default, what 256 clients cause that all come
back and call twice."""
ADDRESSES = 64
"""As many addresses' worth may come of all together."""


class LogBounds:
    """Who has caused how much of the log lately."""

    __slots__ = (
        "_left_out",
        "_most",
        "_rate",
        "_remembered",
        "_spent",
        "_spent_by_all",
        "_ticked_at",
    )

    def __init__(self, rate: int = 0) -> None:
        """`rate`: see the attribute."""
        self._spent: dict[str | None, float] = {}
        self._remembered = 0.0  # the sum of these at the last tick
        self._spent_by_all = 0.0
        self._left_out: dict[str | None, tuple[int, str, str]] = {}
        self._ticked_at = 0.0
        self.rate = rate

    @property
    def rate(self) -> int:
        """Characters a second that an address may cause in the long run; 0: any number."""
        return self._rate

    @rate.setter
    def rate(self, rate: int) -> None:
        self._rate = rate
        self._most = BURST * rate or inf
        self._spent.clear()
        self._remembered = self._spent_by_all = 0.0

    @property
    def remembered(self) -> int:
        """How many addresses are remembered."""
        return len(self._spent)

    @property
    def has_left_out(self) -> bool:
        """Whether lines were left out of which nothing was told yet."""
        return bool(self._left_out)

    def take(self, subject: Subject, event: object, size: int) -> bool:
        """Count a line, and tell whether it may be written.

        Args:
            subject: whom it is about.
            event: what it tells of.
            size: how many characters its text has.
        """
        source = subject.source
        spent = self._spent.get(source, 0) + size + HEAD
        if spent > self._most and (source is not None or self._most < 0):
            count, _, _ = self._left_out.get(source, (0, "", ""))
            self._left_out[source] = (count + 1, subject.address, events.name_of(event))
            return False
        self._spent[source] = spent
        return True

    def tick(self, now: float) -> None:
        """Let time pass, and tell of what was left out meanwhile.

        Args:
            now: seconds, from anywhere.
        """
        passed, self._ticked_at = max(0.0, now - self._ticked_at), now
        self._let_pass(passed)
        if self._left_out:
            count = sum(count for count, _, _ in self._left_out.values())
            most, address, last = max(self._left_out.values())
            self._left_out.clear()
            log.warning(events.LINES_LEFT_OUT, count, most, address, last)

    def _let_pass(self, seconds: float) -> None:
        all_together = ADDRESSES * self._rate
        new = sum(self._spent.values()) - self._remembered
        self._spent_by_all = max(0.0, self._spent_by_all + new - all_together * seconds)
        given = self._rate * seconds if self._rate else inf
        self._spent = {
            source: spent - given for source, spent in self._spent.items() if spent > given
        }
        self._remembered = sum(self._spent.values())
        if self._rate:
            is_full = self._spent_by_all > BURST * all_together
            self._most = -1 if is_full else BURST * self._rate
