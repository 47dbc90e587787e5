"""One node is cut off from Redis, for less and for more than its lease; or it is far away."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from node_clients import (
    Numbered,
    bystanders,
    joined,
    left,
    register,
    settle,
    talk,
    told_of,
    wait_for_agreement,
)
from nodes import ANNOUNCED, LEASE, Node, nodes
from redis_server import RedisServer
from ways import Way, way


class Apart(NamedTuple):
    """A node whose way to Redis can be cut, another one, and that way."""

    node: Node
    there: Node
    way: Way


@pytest.fixture
def apart(redis: RedisServer, tmp_path: Path) -> Iterator[Apart]:
    with (
        way(redis.port) as made,
        nodes(f"redis://127.0.0.1:{made.port}", redis.url, cwd=tmp_path) as (node, there),
    ):
        yield Apart(node, there, made)


@pytest.mark.parametrize("how", ["cut", "stalled", "cut and stalled", "slow"])
def test_less_than_the_lease_is_noticed_by_nobody(how: str, apart: Apart) -> None:
    with (
        bystanders(apart.node),
        bystanders(apart.there, "bystanders there"),
        register(apart.node, "pc", "lab") as pc,
        register(apart.there, "phone", "lab") as phone,
        register(apart.node, "tablet", "lab", resume=True) as tablet,
        register(apart.there, "tv", "lab", resume=True) as tv,
    ):
        talks = (
            Numbered(pc, phone),
            Numbered(phone, pc),
            Numbered(tv, tablet),
            Numbered(tablet, tv),
        )
        settle(*talks)

        if how == "slow":
            apart.way.delay = 0.2
        if "stalled" in how:
            apart.way.stall()
        if "cut" in how:
            apart.way.cut()
        talk(LEASE / 3, *talks)
        apart.way.flow()

        settle(*talks)
        apart.node.wait_until_ready()
        with register(apart.node, "late", "lab") as late:
            for client in (pc, phone, tablet, tv):
                assert client.hear_type("peer_joined") == joined("late")
            wait_for_agreement(pc, phone, tablet, tv, late)
        assert told_of(pc)[:4] == [joined("phone"), joined("tablet"), joined("tv"), joined("late")]
        assert told_of(phone)[:3] == [joined("tablet"), joined("tv"), joined("late")]
        assert told_of(tv)[:1] == [joined("late")]


def test_more_than_the_lease_lets_others_take_its_ids(apart: Apart) -> None:
    with (
        bystanders(apart.node),
        bystanders(apart.there, "bystanders there"),
        register(apart.there, "watch", "lab") as watch,
        register(apart.node, "plain", "lab") as plain,
        register(apart.node, "robbed", "lab") as robbed,
        register(apart.node, "resuming", "lab", resume=True) as resuming,
    ):
        talks = (Numbered(watch, resuming), Numbered(plain, watch))
        settle(*talks)

        apart.way.stall()
        apart.way.cut()
        cut_at = time.monotonic()
        while len(told_of(watch)) < 5:
            talk(0.2, *talks)
            watch.hear_until_answered()
            assert time.monotonic() < cut_at + ANNOUNCED
        assert {message["client_id"] for message in told_of(watch)[3:]} == {"plain", "robbed"}
        assert not apart.node.is_ready
        with register(apart.there, "robbed", "lab", client_type="heir") as heir:
            apart.way.flow()

            assert robbed.hear_close() == 4409
            assert watch.hear_type("peer_joined") == joined("robbed", "heir")
            assert watch.hear_type("peer_joined") == joined("plain")
            settle(*talks)
            wait_for_agreement(watch, plain, heir, resuming)
            assert told_of(watch, "resuming") == [joined("resuming")]
            assert told_of(plain, "robbed")[-2:] == [left("robbed"), joined("robbed", "heir")]
