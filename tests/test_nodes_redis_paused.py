"""Redis answers nobody for 8 seconds, and connections to it stay open."""

import time
from pathlib import Path

import pytest
from caller import Caller
from node_clients import (
    Numbered,
    bystanders,
    joined,
    register,
    settle,
    talk,
    told_of,
    wait_for_agreement,
)
from nodes import AT_ONCE, nodes
from redis_server import RedisServer

SILENCE = 8.0


@pytest.mark.parametrize("how", ["paused", "frozen"])
def test_nobody_is_announced_as_left(how: str, redis: RedisServer, tmp_path: Path) -> None:
    with (
        nodes(redis.url, redis.url, cwd=tmp_path) as (here, there),
        bystanders(here),
        register(here, "pc", "lab") as pc,
        register(there, "phone", "lab") as phone,
        register(there, "tablet", "lab", resume=True) as tablet,
        register(here, "tv", "lab", resume=True) as tv,
        Caller(here.url) as early,
    ):
        talks = (Numbered(pc, phone), Numbered(phone, pc), Numbered(tv, tablet))
        settle(*talks)

        if how == "paused":
            redis.pause_clients(round(SILENCE * 1000))
        else:
            redis.freeze()
        began_at = time.monotonic()
        early.say(type="register", client_id="early", room_id="lab")
        talk(4.5, *talks)
        assert early.hear()["code"] == "unavailable"
        assert time.monotonic() < began_at + 5 + AT_ONCE
        for node in (here, there):
            assert not node.is_ready
        talk(began_at + SILENCE - time.monotonic(), *talks)
        if how == "frozen":
            redis.thaw()

        settle(*talks)
        for node in (here, there):
            node.wait_until_ready()
        early.say(type="register", client_id="early", room_id="lab")
        assert set(early.hear()["peers"]) == {"pc", "phone", "tablet", "tv"}
        for client in (pc, phone, tablet, tv):
            assert client.hear_type("peer_joined") == joined("early")
        early.say(type="leave")
        wait_for_agreement(pc, phone, tablet, tv)
        assert told_of(pc, "phone", "tablet", "tv") == [
            joined("phone"),
            joined("tablet"),
            joined("tv"),
        ]
        assert told_of(tablet, "pc", "phone", "tv") == [joined("tv")]
