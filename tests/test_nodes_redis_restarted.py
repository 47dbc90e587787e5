"""Redis is restarted, and has lost everything; or it is away for some time."""

import time
from functools import partial
from pathlib import Path

import pytest
from caller import Caller
from nodes import (
    AT_ONCE,
    Client,
    Numbered,
    bystanders,
    joined,
    left,
    nodes,
    register,
    settle,
    talk,
    told_of,
    until,
    wait_for_agreement,
)
from redis_server import RedisServer

PATIENCE_OF_JOINS = 5.0
BEAT = 2.0
"""Seconds after which a node finds out that Redis does not know it any more."""


def test_redis_that_is_restarted_empty_is_told_everything_again(
    redis: RedisServer, tmp_path: Path
) -> None:
    with (
        nodes(redis.url, redis.url, redis.url, cwd=tmp_path) as (here, there, third),
        bystanders(here),
        register(here, "pc", "lab") as pc,
        register(there, "phone", "lab") as phone,
        register(third, "tablet", "lab", resume=True) as tablet,
        register(there, "tv", "lab", resume=True) as tv,
    ):
        talks = (Numbered(pc, phone), Numbered(tablet, tv), Numbered(tv, pc))
        settle(*talks)

        for _ in range(2):
            redis.kill()
            talk(0.6, *talks)
            redis.start()
            settle(*talks)

        for node in (here, there, third):
            node.wait_until_ready()
        wait_for_agreement(pc, phone, tablet, tv)
        assert told_of(pc) == [joined("phone"), joined("tablet"), joined("tv")]
        assert told_of(phone) == [joined("tablet"), joined("tv")]
        assert told_of(tablet) == [joined("tv")]
        assert told_of(tv) == []
        tablet.lose()
        with tablet.resume(here) as back, register(third, "late", "lab") as late:
            for client in (pc, phone, tv, back):
                assert client.hear_type("peer_joined") == joined("late")
            wait_for_agreement(pc, phone, tv, back, late)
            assert told_of(tv) == [joined("late")]


@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "SCRIPT FLUSH", "CLIENT KILL TYPE normal", "CLIENT KILL TYPE pubsub"],
)
def test_nobody_notices_what_is_done_to_redis(
    command: str, redis: RedisServer, tmp_path: Path
) -> None:
    with (
        nodes(redis.url, redis.url, cwd=tmp_path) as (here, there),
        bystanders(here),
        register(here, "pc", "lab") as pc,
        register(there, "phone", "lab") as phone,
        register(there, "tablet", "lab", resume=True) as tablet,
    ):
        talks = (Numbered(pc, phone), Numbered(phone, pc), Numbered(tablet, pc))
        settle(*talks)

        redis.execute(*command.split())
        talk(BEAT + 0.5, *talks)

        settle(*talks)
        tablet.lose()
        with tablet.resume(here) as back, register(there, "late", "lab") as late:
            wait_for_agreement(pc, phone, back, late)
            assert told_of(phone) == [joined("tablet"), joined("late")]
            assert told_of(back) == [joined("late")]


def test_redis_is_away(redis: RedisServer, tmp_path: Path) -> None:
    with (
        nodes(redis.url, redis.url, cwd=tmp_path) as (here, there),
        bystanders(here),
        register(here, "pc", "lab") as pc,
        register(there, "phone", "lab") as phone,
        register(there, "goes", "lab") as goes,
        register(there, "stays", "lab", resume=True) as stays,
        Caller(here.url) as early,
        Caller(there.url) as late,
    ):
        wait_for_agreement(pc, phone, goes, stays)

        redis.kill()
        early.say(type="register", client_id="early", room_id="lab")
        asked_at = time.monotonic()

        for sender, target_id in ((pc, "phone"), (phone, "pc"), (pc, "stays")):
            until(partial(is_refused, sender, target_id), AT_ONCE)
            assert is_refused(sender, target_id)
        phone.say(type="message", target_id="goes", data="on the same node")
        goes.hear_data("on the same node")
        goes.close()
        stays.lose()
        assert phone.hear_type("peer_left") == left("goes")
        for node in (here, there):
            assert not node.is_ready

        answer = early.hear()
        assert answer["code"] == "unavailable"
        assert answer["retry_after_ms"] > 0
        waited = time.monotonic() - asked_at
        assert PATIENCE_OF_JOINS - 1 < waited < PATIENCE_OF_JOINS + AT_ONCE
        late.say(type="register", client_id="late", room_id="lab")
        redis.start()

        assert late.hear()["type"] == "registered"
        for node in (here, there):
            node.wait_until_ready()
        early.say(type="register", client_id="early", room_id="lab")
        assert set(early.hear()["peers"]) >= {"pc", "phone", "stays", "late"}
        # Who went meanwhile might only not be back yet: that is waited for.
        assert pc.hear_type("peer_left") == left("goes")
        with stays.resume(here) as back:
            settle(Numbered(phone, back))
            for client in (pc, phone, back):
                everybody = {"pc", "phone", "stays", "late", "early"}
                assert client.peers() == client.view == everybody - {client.client_id}
                assert told_of(client, "goes")[-1] == left("goes")
                assert told_of(client, "late", "early") == [joined("late"), joined("early")]
            assert told_of(pc, "phone", "stays") == [joined("phone"), joined("stays")]
            assert told_of(phone, "pc", "stays") == [joined("stays")]


def is_refused(sender: Client, target_id: str) -> bool:
    """Tell whether what one says to another is refused, at once."""
    sender.say(type="offer", target_id=target_id, sdp="v=0")
    told = [each for each in sender.hear_until_answered() if each["type"] == "error"]
    return [message["code"] for message in told] == ["peer_unreachable"]
