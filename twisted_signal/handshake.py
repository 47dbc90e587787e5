"""The ordinary opening handshake (RFC 6455, section 4.2), answered without detours.

Ordinary is what browsers and client libraries send. A request that is odd in any way, wrong or just
rare, is left for Autobahn, which answers it in full.
"""

import re
from base64 import b64encode
from hashlib import sha1
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs

END = b"\r\n\r\n"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3

# No fragment, no parameters (`;`), no second slash at the beginning, which would begin a host.
_REQUEST_LINE = re.compile(
    r"GET (/(?:[^\0- \x7f/;#?][^\0- \x7f;#?]*)?)(?:\?([^\0- \x7f#]*))? HTTP/1\.1"
)
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
_HOST = re.compile(r"(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?")
# Ports from 60000 on are left for Autobahn, which knows where they end.
_ORIGIN = re.compile(r"null|https?://[\w.-]+(?::(?:[1-5]\d{4}|\d{1,4}))?")
# An extension that is offered may be declined without a look at its parameters, if they are sound:
# permessage-deflate's (RFC 7692, section 7.1), each at most once.
_EXTENSIONS = re.compile(
    r"permessage-deflate(?: ?; ?client_max_window_bits)?(?: ?; ?client_no_context_takeover)?"
)
# Nothing that cannot be printed: Autobahn takes some of it for the end of a line.
_HEADER = re.compile(r"^([\w-]+):([ -~]*)\r\n", re.MULTILINE | re.ASCII)
_FOR_PAGE = re.compile(rb"(?:GET|HEAD) /[!-~]* HTTP/1\.[01]\r\n")
# What belongs to a handshake that went wrong, or to a request with a body: Autobahn answers those.
_NOT_FOR_PAGE = re.compile(
    rb"\n(?:upgrade:[^\n]*websocket|sec-websocket-|content-length:|transfer-encoding:|expect:)",
    re.IGNORECASE,
)
_REQUIRED = {"host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"}


class Request(NamedTuple):
    """An opening handshake that can be accepted as it is.

    Attributes:
        path: the path of the request target, as it was written.
        params: the query's parameters, each with all of its values.
        headers: by name in lower case.
        end: the place in the data where the request ends.
    """

    path: str
    params: dict[str, list[str]]
    headers: dict[str, str]
    end: int

    @property
    def accept(self) -> bytes:
        """The value of Sec-WebSocket-Accept."""
        key = self.headers["sec-websocket-key"].encode("ascii")
        return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def read(data: bytes) -> Request | None:
    """Return the request that the data begins with, or None if it is not an ordinary one."""
    end = data.find(END)
    if end < 0 or not data.isascii():
        return None
    text = data[: end + 2].decode("ascii")
    first_line, _, lines = text.partition("\r\n")
    target = _REQUEST_LINE.fullmatch(first_line)
    if target is None:
        return None
    found = _HEADER.findall(lines)
    headers = {name.lower(): value.strip() for name, value in found}
    if not lines.count("\n") == len(found) == len(headers):
        return None  # a line that is no header, or a header that is there twice
    if not _is_ordinary(headers):
        return None
    path, query = target.groups()
    return Request(path, parse_qs(query) if query else {}, headers, end + len(END))


def is_for_page(header: bytes) -> bool:
    """Tell whether a request asks for a page, and not, rightly or wrongly, for a WebSocket."""
    return _FOR_PAGE.match(header) is not None and _NOT_FOR_PAGE.search(header) is None


def response(request: Request, server: str) -> bytes:
    """Return the answer that accepts a request. `server`: for the header of that name."""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Server: %b\r\n"
        b"Upgrade: WebSocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n"
    ) % (server.encode("ascii"), request.accept)


def refusal(code: int, sentence: str, server: str, headers: list[tuple[str, str]]) -> bytes:
    """Return the answer that refuses a request.

    Args:
        code: the HTTP status.
        sentence: for people, without a full stop.
        server: for the header of that name.
        headers: more of them, names and values.
    """
    body = f"{sentence}.\n".encode()
    lines = [
        f"HTTP/1.1 {code} {_phrase(code)}",
        f"Server: {server}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join(lines).encode("ascii") + END + body


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "Refused"


def _is_ordinary(headers: dict[str, str]) -> bool:
    if not headers.keys() >= _REQUIRED or "sec-websocket-protocol" in headers:
        return False
    connection = headers["connection"].lower()
    return (
        headers["upgrade"].lower() == "websocket"
        and (connection == "upgrade" or "upgrade" in map(str.strip, connection.split(",")))
        and headers["sec-websocket-version"] == "13"
        and _KEY.fullmatch(headers["sec-websocket-key"]) is not None
        and _HOST.fullmatch(headers["host"]) is not None
        and _fits(_ORIGIN, headers.get("origin"))
        and _fits(_EXTENSIONS, headers.get("sec-websocket-extensions"))
    )


def _fits(pattern: re.Pattern[str], value: str | None) -> bool:
    return value is None or pattern.fullmatch(value) is not None
