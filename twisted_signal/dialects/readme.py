"""The documented protocol (docs/protocol.md): its shapes are the messages themselves."""

import msgspec

from twisted_signal.dialects.base import decode_json
from twisted_signal.errors import InvalidMessage
from twisted_signal.messages import (
    Answer,
    ClientMessage,
    IceCandidate,
    Offer,
    Register,
    ServerMessage,
)

_decoder: msgspec.json.Decoder[Register | Offer | Answer | IceCandidate] = msgspec.json.Decoder(
    Register | Offer | Answer | IceCandidate
)
_encoder = msgspec.json.Encoder()
_TYPES = ("register", "offer", "answer", "ice_candidate")


class ReadmeDialect:
    """Implements Dialect. It has no state: one serves all connections."""

    def decode(self, data: bytes, now_ns: int) -> ClientMessage:
        """See Dialect."""
        message = decode_json(_decoder, data, _TYPES)
        # Other dialects leave these to the server; in this one the client must say them.
        if isinstance(message, Register):
            if message.client_id is None:
                raise InvalidMessage("`client_id`", "is missing: choose an id for this client")
        elif message.target_id is None:
            raise InvalidMessage("`target_id`", "is missing: name the peer that this is for")
        return message

    def encode(self, message: ServerMessage) -> bytes:
        """See Dialect."""
        return _encoder.encode(message)
