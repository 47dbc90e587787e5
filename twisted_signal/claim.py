"""Who wants an id that another connection has, while it is not known whether anybody is there."""

from twisted_signal.backlog import Queue
from twisted_signal.messages import ClientMessage, Register, payload_size

MAX_MESSAGES = 64
"""How many messages wait for the answer."""
MAX_SIZE = 256 * 1024
"""How many bytes of them."""


class Claim:
    """A `register` for an id that another connection has, while that one is asked if it is alive.

    Attributes:
        client_id: the id.
        expires_at: until when the token that was shown for it is good; see `registry.Member`.
        message: the `register`.
        now_ns: when it came, in nanoseconds since 1970.
    """

    __slots__ = ("_held", "client_id", "expires_at", "message", "now_ns")

    def __init__(
        self,
        message: Register,
        client_id: str,
        expires_at: float | None,
        now_ns: int,
        before: "Claim | None" = None,
    ) -> None:
        """`before`: the claim that this one takes the place of; what was held for it is held on."""
        self.message = message
        self.client_id = client_id
        self.expires_at = expires_at
        self.now_ns = now_ns
        self._held: Queue[ClientMessage] = Queue(MAX_MESSAGES, MAX_SIZE)
        if before is not None:
            self._held = before._held  # noqa: SLF001 - of its own kind

    def is_for(self, room_id: str, client_id: str) -> bool:
        """Tell whether it is that id in that room which is claimed."""
        return (self.message.room_id, self.client_id) == (room_id, client_id)

    def hold(self, message: ClientMessage) -> bool:
        """Let a message of the client's wait for the answer, unless too much waits already."""
        return self._held.add(message, payload_size(message))

    def take(self) -> list[ClientMessage]:
        """Return what waits, in order; nothing waits after that."""
        return self._held.take()
