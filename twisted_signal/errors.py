"""What can be wrong with what a client sent, with the code and the sentence that it is told.

SignalError
├── InvalidJson       invalid_json
├── InvalidMessage    invalid_message
├── UnknownType       unknown_type
├── NotRegistered     not_registered
├── IdTaken           id_taken
├── RoomFull          room_full
├── ResumeExpired     resume_expired
├── RateLimited       rate_limited
├── PeerUnreachable   peer_unreachable
├── NodeUnreachable   peer_unreachable, for a peer on another node
│   └── RefusedElsewhere   what another node says
├── Unavailable       unavailable
├── PeerNotFound      peer_not_found
├── NobodyThere       peer_not_found, for a message without a target
├── TargetUnclear     peer_not_found, for a message without a target
├── TooManyWaiting    peer_not_found, for a message without a target
├── Unauthorized      unauthorized, and the connection is closed with 4401
└── Forbidden         forbidden, and the connection is closed with 4403
"""

from collections.abc import Iterable
from itertools import islice
from typing import ClassVar

from twisted_signal.text import quoted

SHOWN = 8
"""How many names of a list are told to who could mean any of them."""


class SignalError(Exception):
    """A message that is refused. `str(error)` is the sentence for the client.

    Attributes:
        code: the `code` of the error message on the wire (docs/protocol.md lists them).
        close_code: the connection is closed with it after the error is told; None: it goes on.
        target_id: the peer that the refused message named, or None where it named none.
        retry_after_ms: when the message would be taken, or None where that is not known.
    """

    code: ClassVar[str]
    close_code: ClassVar[int | None] = None
    retry_after_ms: int | None = None

    def __init__(self, sentence: str, target_id: str | None = None) -> None:
        super().__init__(sentence)
        self.target_id = target_id


class InvalidJson(SignalError):
    """The frame is not JSON (RFC 8259)."""

    code = "invalid_json"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This is not valid JSON ({reason}). Send one JSON object in each text frame."
        )


class InvalidMessage(SignalError):
    """A field is missing or has a wrong value."""

    code = "invalid_message"

    def __init__(self, field: str, reason: str, target_id: str | None = None) -> None:
        super().__init__(f"{field} {reason}.", target_id)


class UnknownType(SignalError):
    """The message's type is none that a client may send."""

    code = "unknown_type"

    def __init__(self, type_: str, known: Iterable[str], target_id: str | None = None) -> None:
        super().__init__(
            f"A message of type {quoted(type_)} is not known here."
            f" Send one of: {', '.join(known)}.",
            target_id,
        )


class NotRegistered(SignalError):
    """The client is in no room yet."""

    code = "not_registered"

    def __init__(self, target_id: str | None) -> None:
        super().__init__(
            'You are in no room yet. Send {"type": "register", "client_id": …} first'
            " and wait for registered.",
            target_id,
        )


class IdTaken(SignalError):
    """Another connection holds the id in that room."""

    code = "id_taken"

    def __init__(self, client_id: str, room_id: str) -> None:
        super().__init__(
            f"Another connection is {quoted(client_id)} in room {quoted(room_id)}, and alive."
            " Choose another client_id, or end that connection first.",
        )


class RoomFull(SignalError):
    """As many are in the room as may be."""

    code = "room_full"

    def __init__(self, room_id: str, size: int) -> None:
        super().__init__(
            f"Room {quoted(room_id)} is full: it has {size} clients. Choose another room_id,"
            " or start the server with a higher --max-room-size.",
        )


class ResumeExpired(SignalError):
    """No place is kept for that token."""

    code = "resume_expired"

    def __init__(self) -> None:
        super().__init__(
            "No place is kept for this resume_token: it came too late, was used before, or is none."
            " Register afresh."
        )


class RateLimited(SignalError):
    """The client sends more than it may."""

    code = "rate_limited"

    def __init__(self, rate: int, burst: int, retry_after_ms: int) -> None:
        super().__init__(
            f"You may send {burst} messages at once and {rate} a second. This one and all others"
            f" of the next {retry_after_ms} ms are refused; wait so long, then send them again."
        )
        self.retry_after_ms = retry_after_ms


class PeerUnreachable(SignalError):
    """The peer's connection has broken, and no more can wait for it."""

    code = "peer_unreachable"

    def __init__(self, peer_id: str, limit: str) -> None:
        super().__init__(
            f"Peer {quoted(peer_id)} has lost its connection, and {limit} wait for it already."
            " Send this again when it is back; peer_left tells if it is not.",
        )


class NodeUnreachable(SignalError):
    """The peer is on another node, to which there is no way at the moment."""

    code = "peer_unreachable"

    def __init__(self, peer_id: str) -> None:
        super().__init__(
            f"Peer {quoted(peer_id)} is on another node of this server, which cannot be reached at"
            " the moment. Send this again in some seconds; peer_left tells if it is gone."
        )


class Unavailable(SignalError):
    """Who may enter is decided with other nodes, and there is no way to them."""

    code = "unavailable"

    def __init__(self, waited_s: int, retry_after_ms: int) -> None:
        super().__init__(
            f"The nodes of this server could not agree on your place within {waited_s} s."
            f" Try again in {retry_after_ms} ms."
        )
        self.retry_after_ms = retry_after_ms


class RefusedElsewhere(NodeUnreachable):
    """Another node refused a message, with an error of these.

    Attributes:
        code: that error's.
    """

    def __init__(self, code: str, sentence: str, target_id: str | None) -> None:
        SignalError.__init__(self, sentence, target_id)
        self.code = code  # type: ignore[misc] # it is another for each


class PeerNotFound(SignalError):
    """The message cannot be given to anybody."""

    code = "peer_not_found"

    def __init__(self, target_id: str) -> None:
        super().__init__(
            f"No peer {quoted(target_id)} is in your room. Check its id and that it registered in"
            " the same room; registered and peer_joined tell who is there.",
            target_id,
        )


class NobodyThere(SignalError):
    """A message without a target that cannot wait, in a room without a peer."""

    code = "peer_not_found"

    def __init__(self, room_id: str) -> None:
        super().__init__(
            f"Nobody else is in room {quoted(room_id)}. Wait for the peer's offer, or offer anew."
        )


class TargetUnclear(SignalError):
    """A message without a target that could be for several peers."""

    code = "peer_not_found"

    def __init__(self, room_id: str, candidates: Iterable[str]) -> None:
        super().__init__(
            f"Several peers in room {quoted(room_id)} could be meant:"
            f" {', '.join(_shown(candidates))}."
            " Use a room of your own (?room=…), or let the peer write first.",
        )


class TooManyWaiting(SignalError):
    """A message without a target, and no more may wait for a peer."""

    code = "peer_not_found"

    def __init__(self, room_id: str, limit: str) -> None:
        super().__init__(
            f"Nobody else is in room {quoted(room_id)}, and {limit} wait already."
            " Start the peer, then offer again.",
        )


class Unauthorized(SignalError):
    """The client shows no token, or one that is not taken here."""

    code = "unauthorized"
    close_code = 4401


class Forbidden(SignalError):
    """The client's token is a good one, but not for what the client wants to be or where."""

    code = "forbidden"
    close_code = 4403

    def __init__(self, name: str, allowed: Iterable[str], wanted: str) -> None:
        """
        Args:
            name: the field in which the client says what it wants.
            allowed: what the token allows there.
            wanted: what the client wants.
        """
        super().__init__(
            f"This token is for {name} {' or '.join(_shown(allowed))}, not {quoted(wanted)}."
            " Use that, or get a token for what you want."
        )


def _shown(names: Iterable[str]) -> list[str]:
    """Return the first of some names, and whether there are more."""
    shown = [quoted(name) for name in islice(names, SHOWN + 1)]
    shown[SHOWN:] = ["…"] * (len(shown) > SHOWN)
    return shown
