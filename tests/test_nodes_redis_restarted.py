"""Redis is restarted, and has lost everything; or something else is done to it."""

from pathlib import Path

import pytest
from node_clients import (
    Numbered,
    assert_unnoticed,
    bystanders,
    joined,
    register,
    settle,
    talk,
    told_of,
    wait_for_agreement,
)
from nodes import nodes
from redis_server import RedisServer

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
    def run(*talks: Numbered) -> None:
        redis.execute(*command.split())
        talk(BEAT + 0.5, *talks)

    with nodes(redis.url, redis.url, cwd=tmp_path) as (here, there):
        assert_unnoticed(here, there, run)
