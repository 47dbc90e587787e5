"""A client goes from node to node while others talk to it."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha1
from pathlib import Path
from typing import NamedTuple

import pytest
from node_clients import Numbered, joined, refusals, register, told_of, wait_for_agreement
from nodes import Node, nodes
from redis_server import RedisServer
from ways import way

from twisted_signal.cluster.scripts import text_of

MESSAGES = 200


class Distance(NamedTuple):
    """How far the nodes are from Redis, and what a client can do then without falling behind.

    Attributes:
        delays: of the nodes, in seconds, each way.
        pause: from one message to the next, of each of those who talk, in seconds.
        stay: messages that the one who roams hears at one node before it goes to the next.
    """

    delays: tuple[float, ...]
    pause: float
    stay: int


DISTANCES = {"near": Distance((0, 0, 0), 0.01, 17), "far": Distance((0, 0.02, 0.05), 0.03, 41)}


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_client_that_roams_hears_everything_once_and_in_order(
    distance: str, redis: RedisServer, tmp_path: Path
) -> None:
    options = ("--message-rate", "200")
    where = DISTANCES[distance]
    with ExitStack() as stack:
        ways = [stack.enter_context(way(redis.port)) for _ in where.delays]
        for each, delay in zip(ways, where.delays, strict=True):
            each.delay = delay
        urls = [f"redis://127.0.0.1:{each.port}" for each in ways]
        roam(stack.enter_context(nodes(*urls, cwd=tmp_path, options=options)), where)


@contextmanager
def talking(pause: float, *numbered: Numbered) -> Iterator[None]:
    """Let clients say their messages, until they have said all of them or the block is over."""
    is_over = threading.Event()

    def talk(each: Numbered) -> None:
        while each.sent < MESSAGES and not is_over.wait(pause):
            each.say()

    threads = [threading.Thread(target=talk, args=[each]) for each in numbered]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def roam(started: list[Node], where: Distance) -> None:
    """Let a client go from node to node, while two others, who stay, talk to it."""
    with (
        register(started[0], "near", "lab") as near,
        register(started[1], "far", "lab") as far,
    ):
        roamer = register(started[0], "roamer", "lab", resume=True)
        wait_for_agreement(near, far, roamer)
        talks = (Numbered(near, roamer), Numbered(far, roamer))
        # Where one is missing, which ones have arrived says more than that it does not come.
        with suppress(TimeoutError), talking(where.pause, *talks):
            for number in range(1, 2 * MESSAGES + 1):
                message = roamer.hear()
                assert message["type"] == "message", message
                if number % where.stay == 0:
                    move = number // where.stay
                    before = roamer
                    if move % 2:  # or else its old connection is open when it comes back
                        before.lose()
                    roamer = before.resume(started[move % 3])
                    before.lose()
        for each in talks:
            each.target = roamer
            assert (each.sent, each.arrived) == (MESSAGES, list(range(MESSAGES)))
        roamer.say(type="message", data="here I am")
        for client in (near, far):
            client.hear_data("here I am")
            assert refusals(client) == []
        wait_for_agreement(near, far, roamer)
        assert told_of(near) == [joined("far"), joined("roamer")]
        assert roamer.hear_until_answered() == []


def test_a_client_may_be_faster_than_what_its_node_says_to_redis(
    redis: RedisServer, tmp_path: Path
) -> None:
    with (
        way(redis.port) as long,
        nodes(f"redis://127.0.0.1:{long.port}", redis.url, cwd=tmp_path) as (far, near),
        register(far, "hasty", "lab", resume=True) as hasty,
    ):
        long.delay = 0.2
        with hasty.resume(far) as back, back.resume(near) as again:
            assert again.hear_until_answered() == []


@pytest.mark.parametrize("lost", ["question", "answer"])
def test_a_place_on_its_way_outlives_the_connection_to_redis(
    lost: str, redis: RedisServer, tmp_path: Path
) -> None:
    move = sha1(text_of("move").encode()).hexdigest().encode()
    has_asked = threading.Event()

    def is_last(data: bytes, from_client: bool) -> bool:
        if from_client and move in data:
            has_asked.set()
            return lost == "question"
        return has_asked.is_set() and not from_client

    with (
        way(redis.port) as to_redis,
        nodes(f"redis://127.0.0.1:{to_redis.port}", redis.url, cwd=tmp_path) as (old, new),
        register(new, "watch", "lab") as watch,
        register(old, "friend", "lab") as friend,
        register(old, "roamer", "lab", resume=True) as roamer,
    ):
        wait_for_agreement(watch, friend, roamer)
        roamer.lose()
        old.wait_for("Connection lost: roamer")
        friend.say(type="message", target_id="roamer", data="waits")
        friend.hear_until_answered()
        to_redis.is_last = is_last

        with roamer.resume(new) as back:
            assert has_asked.is_set()
            back.hear_data("waits")
            old.wait_until_ready()
            wait_for_agreement(watch, friend, back)
            for peer in (watch, friend):
                assert told_of(peer, "roamer") == [joined("roamer")]
