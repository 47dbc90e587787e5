"""What clients and the server say to each other, as structs; on the wire as in the README.

A message is decoded once, routed, and encoded once for its target. What a peer says to a peer (the
SDP, the candidate) is carried as raw JSON and never taken apart, so that it arrives byte for byte.

Other dialects (see `twisted_signal.dialects`) translate their shapes into these and back.
"""

import logging
from typing import Annotated, ClassVar, TypeVar

from msgspec import Meta, Raw, Struct
from msgspec.structs import astuple, replace

NAME_LENGTH = 128
"""The longest `client_id`, `room_id` and `client_type`, in characters."""

# No control characters (Unicode category Cc): a name ends up in logs and on terminals.
Name = Annotated[
    str, Meta(min_length=1, max_length=NAME_LENGTH, pattern=r"\A[^\x00-\x1f\x7f-\x9f]*\Z")
]

UNKNOWN_TYPE = "unknown"
"""The `client_type` of a client that names none."""

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


class RelayedMessage(Struct, frozen=True, gc=False, tag="message"):
    """What an application said to a peer or to its room. `data`: as the sender wrote it."""

    for_all: ClassVar[bool] = False

    sender_id: str
    data: Raw


class RelayedToAll(RelayedMessage, frozen=True, gc=False, tag="message", eq=False):
    """The same for everybody in the room: who cannot get it is passed over without a word."""

    def __eq__(self, other: object) -> bool:  # who gets it sees no difference
        return isinstance(other, RelayedMessage) and astuple(self) == astuple(other)

    __hash__ = RelayedMessage.__hash__


class Register(Struct, frozen=True, gc=False, tag="register"):
    """Enter a room, or move to another.

    Attributes:
        client_id: None: the server makes one up.
        token: a JWT (RFC 7519) that lets the client in, where the server wants one.
        resume: whether its place is kept for a while when its connection breaks.
        ice_servers: whether it wants to be told of STUN and TURN servers.
    """

    client_id: Name | None = None
    room_id: Name = "default"
    client_type: Name = UNKNOWN_TYPE
    token: str | None = None
    resume: bool = False
    ice_servers: bool = False


class Arrival(Register, frozen=True, gc=False, tag="arrival"):
    """A client that the server takes for one that cannot register. It may still register itself."""


class Offer(Struct, frozen=True, gc=False, tag="offer"):
    """An SDP offer (JSEP, RFC 8829) for a peer. `target_id` None: the server finds the peer."""

    kind: ClassVar[str] = "offer"
    log_level: ClassVar[int] = logging.INFO

    sdp: Raw
    target_id: str | None = None

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
    """A trickled candidate (RFC 8838) for a peer, null at their end. `target_id`: as in Offer."""

    kind: ClassVar[str] = "candidate"
    log_level: ClassVar[int] = logging.DEBUG

    candidate: Raw
    target_id: str | None = None

    def relayed(self, sender_id: str) -> RelayedIceCandidate:
        """Return the message as the target gets it."""
        return RelayedIceCandidate(sender_id, self.candidate)


class Message(Struct, frozen=True, gc=False, tag="message"):
    """An application's own JSON for a peer. `target_id` None: for everybody in the room."""

    kind: ClassVar[str] = "message"
    log_level: ClassVar[int] = logging.DEBUG

    data: Raw
    target_id: str | None = None

    def relayed(self, sender_id: str) -> RelayedMessage:
        """Return the message as those get it that it is for."""
        return (RelayedToAll if self.target_id is None else RelayedMessage)(sender_id, self.data)


class Resume(Struct, frozen=True, gc=False, tag="resume"):
    """Take up a place that was kept, on a new connection.

    Attributes:
        resume_token: of the `registered` or `resumed` that the client got last.
        received: how many messages it got after that one. None: it does not count.
    """

    resume_token: str
    received: Annotated[int, Meta(ge=0)] | None = None


class Leave(Struct, frozen=True, gc=False, tag="leave"):
    """Leave the room, and keep the connection."""


class ListPeers(Struct, frozen=True, gc=False, tag="peers"):
    """Ask who is in the room."""


class AskIceServers(Struct, frozen=True, gc=False, tag="ice_servers"):
    """Ask for the ICE servers, with fresh credentials."""


class Ping(Struct, frozen=True, gc=False, tag="ping"):
    """Ask whether the server is there: pages in browsers cannot send WebSocket pings."""


class Token(Struct, frozen=True, gc=False, tag="token"):
    """A fresh token (see Register), before the one that the client showed expires."""

    token: str


class ClientReport(Struct, frozen=True, gc=False, tag="error"):
    """A client tells the server what went wrong on its side; it goes to the log."""

    message: str


Relay = Offer | Answer | IceCandidate
"""What one peer says to another in a call."""

RELAYS = frozenset({IceCandidate, Offer, Answer})
"""The same as a set: to look a type up in it takes a tenth of isinstance with a struct."""

ClientMessage = (
    Register
    | Relay
    | Message
    | Resume
    | Leave
    | ListPeers
    | AskIceServers
    | Ping
    | Token
    | ClientReport
)
"""What a client can say."""


class IceServer(Struct, frozen=True, gc=False, omit_defaults=True):
    """An RTCIceServer (W3C WebRTC, section 4.2.2). Only TURN servers have credentials."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class Registered(Struct, frozen=True, gc=False, tag="registered", omit_defaults=True):
    """The client is in the room.

    Attributes:
        peers: the ids of the others, in the order they joined.
        resume_token: for a client that may resume; it works once.
        resume_within_ms: how long its place is kept, once its connection has broken.
        ice_servers: for a client that wants to know.
        ice_servers_expire_in_ms: how long their credentials are good, where they have some.
    """

    for_all: ClassVar[bool] = False

    client_id: str
    room_id: str
    peers: list[str]
    resume_token: str | None = None
    resume_within_ms: int | None = None
    ice_servers: list[IceServer] | None = None
    ice_servers_expire_in_ms: int | None = None


class Resumed(Struct, frozen=True, gc=False, tag="resumed"):
    """The client has its place again; what it missed follows. The fields are Registered's."""

    for_all: ClassVar[bool] = False

    room_id: str
    peers: list[str]
    resume_token: str


class PeerDescription(Struct, frozen=True, gc=False):
    """One of those in a room."""

    client_id: str
    client_type: str


class Peers(Struct, frozen=True, gc=False, tag="peers"):
    """Who else is in the room, in the order they joined."""

    for_all: ClassVar[bool] = False

    room_id: str
    peers: list[PeerDescription]


class IceServers(Struct, frozen=True, gc=False, tag="ice_servers", omit_defaults=True):
    """The ICE servers. The fields are Registered's."""

    for_all: ClassVar[bool] = False

    ice_servers: list[IceServer]
    ice_servers_expire_in_ms: int | None = None


class Pong(Struct, frozen=True, gc=False, tag="pong"):
    """The server is there. `server_time_ms`: its clock, in milliseconds since 1970."""

    for_all: ClassVar[bool] = False

    server_time_ms: int


class ServerShutdown(Struct, frozen=True, gc=False, tag="server_shutdown"):
    """The server goes down. `reconnect_in_ms`: when to come back, so that not all come at once."""

    for_all: ClassVar[bool] = False

    reconnect_in_ms: int


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
    """A message was refused.

    Attributes:
        target_id: the peer that it named, if it named one.
        retry_after_ms: when it would be taken, if that is known.
    """

    for_all: ClassVar[bool] = False

    code: str
    message: str
    target_id: str | None = None
    retry_after_ms: int | None = None


Relayed = RelayedOffer | RelayedAnswer | RelayedIceCandidate | RelayedMessage
"""What one peer said to another, as it arrives."""

ServerMessage = (
    Registered
    | Resumed
    | PeerJoined
    | PeerLeft
    | Peers
    | Relayed
    | IceServers
    | Pong
    | ServerShutdown
    | Error
)
"""What the server can say."""


_PAYLOADS: dict[type, str] = {
    **dict.fromkeys((Offer, Answer, RelayedOffer, RelayedAnswer), "sdp"),
    **dict.fromkeys((IceCandidate, RelayedIceCandidate), "candidate"),
    **dict.fromkeys((Message, RelayedMessage, RelayedToAll), "data"),
}


MAX_REST = 1024
"""Bytes of a frame, beside what is relayed of it, that may be kept as long as that."""


_SAID: dict[type, type[Relay | Message]] = {
    RelayedOffer: Offer,
    RelayedAnswer: Answer,
    RelayedIceCandidate: IceCandidate,
    RelayedMessage: Message,
    RelayedToAll: Message,
}


def said(message: Relayed, target_id: str) -> Relay | Message:
    """Return what a peer said, as it said it. `target_id`: to whom."""
    payload = getattr(message, _PAYLOADS[type(message)])
    return _SAID[type(message)](payload, target_id)


Said = TypeVar("Said", bound=ClientMessage | ServerMessage)


def without_frame(message: Said, frame_size: int) -> Said:
    """Return a message that keeps no large frame in memory for a small part of it.

    Raw JSON is a part of the frame that it came in, not a copy (`msgspec.Raw`), and bounds on what
    waits count the part.
    """
    field = _PAYLOADS.get(type(message))
    if field is None:
        return message
    payload: Raw = getattr(message, field)
    if frame_size - len(payload) <= MAX_REST:
        return message
    return replace(message, **{field: payload.copy()})


def payload_size(message: ClientMessage | ServerMessage) -> int:
    """Return how much of a message clients have chosen: in bytes of JSON, of names in characters.

    Who comes and goes costs nothing, its names are short.
    """
    field = _PAYLOADS.get(type(message))
    size = len(getattr(message, field)) if field is not None else 0
    if isinstance(message, Peers):
        return sum(len(peer.client_id) + len(peer.client_type) for peer in message.peers)
    target_id: str | None = getattr(message, "target_id", None)
    return size if target_id is None else size + len(target_id)
