"""Connections that never become a client, or do not end."""

import time
from pathlib import Path

import pytest
from arena import Wire, arena
from certificates import make_certificate

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SLACK = 2.0
"""Seconds that a timeout may come later: they are counted in whole ones, and one has begun."""


def slowly(wires: list[Wire], began: float) -> None:
    """Send one byte a second on each, for three seconds."""
    for at in range(3):
        time.sleep(max(0, began + at - time.monotonic()))
        for wire in wires:
            wire.send(REQUEST[at : at + 1])


@pytest.mark.parametrize("secure", [False, True])
def test_handshakes_of_one_byte_a_second_end_at_the_handshake_timeout(
    tmp_path: Path, *, secure: bool
) -> None:
    with (
        arena(tmp_path, "--handshake-timeout", "1", pem=make_certificate(tmp_path)) as place,
        place.attack(),
    ):
        wires = [place.wire(place.secure_url if secure else "") for _ in range(200)]
        began = time.monotonic()

        slowly(wires, began)

        assert {wire.end(began + 1 + SLACK - time.monotonic()) for wire in wires} == {b""}


def test_tcp_without_a_tls_handshake_ends_at_the_handshake_timeout(tmp_path: Path) -> None:
    with (
        arena(tmp_path, "--handshake-timeout", "1", pem=make_certificate(tmp_path)) as place,
        place.attack(secure=True),
    ):
        began = time.monotonic()
        wires = [place.wire(place.secure_url) for _ in range(200)]

        assert {wire.end(1 + SLACK) for wire in wires} == {b""}
        assert time.monotonic() - began < 1 + SLACK


def test_a_header_without_an_end_is_answered_with_431(tmp_path: Path) -> None:
    with arena(tmp_path) as place, place.attack():
        for _ in range(50):
            wire = place.wire()
            wire.send(REQUEST[:-2] + b"X-Filler: ")
            wire.flood(b"a" * 65536, times=64)
            assert wire.end().startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
