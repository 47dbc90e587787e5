"""The tests' own Redis does what it is for."""

import time
from pathlib import Path

import pytest
from processes import PATIENCE
from redis_server import RedisError, RedisServer, redis_server, sentinel


def test_redis_that_is_restarted_is_empty_and_at_its_place(redis: RedisServer) -> None:
    assert redis.execute("SET", "key", "value") == b"OK"
    url = redis.url
    redis.restart()
    assert redis.execute("GET", "key") is None
    assert redis.url == url


def test_redis_that_is_frozen_answers_when_it_thaws(redis: RedisServer) -> None:
    with redis.client() as client:
        redis.freeze()
        client.send("PING")
        redis.thaw()
        assert client.receive() == b"PONG"


def test_redis_asks_for_the_password(tmp_path: Path) -> None:
    with redis_server(tmp_path, password="secret") as redis:
        assert redis.execute("ECHO", "x") == b"x"
        with redis.client() as client, pytest.raises(RedisError, match="WRONGPASS"):
            client.execute("AUTH", "wrong")


def test_sentinel_makes_the_replica_the_master(tmp_path: Path) -> None:
    with (
        redis_server(tmp_path) as one,
        redis_server(tmp_path, "--replicaof", f"127.0.0.1 {one.port}") as two,
        sentinel(tmp_path, one) as watcher,
    ):
        assert watcher.master_port() == one.port
        watcher.watched.wait_for(r"\+slave ")
        one.kill()
        watcher.watched.wait_for(r"\+switch-master")
        deadline = time.monotonic() + PATIENCE
        while two.execute("ROLE")[0] != b"master" and time.monotonic() < deadline:
            pass
        assert watcher.master_port() == two.port
