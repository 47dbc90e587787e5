"""The opening handshake: in how many pieces and how large it may come, and how it is refused."""

import logging
from typing import Any

import pytest
from memory import Memory, MemoryClient
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from twisted_signal.admission import RESERVE
from twisted_signal.events import ROOM_OPENED
from twisted_signal.limits import Limits
from twisted_signal.log_bounds import BURST
from twisted_signal.opening import MAX_REQUEST
from twisted_signal.origins import AllowedOrigins
from twisted_signal.proxies import TrustedProxies
from twisted_signal.refusals import LINES
from twisted_signal.sending import CLOSE_TIMEOUT
from twisted_signal.slim import CONNECTING, OPEN

REQUEST = (
    b"GET /?a=b HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ODD_REQUEST = REQUEST[:-2] + b"Sec-WebSocket-Protocol: chat\r\n\r\n"
"""A right one that is left for Autobahn."""
BOTH = pytest.mark.parametrize("request_", [REQUEST, ODD_REQUEST], ids=["ordinary", "odd"])
HANDSHAKE_TIMEOUT = Limits().handshake_timeout


def padded(size: int) -> bytes:
    """Return a request whose last header ends at that place."""
    filler = b"X: " + b"x" * (size - len(REQUEST) + len(b"\r\n\r\n") - len(b"X: \r\n"))
    return REQUEST[:-2] + filler + b"\r\n\r\n"


def came_from(memory: Memory, address: IAddress) -> MemoryClient:
    """Return a client that has connected from an address."""
    client = memory.connect()
    client.transport.end()
    protocol: Any = memory.factory.buildProtocol(None)
    transport = type(client.transport)(protocol, 1)
    transport.peerAddr = address
    protocol.makeConnection(transport)
    return MemoryClient(protocol, transport)


def answer(client: MemoryClient, request: bytes = REQUEST) -> tuple[bytes, dict[bytes, bytes], str]:
    """Send a request; return the status line, the headers and the body of the answer."""
    client.receive(request)
    head, _, body = client.transport.sent().partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    return status, headers, body.decode()


# In pieces


@BOTH
@pytest.mark.parametrize("size", [1, 3, 100, 10_000])
def test_a_request_in_pieces_opens(request_: bytes, size: int) -> None:
    client = Memory().connect()

    for place in range(0, len(request_), size):
        client.receive(request_[place : place + size])

    assert client.protocol.state == OPEN
    assert client.transport.sent().startswith(b"HTTP/1.1 101 ")


def test_a_request_in_pieces_takes_the_short_way() -> None:
    client = Memory().connect()

    for byte in REQUEST:
        client.receive(bytes([byte]))

    assert not hasattr(client.protocol, "http_headers")  # which Autobahn sets


@BOTH
def test_what_comes_with_the_last_piece_is_read(request_: bytes) -> None:
    client = Memory().connect()
    ping = b"\x89\x81\0\0\0\0p"

    client.receive(request_[:50])
    client.receive(request_[50:] + ping)

    assert client.transport.sent().endswith(b"\x8a\x01p")


# Too large


def test_a_request_of_the_largest_size_opens() -> None:
    client = Memory().connect()

    client.receive(padded(MAX_REQUEST))

    assert client.protocol.state == OPEN


@pytest.mark.parametrize("size", [1000, 2**20])
def test_a_larger_request_is_refused(size: int) -> None:
    memory = Memory()
    client = memory.connect()
    data = padded(MAX_REQUEST + 1)

    for place in range(0, len(data), size):
        client.receive(data[place : place + size])

    assert client.transport.sent().startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"no more than 16 KiB" in client.transport.sent()
    assert memory.factory.refusals.count == {"header": 1}


def test_a_request_without_an_end_is_refused_and_no_more_of_it_kept() -> None:
    client = Memory().connect()
    client.transport.is_stubborn = True
    client.receive(REQUEST[:-2])

    for _ in range(1000):
        client.receive(b"X: " + b"x" * 1000 + b"\r\n")

    assert client.transport.sent().count(b"431 Request Header Fields Too Large") == 1
    assert client.protocol._cut is None
    assert client.protocol.data == b""


def test_requests_at_a_byte_a_second_end_in_time_and_others_are_served() -> None:
    memory = Memory()
    slow = [memory.connect() for _ in range(200)]

    for byte in REQUEST[:HANDSHAKE_TIMEOUT]:
        for client in slow:
            client.receive(bytes([byte]))
        memory.wait(1)
    assert memory.open().protocol.state == OPEN
    memory.wait(1)

    assert all(client.transport.aborted for client in slow)
    assert memory.factory.refusals.count == {"handshake_timeout": 200}


def test_many_that_time_out_are_few_lines_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory()
    for _ in range(100):
        memory.connect()
    stays = memory.open()

    with caplog.at_level(logging.INFO):
        memory.wait(HANDSHAKE_TIMEOUT + 3)

    *first, rest = [record.getMessage() for record in caplog.records]
    assert len(first) == LINES
    assert first[0].startswith("Refused 192.0.2.7:400")
    assert first[0].endswith(": The WebSocket handshake was not there in 5 s")
    assert rest.startswith("Refused 90 more of these, the last: 192.0.2.7:400")
    assert stays.protocol.state == OPEN


def test_a_handshake_may_take_any_time_where_that_is_off() -> None:
    memory = Memory(handshake_timeout=0)
    client = memory.connect()
    memory.wait(1000)

    client.receive(REQUEST)

    assert client.protocol.state == OPEN


# Refused


@BOTH
def test_over_the_places_of_the_server_the_answer_is_503(request_: bytes) -> None:
    memory = Memory(max_clients=1)
    memory.open()
    client = memory.connect()

    status, headers, body = answer(client, request_)

    assert status == b"HTTP/1.1 503 Service Unavailable"
    assert headers[b"Retry-After"] == b"10"
    assert headers[b"Connection"] == b"close"
    assert headers[b"Content-Type"] == b"text/plain; charset=utf-8"
    assert headers[b"Content-Length"] == b"%d" % len(body)
    assert body == "The server has its 1 clients already.\n"
    assert client.transport.half_closed
    assert memory.factory.refusals.count == {"max_clients": 1}


@BOTH
def test_over_the_places_of_an_address_the_answer_is_429(request_: bytes) -> None:
    memory = Memory(max_clients_per_address=1)
    stays = memory.open()

    status, headers, body = answer(memory.connect(), request_)
    assert status == b"HTTP/1.1 429 Too Many Requests"
    assert headers[b"Retry-After"] == b"10"
    assert body == "Your address has its 1 clients already.\n"
    assert memory.factory.refusals.count == {"max_clients_per_address": 1}
    stays.transport.end()

    assert memory.open().protocol.state == OPEN


def test_another_address_has_places_of_its_own() -> None:
    memory = Memory(max_clients_per_address=1)
    memory.open()
    sixes = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.7"]

    answers = [
        answer(came_from(memory, IPv6Address("TCP", host, 4000)))[0].split()[1] for host in sixes
    ]

    assert answers == [b"101", b"429", b"101", b"429"]


def test_local_sockets_have_no_share() -> None:
    memory = Memory(max_clients_per_address=1)

    for _ in range(5):
        protocol: Any = memory.factory.buildProtocol(None)
        transport = type(memory.connect().transport)(protocol, 1)
        transport.peerAddr = object()
        protocol.makeConnection(transport)
        protocol.dataReceived(REQUEST)
        assert protocol.state == OPEN


@BOTH
def test_over_the_rate_of_an_address_the_answer_is_429(request_: bytes) -> None:
    memory = Memory(connect_rate_per_address=1)
    for _ in range(256):
        memory.open().transport.end()

    status, headers, _ = answer(memory.connect(), request_)
    assert status == b"HTTP/1.1 429 Too Many Requests"
    assert headers[b"Retry-After"] == b"1"
    assert memory.factory.refusals.count == {"connect_rate_per_address": 1}
    memory.wait(1)

    assert memory.open().protocol.state == OPEN


def test_connections_that_say_nothing_are_aborted_over_twice_the_share() -> None:
    memory = Memory(max_clients_per_address=3)
    clients = [memory.connect() for _ in range(8)]

    assert [client.transport.aborted for client in clients] == [False] * 6 + [True] * 2
    assert all(client.transport.sent() == b"" for client in clients)
    assert memory.factory.refusals.count == {"max_clients_per_address": 2}
    assert len(memory.factory.connections) == 6
    other = came_from(memory, IPv4Address("TCP", "192.0.2.8", 1))
    assert answer(other)[0].startswith(b"HTTP/1.1 101 ")


def test_far_over_the_places_of_the_server_connections_are_aborted() -> None:
    memory = Memory(max_clients=1, max_clients_per_address=0, connect_rate_per_address=0)
    clients = [memory.connect() for _ in range(RESERVE + 2)]

    assert not any(client.transport.aborted for client in clients[:-1])
    assert clients[-1].transport.aborted


def test_nothing_is_left_of_connections_that_are_gone() -> None:
    memory = Memory(max_clients_per_address=3)
    clients = [memory.connect() for _ in range(8)]
    for client in clients[:3]:
        client.receive(REQUEST)

    for client in clients:
        client.transport.end()

    assert memory.factory.admission.connections == 0
    assert memory.factory.connections == {}
    assert memory.clock.getDelayedCalls() == []


def test_the_log_is_not_filled_with_refusals(caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory(max_clients_per_address=1)
    memory.open()

    for _ in range(3):
        for _ in range(50):
            answer(memory.connect())
        memory.wait(1)

    lines = [one.getMessage() for one in caplog.records if "Refused" in one.getMessage()]
    assert len(lines) == LINES + 3
    assert all(line.endswith(": Your address has its 1 clients already") for line in lines)
    assert lines[-1].startswith("Refused 50 more of these, the last: ")


def test_who_comes_and_goes_alone_fills_the_log_with_refusals_no_more_than_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = Memory()

    for _ in range(50):
        client = memory.connect()
        answer(client, REQUEST.replace(b"GET", b"PUT"))
        client.transport.end()

    lines = [one.getMessage() for one in caplog.records if "Refused" in one.getMessage()]
    assert len(lines) == LINES
    memory.wait(1)
    assert f"Refused {50 - LINES} more of these" in caplog.records[-1].getMessage()
    assert memory.clock.getDelayedCalls() == []


def test_a_line_about_a_connection_is_counted_by_its_address() -> None:
    memory = Memory(log_rate_per_address=1)
    bounds = memory.factory.log_bounds
    one = came_from(memory, IPv6Address("TCP", "2001:db8::1", 1)).protocol
    same = came_from(memory, IPv6Address("TCP", "2001:db8::2", 2)).protocol
    other = came_from(memory, IPv4Address("TCP", "192.0.2.7", 3)).protocol

    assert one.log_fields() == {"address": "[2001:db8::1]:1"}
    assert bounds.take(one, ROOM_OPENED, 20)
    assert not bounds.take(same, ROOM_OPENED, 20)
    assert bounds.take(other, ROOM_OPENED, 20)
    assert memory.factory.log_bounds.has_left_out
    memory.wait(BURST)  # all of them go meanwhile
    again = came_from(memory, IPv6Address("TCP", "2001:db8::3", 4)).protocol
    assert bounds.take(again, ROOM_OPENED, 20)


def test_a_refused_client_that_stays_is_cut_off() -> None:
    memory = Memory(max_clients=1)
    memory.open()
    client = memory.connect()
    client.transport.is_stubborn = True
    client.receive(REQUEST)

    memory.wait(CLOSE_TIMEOUT)
    assert not client.transport.ended
    memory.wait(1)

    assert client.transport.aborted


def test_what_autobahn_finds_wrong_is_a_sentence_in_the_body() -> None:
    status, headers, body = answer(Memory().connect(), REQUEST.replace(b"GET /?a=b", b"PUT /"))

    assert status == b"HTTP/1.1 405 Method Not Allowed"
    assert headers[b"Allow"] == b"GET"
    assert body == 'HTTP method "PUT" not allowed.\n'


def test_what_a_client_sends_cannot_forge_a_header_of_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    request = REQUEST.replace(b"Upgrade: websocket", b"Upgrade: a\rSet-Cookie: b\x1b[31m\x85c")
    client = Memory().connect()

    with caplog.at_level(logging.INFO):
        status, headers, _ = answer(client, request)

    assert status.startswith(b"HTTP/1.1 400 Bad Request")
    assert b"Set-Cookie" not in headers
    assert all(line.getMessage().isprintable() for line in caplog.records)


def test_a_version_that_is_not_spoken_is_answered_with_those_that_are() -> None:
    version = REQUEST.replace(b"Version: 13", b"Version: 8")

    status, headers, _ = answer(Memory().connect(), version)

    assert status == b"HTTP/1.1 400 Bad Request"
    assert headers[b"Sec-WebSocket-Version"] == b"13"


def test_a_plain_request_is_told_what_to_upgrade_to() -> None:
    status, headers, _ = answer(Memory().connect(), b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")

    assert status == b"HTTP/1.1 426 Upgrade Required"
    assert headers[b"Upgrade"] == b"websocket"


def test_nothing_is_opened_by_a_request_that_is_not_all_there() -> None:
    client = Memory().connect()

    client.receive(REQUEST[:-1])

    assert client.protocol.state == CONNECTING
    assert client.transport.sent() == b""


# From which pages


def with_headers(request: bytes, *lines: bytes) -> bytes:
    return request[:-2] + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


@BOTH
def test_a_page_from_elsewhere_is_refused_with_a_sentence(request_: bytes) -> None:
    memory = Memory()
    memory.factory.origins = AllowedOrigins(["https://app.example.com"])

    status, _, body = answer(
        memory.connect(), with_headers(request_, b"Origin: https://evil.example")
    )

    assert status == b"HTTP/1.1 403 Forbidden"
    assert body == "Pages from https://evil.example may not connect here.\n"
    assert memory.factory.refusals.count == {"origin": 1}


@BOTH
@pytest.mark.parametrize("lines", [[b"Origin: https://app.example.com"], []])
def test_pages_from_there_and_programs_may_connect(request_: bytes, lines: list[bytes]) -> None:
    memory = Memory()
    memory.factory.origins = AllowedOrigins(["https://app.example.com"])
    client = memory.connect()

    status, _, _ = answer(client, with_headers(request_, *lines))

    assert status.startswith(b"HTTP/1.1 101 ")
    assert hasattr(client.protocol, "http_headers") == (request_ is ODD_REQUEST)


@BOTH
def test_without_a_list_pages_from_anywhere_may_connect(request_: bytes) -> None:
    request = with_headers(request_, b"Origin: https://anywhere.example:65000")

    assert answer(Memory().connect(), request)[0].startswith(b"HTTP/1.1 101 ")


# Behind proxies

PROXY = "192.0.2.7"
"""Where clients in memory connect from."""


@pytest.fixture
def proxied() -> Memory:
    memory = Memory(max_clients_per_address=1)
    memory.factory.proxies = TrustedProxies([PROXY])
    return memory


def forwarded_for(request: bytes, *values: bytes) -> bytes:
    return with_headers(request, *(b"X-Forwarded-For: " + value for value in values))


@BOTH
def test_who_a_trusted_proxy_speaks_for_is_named_in_the_log(
    proxied: Memory, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client = proxied.connect()

    with caplog.at_level(logging.INFO):
        client.receive(forwarded_for(request_, b"6.6.6.6, 203.0.113.9"))

    assert "Connected: 203.0.113.9, path /" in [one.getMessage() for one in caplog.records]


@BOTH
def test_limits_are_those_of_the_address_behind_the_proxy(proxied: Memory, request_: bytes) -> None:
    asked = [b"203.0.113.9", b"203.0.113.10", b"203.0.113.9", b"6.6.6.6, 203.0.113.10"]
    clients = [proxied.connect() for _ in asked]

    statuses = [
        answer(client, forwarded_for(request_, one))[0].split()[1]
        for client, one in zip(clients, asked, strict=True)
    ]

    assert statuses == [b"101", b"101", b"429", b"429"]
    for client in clients:
        client.transport.end()
    proxied.factory.admission.forget(proxied.clock.seconds() + 1, 10)
    assert len(proxied.factory.admission) == 0
    assert proxied.factory.admission.connections == 0


def test_a_proxy_may_have_connections_that_have_not_said_for_whom(proxied: Memory) -> None:
    clients = [proxied.connect() for _ in range(100)]

    assert not any(client.transport.aborted for client in clients)


@pytest.mark.parametrize("values", [(b"unknown",), (b"203.0.113.9, nonsense",), ()])
def test_a_proxy_that_does_not_say_for_whom_is_the_client(
    proxied: Memory, values: tuple[bytes, ...]
) -> None:
    first, second = proxied.connect(), proxied.connect()

    assert answer(first, forwarded_for(REQUEST, *values))[0].split()[1] == b"101"
    assert first.protocol.address.startswith(f"{PROXY}:")
    assert answer(second, forwarded_for(REQUEST, *values))[0].split()[1] == b"429"


@pytest.mark.parametrize(
    "forged",
    [
        b"X: a\x85X-Forwarded-For: 6.6.6.6",
        b"X: a\x0cX-Forwarded-For: 6.6.6.6",
        b"X: a\nX-Forwarded-For: 6.6.6.6",
        b"X-Forwarded-For : 6.6.6.6",
        b"Forwarded: for=6.6.6.6",
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_line_that_autobahn_takes_for_the_proxy_s_does_not_count(
    proxied: Memory, forged: bytes, *, is_first: bool
) -> None:
    lines = [forged, b"X-Forwarded-For: 203.0.113.9"]
    client = proxied.connect()

    client.receive(with_headers(REQUEST, *(lines if is_first else lines[::-1])))

    assert client.protocol.address in ("203.0.113.9", f"{PROXY}:40001")


@BOTH
def test_nobody_else_is_believed(request_: bytes) -> None:
    memory = Memory(max_clients_per_address=1)
    memory.factory.proxies = TrustedProxies(["10.0.0.0/8"])
    first, second = memory.connect(), memory.connect()

    assert answer(first, forwarded_for(request_, b"203.0.113.9"))[0].split()[1] == b"101"
    assert first.protocol.address == "192.0.2.7:40001"
    assert answer(second, forwarded_for(request_, b"203.0.113.10"))[0].split()[1] == b"429"


def test_a_proxy_at_a_local_socket_is_believed_where_that_is_said() -> None:
    memory = Memory()
    memory.factory.proxies = TrustedProxies(["unix"])
    client = came_from(memory, UNIXAddress(None))

    client.receive(forwarded_for(REQUEST, b"203.0.113.9"))

    assert client.protocol.address == "203.0.113.9"
