"""What clients do that are dealt out to the nodes of a cluster; one node is a cluster, too."""

import select
import time
from collections.abc import Callable, Sequence

import wire
from load import Client, Load, LoadError, Result, Stopwatch
from workloads import (
    CANDIDATE,
    SETTLE,
    Pair,
    meet,
    messages_of,
    names,
    one_by_one,
    prepare,
    register,
    stretch,
    wait,
)

LOOK = 0.02
"""Seconds from one look at what Redis still has to the next."""


def steady(
    load: Load, *, pairs: int, rate: float, seconds: float, warm_up: float
) -> dict[str, Result]:
    """Relay candidates at a rate, however fast they arrive. Unit: one message.

    Args:
        rate: messages a second, evenly in time and over the pairs.
        seconds, warm_up: for how long; the warm-up is not measured.

    Latency: from the moment when a message is due, so that one that the generator sends late counts
    as long as it was late.
    """
    met, _ = meet(load, range(pairs))
    prepare(load, met, range(pairs), 1, type="ice_candidate", candidate=CANDIDATE)
    pace(load, met, rate, int(warm_up * rate))
    watch = Stopwatch(load)
    latencies = pace(load, met, rate, int(seconds * rate))
    return {"": watch.stop(len(latencies), latencies)}


def pace(load: Load, pairs: Sequence[Pair], rate: float, units: int) -> list[float]:
    """Send that many messages, so many a second; return the latencies once all have come."""
    by_fd = {pair.target.fd: pair for pair in pairs}
    latencies: list[float] = []
    now = time.perf_counter
    began = now()
    sent = 0
    while len(latencies) < units:
        while sent < units and (due := began + sent / rate) <= now():
            pair = pairs[sent % len(pairs)]
            pair.sent.append(due)
            pair.source.send(pair.batches[1])
            sent += 1
        # select waits for microseconds where epoll's own timeout is in whole milliseconds.
        until_due = max(0.0, began + sent / rate - now()) if sent < units else None
        if until_due is not None and not select.select([load.epoll], [], [], until_due)[0]:
            continue
        for fd in load.ready():
            client = load.clients[fd]
            came = load.read(client)
            if client.ended:
                raise LoadError("The server ended a connection.")
            arrived = now()
            if came:
                latencies.extend([arrived - by_fd[fd].sent.popleft() for _ in range(came)])
    return latencies


def joins(load: Load, *, clients: int, in_step: int, warm_up: int) -> dict[str, Result]:
    """Bring clients that are connected into rooms of two, and let them close their connections.

    Figures: `join`, with `register` to `registered` for the latency, and `leave`. Unit of both: one
    client.

    Args:
        in_step: how many come at a time, and leave.
    """
    come(load, range(50_000, 50_000 + warm_up // 2), in_step)
    rooms = range(clients // 2)
    opened = load.open(2 * len(rooms))
    keys = load.redis.keys() if load.redis else 0
    watch = Stopwatch(load)
    latencies = come(load, rooms, in_step, opened)
    joined = watch.stop(len(latencies), latencies)
    watch = Stopwatch(load)
    goal = load.ended
    for first in range(0, len(opened), in_step):
        leaving = opened[first : first + in_step]
        goal += len(leaving)
        for client in leaving:
            client.send(wire.CLOSE_FRAME)
        while load.ended < goal:
            load.turn()
    while load.redis and load.redis.keys() > keys:
        time.sleep(LOOK)
    return {"join": joined, "leave": watch.stop(len(opened), [])}


def come(
    load: Load, rooms: range, in_step: int, clients: Sequence[Client] | None = None
) -> list[float]:
    """Let two clients enter each room; return how long each took to be registered.

    Args:
        rooms: by number.
        in_step: how many may be under way at a time.
        clients: that are connected; None: they are connected now.
    """
    clients = load.open(2 * len(rooms)) if clients is None else clients
    frames = [register(client, names(n)[2]) for n in rooms for client in names(n)[:2]]
    began: dict[int, float] = {}
    latencies: list[float] = []
    goal = load.frames + 3 * len(rooms)
    sent = 0
    while load.frames < goal:
        while sent < len(clients) and len(began) < in_step:
            began[clients[sent].fd] = time.perf_counter()
            clients[sent].send(frames[sent])
            sent += 1
        # What comes to a client first is its answer, before anything that is said of others.
        came = [client.fd for client in load.turn() if client.fd in began]
        latencies.extend([time.perf_counter() - began.pop(fd) for fd in came])
    return latencies


def growth(load: Load, *, sizes: list[int], members: int, units: int) -> dict[str, Result]:
    """Fill rooms of each size with members, and let each second one send to the one before.

    Figures of each size: `join, SIZE`, where one comes after the other, and `relay, SIZE`, with one
    message of each sender on its way. Unit: one member, and one message.

    Args:
        members: in all rooms of one size together.
        units: messages.
    """
    results = {}
    first = 0
    for size in sizes:
        numbers = range(first, first + members // 2)
        first += len(numbers)
        clients = load.open(members)
        rooms = [f"{size}-{number * 2 // size}" for number in numbers]
        frames = [
            register(client, room)
            for room, number in zip(rooms, numbers, strict=True)
            for client in names(number)[:2]
        ]
        goal = load.frames + members // size * messages_of(size)
        watch = Stopwatch(load)
        latencies = one_by_one(load, clients, frames)
        while load.frames < goal:
            load.turn()
        results[f"join, {size}"] = watch.stop(members, latencies)
        pairs = [Pair(*two) for two in zip(clients[::2], clients[1::2], strict=True)]
        prepare(load, pairs, numbers, 1, type="ice_candidate", candidate=CANDIDATE)
        results[f"relay, {size}"] = stretch(load, pairs, 1, units, len(pairs))
    return results


def rest(load: Load, *, seconds: int) -> dict[str, Result]:
    """Let nobody be there. Unit: one second."""
    wait(load, SETTLE)
    watch = Stopwatch(load)
    wait(load, seconds)
    return {"": watch.stop(seconds, [])}


CLUSTER_WORKLOADS: dict[str, Callable[..., dict[str, Result]]] = {
    "steady": steady,
    "joins": joins,
    "growth": growth,
    "rest": rest,
}
