"""All that rooms and sessions know of a connection, so that a test can play one with an object."""

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted_signal.messages import ServerMessage


class Client(Protocol):
    """The other end of a connection."""

    def deliver(self, message: ServerMessage) -> None:
        """Send a message to the client; a client that is going away gets nothing.

        Raises:
            SignalError: the client cannot be told this, or not now.
        """

    def lost_of(self, messages: Sequence[ServerMessage]) -> int:
        """Return how many of the last messages have not arrived, so far as the network knows.

        More than there are, if others before them have not arrived either.
        """

    def close(self, code: int, reason: str) -> None:
        """End the connection with a close code and a reason (RFC 6455, section 7.4)."""

    def ask_if_alive(self, answered: Callable[[bool], None]) -> None:
        """Find out whether anybody is there; `answered` is told once, some time later or at once.

        Somebody is there if anything comes from the client within the time for that.
        """

    def admit(self, expires_at: float | None) -> None:
        """The client is in a room, which it had to be in time.

        Args:
            expires_at: until when its token lets it stay, in seconds since 1970, and a little
                longer; None for as long as it wants. What was said before does not count any more.
        """
