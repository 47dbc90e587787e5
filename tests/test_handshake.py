"""The short way for opening handshakes, by itself and held against Autobahn's."""

from typing import Any

import pytest
from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.websocket.types import ConnectionRequest
from hypothesis import given, settings
from hypothesis import strategies as st
from stock import connected, ours, stock

from twisted_signal import handshake
from twisted_signal.channel import Channel

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455, section 1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

FIREFOX = """\
GET /signaling?room=lab1&client_id=pc HTTP/1.1
Host: localhost:8080
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0
Accept: */*
Accept-Language: de,en-US;q=0.7,en;q=0.3
Accept-Encoding: gzip, deflate, br, zstd
Sec-WebSocket-Version: 13
Origin: http://localhost:8000
Sec-WebSocket-Extensions: permessage-deflate
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
DNT: 1
Connection: keep-alive, Upgrade
Cookie: a=b; c="d"
Sec-Fetch-Dest: empty
Sec-Fetch-Mode: websocket
Sec-Fetch-Site: cross-site
Pragma: no-cache
Cache-Control: no-cache
Upgrade: websocket"""
CHROME = """\
GET / HTTP/1.1
Host: [::1]:8080
Connection: Upgrade
Pragma: no-cache
Cache-Control: no-cache
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36
Upgrade: websocket
Origin: null
Sec-WebSocket-Version: 13
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-US,en;q=0.9
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"""
WEBSOCKETS = """\
GET /signaling HTTP/1.1
Host: 192.0.2.1:8080
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
User-Agent: Python/3.11 websockets/17.4"""
OKHTTP = """\
GET /signaling?token= HTTP/1.1
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: permessage-deflate
Host: 10.0.2.2:8080
Accept-Encoding: gzip
User-Agent: okhttp/5.1.0"""
GORILLA = """\
GET /a%20b/%C3%BC?x=1&x=2&y=%26 HTTP/1.1
Host: signal.example
User-Agent: Go-http-client/1.1
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13
Upgrade: websocket"""
NODE_WS = """\
GET /?a=b/c?d HTTP/1.1
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Connection: Upgrade
Upgrade: websocket
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Host: localhost:8080"""
CLIENTS = [FIREFOX, CHROME, WEBSOCKETS, OKHTTP, GORILLA, NODE_WS]


def wire(text: str) -> bytes:
    """Return a request as it is sent."""
    return text.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n"


def with_target(target: str) -> bytes:
    return wire(WEBSOCKETS.replace("GET /signaling ", f"GET {target} "))


def with_header(name: str, value: str) -> bytes:
    """Return a request in which one header is different, or more."""
    lines = [line for line in WEBSOCKETS.split("\n") if not line.startswith(f"{name}:")]
    return wire("\n".join([*lines, f"{name}: {value}"]))


def without_header(name: str) -> bytes:
    lines = [line for line in WEBSOCKETS.split("\n") if not line.startswith(f"{name}:")]
    assert len(lines) == WEBSOCKETS.count("\n")
    return wire("\n".join(lines))


# Ordinary ones


@pytest.mark.parametrize("text", CLIENTS)
def test_what_clients_send_is_ordinary(text: str) -> None:
    data = wire(text)

    request = handshake.read(data)

    assert request is not None
    assert request.accept == ACCEPT
    assert request.end == len(data)
    assert request.headers["sec-websocket-key"] == KEY
    assert len(request.headers) == text.count("\n")


def test_the_target_is_taken_apart() -> None:
    request = handshake.read(wire(GORILLA))

    assert request is not None
    assert request.path == "/a%20b/%C3%BC"
    assert request.params == {"x": ["1", "2"], "y": ["&"]}


@pytest.mark.parametrize(
    ("target", "path", "params"),
    [
        ("/", "/", {}),
        ("/?", "/", {}),
        ("/?a", "/", {}),
        ("/?a=b?c/d;e", "/", {"a": ["b?c/d;e"]}),
        ("/a//b/", "/a//b/", {}),
        ("/a:b@c", "/a:b@c", {}),
        (
            "/%zz%?a=%zz%",
            "/%zz%",
            {"a": ["%zz%"]},
        ),  # nobody's percent signs are read but parse_qs's
        ("/?a=%ff", "/", {"a": ["\ufffd"]}),
    ],
)
def test_targets_of_many_kinds_are_ordinary(
    target: str, path: str, params: dict[str, list[str]]
) -> None:
    request = handshake.read(with_target(target))

    assert request is not None
    assert (request.path, request.params) == (path, params)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Upgrade", "WebSocket"),
        ("Connection", "upgrade"),
        ("Connection", "keep-alive,Upgrade"),
        ("Connection", "Upgrade , keep-alive"),
        ("Host", "a"),
        ("Host", "[2001:db8::1]"),
        ("Origin", "https://app.example"),
        ("Sec-WebSocket-Extensions", "permessage-deflate;client_no_context_takeover"),
        ("User-Agent", ""),
        ("Origin", "http://localhost:59999"),
        ("X-Spaces", "  a b  "),
    ],
)
def test_headers_of_many_kinds_are_ordinary(name: str, value: str) -> None:
    request = handshake.read(with_header(name, value))

    assert request is not None
    assert request.headers[name.lower()] == value.strip()


def test_what_comes_after_the_request_is_left() -> None:
    data = wire(CHROME)

    request = handshake.read(data + b"\x81\x00more\r\n\r\n".replace(b"\x81", b"?"))

    assert request is not None
    assert request.end == len(data)


def test_the_answer_accepts() -> None:
    request = handshake.read(wire(CHROME))
    assert request is not None

    assert handshake.response(request, "us/1") == (
        b"HTTP/1.1 101 Switching Protocols\r\nServer: us/1\r\nUpgrade: WebSocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
    )


# Odd ones


@pytest.mark.parametrize("size", [0, 1, 100, -1, -2, -4])
def test_a_request_that_is_not_all_there_is_not_read(size: int) -> None:
    assert handshake.read(wire(FIREFOX)[:size]) is None


@pytest.mark.parametrize(
    "first_line",
    [
        "POST / HTTP/1.1",
        "get / HTTP/1.1",
        "GET / HTTP/1.0",
        "GET / HTTP/2",
        "GET / http/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /",
        "GET  HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET a HTTP/1.1",
        "GET * HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET //host/ HTTP/1.1",
        "GET // HTTP/1.1",
        "GET http://host/ HTTP/1.1",
        "GET /#fragment HTTP/1.1",
        "GET /a# HTTP/1.1",
        "GET /?a#fragment HTTP/1.1",
        "GET /;parameter HTTP/1.1",
        "GET /a;b/c HTTP/1.1",
        "GET /ü HTTP/1.1",
        "GET /?\x1c HTTP/1.1",
        "GET /\x00 HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "",
    ],
)
def test_an_odd_first_line_is_not_ordinary(first_line: str) -> None:
    _, _, headers = WEBSOCKETS.partition("\n")

    assert handshake.read(wire(f"{first_line}\n{headers}")) is None


@pytest.mark.parametrize(
    "name",
    ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"],
)
def test_a_header_that_is_needed_and_missing_is_not_ordinary(name: str) -> None:
    assert handshake.read(without_header(name)) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Upgrade", "h2c"),
        ("Upgrade", "websocket, h2c"),
        ("Upgrade", ""),
        ("Connection", "keep-alive"),
        ("Connection", "up grade"),
        ("Connection", "upgraded"),
        ("Connection", ""),
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Version", "13, 8"),
        ("Sec-WebSocket-Version", "013"),
        ("Sec-WebSocket-Version", ""),
        ("Sec-WebSocket-Key", ""),
        ("Sec-WebSocket-Key", "short=="),
        ("Sec-WebSocket-Key", KEY[:-1]),
        ("Sec-WebSocket-Key", KEY + "="),
        ("Sec-WebSocket-Key", "dGhl-HNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Protocol", ""),
        ("Host", ""),
        ("Host", "a:port"),
        ("Host", "a:"),
        ("Host", "a b"),
        ("Host", "user@a"),
        ("Host", "a/b"),
        ("Origin", ""),
        ("Origin", "file://"),
        ("Origin", "http://"),
        ("Origin", "http://a:65536"),
        ("Origin", "http://a/path"),
        ("Origin", "http://[::1]"),
        ("Origin", "chrome-extension://abc"),
        ("Sec-WebSocket-Extensions", ""),
        ("Sec-WebSocket-Extensions", "x-webkit-deflate-frame"),
        ("Sec-WebSocket-Extensions", "permessage-deflate, permessage-deflate"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits=15"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; server_no_context_takeover"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; nonsense"),
        (
            "Sec-WebSocket-Extensions",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
        ),
        ("User-Agent", "Bücher/1.0"),
        ("User-Agent", "a\x00b"),
        ("User-Agent", "a\x1cHost: b"),  # a line of its own to Autobahn
        ("User-Agent", "a\x0bHost: b"),
        ("User-Agent", "a\x7fb"),
        ("User-Agent", "a\tb"),
        ("X.Y", "a name with a point"),
        ("X Y", "a name with a space"),
        ("", "no name"),
    ],
)
def test_an_odd_header_is_not_ordinary(name: str, value: str) -> None:
    assert handshake.read(with_header(name, value)) is None


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\r", b"\n\r"])
def test_a_line_that_ends_oddly_is_not_ordinary(end: bytes) -> None:
    data = wire(WEBSOCKETS).replace(b"\r\nHost", b"\r\nX: a" + end + b"Y: b\r\nHost")

    assert handshake.read(data) is None


@pytest.mark.parametrize(
    "line",
    [
        "Host: 192.0.2.1:8080",
        "HOST: elsewhere.example",
        "User-Agent: another",
        " folded",
        "\tfolded",
        "no colon",
        "Space : before the colon",
    ],
)
def test_an_odd_line_is_not_ordinary(line: str) -> None:
    assert handshake.read(wire(f"{WEBSOCKETS}\n{line}")) is None
    assert handshake.read(wire(WEBSOCKETS.replace("\nUpgrade", f"\n{line}\nUpgrade"))) is None


# Held against Autobahn's


class Recording:
    """What both have in common."""

    request: ConnectionRequest | None = None

    def onConnect(self, request: ConnectionRequest) -> None:
        self.request = request


OURS = ours(type("Ours", (Recording, Channel), {}), 1000)
STOCK = stock(type("Stock", (Recording, WebSocketServerProtocol), {}), like=OURS)


def told(protocol: Any, request: ConnectionRequest) -> list[object]:
    """Return all that the server makes of a request."""
    return [
        protocol.http_request_path,
        request.path,
        request.params,
        request.headers,
        request.origin,
        request.version,
        request.protocols,
    ]


def check(data: bytes) -> bool:
    """Hold ours against Autobahn's; return whether the request is an ordinary one.

    Where frames follow the request, they are answered alike, too.
    """
    if handshake.read(data) is None:
        return False
    our, our_transport = connected(OURS)
    their, their_transport = connected(STOCK)
    our.dataReceived(data)
    their.dataReceived(data)
    our_transport.turn()
    their_transport.turn()
    assert their.request is not None, their_transport.sent()
    assert told(our, our.request) == told(their, their.request)
    # Where a frame is wrong, ours ends its side, and Autobahn waits for the client's Close frame.
    if not their.failedByMe:
        assert our.state == their.state
    assert our_transport.sent() == their_transport.sent()
    return True


@pytest.mark.parametrize("text", CLIENTS)
def test_clients_are_answered_as_autobahn_does(text: str) -> None:
    assert check(wire(text))


def test_a_wrong_frame_behind_a_request_does_not_change_the_answer() -> None:
    assert check(wire(WEBSOCKETS) + b"\x01\x40")


ODD = " \t\r\n\0\x0b\x1c\x1f\x7f\x85,;:=?#%&/@[]\"'.aA0-_+*"
texts = st.text(ODD, max_size=8)
targets = st.one_of(
    st.builds(lambda path: "/" + path, texts),
    st.builds(lambda path, query: f"/{path}?{query}", texts, texts),
    texts,
)
HEADERS = {
    "Host": ["a", "a:80", "a:99999", "[::1]", "[::1]:80", "[:", "a:b", "::", "[1]:", "-._"],
    "Upgrade": ["websocket", "WebSocket", "h2c, websocket", "web socket"],
    "Connection": ["Upgrade", "keep-alive, Upgrade", "upgrade,", "up grade", ", upgrade ,,"],
    "Sec-WebSocket-Key": [KEY, "A" * 22 + "==", "A" * 21 + "===", "+/" * 11 + "==", "A" * 24],
    "Sec-WebSocket-Version": ["13", "8", "13, 13", "+13"],
    "Origin": [
        *("null", "NULL", "http://a", "https://a:1", "http://a:0", "http://a:65536"),
        *("http://a:99999", "http://.", "http://_", "file://", "http://a:", "HTTP://a", "http:a"),
    ],
    "Sec-WebSocket-Extensions": [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate;client_max_window_bits ; client_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-bzip2",
        ",",
    ],
    "X-Any": ["", "a: b", "a\nHost: b", "a\x1cHost: b", "a\rOrigin: x", "a\x85b"],
    "Sec-WebSocket-Protocol": ["chat"],
}


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Requests of which not much is odd, if anything."""
    lines = [f"GET {draw(targets) if draw(st.booleans()) else '/'} HTTP/1.1"]
    oddities = draw(st.sets(st.sampled_from(sorted(HEADERS)), max_size=3))
    for name, values in HEADERS.items():
        if name in oddities:
            value = draw(st.sampled_from(values))
            if draw(st.integers(0, 3)) == 0:
                place = draw(st.integers(0, len(value)))
                value = value[:place] + draw(texts) + value[place:]
            lines.append(f"{name}: {value}")
        elif name not in ("X-Any", "Sec-WebSocket-Protocol"):
            lines.append(f"{name}: {values[0]}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


@given(requests())
@settings(max_examples=500, deadline=None)
def test_what_is_accepted_is_accepted_as_autobahn_does(data: bytes) -> None:
    check(data)


@given(
    st.sampled_from(CLIENTS),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 3), st.text(ODD, max_size=2)),
        min_size=1,
        max_size=3,
    ),
)
@settings(max_examples=500, deadline=None)
def test_what_is_accepted_of_a_mangled_request_is_accepted_as_autobahn_does(
    text: str, edits: list[tuple[float, int, str]]
) -> None:
    data = wire(text)
    for where, removed, inserted in edits:
        place = int(where * len(data))
        data = data[:place] + inserted.encode("latin-1") + data[place + removed :]

    check(data)
