"""Lines that are meant to fill the disk, or to hide others'."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from arena import Arena, Client, arena, lasting, masked

from twisted_signal.limits import Limits
from twisted_signal.log_bounds import BURST

RATE = Limits().log_rate_per_address
LONG = "\U000e0001" * 100
"""A name of which each character is ten in the log."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("log")) as started:
        yield started


def flood(attacker: Client, *messages: dict[str, str]) -> None:
    """Send as much at once as a client may, and take what is answered."""
    texts = [json.dumps(message).encode() for message in messages]
    data = b"".join(masked(0x81, text) for text in texts)
    for _ in range(Limits().message_burst // len(messages) // 10):
        attacker.send(10 * data)
        attacker.skip()


def report(place: Arena, source: str) -> None:
    flood(place.client(source=source), {"type": "error", "message": 2 * LONG})


def register_and_leave(place: Arena, source: str) -> None:
    register = {"type": "register", "client_id": LONG, "room_id": LONG, "client_type": LONG}
    flood(place.client(source=source), register, {"type": "leave"})


def offer(place: Arena, source: str) -> None:
    attacker, target = place.client(source=source), place.client(source=source)
    attacker.register(LONG + "1", "offers")
    target.register(LONG + "2", "offers")
    flood(attacker, {"type": "offer", "target_id": LONG + "2", "sdp": "x"})


def come_and_go(place: Arena, source: str) -> None:
    for _ in range(100):
        attacker = place.client("/" + "%F3%A0%80%81" * 50, source=source)
        if attacker.status != 101:
            return  # it has come too often
        attacker.register(LONG, LONG)
        attacker.send(masked(0x88, b"\x0b\xb8" + ("\U000e0001" * 30).encode()))
        attacker.close_code()
        attacker.socket.close()


@pytest.mark.parametrize("attack", [report, register_and_leave, offer, come_and_go])
def test_what_an_address_makes_of_the_log_is_bounded_and_counted_and_hides_nobody(
    place: Arena, attack: Callable[[Arena, str], None]
) -> None:
    name = attack.__name__
    attacker = f"127.0.1.{len(name)}"  # each has its own, for it is remembered
    first = len(place.server.lines)
    began = time.monotonic()
    with place.attack():
        attack(place, attacker)
        for number in lasting(1.5):
            attack(place, attacker)
            other = place.client(source="127.0.0.8")
            other.register(f"{name}-{number}", "other")
            place.leave()
            time.sleep(0.05)
        place.server.wait_for(f"Client registered: {name}-{number} ")
        place.server.wait_for(f"Left out .* about {attacker}:")
    took = time.monotonic() - began

    lines = place.server.lines[first:]
    caused = sum(len(line) for line in lines if r"\U000e0001" in line)
    assert caused < (BURST + 2 * took) * RATE
    assert sum(f"Client registered: {name}-" in line for line in lines) == number + 1


def test_a_fleet_of_one_address_that_comes_back_is_in_the_log(place: Arena) -> None:
    count = Limits().max_clients_per_address - 1
    with place.attack():
        for number in range(count):
            place.client(source="127.0.0.9").register(f"fleet-{number}", f"fleet {number}")
    place.server.wait_for(f"Disconnected: fleet-{count - 1},")

    for what in ("Client registered: fleet-", "Client left: fleet-", "Disconnected: fleet-"):
        assert sum(what in line for line in place.server.lines) == count
