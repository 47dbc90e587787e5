"""A server that seems to have run for hours, for the documents' pictures of its status page.

python tests/pictured_server.py OPTIONS: those of `vislam-signal serve`. Its history is made up, and
so is for how long its clients and rooms are there.
"""

import math
import random
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import LoopingCall

from twisted_signal import tap
from twisted_signal.cli import serve
from twisted_signal.history import POINTS, STEP
from twisted_signal.service import SignalService
from twisted_signal.websocket import SignalProtocol

HOURS = 3600


def levels(point: int) -> dict[str, float]:
    """Return how many were there. `point`: of the history, from 0 to POINTS."""
    swell = math.sin(point / 29) + 0.4 * math.sin(point / 11)
    return {"clients": round(280 + 30 * swell), "rooms": round(140 + 16 * swell)}


def rates(point: int, rng: random.Random) -> dict[str, float]:
    """Return what happened in a second."""
    load = 1 + 0.3 * math.sin(point / 17) + 0.12 * rng.random()
    return {
        "connections": 1.6 * load + 0.4 * rng.random(),
        "registrations": 1.3 * load + 0.2 * rng.random(),
        "messages": 96 * load,
        "bytes_in": 31_000 * load,
        "bytes_out": 34_000 * load,
        "refusals": 0.4 * (point % 59 in (30, 31)),
    }


def make_up(service: SignalService) -> None:
    """Give a server a past."""
    rng = random.Random(6)
    telemetry = service.telemetry
    now: float = reactor.seconds()
    telemetry.stopService()  # what goes on is nothing beside that past
    telemetry.history._begun = None
    past = [rates(point, rng) for point in range(POINTS + 1)]
    totals = {name: -STEP * sum(each[name] for each in past[1:]) for name in past[0]}
    for point, each in enumerate(past):
        if point:
            totals = {name: total + STEP * each[name] for name, total in totals.items()}
        at = now - (POINTS - point) * STEP
        telemetry.history.sample(at, totals=totals, levels=levels(point), peaks={"lag": 0.001})
    service.started_at -= 52 * HOURS
    service.started_at_ms -= 52 * HOURS * 1000


def age(service: SignalService) -> Callable[[], None]:
    """Return what makes all that has come since the last call older than it is."""
    rng = random.Random(7)
    known: set[object] = set()

    def make_older() -> None:
        for protocol in service.factory.connections:
            if protocol not in known:
                known.add(protocol)
                protocol.connected_at -= rng.randrange(200, 5 * HOURS)
                protocol.messages += rng.randrange(6, 90)
        for room in service.factory.registry.rooms.values():
            if room not in known:
                known.add(room)
                room.opened_at_ns -= rng.randrange(200, 5 * HOURS) * 1_000_000_000

    return make_older


def round_trip_ms(protocol: SignalProtocol) -> float:
    """Return a round trip of an ordinary network: here all is on one machine."""
    return (protocol.number * 7919) % 800 / 20 + 1.4


def main() -> None:
    make_service = tap.makeService

    def make(options: tap.Options) -> Any:
        service = make_service(options)
        assert isinstance(service, SignalService)
        reactor.callWhenRunning(make_up, service)
        LoopingCall(age(service)).start(0.1)
        return service

    tap.makeService = make
    SignalProtocol.round_trip_ms = round_trip_ms  # type: ignore[method-assign, assignment] # see there
    serve(sys.argv[1:])


if __name__ == "__main__":
    main()
