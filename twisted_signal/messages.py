"""What clients and the server say to each other, as structs; on the wire as in the README.

A message is decoded once, routed, and encoded once for its target. What a peer says to a peer (the
SDP, the candidate) is carried as raw JSON and never looked into, so that it arrives byte for byte.

Other dialects (see `twisted_signal.dialects`) translate their shapes into these and back.
"""

import logging
from typing import Annotated, ClassVar

from msgspec import Meta, Raw, Struct

NAME_LENGTH = 128
"""The longest `client_id`, `room_id` and `client_type`, in characters."""

# No control characters (Unicode category Cc): a name ends up in logs and on terminals.
Name = Annotated[
    str, Meta(min_length=1, max_length=NAME_LENGTH, pattern=r"\A[^\x00-\x1f\x7f-\x9f]*\Z")
]

NAME_RULE = f"must be a string of 1 to {NAME_LENGTH} characters without control characters"


class RelayedOffer(Struct, frozen=True, gc=False, tag="offer"):
    """An offer as its target gets it. `sdp`: the JSON value as the sender wrote it."""

    for_all: ClassVar[bool] = False

    sender_id: str
    sdp: Raw


class RelayedAnswer(Struct, frozen=True, gc=False, tag="answer"):
    """An answer as its target gets it. `sdp`: the JSON value as the sender wrote it."""

    for_all: ClassVar[bool] = False

    sender_id: str
    sdp: Raw


class RelayedIceCandidate(Struct, frozen=True, gc=False, tag="ice_candidate"):
    """A candidate as its target gets it. `candidate`: the JSON value as the sender wrote it."""

    for_all: ClassVar[bool] = False

    sender_id: str
    candidate: Raw


class Register(Struct, frozen=True, gc=False, tag="register"):
    """Enter a room, or move to another. `client_id` None: the server makes one up."""

    client_id: Name | None = None
    room_id: Name = "default"
    client_type: Name = "unknown"


class Arrival(Register, frozen=True, gc=False, tag="arrival"):
    """A client that the server takes for one that cannot register. It may still register itself."""


class Offer(Struct, frozen=True, gc=False, tag="offer"):
    """An SDP offer (JSEP, RFC 8829) for a peer. `target_id` None: the server finds the peer."""

    kind: ClassVar[str] = "offer"
    log_level: ClassVar[int] = logging.INFO

    sdp: Raw
    target_id: str | None = None

    @property
    def size(self) -> int:
        """How many bytes the SDP takes, as JSON."""
        return len(self.sdp)

    def relayed(self, sender_id: str) -> RelayedOffer:
        """Return the message as the target gets it."""
        return RelayedOffer(sender_id, self.sdp)


class Answer(Struct, frozen=True, gc=False, tag="answer"):
    """An SDP answer (JSEP, RFC 8829) for a peer. `target_id` None: the server finds the peer."""

    kind: ClassVar[str] = "answer"
    log_level: ClassVar[int] = logging.INFO

    sdp: Raw
    target_id: str | None = None

    def relayed(self, sender_id: str) -> RelayedAnswer:
        """Return the message as the target gets it."""
        return RelayedAnswer(sender_id, self.sdp)


class IceCandidate(Struct, frozen=True, gc=False, tag="ice_candidate"):
    """A trickled candidate (RFC 8838) for a peer, null at their end; `target_id` as in Offer."""

    kind: ClassVar[str] = "candidate"
    log_level: ClassVar[int] = logging.DEBUG

    candidate: Raw
    target_id: str | None = None

    @property
    def size(self) -> int:
        """How many bytes the candidate takes, as JSON."""
        return len(self.candidate)

    def relayed(self, sender_id: str) -> RelayedIceCandidate:
        """Return the message as the target gets it."""
        return RelayedIceCandidate(sender_id, self.candidate)


class ClientReport(Struct, frozen=True, gc=False, tag="error"):
    """A client tells the server what went wrong on its side; it goes to the log."""

    message: str


Relay = Offer | Answer | IceCandidate
"""What one peer says to another."""

ClientMessage = Register | Relay | ClientReport
"""What a client can say."""


class Registered(Struct, frozen=True, gc=False, tag="registered"):
    """The client is in the room. `peers`: the ids of the others, in the order they joined."""

    for_all: ClassVar[bool] = False

    client_id: str
    room_id: str
    peers: list[str]


class PeerJoined(Struct, frozen=True, gc=False, tag="peer_joined"):
    """Another client came into the room."""

    for_all: ClassVar[bool] = True

    client_id: str
    client_type: str


class PeerLeft(Struct, frozen=True, gc=False, tag="peer_left"):
    """Another client left the room, or its connection ended."""

    for_all: ClassVar[bool] = True

    client_id: str


class Error(Struct, frozen=True, gc=False, tag="error", omit_defaults=True):
    """A message was refused. `target_id`: the peer that it named, if it named one."""

    for_all: ClassVar[bool] = False

    code: str
    message: str
    target_id: str | None = None


Relayed = RelayedOffer | RelayedAnswer | RelayedIceCandidate
"""What one peer said to another, as it arrives."""

ServerMessage = Registered | PeerJoined | PeerLeft | Relayed | Error
"""What the server can say."""
