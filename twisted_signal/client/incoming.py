"""What the server says, read; and what peers say, once each."""

import logging
from collections import deque
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw, Struct

from twisted_signal import messages
from twisted_signal.client.events import Answer, CallEvent, IceCandidate, Message, Offer

log = logging.getLogger(__name__)

Milliseconds = Annotated[int, Meta(ge=0, le=2**53)]


class IceServer(Struct, frozen=True, omit_defaults=True):
    """A STUN or TURN server, as an RTCIceServer of WebRTC.

    Attributes:
        urls: one or more, such as `turn:192.0.2.7:3478`.
    """

    urls: str | list[str]
    username: str | None = None
    credential: str | None = None


class Registered(messages.Registered, frozen=True, tag="registered"):
    """The client is in the room; with the ICE servers that it may use, if it asked for them."""

    ice_servers: Raw = Raw(b"[]")
    ice_servers_expire_in_ms: Milliseconds | None = None


class IceServers(Struct, frozen=True, tag="ice_servers"):
    """Fresh ICE servers."""

    ice_servers: Raw
    ice_servers_expire_in_ms: Milliseconds | None = None


ServerMessage = (
    Registered
    | IceServers
    | messages.Resumed
    | messages.PeerJoined
    | messages.PeerLeft
    | messages.Peers
    | messages.Relayed
    | messages.Pong
    | messages.ServerShutdown
    | messages.Error
)

_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_ice_decoder = msgspec.json.Decoder(list[IceServer])


def read(text: str | bytes) -> ServerMessage | None:
    """Return a message of the server's, or None where it is none that is known here."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        log.debug("Ignored a message from the server: %r", str(error))
        return None


def ice_servers(raw: Raw) -> list[IceServer]:
    """Return what a server says of ICE servers; none, where that makes no sense."""
    try:
        return _ice_decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        log.debug("Ignored ICE servers: %r", str(error))
        return []


_SCENE = 64
"""How many of the last things that a peer said are remembered."""


class Hearing:
    """What peers say, once each: who lost its connection may say what it said last once more.

    Only offers, answers and candidates are compared; two messages of an application may well be
    equal.
    """

    def __init__(self) -> None:
        self._last_of: dict[str, deque[bytes]] = {}

    def forget(self, peer_id: str | None = None) -> None:
        """A peer, or all of them, begin anew."""
        if peer_id is None:
            self._last_of.clear()
        else:
            self._last_of.pop(peer_id, None)

    def event(self, message: messages.Relayed) -> CallEvent | Message | None:
        """Return what a peer said; None, if it makes no sense or was heard before."""
        try:
            event = _event(message)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            log.debug("Ignored what %r said: %r", message.sender_id, str(error))
            return None
        if event is None:
            log.debug("Ignored what %r said: it has another form", message.sender_id)
            return None
        if not isinstance(event, Message) and self._was_heard(event):
            log.debug("Ignored what %r said: it was heard before", message.sender_id)
            return None
        return event

    def _was_heard(self, event: CallEvent) -> bool:
        said = msgspec.json.encode((type(event).__name__, event))
        last = self._last_of.get(event.peer_id)
        if last is None:
            last = self._last_of[event.peer_id] = deque(maxlen=_SCENE)
        if said in last:
            return True
        if not isinstance(event, IceCandidate):
            last.clear()  # its candidates may be like those of before
        last.append(said)
        return False


def _event(message: messages.Relayed) -> CallEvent | Message | None:
    peer_id = message.sender_id
    match message:
        case messages.RelayedOffer():
            sdp = _sdp(message.sdp)
            return None if sdp is None else Offer(peer_id, sdp)
        case messages.RelayedAnswer():
            sdp = _sdp(message.sdp)
            return None if sdp is None else Answer(peer_id, sdp)
        case messages.RelayedIceCandidate():
            return _candidate(peer_id, msgspec.json.decode(message.candidate))
        case messages.RelayedMessage():  # pragma: no branch - the union ends here
            return Message(peer_id, msgspec.json.decode(message.data))


def _sdp(raw: Raw) -> str | None:
    """Return the SDP text of an RTCSessionDescriptionInit, or of the text alone."""
    match msgspec.json.decode(raw):
        case str(text) | {"sdp": str(text)}:
            return text
    return None


def _candidate(peer_id: str, init: Any) -> IceCandidate | None:
    match init:
        case None | {"candidate": str()}:
            return IceCandidate(peer_id, init)
        case str(text):
            return IceCandidate(peer_id, {"candidate": text})
    return None
