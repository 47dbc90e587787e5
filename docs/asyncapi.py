"""Writes docs/asyncapi.json: the protocol as an AsyncAPI 3 document, for tools.

`make asyncapi` runs it, and a test holds the file to it. Shapes and most words come from the
structs that the server reads and writes (`messages`, `dialects`), close codes and error codes from
the tables of docs/protocol.md, which a test holds to the server.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import fields

from twisted_signal import __version__, messages
from twisted_signal.dialects import android
from twisted_signal.dialects.android import Names
from twisted_signal.dialects.conversation import APP_PATH

sys.path.insert(0, str(Path(__file__).parent))

from wire_schemas import (
    FROM_APP,
    FROM_CLIENT,
    FROM_SERVER,
    TO_APP,
    Json,
    MessageType,
    described,
    flowing,
    schemas,
    tag,
)

FOLDER = Path(__file__).parent
DOCUMENT = FOLDER / "asyncapi.json"

REPLIES: Mapping[MessageType, MessageType] = {
    messages.Register: messages.Registered,
    messages.Resume: messages.Resumed,
    messages.ListPeers: messages.Peers,
    messages.AskIceServers: messages.IceServers,
    messages.Ping: messages.Pong,
    android.Connect: android.Connected,
}
"""What answers a message that was not refused. Others are not answered."""

SUMMARY = """\
WebRTC signaling for visual-inertial SLAM: a phone and a PC meet in a room, and exchange SDP and ICE
candidates by way of the server.

Each message is one JSON object in one WebSocket text frame. A client says `register` first, or
`resume`, and waits for the answer. Fields that are not described are ignored. A message that is
refused is answered by `error`, and the connection goes on; where the server closes it, it does so
with one of the codes in `x-close-codes`. The whole, with examples: docs/protocol.md.
"""
FLAT = f"""\
The flat dialect of the VI-SLAM project's Android app, which names no peer and no room. A connection
to `{APP_PATH}` is taken for the app if its query names `room` or `client_id`, or if it says nothing
for half a second; one to any path, if its first message has one of these shapes. Clients of the two
dialects can call each other.
"""
SHOWS = "A JSON Web Token (RFC 7519), where the server wants one"

_SDP = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
_CANDIDATE = "candidate:1 1 udp 2122260223 192.0.2.7 54321 typ host"


def _raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


_INIT = _raw({"candidate": _CANDIDATE, "sdpMid": "0", "sdpMLineIndex": 0})
_TURN = messages.IceServer(
    ["turn:turn.example.com:3478?transport=udp"], "1795421040:pc", "bWFkZSB1cA=="
)

EXAMPLES: tuple[Struct, ...] = (
    messages.Register("pc", "lab1", "pc"),
    messages.Register("phone1", "lab1", "android", resume=True, ice_servers=True),
    messages.Offer(_raw({"type": "offer", "sdp": _SDP}), "pc"),
    messages.Answer(_raw({"type": "answer", "sdp": _SDP}), "phone1"),
    messages.IceCandidate(_INIT, "pc"),
    messages.IceCandidate(_raw(None), "pc"),
    messages.Message(_raw({"battery": 0.7}), "pc"),
    messages.Message(_raw("to all")),
    messages.Resume("3q2-7wAAAAA", 12),
    messages.Leave(),
    messages.ListPeers(),
    messages.AskIceServers(),
    messages.Ping(),
    messages.Token("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk"),
    messages.Registered("pc", "lab1", []),
    messages.Registered("phone1", "lab1", ["pc"], "3q2-7wAAAAA", 30_000, [_TURN], 3_600_000),
    messages.Resumed("lab1", ["pc"], "vu_-7wAAAAA"),
    messages.PeerJoined("phone1", "android"),
    messages.PeerLeft("phone1"),
    messages.Peers("lab1", [messages.PeerDescription("phone1", "android")]),
    messages.RelayedOffer("phone1", _raw({"type": "offer", "sdp": _SDP})),
    messages.RelayedAnswer("pc", _raw({"type": "answer", "sdp": _SDP})),
    messages.RelayedIceCandidate("phone1", _INIT),
    messages.RelayedMessage("phone1", _raw({"battery": 0.7})),
    messages.IceServers([_TURN], 3_600_000),
    messages.Pong(1_795_417_440_399),
    messages.ServerShutdown(2_500),
    messages.Error("peer_not_found", "No peer pc is in your room. …", "pc"),
    messages.Error(
        "rate_limited", "You may send 500 messages at once and 50 a second. …", None, 1_000
    ),
    android.FlatOffer(_raw(_SDP)),
    android.FlatAnswer(_raw(_SDP)),
    android.FlatIceCandidate(_raw(_CANDIDATE), "0", 0),
    android.FlatCandidate(_raw(_CANDIDATE)),
    android.Connect("sensor1", "sensor"),
    android.Connected("sess_8f14e45fceea167a", 1_795_417_440_399_364_306),
    android.FlatError("`sdp` must be the SDP as one string."),
)


def document() -> Json:
    """Return the AsyncAPI document."""
    types = dict.fromkeys((*FROM_CLIENT, *FROM_SERVER, *FROM_APP, *TO_APP))
    names = schemas([Names])["Names"]["properties"]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "vislam-signal",
            "version": __version__,
            "description": flowing(SUMMARY),
            "license": {"name": "BSD-3-Clause"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "plain": _server("ws", "8765", "Without TLS: for a lab's own network"),
            "tls": _server("wss", "8766", "With TLS. `register` may show the token, too")
            | {"security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _TOKENS]},
        },
        "channels": {
            "signaling": {
                "address": "/",
                "title": "The documented protocol",
                "description": "Any path will do.",
                "messages": _message_refs((*FROM_CLIENT, *FROM_SERVER)),
                "bindings": _bindings({"token": _TOKEN_SCHEMA}),
                "x-close-codes": close_codes(),
            },
            "flat": {
                "address": APP_PATH,
                "title": "The flat dialect",
                "description": flowing(FLAT),
                "messages": _message_refs(dict.fromkeys((*FROM_APP, *TO_APP))),
                "bindings": _bindings(names | {"token": _TOKEN_SCHEMA}),
                "x-close-codes": close_codes(),
            },
        },
        "operations": dict(
            (
                *_operations("receive", "signaling", FROM_CLIENT),
                *_operations("send", "signaling", FROM_SERVER),
                *_operations("receive", "flat", FROM_APP),
                *_operations("send", "flat", TO_APP),
            )
        ),
        "components": {
            "messages": {type_.__name__: _message(type_) for type_ in types},
            "schemas": _with_error_codes(schemas(types)),
            "securitySchemes": _TOKENS,
        },
    }


_TOKEN_SCHEMA = {"type": "string", "description": SHOWS}
_TOKENS = {
    "header": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": f"{SHOWS}: `Authorization: Bearer …` in the opening handshake.",
    },
    "query": {
        "type": "httpApiKey",
        "name": "token",
        "in": "query",
        "description": f"{SHOWS}: all that clients of the flat dialect have.",
    },
    "subprotocol": {
        "type": "httpApiKey",
        "name": "Sec-WebSocket-Protocol",
        "in": "header",
        "description": f"{SHOWS}: from a browser, `vislam-signal, bearer.…`.",
    },
}


def _server(protocol: str, port: str, summary: str) -> Json:
    return {
        "host": "{host}:" + port,
        "protocol": protocol,
        "description": summary,
        "variables": {"host": {"default": "localhost", "description": "where the server runs"}},
    }


def _bindings(query: Json) -> Json:
    return {
        "ws": {
            "method": "GET",
            "query": {"type": "object", "properties": query},
        }
    }


def _message_refs(types: Iterable[MessageType]) -> Json:
    return {type_.__name__: {"$ref": f"#/components/messages/{type_.__name__}"} for type_ in types}


def _operations(
    action: str, channel: str, types: Iterable[MessageType]
) -> Iterator[tuple[str, Json]]:
    """Yield what the server receives or sends. `action`: as the server sees it."""

    def references(*of: MessageType) -> list[Json]:
        return [{"$ref": f"#/channels/{channel}/messages/{type_.__name__}"} for type_ in of]

    for type_ in types:
        operation = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "summary": described(type_)[0],
            "messages": references(type_),
        }
        if action == "receive" and (reply := REPLIES.get(type_)):
            error = android.FlatError if channel == "flat" else messages.Error
            operation["reply"] = {
                "channel": {"$ref": f"#/channels/{channel}"},
                "messages": references(reply, error),
            }
        prefix = f"{action}_flat" if channel == "flat" else action
        yield f"{prefix}_{tag(type_)}", operation


def _message(type_: MessageType) -> Json:
    return {
        "name": tag(type_),
        "title": type_.__name__,
        "summary": described(type_)[0],
        "payload": {"$ref": f"#/components/schemas/{type_.__name__}"},
        "examples": [
            {"payload": _shown(example)} for example in EXAMPLES if type(example) is type_
        ],
    }


def _shown(example: Struct) -> Json:
    """Return an example as a client would write it: without what goes without saying."""
    defaults = {field.encode_name: field.default for field in fields(example)}
    message: Json = msgspec.json.decode(msgspec.json.encode(example))
    return {
        name: value
        for name, value in message.items()
        if name not in defaults or value != defaults[name]
    }


def close_codes() -> dict[str, str]:
    """Return what happened, for each code with which the server closes connections."""
    rows = re.findall(
        r"^\| (.+) \| .*?(?:close code|answered with) (\d{4}) \|$", _page(), re.MULTILINE
    )
    return {code: _words(what) for what, code in sorted(rows, key=lambda row: row[1])}


def error_codes() -> dict[str, str]:
    """Return what happened, for each `code` of an error."""
    _, _, errors = _page().partition("\n### Errors\n")
    errors, _, _ = errors.partition("\n## ")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| .+ \|$", errors, re.MULTILINE)
    return {code: _words(when) for code, when in rows}


def _with_error_codes(made: Json) -> Json:
    code = made["Error"]["properties"]["code"]
    code["enum"] = list(error_codes())
    code["description"] += "".join(f"\n- `{name}`: {when}" for name, when in error_codes().items())
    return made


def _page() -> str:
    return (FOLDER / "protocol.md").read_text(encoding="utf-8")


def _words(cell: str) -> str:
    """Return the text of a table's cell, without its links."""
    return re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", cell)


def text() -> str:
    """Return the document's file."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
