"""Messages that wait: bounded, in order."""

from typing import Generic, TypeVar

from twisted_signal.messages import IceCandidate, Offer, payload_size

T = TypeVar("T")
Waiting = Offer | IceCandidate


class Queue(Generic[T]):
    """Messages in order, as many as a bound allows."""

    __slots__ = ("_messages", "_size", "max_messages", "max_size")

    def __init__(self, max_messages: int, max_size: int) -> None:
        """
        Args:
            max_messages: how many messages may wait.
            max_size: how many bytes of SDP, candidates and data, as JSON, may wait.
        """
        self.max_messages = max_messages
        self.max_size = max_size
        self._messages: list[T] = []
        self._size = 0

    @property
    def limit(self) -> str:
        """The bound in words."""
        return f"{self.max_messages} messages or {self.max_size // 1024} KiB"

    def add(self, message: T, size: int) -> bool:
        """Let a message wait. Returns False, and changes nothing, where that is over the bound."""
        if len(self._messages) + 1 > self.max_messages or self._size + size > self.max_size:
            return False
        self._messages.append(message)
        self._size += size
        return True

    def all(self) -> list[T]:
        """Return what waits, oldest first; it waits on."""
        return list(self._messages)

    def take(self) -> list[T]:
        """Return what waits, oldest first; nothing waits after that."""
        taken, self._messages, self._size = self._messages, [], 0
        return taken


class Backlog(Queue[Waiting]):
    """What a client said while nobody was in its room.

    A new offer replaces an older one together with the candidates that belong to it: a peer that
    answered the older one would answer to a description that its sender has given up.
    """

    __slots__ = ()

    def __init__(self, max_messages: int = 64, max_size: int = 256 * 1024) -> None:
        """See Queue."""
        super().__init__(max_messages, max_size)

    def keep(self, message: Waiting) -> bool:
        """As `add`, with what the message replaces taken away if it may wait."""
        before = self._messages, self._size
        if isinstance(message, Offer) and any(isinstance(other, Offer) for other in self._messages):
            self.take()
        if self.add(message, payload_size(message)):
            return True
        self._messages, self._size = before
        return False
