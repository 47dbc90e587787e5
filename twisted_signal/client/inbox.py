"""Events that wait to be taken: by the application, and by those who look after one peer."""

import logging
from collections import deque
from collections.abc import Iterable

from twisted_signal.client.events import (
    CallEvent,
    Disconnected,
    Error,
    Event,
    Message,
    Offer,
    PeerJoined,
    PeerLeft,
    Reconnected,
)

log = logging.getLogger(__name__)

MOST_WAITING = 1024
"""How many events wait before no more are read from the connection."""


class Inbox:
    """Sorts events: what a peer says in a call goes to who has subscribed to the peer, if anybody.

    Attributes:
        events: what waits for the application.
    """

    def __init__(self) -> None:
        self.events: deque[Event] = deque()
        self._of_peers: dict[str, deque[Event]] = {}

    @property
    def is_full(self) -> bool:
        """Whether no more should be read until something is taken."""
        return max(map(len, self._of_peers.values() or [self.events])) >= MOST_WAITING

    def put(self, event: Event) -> None:
        """An event came: sort it."""
        if isinstance(event, CallEvent):
            self._of_peers.get(event.peer_id, self.events).append(event)
            return
        if self._of_peers and len(self.events) >= MOST_WAITING:
            # Calls must go on, also where the application looks at nothing else any more.
            dropped = type(self.events.popleft()).__name__
            log.warning("Dropped an event that nobody took: %s", dropped)
        self.events.append(event)
        match event:
            case PeerJoined(peer_id) | PeerLeft(peer_id) | Error(target_id=peer_id):
                if peer_id in self._of_peers:
                    self._of_peers[peer_id].append(event)
            case Disconnected() | Reconnected():
                for events in self._of_peers.values():
                    events.append(event)
            case Message():  # pragma: no branch - the union ends here
                pass

    def subscribe(self, peer_id: str, first: Iterable[Event]) -> deque[Event]:
        """Return where the events of a peer's calls go from now on: see `Signal.subscribe`.

        Raises:
            ValueError: somebody has subscribed to that peer already.
        """
        if peer_id in self._of_peers:
            raise ValueError(f"There is a subscription to peer {peer_id!r} already; close it first")
        events = deque(first)
        kept: list[Event] = []
        for event in self.events:
            is_call = isinstance(event, CallEvent) and event.peer_id == peer_id
            (events if is_call else kept).append(event)
        self.events.clear()
        self.events.extend(kept)
        self._of_peers[peer_id] = events
        return events

    def unsubscribe(self, peer_id: str, events: deque[Event]) -> None:
        """Let the application have what is left of a peer that begins anew.

        Of what waits, that is the last offer and what follows it.
        """
        if self._of_peers.get(peer_id) is not events:
            return
        del self._of_peers[peer_id]
        left = [event for event in events if isinstance(event, CallEvent)]
        offers = [at for at, event in enumerate(left) if isinstance(event, Offer)]
        if offers:
            self.events.extendleft(reversed(left[offers[-1] :]))
        events.clear()
