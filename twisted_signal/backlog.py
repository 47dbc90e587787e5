"""Messages that wait for somebody to arrive: bounded, in order, the newest offer only."""

from twisted_signal.messages import IceCandidate, Offer

Waiting = Offer | IceCandidate


class Backlog:
    """What a client said while nobody was in its room.

    A new offer replaces an older one together with the candidates that belong to it: a peer that
    answered the older one would answer to a description that its sender has given up.
    """

    __slots__ = ("_messages", "_size", "max_messages", "max_size")

    def __init__(self, max_messages: int = 64, max_size: int = 256 * 1024) -> None:
        """
        Args:
            max_messages: how many messages may wait.
            max_size: how many bytes of SDP and candidates, as JSON, may wait.
        """
        self.max_messages = max_messages
        self.max_size = max_size
        self._messages: list[Waiting] = []
        self._size = 0

    @property
    def limit(self) -> str:
        """The bound in words."""
        return f"{self.max_messages} messages or {self.max_size // 1024} KiB"

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Waiting) -> bool:
        """Let a message wait. Returns False, and changes nothing, where that is over the bound."""
        kept, size = self._messages, self._size
        if isinstance(message, Offer) and any(isinstance(other, Offer) for other in kept):
            kept, size = [], 0
        if len(kept) + 1 > self.max_messages or size + message.size > self.max_size:
            return False
        self._messages = [*kept, message]
        self._size = size + message.size
        return True

    def take(self) -> list[Waiting]:
        """Return what waits, oldest first; nothing waits after that."""
        taken, self._messages, self._size = self._messages, [], 0
        return taken
