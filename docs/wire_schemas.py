"""The shapes of the protocol's messages as JSON schemas, with what their fields mean.

Both come from the structs that the server reads and writes; this module knows in which they are
more loosely typed than what is said on the wire, as a dialect checks it.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec
from msgspec import Struct

from twisted_signal.dialects import android
from twisted_signal.dialects.android import FlatMessage
from twisted_signal.dialects.readme import ReadmeMessage
from twisted_signal.messages import (
    RELAYS,
    IceServer,
    PeerDescription,
    Register,
    Registered,
    ServerMessage,
)

Json = dict[str, Any]
"""A JSON object."""
MessageType = type[Struct]

FROM_CLIENT: tuple[MessageType, ...] = get_args(ReadmeMessage)
FROM_SERVER: tuple[MessageType, ...] = get_args(ServerMessage)
FROM_APP: tuple[MessageType, ...] = get_args(FlatMessage)
TO_APP: tuple[MessageType, ...] = (
    android.FlatOffer,
    android.FlatAnswer,
    android.FlatIceCandidate,
    android.FlatCandidate,
    android.Connected,
    android.FlatError,
)

# What a field means where its struct does not tell.
FIELDS = {
    "type": "which message this is",
    "client_id": "a client's id, unique within its room",
    "client_type": "what the client says that it is, such as `pc` or `android`",
    "room_id": "the room",
    "room": "the room",
    "peers": "the others in the room, in the order they joined",
    "token": "a JWT (RFC 7519)",
    "target_id": "the peer that this is for",
    "sender_id": "the peer that this is from, by the id that it registered",
    "code": "what is wrong, for the program; later versions may know more",
    "message": "what is wrong and what to do, for a person",
    "urls": "`stun:` and `turn:` URIs (RFC 7064, RFC 7065)",
    "username": "for `turn:`",
    "credential": "for `turn:`",
    "sdpMid": "the media section, by name",
    "sdpMLineIndex": "the media section, by number",
    "session_id": "made up by the server",
    "server_time_ns": "the server's clock, in nanoseconds since 1970",
}
PAYLOADS = {
    "sdp": "any JSON value, usually an RTCSessionDescriptionInit (W3C WebRTC, section 4.6.1)",
    "candidate": "any JSON value, usually an RTCIceCandidateInit (W3C WebRTC, section 4.8.1.1),"
    " or null at their end",
    "data": "any JSON value",
}
TEXTS = {"sdp": "the SDP text", "candidate": "the candidate's text (RFC 8839)"}

# In other dialects the server finds these out; in the documented one a client must say them.
REQUIRED: Mapping[MessageType, tuple[str, ...]] = {
    Register: ("client_id",),
    **dict.fromkeys(RELAYS, ("target_id",)),
}


def tag(type_: MessageType) -> str:
    """Return the `type` of a message on the wire."""
    return str(type_.__struct_config__.tag)


def schemas(types: Iterable[MessageType]) -> Json:
    """Return JSON schemas for structs, and for those within them, by their names.

    They are in the part of JSON Schema that draft 7 and later ones share.
    """
    within: tuple[MessageType, ...] = (IceServer, PeerDescription)
    known = {type_.__name__: type_ for type_ in (*types, *within)}
    _, made = msgspec.json.schema_components(
        dict.fromkeys(types), ref_template="#/components/schemas/{name}"
    )
    for name, schema in made.items():
        _complete(known[name], schema)
    return made


def _complete(type_: MessageType, schema: Json) -> None:
    schema["description"], words = described(type_)
    required = [*schema["required"], *REQUIRED.get(type_, ())]
    schema["required"] = required
    for name, field in schema["properties"].items():
        if name == "type":
            field["const"] = field.pop("enum")[0]
        if type_ in FROM_APP and name in TEXTS:
            field["type"] = "string"
        if name in required or type_ in FROM_SERVER or type_ is IceServer:
            _never_null(field)
        for part in (field, *field.get("anyOf", ())):
            if "pattern" in part:  # ECMA 262 has other signs for the beginning and the end
                part["pattern"] = part["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
        field["description"] = words[name]


def _never_null(field: Json) -> None:
    """What is always said is something, and the server leaves out what it does not say."""
    field.pop("default", None)
    for choice in field.pop("anyOf", ()):
        if choice != {"type": "null"}:
            field.update(choice)


_ATTRIBUTE = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_INLINE = re.compile(r" ?`(\w+)`(?:: | (?=None: ))([^.]*)\.")
_SEE = re.compile(r" The fields are (\w+)'s\.")


def described(type_: MessageType) -> tuple[str, dict[str, str]]:
    """Return what there is to say of a message, and of each of its fields."""
    text, _, attributes = inspect.cleandoc(type_.__doc__ or "").partition("\n\nAttributes:\n")
    text = flowing(text)
    words = FIELDS | (TEXTS if type_ in FROM_APP else PAYLOADS)
    if _SEE.search(text):
        words |= described(Registered)[1]
    words |= {name: flowing(said).rstrip(".") for name, said in _ATTRIBUTE.findall(attributes)}
    words |= dict(_INLINE.findall(text))
    for name in REQUIRED.get(type_, ()):
        words[name] = FIELDS[name]
    words = {name: said.replace("None:", "null:") for name, said in words.items()}
    return _SEE.sub("", _INLINE.sub("", text)).strip(), words


def flowing(text: str) -> str:
    """Return a text with each paragraph on a line of its own."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
