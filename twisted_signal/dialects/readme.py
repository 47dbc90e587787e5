"""The documented protocol (docs/protocol.md): its shapes are the messages themselves."""

import msgspec

from twisted_signal.dialects.base import decode_json, type_names
from twisted_signal.errors import InvalidMessage
from twisted_signal.messages import (
    MAX_REST,
    RELAYS,
    AskIceServers,
    ClientMessage,
    Leave,
    ListPeers,
    Message,
    Ping,
    Register,
    Relay,
    Resume,
    ServerMessage,
    Token,
    without_frame,
)

ReadmeMessage = (
    Register | Relay | Message | Resume | Leave | ListPeers | AskIceServers | Ping | Token
)

_decoder: msgspec.json.Decoder[ReadmeMessage] = msgspec.json.Decoder(ReadmeMessage)
_encoder = msgspec.json.Encoder()
_TYPES = type_names(ReadmeMessage)


class ReadmeDialect:
    """Implements Dialect. Nothing in it depends on the connection: one serves them all."""

    name = "readme"

    def __init__(self) -> None:
        self._message: ServerMessage | None = None  # the one that was encoded last
        self._payload = b""

    def arrival(self) -> None:
        """See Dialect."""

    def decode(self, data: bytes, now_ns: int) -> ClientMessage:
        """See Dialect."""
        try:
            message = _decoder.decode(data)
        except Exception:  # once more, to say what is wrong with it
            message = decode_json(_decoder, data, _TYPES)
        # Other dialects leave these to the server; in this one the client must say them.
        if type(message) in RELAYS:
            if message.target_id is None:  # type: ignore[union-attr] # a set narrows nothing
                raise InvalidMessage("`target_id`", "is missing: name the peer that this is for")
        elif isinstance(message, Register) and message.client_id is None:
            raise InvalidMessage("`client_id`", "is missing: choose an id for this client")
        return message if len(data) <= MAX_REST else without_frame(message, len(data))

    def encode(self, message: ServerMessage) -> bytes:
        """See Dialect. What is said to many is encoded once: they get the same bytes object."""
        if not message.for_all:
            return _encoder.encode(message)
        if message is not self._message:
            self._payload = _encoder.encode(message)
            self._message = message
        return self._payload
