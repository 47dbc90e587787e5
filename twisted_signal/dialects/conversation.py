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

APP_PATH = "/signaling"

README: Final[Dialect] = ReadmeDialect()


class Conversation:
    """What one connection says and is told, whatever the dialect."""

    __slots__ = ("_decided", "_dialect", "_request")

    def __init__(self, request: OpeningRequest) -> None:
        """`request`: the opening handshake."""
        self._request = request
        self._decided = False  # by the first message that was understood
        self._dialect = README

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

    def decode(
        self, data: bytes, now_ns: int, registered: bool
    ) -> tuple[Arrival | None, ClientMessage]:
        """Return what a text frame says; for a flat client that is in no room, its arrival before.

        Args:
            data, now_ns: see Dialect.
            registered: whether the client is in a room.

        Raises:
            SignalError: it is no message.
        """
        # These two calls tell of by far the most that they are not, for a tenth of the whole look.
        if (data.rfind(b"{") >= EARLY or data.find(b"[") >= 0) and is_too_deep(data):
            raise InvalidJson(f"it is nested more than {MAX_NESTING} deep")
        if self._decided:
            if registered:
                return (None, self._dialect.decode(data, now_ns))
        else:
            self._choose(data)
        message = self._dialect.decode(data, now_ns)
        self._decided = True
        if not registered and not isinstance(message, Register):
            return (self._dialect.arrival(), message)
        return (None, message)

    def encode(self, message: ServerMessage) -> bytes | None:
        """Return the text frame's payload for the client; see Dialect."""
        return self._dialect.encode(message)

    def _choose(self, data: bytes) -> None:
        head = read_head(data)
        if as_text(head.type) in ("register", "resume"):
            self._dialect = README
        elif self._dialect is README and not len(head.target_id) and android.recognises(data):
            self._speak_flat()

    def _speak_flat(self) -> AndroidDialect:
        self._dialect = dialect = AndroidDialect(self._request)
        return dialect
