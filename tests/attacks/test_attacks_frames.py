"""Frames that are too many, too large, or never complete."""

import time
from collections.abc import Iterator

import pytest
from arena import MAX_PEAK, Arena, arena, lasting, masked, until

from twisted_signal.frames import PING, PONG, TEXT, TEXT_BEGINS, TEXT_ENDS, TEXT_GOES_ON

pytestmark = pytest.mark.alone  # it is seen how long others wait

SMALL = 16 * 1024
"""A receive buffer, in bytes."""
BINARY = 0x82
ZERO_KEY = bytes(4)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("frames"), "--connect-rate-per-address", "0") as started:
        yield started


FLOODS = {
    "empty fragments": (masked(TEXT_BEGINS), masked(TEXT_GOES_ON) * 1000),
    "pings": (b"", masked(PING) * 1000),
    "pings with all that they can hold": (b"", masked(PING, b"p" * 125) * 1000),
    "pongs that nobody asked for": (b"", masked(PONG) * 1000),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_small_frames_is_closed_with_1008(place: Arena, kind: str) -> None:
    first, rest = FLOODS[kind]
    with place.attack():
        for _ in lasting():
            attackers = [place.client() for _ in range(10)]
            for attacker in attackers:
                attacker.send(first)
                attacker.flood(rest, times=2)
            assert {attacker.close_code() for attacker in attackers} == {1008}
            place.leave()


OVERSIZE = {
    "one byte over": masked(TEXT, b"x" * (64 * 1024 + 1)),
    "2^63-1 announced": bytes([TEXT, 0xFF]) + (2**63 - 1).to_bytes(8, "big") + ZERO_KEY,
    "binary, 2^40 announced": bytes([BINARY, 0xFF]) + (2**40).to_bytes(8, "big") + ZERO_KEY,
    "the rest of a message": masked(TEXT_BEGINS, b"x" * 40_000) + masked(TEXT_ENDS, b"x" * 40_000),
}


@pytest.mark.parametrize("kind", OVERSIZE)
def test_what_is_larger_than_allowed_is_closed_with_1009(place: Arena, kind: str) -> None:
    with place.attack():
        for _ in lasting():
            attackers = [place.client() for _ in range(10)]
            for attacker in attackers:
                attacker.send(OVERSIZE[kind])
                attacker.flood(b"x" * 65536, times=1)  # as if it were to be read
            assert {attacker.close_code() for attacker in attackers} == {1009}
            place.leave()


def test_fragments_without_an_end_are_closed_with_1009(place: Arena) -> None:
    with place.attack():
        for _ in lasting():
            attackers = [place.client() for _ in range(10)]
            for attacker in attackers:
                attacker.send(masked(TEXT_BEGINS, b'{"type":"offer","sdp":"'))
                attacker.flood(masked(TEXT_GOES_ON, b"x" * 1000), times=100)
            assert {attacker.close_code() for attacker in attackers} == {1009}
            place.leave()


def test_messages_that_are_never_complete_cost_no_more_than_their_size(place: Arena) -> None:
    with place.attack(peak=200 * 64 * 1024 + MAX_PEAK):
        attackers = [place.client() for _ in range(200)]
        for attacker in attackers:
            attacker.send(masked(TEXT_BEGINS, b"x" * 60_000) + masked(TEXT_GOES_ON, b"x")[:6])
        for _ in lasting():
            for attacker in attackers:
                attacker.send(b"x")
                attacker.send(masked(TEXT_GOES_ON, b"x")[:6])
            time.sleep(0.02)
        assert all(not attacker.is_reset() for attacker in attackers)


def test_a_receiver_that_never_reads_is_dropped_and_the_others_hear_all(place: Arena) -> None:
    with place.attack():
        sender, friend = place.client(), place.client()
        silent = place.client(receive_buffer=SMALL)
        sender.register("sender", "room")
        friend.register("friend", "room")
        silent.register("silent", "room")
        assert sender.hear()["client_id"] == "friend"
        assert sender.hear()["client_id"] == friend.hear()["client_id"] == "silent"

        for number in range(400):
            sender.say(type="offer", target_id="silent", sdp="x" * 60_000)
            sender.say(type="ice_candidate", target_id="friend", candidate=number)
            message = friend.hear()
            if message["type"] == "peer_left":
                break
            assert message["candidate"] == number

        assert message == {"type": "peer_left", "client_id": "silent"}
        assert sender.hear() == message
        assert friend.hear()["candidate"] == number
        until(silent.is_reset, "it is still there")
