"""What is sent to a client that may resume: kept until it has got it, on whichever connection.

What a connection took when it broke may be lost, and nobody but the client knows how much of it.
So what was sent last is kept, and a client that counts what it gets can say where to go on (the
idea is that of XEP-0198). Each answered ping tells how much arrived, and frees it.
"""

from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct

from twisted_signal.backlog import Queue
from twisted_signal.connection import Client
from twisted_signal.errors import InvalidMessage, PeerUnreachable, ResumeExpired
from twisted_signal.messages import ServerMessage, ServerShutdown, payload_size


class Kept(Struct, frozen=True):
    """What a mailbox knows of what its client got, and what not: for another node.

    Attributes:
        delivered: how many messages were given to the connection; or UNKNOWN.
        lost: how many of the last of them have not arrived, so far as the network knows.
        sent: the last of them.
        waiting: what came when there was no connection.
    """

    delivered: int
    lost: int
    sent: list[ServerMessage]
    waiting: list[ServerMessage]


UNKNOWN = -1
"""How many messages were given to a connection of a node that is gone."""
MAX_MESSAGES = 256
"""How many messages wait for a client whose connection has broken."""
MAX_SIZE = 512 * 1024
"""How many bytes of them."""


class Mailbox:
    """Stands between a place in a room and the connection. Implements `connection.Client`.

    Attributes:
        token: with it the place can be taken up on another connection.
        client: the connection, which may have broken.
        is_connected: whether there is a connection. Else what comes waits.
    """

    __slots__ = (
        "_client_id",
        "_delivered",
        "_kept",
        "_kept_size",
        "_waiting",
        "client",
        "is_connected",
        "token",
    )

    def __init__(self, client: Client, client_id: str, token: str) -> None:
        """`client`: the connection. `client_id`: its id in the room."""
        self.token = token
        self._client_id = client_id
        self._waiting: Queue[ServerMessage] = Queue(MAX_MESSAGES, MAX_SIZE)
        self._connect(client)

    def _connect(self, client: Client) -> None:
        self.client = client
        self.is_connected = True
        self._delivered = 0
        self._kept: deque[ServerMessage] = deque()
        self._kept_size = 0

    def kept(self) -> Kept:
        """Return what it keeps, which stays there."""
        sent = list(self._kept)
        return Kept(self._delivered, self.client.lost_of(sent), sent, self._waiting.all())

    @classmethod
    def of(cls, kept: Kept | None, client: Client, client_id: str, token: str) -> "Mailbox":
        """Return the mailbox of a place that another node had, without a connection.

        Args:
            kept: what was kept there; None: nobody knows.
            client: stands for the connection that there was.
        """
        mailbox = cls(client, client_id, token)
        mailbox.disconnect()
        mailbox._delivered = UNKNOWN
        if kept is not None:
            mailbox._delivered = kept.delivered
            mailbox._kept = deque(kept.sent)
            mailbox._kept_size = sum(map(payload_size, kept.sent))
            for message in kept.waiting:
                mailbox._waiting.add(message, payload_size(message))
        return mailbox

    def disconnect(self) -> None:
        """The connection has broken."""
        self.is_connected = False

    def reconnect(
        self, client: Client, token: str, received: int | None
    ) -> tuple[Client, list[ServerMessage]]:
        """Go on with another connection, for which the counting begins anew.

        Args:
            token: the next one.
            received: how many messages the client got by the one before; None: as many as the
                network knows of.

        Returns:
            The connection before, and what the client has not got, in order.

        Raises:
            InvalidMessage: it counts more than were sent; nothing has changed.
            ResumeExpired: not all that it missed is kept any more; likewise.
        """
        delivered = max(0, self._delivered)
        if received is None or self._delivered == UNKNOWN:
            # What went before the messages has arrived, for the token did.
            received = max(0, delivered - self.client.lost_of(self._kept))
        lost = delivered - received
        if lost < 0:
            raise InvalidMessage("`received`", f"is more than the {delivered} that were sent")
        if lost > len(self._kept):
            raise ResumeExpired
        missed = [*list(self._kept)[len(self._kept) - lost :], *self._waiting.take()]
        # That a server goes down is of no interest on another one.
        missed = [message for message in missed if not isinstance(message, ServerShutdown)]
        before = self.client
        self.token = token
        self._connect(client)
        return before, missed

    def mark(self) -> bytes:
        """Return what a ping should carry, for `arrived` to be told when it is answered."""
        # The counting begins anew with each token, while an answer may be under way.
        return b"%s %d" % (self.token[:8].encode(), self._delivered)

    def arrived(self, mark: bytes) -> None:
        """A ping was answered: whatever was sent before it has arrived."""
        name, _, count = mark.partition(b" ")
        if name == self.token[:8].encode() and count.isdigit() and len(count) < 20:
            while self._kept and self._delivered - len(self._kept) < int(count):
                self._forget_oldest()

    def deliver(self, message: ServerMessage) -> None:
        """See `connection.Client`.

        Raises:
            PeerUnreachable: there is no connection, and no more may wait.
        """
        if not self.is_connected:
            # Of who comes and goes there is another account, when the client is back: the peers.
            if not self._waiting.add(message, payload_size(message)) and not message.for_all:
                raise PeerUnreachable(self._client_id, self._waiting.limit)
            return
        self.client.deliver(message)
        self._delivered += 1
        self._kept.append(message)
        self._kept_size += payload_size(message)
        while len(self._kept) > MAX_MESSAGES or self._kept_size > MAX_SIZE:
            self._forget_oldest()

    def lost_of(self, messages: Sequence[ServerMessage]) -> int:
        """See `connection.Client`."""
        return self.client.lost_of(messages)

    def close(self, code: int, reason: str) -> None:
        """See `connection.Client`."""
        self.client.close(code, reason)

    def ask_if_alive(self, answered: Callable[[bool], None]) -> None:
        """See `connection.Client`."""
        self.client.ask_if_alive(answered)

    def admit(self, expires_at: float | None) -> None:
        """See `connection.Client`."""
        self.client.admit(expires_at)

    def _forget_oldest(self) -> None:
        self._kept_size -= payload_size(self._kept.popleft())
