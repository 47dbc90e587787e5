"""What every dialect has in common: its interface, and errors from a decoder's complaints."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar, get_args

import msgspec
from msgspec import Raw, Struct

from twisted_signal.errors import InvalidJson, InvalidMessage, SignalError, UnknownType
from twisted_signal.messages import NAME_RULE, Arrival, ClientMessage, ServerMessage

T = TypeVar("T")


class OpeningRequest(NamedTuple):
    """What a dialect may want to know of the WebSocket opening handshake (RFC 6455, section 4).

    Attributes:
        path: the path of the request, such as `/signaling`.
        query: its query parameters, the first value of each.
    """

    path: str = "/"
    query: Mapping[str, str] = MappingProxyType({})


class Dialect(Protocol):
    """The bytes of one client as messages, and messages as bytes for it.

    Attributes:
        name: what its clients are counted under, one of `tally.DIALECTS`.
    """

    name: str

    def arrival(self) -> Arrival | None:
        """Return what a client of this dialect enters a room as, or None if it registers itself.

        Raises:
            InvalidMessage: a name in the URL's query is none.
        """

    def decode(self, data: bytes, now_ns: int) -> ClientMessage:
        """Return the message in a text frame.

        Args:
            data: the frame's payload, valid UTF-8 (RFC 6455, section 8.1, sees to that).
            now_ns: when it came, in nanoseconds since 1970.

        Raises:
            SignalError: it is none that this dialect knows.
        """

    def encode(self, message: ServerMessage) -> bytes | None:
        """Return the text frame's payload, or None for what this dialect does not say.

        Raises:
            SignalError: the message cannot be said in this dialect.
        """


class Head(Struct):
    """What can be told of any JSON object that might be a message: fields as raw JSON, or empty."""

    type: Raw = Raw(b"")
    target_id: Raw = Raw(b"")


_head_decoder = msgspec.json.Decoder(Head)
_string_decoder = msgspec.json.Decoder(str)
_raw_decoder = msgspec.json.Decoder(Raw)
_COMPLAINT = re.compile(r"(?P<complaint>.*) - at `\$\.(?P<field>\w+)[^`]*`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>\w+)`")
# msgspec takes no half of a surrogate pair, which JSON allows and UTF-8 does not, and says of it
# what it says of a message that ends too early.
_TRUNCATED = "Input data was truncated"
_HALF_PAIR = r"it ends too early, or a string in it has half of a surrogate pair, such as \ud800"
_NAME_FIELDS = ("client_id", "room_id", "client_type")


def type_names(union: object) -> tuple[str, ...]:
    """Return the `type` that each struct of a union has on the wire, in their order."""
    return tuple(struct.__struct_config__.tag for struct in get_args(union))


def decode_json(decoder: msgspec.json.Decoder[T], data: bytes, known_types: tuple[str, ...]) -> T:
    """Decode a frame, and say in an error of ours what is wrong where it cannot be decoded.

    Args:
        known_types: the types that the client may send, for the sentence that it is told.

    Raises:
        InvalidJson, InvalidMessage, UnknownType: with the `target_id` that the message names.
    """
    try:
        return _parse(decoder, data)
    except msgspec.ValidationError as error:
        complaint = str(error)
    raise _refusal(complaint, read_head(data), known_types)


def read_head(data: bytes) -> Head:
    """Return the type and the target of a message, however wrong the rest of it is.

    Raises:
        InvalidJson, InvalidMessage: it is no JSON object.
    """
    try:
        return _parse(_head_decoder, data)
    except msgspec.ValidationError:
        _parse(_raw_decoder, data)  # it may be no JSON at all
        raise InvalidMessage("A message", 'must be a JSON object with a "type"') from None


def as_text(raw: Raw) -> str | None:
    """Return the string that a raw JSON value is, or None if it is no string."""
    try:
        return _string_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_text(raw: Raw) -> bool:
    """Tell whether a raw JSON value is a string, without decoding it."""
    return bytes(memoryview(raw)[:1]) == b'"'


def invalid_name(error: msgspec.ValidationError, place: str) -> InvalidMessage:
    """Return our error for names that came in another way than in a frame (`place`: in which)."""
    return InvalidMessage(f"`{_field_and_reason(str(error))[0]}` {place}", NAME_RULE)


def _parse(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except RecursionError:
        raise InvalidJson("it is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidJson(_HALF_PAIR if str(error) == _TRUNCATED else str(error)) from None


def _refusal(complaint: str, head: Head, known_types: tuple[str, ...]) -> SignalError:
    """Return our error for a JSON object that is no message of the dialect."""
    target_id, type_ = as_text(head.target_id), as_text(head.type)
    if (missing := _MISSING.fullmatch(complaint)) is not None:
        return InvalidMessage(f"`{missing['field']}`", "is missing", target_id)
    field, reason = _field_and_reason(complaint)
    if field == "type" and type_ is not None:
        return UnknownType(type_, known_types, target_id)
    return InvalidMessage(
        f"`{field}`", NAME_RULE if field in _NAME_FIELDS else f"is wrong: {reason}", target_id
    )


def _field_and_reason(complaint: str) -> tuple[str, str]:
    """Return which field a decoder complains of, and what it says of it."""
    place = _COMPLAINT.fullmatch(complaint)
    reason, field = place.groups() if place is not None else (complaint, "message")
    return field, reason.replace(" | null", "")
