"""Which dialect a connection speaks: told from its path, its query and its first message.

- A `register` or `resume` as first message makes a README client, on any path.
- A first message in one of the app's flat shapes makes a flat client, on any path.
- On the app's path a client whose query names its room or id is a flat client at once, and so is
  one that stays silent for a while: the app waits for an offer without saying a word.
"""

from typing import Final

from twisted_signal.dialects import android
from twisted_signal.dialects.android import AndroidDialect
from twisted_signal.dialects.base import (
    Dialect,
    OpeningRequest,
    as_text,
    read_head,
)
from twisted_signal.dialects.readme import ReadmeDialect
from twisted_signal.errors import InvalidJson
from twisted_signal.messages import Arrival, ClientMessage, Register, ServerMessage
from twisted_signal.nesting import EARLY, MAX_NESTING, is_too_deep
from twisted_signal.tally import Tally

APP_PATH = "/signaling"

README: Final[Dialect] = ReadmeDialect()


class Conversation:
    """What one connection says and is told, whatever the dialect.

    Attributes:
        dialect: the name of the dialect that the client speaks; None: it is not known yet, or the
            conversation is over.
    """

    __slots__ = ("_counts", "_decided", "_dialect", "_request", "_tally", "dialect")

    def __init__(self, request: OpeningRequest, tally: Tally) -> None:
        """
        Args:
            request: the opening handshake.
            tally: where the client and its messages are counted.
        """
        self._request = request
        self._tally = tally
        self._decided = False  # by the first message that was understood
        self._dialect = README
        self._counts = tally.messages[README.name]
        self.dialect: str | None = None

    def opened(self) -> Arrival | None:
        """The connection is open: return what it registers as, if that is known.

        Raises:
            InvalidMessage: a name in the query is none.
        """
        query = self._request.query
        if self._request.path == APP_PATH and ("room" in query or "client_id" in query):
            return self._speak_flat().arrival()
        return None

    @property
    def silence_tells(self) -> bool:
        """Whether a client that goes on saying nothing is the app."""
        return self._request.path == APP_PATH and not self._decided and self._dialect is README

    def silent(self) -> Arrival:
        """The client has said nothing so far, and `silence_tells`: return what it registers as.

        Raises:
            InvalidMessage: a name in the query is none.
        """
        return self._speak_flat().arrival()

    def decode(self, data: bytes, now_ns: int) -> ClientMessage:
        """Return what a text frame says, and count it. See Dialect.

        Raises:
            SignalError: it is no message.
        """
        # These two calls tell of by far the most that they are not, for a tenth of the whole look.
        if (data.rfind(b"{") >= EARLY or data.find(b"[") >= 0) and is_too_deep(data):
            raise InvalidJson(f"it is nested more than {MAX_NESTING} deep")
        if not self._decided:
            self._choose(data)
        message = self._dialect.decode(data, now_ns)
        if not self._decided:
            self._decided = True
            self._count_for(self._dialect.name)
        self._counts[type(message)] += 1
        return message

    def arrival_before(self, message: ClientMessage) -> Arrival | None:
        """Return what a client that is in no room enters one as before its message, if it does.

        Raises:
            InvalidMessage: a name in the query is none.
        """
        return None if isinstance(message, Register) else self._dialect.arrival()

    def encode(self, message: ServerMessage) -> bytes | None:
        """Return the text frame's payload for the client; see Dialect."""
        return self._dialect.encode(message)

    def end(self) -> None:
        """The connection is gone: the client is counted no more."""
        self._count_for(None)

    def _count_for(self, dialect: str | None) -> None:
        """Count the client, and what it says from now on, under a dialect; None: under none."""
        clients = self._tally.clients
        if self.dialect is not None:
            clients[self.dialect] -= 1
        if dialect is not None:
            clients[dialect] += 1
            self._counts = self._tally.messages[dialect]
        self.dialect = dialect

    def _choose(self, data: bytes) -> None:
        head = read_head(data)
        if as_text(head.type) in ("register", "resume"):
            self._dialect = README
        elif self._dialect is README and not len(head.target_id) and android.recognises(data):
            self._speak_flat()

    def _speak_flat(self) -> AndroidDialect:
        self._dialect = dialect = AndroidDialect(self._request)
        self._count_for(dialect.name)
        return dialect
