"""A client goes from node to node while others talk to it."""

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from nodes import Node, Numbered, joined, nodes, refusals, register, told_of, wait_for_agreement
from redis_server import RedisServer
from ways import way

MESSAGES = 600
STAY = 23
"""Messages that it hears at one node before it goes to the next."""


@pytest.mark.parametrize("delays", [(0, 0, 0), (0, 0.02, 0.05)], ids=["near", "far"])
def test_a_client_that_roams_hears_everything_once_and_in_order(
    delays: tuple[float, ...], redis: RedisServer, tmp_path: Path
) -> None:
    options = ("--message-rate", "200")
    with ExitStack() as stack:
        ways = [stack.enter_context(way(redis.port)) for _ in delays]
        for each, delay in zip(ways, delays, strict=True):
            each.delay = delay
        urls = [f"redis://127.0.0.1:{each.port}" for each in ways]
        roam(stack.enter_context(nodes(*urls, cwd=tmp_path, options=options)))


def roam(started: list[Node]) -> None:
    """Let a client go from node to node, while two others, who stay, talk to it."""
    with (
        register(started[0], "near", "lab") as near,
        register(started[1], "far", "lab") as far,
    ):
        roamer = register(started[0], "roamer", "lab", resume=True)
        talks = (Numbered(near, roamer), Numbered(far, roamer))
        is_over = threading.Event()

        def talk(numbered: Numbered) -> None:
            while numbered.sent < MESSAGES and not is_over.wait(0.01):
                numbered.say()

        threads = [threading.Thread(target=talk, args=[each]) for each in talks]
        for thread in threads:
            thread.start()
        moves = 0
        try:
            for number in range(2 * MESSAGES):
                message = roamer.hear()
                assert message["type"] == "message", message
                if number % STAY == STAY - 1:
                    moves += 1
                    before = roamer
                    if moves % 2:  # or else its old connection is open when it comes back
                        before.lose()
                    roamer = before.resume(started[moves % 3])
                    before.lose()
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        for each in talks:
            each.target = roamer
            assert each.arrived == list(range(MESSAGES))
        assert moves > MESSAGES / STAY
        roamer.say(type="message", data="here I am")
        for client in (near, far):
            client.hear_data("here I am")
            assert refusals(client) == []
        wait_for_agreement(near, far, roamer)
        assert told_of(near) == [joined("far"), joined("roamer")]
        assert roamer.hear_until_answered() == []
