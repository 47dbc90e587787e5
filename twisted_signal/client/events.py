"""What a client is told, as structs: what `async for event in signal` yields."""

from typing import Any

from msgspec import Struct


class PeerJoined(Struct, frozen=True):
    """Another client came into the room, or was found there after a fresh registration.

    Attributes:
        client_type: what it says that it is; "unknown" where the server does not tell.
    """

    peer_id: str
    client_type: str


class PeerLeft(Struct, frozen=True):
    """Another client left the room, or its connection ended.

    That says nothing about a call with it: media go from peer to peer.
    """

    peer_id: str


class Offer(Struct, frozen=True):
    """A peer's SDP offer (JSEP, RFC 8829). `sdp`: the SDP text."""

    peer_id: str
    sdp: str


class Answer(Struct, frozen=True):
    """A peer's SDP answer. `sdp`: the SDP text."""

    peer_id: str
    sdp: str


class IceCandidate(Struct, frozen=True):
    """A peer's trickled candidate (RFC 8838).

    Attributes:
        candidate: an RTCIceCandidateInit, whose `candidate` is a string; None at their end.
    """

    peer_id: str
    candidate: dict[str, Any] | None


class Message(Struct, frozen=True):
    """What a peer's application said. `data`: any JSON value."""

    peer_id: str
    data: Any


class Error(Struct, frozen=True):
    """The server refused a message of ours; the connection goes on.

    Attributes:
        code: docs/protocol.md, Errors.
        message: a sentence for people.
        target_id: the peer that the message named, or None.
        retry_after_ms: when it would be taken, where that is known.
    """

    code: str
    message: str
    target_id: str | None = None
    retry_after_ms: int | None = None


class Disconnected(Struct, frozen=True):
    """The connection to the server broke; the client is coming back by itself.

    Attributes:
        reason: a sentence for people.
    """

    reason: str


class Reconnected(Struct, frozen=True):
    """The connection to the server is there again.

    Attributes:
        resumed: whether the client has its place again, and has missed nothing. Else it has
            registered afresh: what it had sent for calls may be lost, and so may what peers sent.
            Who came and went meanwhile is told after this.
    """

    resumed: bool


CallEvent = Offer | Answer | IceCandidate
"""What a peer says in a call."""

Event = CallEvent | PeerJoined | PeerLeft | Message | Error | Disconnected | Reconnected
"""What a client can be told."""
