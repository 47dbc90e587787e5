"""What the server says, read; and what peers say, once each."""

import logging
from collections import deque
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw

from twisted_signal import messages
from twisted_signal.client.events import Answer, CallEvent, IceCandidate, Message, Offer

log = logging.getLogger(__name__)

_decoder: msgspec.json.Decoder[messages.ServerMessage] = msgspec.json.Decoder(
    messages.ServerMessage
)


def read(text: str | bytes) -> messages.ServerMessage | None:
    """Return a message of the server's, or None where it is none that is known here."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        log.debug("Ignored a message from the server: %r", str(error))
        return None


_MOST_REMEMBERED = 256
"""How many of the last things that a peer said are remembered: more than may wait to be sent."""


class Hearing:
    """What peers say, once each: who lost its connection may say its last words again, in order.

    Only offers, answers and candidates are compared; two messages of an application may well be
    equal. A candidate is the same only after the same description.
    """

    def __init__(self) -> None:
        self._last_of: dict[str, deque[bytes]] = {}
        self._described_by: dict[str, bytes] = {}

    def forget(self, peer_id: str | None = None) -> None:
        """A peer, or all of them, begin anew."""
        if peer_id is None:
            self._last_of.clear()
            self._described_by.clear()
        else:
            self._last_of.pop(peer_id, None)
            self._described_by.pop(peer_id, None)

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
        digest = blake2b(msgspec.json.encode((type(event).__name__, event)), digest_size=16)
        if isinstance(event, IceCandidate):
            digest.update(self._described_by.get(event.peer_id, b""))
        said = digest.digest()
        if not isinstance(event, IceCandidate):
            self._described_by[event.peer_id] = said
        last = self._last_of.setdefault(event.peer_id, deque(maxlen=_MOST_REMEMBERED))
        if said in last:
            return True
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
