"""Connections that never become a client, or do not end."""

import re
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from arena import MIB, Arena, arena, lasting, masked, until
from certificates import make_certificate
from processes import PATIENCE

from twisted_signal.admission import ARRIVALS, BURST
from twisted_signal.frames import CLOSE, PING, TEXT
from twisted_signal.limits import Limits
from twisted_signal.sending import CLOSE_TIMEOUT

pytestmark = pytest.mark.alone  # it is seen how long others wait

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SLACK = 2.0
"""Seconds that a timeout may come later: they are counted in whole ones, and one has begun."""
DROPPED = r"\[WARNING\] sending: Dropping the connection of"

SMALL = 16 * 1024
"""A receive buffer, in bytes."""


def drops(place: Arena) -> int:
    """Return how many connections the log says were dropped, so far."""
    return len(re.findall(DROPPED, place.server.output))


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_handshakes_of_one_byte_a_second_end_at_the_handshake_timeout(
    tmp_path: Path, *, secure: bool
) -> None:
    pem = make_certificate(tmp_path) if secure else None
    with arena(tmp_path, "--handshake-timeout", "1", pem=pem) as place, place.attack(secure=secure):
        wires = [place.wire(place.secure_url) for _ in range(200)]
        began = time.monotonic()

        for at in range(3):
            time.sleep(max(0, began + at - time.monotonic()))
            for wire in wires:
                wire.send(REQUEST[at : at + 1])

        assert {wire.end(began + 1 + SLACK - time.monotonic()) for wire in wires} == {b""}


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_tcp_without_a_tls_handshake_ends_at_the_handshake_timeout(
    tmp_path: Path, hello: bytes
) -> None:
    with (
        arena(tmp_path, "--handshake-timeout", "1", pem=make_certificate(tmp_path)) as place,
        place.attack(secure=True),
    ):
        began = time.monotonic()
        wires = [place.wire(place.secure_url) for _ in range(200)]
        for wire in wires:
            wire.send(hello)

        assert {wire.end(began + 1 + SLACK - time.monotonic()) for wire in wires} == {b""}


def test_who_makes_tls_handshakes_only_is_soon_cut_off_before_them(tmp_path: Path) -> None:
    with (
        arena(tmp_path, pem=make_certificate(tmp_path)) as place,
        place.attack(secure=True),
    ):
        assert place.tls is not None
        began = time.monotonic()
        made = 0
        for _ in range(1500):
            with suppress(OSError):
                wire = place.wire(place.secure_url, source="127.0.0.2")
                place.tls.wrap_socket(wire.socket, server_hostname="127.0.0.1").close()
                made += 1

        seconds = time.monotonic() - began
        allowed = ARRIVALS * (BURST + seconds * Limits().connect_rate_per_address)
        assert made <= allowed
        place.server.wait_for("Refused 127.0.0.2:.*Too many connections at once")


def test_a_header_without_an_end_is_answered_with_431(tmp_path: Path) -> None:
    with arena(tmp_path) as place, place.attack():
        for _ in range(20):
            wire = place.wire()
            wire.send(REQUEST[:-2] + b"X-Filler: ")
            wire.flood(b"a" * 65536, times=64)
            assert wire.end().startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


def test_whoever_does_not_go_after_the_last_word_is_put_out_within_six_seconds(
    tmp_path: Path,
) -> None:
    with (
        arena(tmp_path, "--max-buffer", str(16 * MIB)) as place,
        place.attack(peak=48 * MIB),
    ):
        witness = place.client()
        witness.register("witness", "room")
        before = place.cost().descriptors

        silent = [place.client(receive_buffer=SMALL) for _ in range(4)]
        for number, client in enumerate(silent):
            client.register(f"silent {number}", "room")
            witness.hear_type("peer_joined")
            for _ in range(100):  # more than the kernel takes, and less than the limit
                witness.say(type="offer", target_id=f"silent {number}", sdp="x" * 60_000)
            assert witness.is_served()
            client.send(masked(CLOSE, b"\x03\xe8"))
            assert witness.hear() == {"type": "peer_left", "client_id": f"silent {number}"}
        refused = [place.wire() for _ in range(20)]
        for wire in refused:
            wire.send(b"GET / HTTP/1.1\r\n" + b"a" * 20_000)
        flooding = [place.client() for _ in range(20)]
        for flooder in flooding:
            flooder.flood(masked(PING) * 1000, times=2)
        began = time.monotonic()
        assert place.cost().descriptors == before + 44

        until(lambda: place.cost().descriptors == before, "they are still there", PATIENCE)

        assert time.monotonic() - began < CLOSE_TIMEOUT + 1 + 0.5  # which is for the looking
        assert {wire.end()[:12] for wire in refused} == {b"HTTP/1.1 431"}
        assert {flooder.close_code() for flooder in flooding} == {1008}


@pytest.mark.parametrize(
    "data",
    [masked(PING, b"p" * 125) * 100, masked(TEXT, b'{"type":"peers"}')],
    ids=["pings", "messages"],
)
def test_a_client_that_sends_and_never_reads_is_dropped(tmp_path: Path, data: bytes) -> None:
    unlimited = ("--frame-rate", "0", "--message-rate", "0", "--max-buffer", "65536")
    with arena(tmp_path, *unlimited) as place, place.attack():
        for number in range(20):
            place.client().register(str(number), "room", client_type="x" * 128)
        attackers = [place.client(receive_buffer=SMALL) for _ in range(4)]
        for number, attacker in enumerate(attackers):
            attacker.register(f"attacker {number}", "room")

        for _ in lasting(8):
            for attacker in attackers:
                attacker.flood(data, times=20)
            if all(attacker.is_reset() for attacker in attackers):
                break
            time.sleep(0.01)

        assert all(attacker.is_reset() for attacker in attackers)
        until(lambda: drops(place) == len(attackers), "the log does not tell of all of them")


def test_nothing_redirects(tmp_path: Path) -> None:
    target = "/?redirect=http%3A%2F%2Fevil.example%2F&after=1"
    with arena(tmp_path) as place, place.attack():
        for _ in lasting():
            wire = place.wire()
            wire.send(f"GET {target} HTTP/1.0\r\nHost: test\r\n\r\n".encode())
            head, _, page = wire.end().partition(b"\r\n\r\n")
            assert re.match(rb"HTTP/1\.[01] (200|404) ", head)
            assert not re.search(rb"location|refresh|evil", head, re.IGNORECASE)
            assert not re.search(rb"http-equiv|evil", page, re.IGNORECASE)

            client = place.client(target)
            assert client.status == 101
            place.leave()
            time.sleep(0.05)


def test_clients_whose_machine_stands_still_are_gone_after_the_ping_timeout(
    tmp_path: Path,
) -> None:
    with (
        arena(tmp_path, "--ping-interval", "1", "--ping-timeout", "1") as place,
        place.attack(),
        place.calls("frozen") as frozen,
    ):
        witness = place.client()
        assert witness.register("witness", "frozen 0")["peers"] == ["caller", "callee"]

        frozen.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()

        left = {witness.hear_type("peer_left")["client_id"] for _ in range(2)}
        assert left == {"caller", "callee"}
        assert time.monotonic() - began < 2 + SLACK
        assert place.client().register("late", "frozen 1")["peers"] == []
        until(lambda: drops(place) == 4, "the log does not tell of all of them")
