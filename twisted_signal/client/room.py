"""Who is in the room, and what happens there: messages to events."""

from collections.abc import Iterator, Mapping

from twisted_signal import messages
from twisted_signal.client.events import Error, Event, PeerJoined, PeerLeft
from twisted_signal.client.incoming import Hearing
from twisted_signal.messages import UNKNOWN_TYPE

Told = messages.PeerJoined | messages.PeerLeft | messages.Error | messages.Relayed
"""What the server tells of the room, or of what was said there."""


class Room:
    """The room as this client knows it.

    Attributes:
        peers: who else is there: the `client_type` of each, "unknown" if that is not known.
    """

    def __init__(self) -> None:
        self.peers: dict[str, str] = {}
        self._hearing = Hearing()
        self._first: list[str] = []  # who was there when the client came
        self._held: list[Told] | None = None  # what was told since, until it is known what they are

    def enter(self, peers: list[str]) -> None:
        """The client has registered, these are there, and it is about to hear what they are.

        What peers say is new from now on, whatever it is.
        """
        self._hearing.forget()
        self._first = peers
        self._held = []

    def settle(self, types: Mapping[str, str]) -> Iterator[Event]:
        """Yield what has happened since the client came.

        Args:
            types: the `client_type` of those who are there now, so far as that is known.
        """
        held, self._held = self._held or [], None
        yield from self.compare({peer: types.get(peer, UNKNOWN_TYPE) for peer in self._first})
        for message in held:
            yield from self.events(message)

    def events(self, message: Told) -> Iterator[Event]:
        """Yield what a message means, if it is anything new, and makes sense."""
        if self._held is not None:
            self._held.append(message)
            return
        event = self._event(message)
        if event is not None:
            yield event

    def _event(self, message: Told) -> Event | None:
        match message:
            case messages.PeerJoined(peer_id, client_type):
                return self._joined(peer_id, client_type)
            case messages.PeerLeft(peer_id):
                return self._left(peer_id)
            case messages.Error(code, sentence, target_id, wait):
                return Error(code, sentence, target_id, wait)
            case _:
                return self._hearing.event(message)

    def compare(self, peers: Mapping[str, str]) -> Iterator[Event]:
        """Yield how those who are there differ from those who were; take note of each."""
        for peer_id in [peer_id for peer_id in self.peers if peer_id not in peers]:
            yield from filter(None, [self._left(peer_id)])
        for peer_id, client_type in peers.items():
            yield from filter(None, [self._joined(peer_id, client_type)])

    def _joined(self, peer_id: str, client_type: str) -> Event | None:
        is_known = peer_id in self.peers
        self.peers[peer_id] = client_type
        if is_known:
            return None
        self._hearing.forget(peer_id)
        return PeerJoined(peer_id, client_type)

    def _left(self, peer_id: str) -> Event | None:
        if self.peers.pop(peer_id, None) is None:
            return None
        self._hearing.forget(peer_id)
        return PeerLeft(peer_id)
