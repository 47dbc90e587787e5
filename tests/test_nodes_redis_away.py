"""Redis is away for some time, or another one takes its place."""

import time
from functools import partial
from pathlib import Path

from caller import Caller
from node_clients import (
    Client,
    Numbered,
    assert_unnoticed,
    bystanders,
    joined,
    left,
    register,
    settle,
    talk,
    told_of,
    wait_for_agreement,
)
from nodes import AT_ONCE, nodes, until
from redis_server import RedisServer, redis_server, sentinel

PATIENCE_OF_JOINS = 5.0


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


def test_another_redis_takes_its_place(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path) as master,
        redis_server(tmp_path, "--replicaof", f"127.0.0.1 {master.port}") as replica,
        sentinel(tmp_path, master) as watcher,
    ):
        watcher.watched.wait_for(r"\+slave ")

        def fail_over(*talks: Numbered) -> None:
            master.kill()
            while watcher.master_port() != replica.port:
                talk(0.2, *talks)
            for node in started:
                node.wait_until_ready()

        with nodes(watcher.url, watcher.url, cwd=tmp_path) as started:
            here, there = started
            assert_unnoticed(here, there, fail_over)
