"""One of two workers is killed while many clients talk: those of the other one notice nothing."""

import asyncio
import itertools
import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

from node_clients import Bystanders, Client, left, register, told_of, wait_for_agreement
from nodes import ANNOUNCED
from parents import Parent, parent
from redis_server import RedisServer

from twisted_signal.client.asyncio import connect
from twisted_signal.client.events import Disconnected, Message, PeerLeft, Reconnected
from twisted_signal.client.signal import Signal

PAIRS = 8
PAUSE = 0.05
"""Seconds between two messages of a client."""
BACK = 25.0
"""Seconds within which all talk again: a lease, and as long as a client waits to try again."""


def worker_of(server: Parent, client_id: str) -> int:
    """Return the number of the worker that a client has registered with."""
    return int(server.wait_for(rf"entrance\[(\d)\]: Client registered: {client_id} ")[1])


def client_of(server: Parent, worker: int, name: str, room_id: str) -> Client:
    """Return a client of that worker. The kernel chooses, so it may take some tries."""
    for number in itertools.count():
        client = register(server.url, f"{name}-{number}", room_id)
        if worker_of(server, client.client_id) == worker:
            return client
        client.close()
    raise AssertionError


class Talker:
    """A client that talks to its peer all the while.

    Attributes:
        sent: how many numbers it has said.
        heard: those that its peer has said.
        losses: how often its connection broke.
    """

    def __init__(self, signal_: Signal, peer_id: str) -> None:
        self.signal = signal_
        self.peer_id = peer_id
        self.sent = 0
        self.heard: list[int] = []
        self.losses = 0

    async def talk(self) -> None:
        """Say one number after the other."""
        while True:
            await self.signal.send_message(self.sent, self.peer_id)
            self.sent += 1
            await asyncio.sleep(PAUSE)

    async def hear(self) -> None:
        """Hear what the peer says. It never leaves, and nobody has to register anew."""
        async for event in self.signal:
            match event:
                case Message(data=int(number)):
                    self.heard.append(number)
                case Disconnected():
                    self.losses += 1
                case Reconnected(resumed=resumed):
                    assert resumed
                case PeerLeft():
                    raise AssertionError("one that may come back was announced as left")


def test_a_worker_is_killed_under_load(redis: RedisServer, tmp_path: Path) -> None:
    with (
        parent(redis=redis.url, cwd=tmp_path) as server,
        client_of(server, 2, "watch", "lab") as watch,
    ):
        victim = client_of(server, 1, "victim", "lab")
        talkers = [client_of(server, 2, name, "bystanders") for name in ("one", "other")]
        wait_for_agreement(*talkers)
        wait_for_agreement(watch, victim)
        with Bystanders(*talkers):
            asyncio.run(asyncio.wait_for(kill_under_load(server, watch, victim), 3 * BACK))
        wait_for_agreement(watch)
        assert told_of(watch, victim.client_id)[1:] == [left(victim.client_id)]


async def kill_under_load(server: Parent, watch: Client, victim: Client) -> None:
    """Kill the first worker while all talk, and wait until they talk as before."""
    async with AsyncExitStack() as stack:

        async def talker(name: str, peer: str, room: str) -> Talker:
            signal_ = connect(server.url, room=room, client_id=name)
            return Talker(await stack.enter_async_context(signal_), peer)

        talkers: dict[str, Talker] = {}
        for number in range(PAIRS):
            names = (f"a{number}.", f"b{number}.")
            for name, peer in (names, reversed(names)):
                talkers[name] = await talker(name, peer, f"room {number}")
        workers = {name: worker_of(server, name) for name in talkers}
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(work())
                for each in talkers.values()
                for work in (each.talk, each.hear)
            ]
            await heard_anew(talkers)
            os.kill(server.workers[0], signal.SIGKILL)
            killed_at = time.monotonic()
            await asyncio.to_thread(hear_that_left, watch, victim)
            assert time.monotonic() < killed_at + ANNOUNCED
            await asyncio.to_thread(server.wait_for_another, 1)
            await heard_anew(talkers)
            for task in tasks:
                task.cancel()
        for name, each in talkers.items():
            assert (each.losses > 0) == (workers[name] == 1), name
            # What the worker had taken and not yet passed on is gone, and some comes twice.
            first = list(dict.fromkeys(each.heard))
            assert first == sorted(first)
            if workers[name] == workers[each.peer_id] == 2:
                assert each.heard == list(range(len(each.heard)))


def hear_that_left(watch: Client, victim: Client) -> None:
    """Wait until one hears that the other has left."""
    while watch.hear() != left(victim.client_id):
        pass


async def heard_anew(talkers: dict[str, Talker]) -> None:
    """Wait until each has heard something that was said from now on."""
    said = {name: each.sent for name, each in talkers.items()}
    async with asyncio.timeout(BACK):
        for each in talkers.values():
            while not each.heard or each.heard[-1] < said[each.peer_id]:
                await asyncio.sleep(PAUSE)
