"""Who attacks the admin endpoint: the operator may have to wait, those who call do not."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from arena import MIB, Arena, Wire, arena, lasting

from twisted_signal.admin.site import MOST, MOST_OF_ONE
from twisted_signal.admin.stream import MOST as MOST_STREAMS

pytestmark = pytest.mark.alone  # it is seen how long others wait

TOKEN = "0123456789abcdef"
STRANGERS = [f"127.0.0.{number}" for number in range(2, 6)]
PATIENT = (
    f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
)


@contextmanager
def place_with_admin(tmp_path: Path) -> Iterator[tuple[Arena, str]]:
    """Have a server, and the URL of its admin endpoint, which asks for a token."""
    path = tmp_path / "token"
    path.write_text(TOKEN)
    options = ("--admin-endpoint", "tcp:0", "--admin-token-file", str(path))
    with arena(tmp_path, *options) as place:
        port = urlsplit(place.server.wait_for(r"Admin page on (http://\S+)")[1]).port
        yield place, f"http://127.0.0.1:{port}"


def get(path: str, token: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def test_guesses_without_number_are_refused_and_do_not_fill_the_log(tmp_path: Path) -> None:
    with place_with_admin(tmp_path) as (place, url), place.attack():
        for number in lasting():
            with suppress(ConnectionError), place.wire(url, source=STRANGERS[number % 4]) as wire:
                wire.send(get("/api/v1/rooms", f"guess-{number}") * 50)
                assert wire.end().count(b"HTTP/1.1 ") <= 1

        lines = [line for line in place.server.lines if "admin endpoint" in line]
        assert 0 < len(lines) < 60
        assert not [line for line in lines if "guess-" in line]


def test_what_never_ends_takes_no_more_than_its_place(tmp_path: Path) -> None:
    with place_with_admin(tmp_path) as (place, url), place.attack():
        for number in range(10):
            with place.wire(url, source=f"127.0.1.{number + 1}") as wire:
                wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                wire.flood(b"10000\r\n" + b"x" * 65536 + b"\r\n", times=64)
        wires: list[Wire] = []
        for source in STRANGERS:
            for _ in range(2 * MOST_OF_ONE + 8):
                with suppress(ConnectionError):
                    wires.append(place.wire(url, source=source))
        for wire in wires:
            wire.send(b"POST /api/v1/drain HTTP/1.1\r\nHost: x\r\nX: ")
            wire.send(b"x" * 1000)
        for _ in lasting(0.5):
            for wire in wires:
                with suppress(ConnectionError):
                    wire.send(b"x")

        assert len([wire for wire in wires if not wire.is_reset()]) <= MOST
        assert place.client().register("late", "room")["type"] == "registered"


def test_those_who_know_the_token_and_read_nothing_cost_little(tmp_path: Path) -> None:
    with place_with_admin(tmp_path) as (place, url), place.attack(peak=48 * MIB):
        readers = [place.wire(url, receive_buffer=2048) for _ in range(2 * MOST_OF_ONE)]
        for reader in readers[:MOST_STREAMS]:
            reader.send(PATIENT)
        for reader in readers[MOST_STREAMS:]:
            reader.flood(get("/api/v1/openapi.json", TOKEN) * 20, times=100)
        for _ in lasting():
            for reader in readers[MOST_STREAMS:]:
                reader.flood(get("/metrics", TOKEN), times=1)
