"""What a client says, in order: kept until the server has it.

After some messages goes a WebSocket ping (RFC 6455, section 5.5.2) that carries the number of the
last; the server answers it when it has handled them. So it is known what to say again after the
connection broke, or after the server refused to listen for a while.
"""

from collections import deque
from enum import Enum, auto

from msgspec import Struct

MOST_WAITING = 256
"""How many messages wait before who sends more has to wait."""
WINDOW = 8
"""How many messages may be on their way to the server. It closes the connection of who goes on for
longer than half of its `--message-burst` after it has said that it is too much."""
MARK_PAUSE = 0.05
"""Seconds from one ping to the next, where nothing waits for that: the server counts them."""


class Kind(Enum):
    """For how long a message is of use."""

    CALL = auto()
    """An offer, answer or candidate: until a fresh registration."""
    MESSAGE = auto()
    """An application's own: for as long as the client lives."""
    QUESTION = auto()
    """One of the client's own: until the connection breaks."""


class Entry(Struct, eq=False):
    """A message. `number`: it was sent as that one on this connection; 0: it waits."""

    text: str
    kind: Kind
    number: int = 0


class Outgoing:
    """The messages that the server has not, so far as is known.

    Attributes:
        number: of the message that was sent last.
    """

    def __init__(self) -> None:
        self.number = 0
        self._waiting: deque[Entry] = deque()
        self._sent: deque[Entry] = deque()
        self._window = WINDOW
        self._marked = 0
        self._marked_at = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether something was not sent yet."""
        return bool(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether more should wait until there is room."""
        return len(self._waiting) >= MOST_WAITING

    @property
    def mark_at(self) -> float | None:
        """When a ping should follow; None: nothing is on its way, or a ping is."""
        if not self._sent or self._marked:
            return None
        is_full = len(self._sent) >= self._window  # and more can go only when it is answered
        return self._marked_at + (0 if is_full else MARK_PAUSE)

    def put(self, text: str, kind: Kind) -> None:
        """Let a message wait for its turn."""
        self._waiting.append(Entry(text, kind))

    def put_first(self, text: str) -> Entry:
        """Let a question go before all else."""
        entry = Entry(text, Kind.QUESTION)
        self._waiting.appendleft(entry)
        return entry

    @property
    def may_send(self) -> bool:
        """Whether something waits that may be sent now."""
        return bool(self._waiting) and len(self._sent) < self._window

    def next(self) -> str:
        """Return the next message to send; there must be one that may be sent."""
        entry = self._waiting.popleft()
        self.number += 1
        entry.number = self.number
        self._sent.append(entry)
        return entry.text

    def mark(self, now: float) -> bytes:
        """Return what a ping is to carry that goes out now."""
        self._marked, self._marked_at = self.number, now
        return b"%d" % self.number

    def confirm(self, mark: bytes) -> int:
        """A ping was answered: the server has what went before it. Returns up to which number."""
        if not (mark.isdigit() and len(mark) < 20):
            return 0
        number = int(mark)
        if number >= self._marked:
            self._marked = 0
        while self._sent and self._sent[0].number <= number:
            self._sent.popleft()
        return number

    def refused(self) -> None:
        """The server did not listen: say the last again, and one at a time from now on.

        It does not tell when it began. What went before that comes twice.
        """
        self._window = 1
        self._put_back()

    def broken(self, *, too_many: bool = False) -> None:
        """The connection is gone, and nobody knows how much the server got of the last.

        Args:
            too_many: it was too much for the server.
        """
        if too_many:
            self._window = 1
        self._put_back()
        self.number = 0
        self._forget(Kind.QUESTION)

    def forget_calls(self) -> None:
        """Leave out what belongs to calls of before."""
        self._forget(Kind.CALL)

    def _forget(self, kind: Kind) -> None:
        self._waiting = deque(entry for entry in self._waiting if entry.kind is not kind)

    def _put_back(self) -> None:
        for entry in reversed(self._sent):
            entry.number = 0
            self._waiting.appendleft(entry)
        self._sent.clear()
        self._marked = 0
