"""What was refused: counted by its kind, and logged so that nobody can fill the log with it.

No I/O beside the log and no clock: whoever holds this lets it tick once a second.
"""

from collections import Counter

from twisted_signal import event_log, events
from twisted_signal.event_log import Subject
from twisted_signal.text import printable

log = event_log.logger(__name__)

LINES = 10
"""Lines of one kind that are written at once; after these, one a second."""
LENGTH = 500
"""Characters of what is said in a line."""


class Refusals:
    """What was refused.

    Attributes:
        count: how often, by kind.
    """

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self._written: Counter[str] = Counter()  # lately
        self._left_out: dict[str, tuple[int, str]] = {}

    @property
    def has_left_out(self) -> bool:
        """Whether lines were left out of which nothing was told yet."""
        return bool(self._left_out)

    def note(self, kind: str, who: str, sentence: str, about: Subject | None = None) -> None:
        """Count a refusal and log it, at once or with others of its kind.

        Args:
            kind: one of a few words.
            who: what was refused, and whose it was.
            sentence: why.
            about: whose it was, for programs.
        """
        self.count[kind] += 1
        if self._written[kind] < LINES:
            self._written[kind] += 1
            extra = {"kind": kind}
            log.warning(events.REFUSED, _fit(who), _fit(sentence), about=about, extra=extra)
        else:
            number, _ = self._left_out.get(kind, (0, ""))
            self._left_out[kind] = (number + 1, _fit(f"{who}: {sentence}"))

    @property
    def were_lately(self) -> bool:
        """Whether so much was refused that the next lines would not all be written."""
        return bool(self._written or self._left_out)

    def tick(self) -> None:
        """A second has passed: tell of those that were left out."""
        self._written -= Counter(self._written.keys())
        for kind, (number, last) in self._left_out.items():
            self._written[kind] += 1
            log.warning(events.MORE_REFUSED, number, last, extra={"kind": kind})
        self._left_out.clear()


def _fit(text: str) -> str:
    text = printable(text)
    return text if len(text) <= LENGTH else text[:LENGTH] + "…"
