"""Who asks for pages, and for nothing else, as often as the network lets it."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
from arena import MIB, Wire, arena, lasting

from twisted_signal.admission import BURST
from twisted_signal.limits import Limits
from twisted_signal.web.connection import MOST, REQUESTS

pytestmark = pytest.mark.alone  # it is seen how long others wait

SLACK = 2.0
"""Seconds that a timeout may come later: they are counted in whole ones, and one has begun."""

UNLIMITED = ("--connect-rate-per-address", "0", "--max-clients-per-address", "0")
"""An attack from many addresses, so far as one of them can play it."""


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode()


def asked(wire: Wire, path: str) -> bytes:
    """Return how an answer begins, or nothing if there is none."""
    return wire.first()[:12] if wire.send(get(path)) else b""


def test_a_flood_of_requests_disturbs_nobody(tmp_path: Path) -> None:
    with arena(tmp_path, *UNLIMITED) as place, place.attack():
        for _ in lasting(3):
            with place.wire() as wire:
                wire.send(get("/static/icon.svg") * 200)
                answers = wire.end()
            assert 0 < answers.count(b"HTTP/1.1 200 OK") <= REQUESTS


def test_a_flood_from_one_address_is_refused(tmp_path: Path) -> None:
    with arena(tmp_path) as place, place.attack():
        began, served = time.monotonic(), 0
        for _ in lasting(2):
            with suppress(ConnectionError), place.wire(source="127.0.0.2") as wire:
                wire.send(get("/static/icon.svg") * REQUESTS)
                served += wire.end().count(b"HTTP/1.1 200 OK")

        seconds = time.monotonic() - began
        assert served <= BURST + seconds * Limits().connect_rate_per_address
        place.server.wait_for("Refused .*Too many connections at once")


def test_pictures_that_nobody_has_seen_are_few(tmp_path: Path) -> None:
    with arena(tmp_path, *UNLIMITED) as place, place.attack():
        statuses = set()
        for number in lasting(3):
            with place.wire() as wire:
                link = f"https://192.0.2.7/demo/phone%23{'x' * 400}{number}"
                statuses.add(asked(wire, f"/demo/qr.svg?link={link}"))

        assert statuses == {b"HTTP/1.1 200", b"HTTP/1.1 503"}


def test_requests_that_never_end_do_at_last(tmp_path: Path) -> None:
    with arena(tmp_path) as place, place.attack():
        wires = [place.wire() for _ in range(100)]
        for wire in wires:
            assert asked(wire, "/healthz") == b"HTTP/1.1 200"
            wire.send(b"GET / HTTP/1.1\r\n")
        for wire in wires:
            wire.flood(b"X: " + b"x" * 1000 + b"\r\n", times=64)

        assert all(b"200 OK" not in wire.end(SLACK) for wire in wires)


def test_bodies_that_never_end_are_not_read(tmp_path: Path) -> None:
    with arena(tmp_path) as place, place.attack():
        for _ in range(20):
            wire = place.wire()
            assert asked(wire, "/healthz") == b"HTTP/1.1 200"
            wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            wire.flood(b"10000\r\n" + b"x" * 65536 + b"\r\n", times=64)
            assert b"200 OK" not in wire.end(SLACK)


def test_browsers_without_number_leave_room_for_clients(tmp_path: Path) -> None:
    with arena(tmp_path, *UNLIMITED) as place, place.attack(peak=48 * MIB):
        wires = [place.wire() for _ in range(MOST + 100)]
        statuses = [asked(wire, "/healthz") for wire in wires]

        assert statuses.count(b"HTTP/1.1 200") == MOST
        assert statuses.count(b"HTTP/1.1 503") == 100
        assert place.client().register("late", "room")["type"] == "registered"
