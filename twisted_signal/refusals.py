"""What was refused: counted by its kind, and logged so that nobody can fill the log with it.

No I/O beside the log and no clock: whoever holds this lets it tick once a second.
"""

import logging
from collections import Counter

from twisted_signal.text import printable

log = logging.getLogger(__name__)

LINES = 10
"""Lines of one kind that are written at once; after these, one a second."""


class Refusals:
    """What was refused.

    Attributes:
        count: how often, by kind.
    """

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self._written: Counter[str] = Counter()  # lately
        self._left_out: dict[str, tuple[int, str]] = {}

    def note(self, kind: str, who: str, sentence: str) -> None:
        """Count a refusal and log it, at once or with others of its kind.

        Args:
            kind: one of a few words.
            who: what was refused, and whose it was.
            sentence: why.
        """
        self.count[kind] += 1
        line = printable(f"{who}: {sentence}")
        if self._written[kind] < LINES:
            self._written[kind] += 1
            log.warning("Refused %s", line)
        else:
            number, _ = self._left_out.get(kind, (0, ""))
            self._left_out[kind] = (number + 1, line)

    @property
    def were_lately(self) -> bool:
        """Whether so much was refused that the next lines would not all be written."""
        return bool(self._written or self._left_out)

    def tick(self) -> None:
        """A second has passed, or nobody is there any more: tell of those that were left out."""
        self._written -= Counter(self._written.keys())
        for kind, (number, last) in self._left_out.items():
            self._written[kind] += 1
            log.warning("Refused %d more of these, the last: %s", number, last)
        self._left_out.clear()
