"""What an operator sees of two real nodes with a real Redis, at either of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from node_clients import left, register, told_of
from nodes import ANNOUNCED, Node, nodes, until
from redis_server import RedisServer, redis_server


@contextmanager
def two_nodes(redis: RedisServer, cwd: Path) -> Iterator[list[Node]]:
    """Run two nodes that know of each other for as long as the block takes."""
    with nodes(redis.url, redis.url, cwd=cwd) as made:
        until(lambda: all(len(server(node)["nodes"]) == 2 for node in made))
        yield made


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(scope="module")
def shared(
    shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Node]]:
    with two_nodes(shared_redis, tmp_path_factory.mktemp("nodes")) as made:
        yield made


@pytest.fixture
def two(redis: RedisServer, tmp_path: Path) -> Iterator[list[Node]]:
    with two_nodes(redis, tmp_path) as made:
        yield made


def server(node: Node) -> Any:
    return node.admin.get("/api/v1/server")


def name_of(node: Node) -> str:
    name: str = server(node)["node"]
    return name


def rooms(node: Node) -> dict[str, int]:
    """Return how many clients there are in each room, as a node tells."""
    page = node.admin.get("/api/v1/rooms")
    return {room["room_id"]: room["clients"] for room in page["items"]}


def missing(node: Node) -> list[str]:
    names: list[str] = node.admin.get("/api/v1/clients")["missing_nodes"]
    return names


def test_both_tell_the_same(shared: list[Node]) -> None:
    one, other = shared
    with (
        register(one, "pc", "lab"),
        register(other, "phone", "lab"),
        register(other, "tablet", "hall"),
    ):
        until(lambda: rooms(one) == {"lab": 2, "hall": 1})
        assert one.admin.get("/api/v1/rooms") == other.admin.get("/api/v1/rooms")
        for node in shared:
            page = node.admin.get("/api/v1/clients")
            found = {client["client_id"]: client["node"] for client in page["items"]}
            assert found == {"pc": name_of(one), "phone": name_of(other), "tablet": name_of(other)}
            assert (server(node)["clients"], server(node)["rooms"]) == (3, 2)
            room = node.admin.get("/api/v1/rooms/lab")
            assert room["room"]["nodes"] == sorted(map(name_of, shared))
            assert {client["client_id"] for client in room["clients"]["items"]} == {"pc", "phone"}


def test_a_client_of_the_other_one_is_disconnected(shared: list[Node]) -> None:
    one, other = shared
    with register(one, "pc", "sent-away") as pc, register(other, "phone", "sent-away") as phone:
        (found,) = one.admin.get("/api/v1/clients", room="sent-away", search="phone")["items"]

        one.admin.post(f"/api/v1/clients/{found['key']}/disconnect")

        assert phone.hear_close() == 4410
        pc.hear_type("peer_left")
        assert told_of(pc, "phone")[-1] == left("phone")
        until(lambda: rooms(other).get("sent-away") == 1)


def test_a_call_between_them_is_one(shared: list[Node]) -> None:
    one, other = shared
    with register(one, "pc", "called") as pc, register(other, "phone", "called") as phone:
        pc.hear_type("peer_joined")
        pc.say(type="offer", target_id="phone", sdp="v=0")
        phone.hear_type("offer")
        phone.say(type="answer", target_id="pc", sdp="v=0")
        pc.hear_type("answer")
        for node in shared:
            (call,) = node.admin.get("/api/v1/calls", room="called")["items"]
            assert [peer["client_id"] for peer in call["peers"]] == ["pc", "phone"]
            assert {"offer", "answer"} <= {step["kind"] for step in call["steps"]}


def test_the_page_is_told_of_both(shared: list[Node]) -> None:
    one, other = shared
    with register(other, "far", "watched"):
        stream = one.admin.events(view="clients", search="far")
        try:
            for name, data in stream:
                if name == "clients" and data["total"] == 1:
                    (row,) = data["rows"].values()
                    assert row["node"] == name_of(other)
                    break
        finally:
            stream.close()


def test_one_that_stands_still_is_left_out_until_it_goes_on(shared: list[Node]) -> None:
    one, other = shared
    name = name_of(other)
    with register(other, "phone", "still"):
        other.freeze()
        try:
            assert missing(one) == [name]
            assert rooms(one) == {}
        finally:
            other.thaw()
        until(lambda: missing(one) == [] and rooms(one) == {"still": 1})


def test_without_redis_each_tells_of_its_own_and_says_so(
    shared: list[Node], shared_redis: RedisServer
) -> None:
    one, other = shared
    with register(one, "pc", "lab"), register(other, "phone", "hall"):
        until(lambda: rooms(one) == {"lab": 1, "hall": 1})

        shared_redis.kill()

        until(lambda: not server(one)["cluster_up"] and not server(other)["cluster_up"])
        assert (rooms(one), rooms(other)) == ({"lab": 1}, {"hall": 1})
        shared_redis.start()
        until(lambda: rooms(one) == rooms(other) == {"lab": 1, "hall": 1})
        assert server(one)["cluster_up"] is True


def test_of_one_that_died_only_the_places_are_left_that_are_kept(two: list[Node]) -> None:
    one, other = two
    with (
        register(one, "pc", "lab") as pc,
        register(other, "phone", "lab", resume=True),
        register(other, "tablet", "hall"),
    ):
        until(lambda: rooms(one) == {"lab": 2, "hall": 1})

        other.kill()

        until(lambda: not missing(one) and rooms(one) == {"lab": 2}, ANNOUNCED)
        assert [node["name"] for node in server(one)["nodes"]] == [name_of(one)]
        (found,) = one.admin.get("/api/v1/clients", search="phone")["items"]
        assert (found["state"], found["address"]) == ("away", None)

        one.admin.post(f"/api/v1/clients/{found['key']}/disconnect")

        assert pc.hear_type("peer_left") == left("phone")
        assert rooms(one) == {"lab": 1}
