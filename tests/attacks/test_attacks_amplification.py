"""What costs the attacker little and the server much: large answers, bursts, kept places."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from arena import MAX_PEAK, MIB, Arena, Client, arena, masked, until
from test_attacks_fleet import break_off

from twisted_signal.frames import TEXT
from twisted_signal.limits import Limits

pytestmark = pytest.mark.alone  # it is seen how long others wait

BURST = Limits().message_burst - 1  # one was the registration
ATTACKER = "127.0.0.3"
"""Not where the bystanders are."""
ALL_LINES = ("--log-rate-per-address", "0")
"""So that the log can be counted on."""
SHARE = Limits().max_clients_per_address
WIDE = "\U0001f600" * 124
"""Of a name; with four more characters, and in UTF-8, as long as one may be."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    directory = tmp_path_factory.mktemp("amplification")
    with arena(directory, "--connect-rate-per-address", "0") as started:
        yield started


def said(**message: object) -> bytes:
    return masked(TEXT, json.dumps(message).encode())


def registered(place: Arena, client_id: str, room_id: str, **fields: object) -> Client:
    client = place.client(source=ATTACKER)
    assert client.register(client_id, room_id, **fields)["type"] == "registered"
    return client


def test_without_a_rate_large_answers_to_small_questions_are_bounded_all_the_same(
    tmp_path: Path,
) -> None:
    """Each answer has 64 KiB, and a read has hundreds of questions."""
    attackers = 8
    bound = attackers * Limits().max_buffer + MAX_PEAK
    with arena(tmp_path, "--message-rate", "0") as place, place.attack(peak=bound, left=bound):
        crowd = [
            registered(place, f"{WIDE}{number:04}", "wide", client_type=WIDE)
            for number in range(Limits().max_room_size)
        ]
        for client in crowd:
            client.skip()
        for client in crowd[:attackers]:
            client.send(said(type="peers") * BURST)
        for client in crowd[:attackers]:
            until(client.is_reset, "it does not read, and is still there")


def test_all_that_one_address_may_send_at_once_does_not_stop_others(place: Arena) -> None:
    """Each is asked for a new token, which is dear, and leaves no line in the log."""
    with place.attack():
        crowd = {
            registered(place, "a", f"burst {number}"): said(
                type="register", client_id="a", room_id=f"burst {number}", resume=True
            )
            for number in range(SHARE)
        }
        while crowd:  # in the end each is put out
            for client, question in crowd.items():
                client.send(question * (BURST // 2))
            crowd = {client: question for client, question in crowd.items() if client.skip()}


def test_places_that_are_kept_cost_no_more_than_those_of_one_address_may(tmp_path: Path) -> None:
    """Each holds half a megabyte of what waits, and needs no connection."""
    bound = SHARE * MIB // 2
    options = ("--connect-rate-per-address", "0", "--resume-window", "4", *ALL_LINES)
    # What is left is the allocator's: messages of this size lie between smaller things.
    with arena(tmp_path, *options) as place, place.attack(peak=bound + MAX_PEAK, left=bound):
        for number in range(2 * SHARE):
            sender = registered(place, "sender", f"kept {number}")
            away = registered(place, "away", f"kept {number}", resume=True)
            assert sender.hear()["type"] == "peer_joined"
            break_off(away)
            for _ in range(8):
                sender.say(type="offer", target_id="away", sdp="x" * 60_000)
            sender.say(type="ping")
            sender.hear_type("pong")
            break_off(sender)
        until(
            lambda: place.server.output.count('Room closed: "kept ') == 2 * SHARE,
            "some are kept for ever",
        )
