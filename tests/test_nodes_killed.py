"""A node is killed: what becomes of its clients, and what those of the others hear of that."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from caller import Caller
from node_clients import (
    Client,
    bystanders,
    joined,
    left,
    refusals,
    register,
    told_of,
    wait_for_agreement,
)
from nodes import ANNOUNCED, AT_ONCE, Node, nodes, until
from redis_server import RedisServer

WINDOW = 5


@pytest.fixture
def three(redis: RedisServer, tmp_path: Path) -> Iterator[list[Node]]:
    options = ("--resume-window", str(WINDOW))
    with nodes(redis.url, redis.url, redis.url, cwd=tmp_path, options=options) as started:
        yield started


def test_its_clients_are_announced_as_left_once(three: list[Node], redis: RedisServer) -> None:
    victim, *survivors = three
    with (
        bystanders(survivors[0]),
        register(survivors[0], "watch-1", "lab") as watch_1,
        register(survivors[1], "watch-2", "lab") as watch_2,
    ):
        watches = (watch_1, watch_2)
        clients = [register(victim, f"victim-{number}", "lab") for number in range(5)]
        register(victim, "alone", "elsewhere")
        wait_for_agreement(*watches, *clients)

        victim.kill()
        killed_at = time.monotonic()

        watch_1.say(type="offer", target_id="victim-0", sdp="v=0")
        assert watch_1.hear_type("error")["code"] == "peer_unreachable"
        assert time.monotonic() < killed_at + AT_ONCE
        for watch in watches:
            hear_of(watch, *(left(client.client_id) for client in clients))
        assert time.monotonic() < killed_at + ANNOUNCED

        # Each survivor could have announced them, and could do so again: none does.
        until(lambda: redis.execute("ZCARD", "vislam:leases") == len(survivors))
        with register(survivors[1], "alone", "elsewhere") as heir:
            assert heir.answer["peers"] == []
        for sender, target in ((watch_1, watch_2), (watch_2, watch_1)):
            sender.say(type="message", data="the last")
            target.hear_data("the last")
        wait_for_agreement(*watches)
        for watch in watches:
            for client in clients:
                told = [message["type"] for message in told_of(watch, client.client_id)]
                assert told == ["peer_joined", "peer_left"]


def test_an_id_of_it_can_be_had_soon(three: list[Node]) -> None:
    victim, one, other = three
    with register(one, "watch", "lab") as watch, Caller(other.url) as heir:
        register(victim, "claimed", "lab")
        assert watch.hear() == joined("claimed")

        victim.kill()
        killed_at = time.monotonic()
        heir.say(type="register", client_id="claimed", room_id="lab", client_type="heir")

        assert heir.hear()["peers"] == ["watch"]
        assert time.monotonic() < killed_at + ANNOUNCED
        assert watch.hear() == left("claimed")
        assert watch.hear() == joined("claimed", "heir")


def test_those_who_may_come_back_are_given_their_window(three: list[Node]) -> None:
    victim, one, other = three
    with register(one, "watch", "lab") as watch:
        names = ("soon", "late", "never")
        clients = [register(victim, name, "lab", resume=True) for name in names]
        wait_for_agreement(watch, *clients)

        victim.kill()
        killed_at = time.monotonic()

        with clients[0].resume(other, is_patient=True) as soon:
            assert time.monotonic() < killed_at + ANNOUNCED
            until(lambda: is_kept(watch, "late"), ANNOUNCED)
            watch.say(type="message", target_id="late", data="waits")
            with clients[1].resume(other) as late:
                late.hear_data("waits")
                hear_of(watch, left("never"))
                assert killed_at + WINDOW < time.monotonic()
                assert time.monotonic() < killed_at + ANNOUNCED + WINDOW + AT_ONCE
                for peer in (soon, late):
                    peer.say(type="message", data="the last")
                    watch.hear_data("the last")
                wait_for_agreement(watch, soon, late)
                assert told_of(watch)[len(names) :] == [left("never")]


def test_all_nodes_die_and_others_take_their_place(redis: RedisServer, tmp_path: Path) -> None:
    with nodes(redis.url, redis.url, cwd=tmp_path) as (one, other):
        stays = register(one, "stays", "lab", resume=True)
        plain = register(other, "plain", "lab")
        wait_for_agreement(stays, plain)
        one.kill()
        other.kill()
    with (
        nodes(redis.url, redis.url, cwd=tmp_path) as (one, other),
        stays.resume(one, is_patient=True) as back,
        register(other, "plain", "lab") as again,
    ):
        # What it had heard is not known any more: it knows by `peers` who is there.
        wait_for_agreement(again, also=[back])
        back.say(type="message", target_id="plain", data="here I am")
        again.hear_data("here I am")


def test_nothing_is_left_in_redis_of_those_who_are_gone(
    three: list[Node], redis: RedisServer
) -> None:
    victim, one, other = three
    with (
        register(one, "mover", "lab", resume=True) as mover,
        register(other, "pc", "lab") as pc,
        register(victim, "plain", "lab") as plain,
        register(victim, "away", "elsewhere", resume=True) as away,
    ):
        wait_for_agreement(mover, pc, plain)
        away.lose()
        mover.lose()
        with mover.resume(victim) as back, back.resume(other) as again:
            again.say(type="register", client_id="mover", room_id="another", resume=True)
            again.hear_type("registered")
            pc.say(type="leave")
            pc.hear_until_answered()
            assert redis.execute("KEYS", "vislam:room:*")
            victim.kill()
    until(lambda: is_empty(redis), ANNOUNCED + WINDOW + AT_ONCE)
    assert redis.execute("ZCARD", "vislam:leases") == redis.execute("HLEN", "vislam:epochs") == 2


def is_empty(redis: RedisServer) -> bool:
    """Tell whether Redis knows of nodes and of nobody else."""
    keys = {key.decode() for key in redis.execute("KEYS", "*")}
    return keys <= {"vislam:epochs", "vislam:leases", "vislam:beats"}


def hear_of(watch: Client, *messages: dict[str, str]) -> None:
    """Wait until a client has heard all of some messages."""
    while not all(message in watch.received for message in messages):
        watch.hear()


def is_kept(watch: Client, client_id: str) -> bool:
    """Tell whether what is said to a client is not refused."""
    before = len(refusals(watch))
    watch.say(type="message", target_id=client_id, data="is it kept?")
    watch.hear_until_answered()
    return len(refusals(watch)) == before
