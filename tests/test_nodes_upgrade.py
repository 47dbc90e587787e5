"""All nodes are replaced, one after the other, under clients that know one address."""

import asyncio
import itertools
from collections.abc import Awaitable
from contextlib import ExitStack
from pathlib import Path

from nodes import Node, nodes
from processes import PATIENCE
from redis_server import RedisServer
from ways import way

from twisted_signal.client.asyncio import connect
from twisted_signal.client.events import Message, PeerJoined, PeerLeft, Reconnected
from twisted_signal.client.signal import Signal

PAUSE = 0.03
"""Seconds between two messages of a client, which keeps it below its rate."""
OVER = "that is all"


def test_a_rolling_upgrade_is_noticed_by_no_application(redis: RedisServer, tmp_path: Path) -> None:
    options = ("--drain-timeout", "3")
    with ExitStack() as stack:

        def start() -> Node:
            started = nodes(redis.url, cwd=tmp_path, options=options)
            return stack.enter_context(started)[0]

        running = [start(), start()]
        address = stack.enter_context(way(*(node.port for node in running)))

        async def upgrade() -> None:
            for _ in range(2):
                old = running.pop(0)
                running.append(await asyncio.to_thread(start))
                address.lead_to(*(node.port for node in running))
                assert await asyncio.to_thread(old.stop) == 0

        asyncio.run(asyncio.wait_for(talk_during(upgrade(), address.url), 2 * PATIENCE))


async def talk_during(work: Awaitable[None], url: str) -> None:
    """Let two clients talk all the while; neither may miss anything."""
    is_over = asyncio.Event()
    async with (
        connect(url, room="lab", client_id="pc") as pc,
        connect(url, room="lab", client_id="phone") as phone,
        asyncio.TaskGroup() as group,
    ):
        said = [
            group.create_task(talk(pc, "phone", is_over)),
            group.create_task(talk(phone, "pc", is_over)),
        ]
        heard = [group.create_task(hear(phone)), group.create_task(hear(pc))]
        await work
        is_over.set()
        for count, (numbers, _) in zip(
            await asyncio.gather(*said), await asyncio.gather(*heard), strict=True
        ):
            # One of which it is not known that it arrived is sent again, and may come twice.
            assert list(dict.fromkeys(numbers)) == list(range(count))
        assert all(resumes for _, resumes in await asyncio.gather(*heard))


async def talk(signal: Signal, peer_id: str, is_over: asyncio.Event) -> int:
    """Say one number after the other; return how many it were."""
    for number in itertools.count():
        if is_over.is_set():
            await signal.send_message(OVER, peer_id)
            return number
        await signal.send_message(number, peer_id)
        await asyncio.sleep(PAUSE)
    raise AssertionError


async def hear(signal: Signal) -> tuple[list[int], int]:
    """Return the numbers that a client heard, and how often it came back to its place."""
    numbers: list[int] = []
    resumes = arrivals = 0
    async for event in signal:
        match event:
            case Message(data=data) if data == OVER:
                break
            case Message(data=int(number)):
                numbers.append(number)
            case Reconnected(resumed=resumed):
                assert resumed
                resumes += 1
            case PeerJoined():
                arrivals += 1
            case PeerLeft():
                raise AssertionError("the peer was announced as left")
    assert arrivals == 1
    return numbers, resumes
