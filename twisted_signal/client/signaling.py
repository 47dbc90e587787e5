"""What calls need of a signaling client, whichever it is, and the peer that they are with."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Protocol

from twisted_signal.client.errors import SignalingError
from twisted_signal.client.events import Event, Offer, PeerJoined
from twisted_signal.messages import IceServer


class Calls(Protocol):
    """What a peer says in its calls; a `signal.Subscription` is that."""

    def __aiter__(self) -> AsyncIterator[Event]:
        """Iterate over what the peer says."""

    def close(self, untaken: Iterable[Event] = ()) -> None:
        """See `signal.Subscription.close`."""


class Signaling(Protocol):
    """What calls need of a `signal.Signal`. The methods are described there."""

    @property
    def client_id(self) -> str:
        """The own id."""

    @property
    def peers(self) -> dict[str, str]:
        """The `client_type` of each peer."""

    @property
    def ice_servers(self) -> list[IceServer]:
        """STUN and TURN servers."""

    def __aiter__(self) -> AsyncIterator[Event]:
        """Iterate over what happens."""

    def subscribe(self, peer_id: str, first: Iterable[Event] = ()) -> Calls:
        """Take over the calls with a peer."""

    async def send_offer(self, peer_id: str, sdp: str) -> None:
        """Send an offer."""

    async def send_answer(self, peer_id: str, sdp: str) -> None:
        """Send an answer."""

    async def send_ice_candidate(self, peer_id: str, candidate: Mapping[str, Any] | None) -> None:
        """Send a candidate."""


async def first_peer(signal: Signaling, client_type: str | None = None) -> tuple[str, list[Event]]:
    """Wait for the first peer that is in the room, comes, or offers.

    It takes the events of `signal` until then.

    Args:
        signal: the client.
        client_type: the type that it must have; None: any.

    Returns:
        Its id, and what it has said already: the `first` of `connect_peer`.

    Raises:
        SignalingError: the client has ended.
    """
    for peer_id, type_ in signal.peers.items():
        if client_type in (None, type_):
            return peer_id, []
    async for event in signal:
        match event:
            case Offer(peer_id) if client_type in (None, signal.peers.get(peer_id)):
                return peer_id, [event]
            case PeerJoined(peer_id, type_) if client_type in (None, type_):
                return peer_id, []
    raise SignalingError("left", "The client has left the room")
