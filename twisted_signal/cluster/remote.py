"""A client of another node, as rooms and sessions of this one see it."""

from collections.abc import Callable, Sequence
from typing import cast

from twisted_signal.backlog import Queue
from twisted_signal.cluster.neighbours import Neighbour
from twisted_signal.connection import Client
from twisted_signal.errors import PeerUnreachable, SignalError
from twisted_signal.messages import Relayed, ServerMessage, payload_size
from twisted_signal.registry import Member, Owner

MAX_MESSAGES = 256
"""Messages that wait while a client changes its node."""
MAX_SIZE = 512 * 1024
"""Bytes of them."""

Probe = Callable[["RemoteClient", Callable[[bool], None]], None]
"""Asks the node of a client whether the client is alive."""


class RemoteClient(Client, Owner):
    """Stands for a client that is connected to another node, and owns its place here.

    Attributes:
        neighbour: that node.
        place: what the cluster calls its place.
        client_id: its id.
        member: its place in the room; None: it has left.
        was_told: whether anything was passed on to that node for it.
    """

    __slots__ = (
        "_held",
        "_holds",
        "_probe",
        "client_id",
        "member",
        "neighbour",
        "place",
        "was_told",
    )

    source = None

    def __init__(self, neighbour: Neighbour, place: str, client_id: str, probe: Probe) -> None:
        self.neighbour = neighbour
        self.place = place
        self.client_id = client_id
        self.member: Member | None = None
        self.was_told = False
        self._probe = probe
        self._held: Queue[Relayed] | None = None
        self._holds = 0

    @property
    def address(self) -> str:
        """The node's name."""
        return self.neighbour.name

    def log_fields(self) -> dict[str, object]:
        """See `event_log.Subject`."""
        return {"client": self.client_id, "node": self.neighbour.name}

    def refuse(self, error: SignalError) -> None:
        """See Owner. Its own node tells it what is refused."""

    def deliver(self, message: ServerMessage) -> None:
        """See Client.

        Raises:
            NodeUnreachable, PeerUnreachable: it cannot be told now.
        """
        if message.for_all:
            return  # each node tells its own clients who comes and goes
        relayed = cast("Relayed", message)
        if self._held is None:
            self.was_told = True
            self.neighbour.say(self.place, self.client_id, relayed)
        elif not self._held.add(relayed, payload_size(relayed)):
            raise PeerUnreachable(self.client_id, self._held.limit)

    def lost_of(self, messages: Sequence[ServerMessage]) -> int:
        """See Client. Its own node knows."""
        return 0

    def close(self, code: int, reason: str) -> None:
        """See Client. Its own node does."""

    def ask_if_alive(self, answered: Callable[[bool], None]) -> None:
        """See Client."""
        self._probe(self, answered)

    def admit(self, expires_at: float | None) -> None:
        """See Client. Its own node does."""

    # While it changes its node

    def hold(self) -> None:
        """Let what is for the client wait, until as many calls of `release` have come."""
        self._holds += 1
        if self._held is None:
            self._held = Queue(MAX_MESSAGES, MAX_SIZE)

    def release(self) -> list[Relayed]:
        """Let what is for the client go on; return what has waited, in order."""
        self._holds -= 1
        if self._holds > 0:
            return []
        held, self._held = self._held, None
        return [] if held is None else held.take()

    def take_held(self) -> list[Relayed]:
        """Return what waits, for the client is on this node now."""
        return [] if self._held is None else self._held.take()
