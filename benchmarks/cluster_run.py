"""Measures nodes that share rooms by a Redis; needs `redis-server`.

    python benchmarks/cluster_run.py            everything; writes its section of results.md
    python benchmarks/cluster_run.py --quick    small, once; writes nothing

What is compared runs in turn in one round: whatever the machine does meanwhile meets all of it.
"""

import os
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cluster_report
import cluster_servers
from cluster_report import ACROSS, ALONE, NONE, ONE, TWO, WITHIN, ClusterRun
from figures import Figures
from filling import fill
from redis_figures import Redis
from run import RunError, load
from servers import HERE, MissingError, StartError, cores

HALF = 0.5
"""Of the full load, at which latency is looked at."""


@dataclass(frozen=True)
class Sizes:
    """How much of each workload is done. See `workloads` and `cluster_workloads`."""

    single: Mapping[str, object]
    relay: Mapping[str, object]
    relay_1: Mapping[str, object]
    steady: Mapping[str, object]
    joins: Mapping[str, object]
    joins_1: Mapping[str, object]
    growth: Mapping[str, object]
    workers: Mapping[str, object]
    rest: int
    rooms: int


FULL = Sizes(
    single={"pairs": 2, "outstanding": 1, "units": 4_000, "warm_up": 400},
    relay={"pairs": 50, "outstanding": 8, "units": 40_000, "warm_up": 5_000},
    relay_1={"pairs": 50, "outstanding": 1, "units": 20_000, "warm_up": 3_000},
    steady={"pairs": 50, "seconds": 3, "warm_up": 1},
    joins={"clients": 4_000, "in_step": 40, "warm_up": 400},
    joins_1={"clients": 600, "in_step": 1, "warm_up": 80},
    growth={"sizes": [2, 8, 32, 64], "members": 512, "units": 5_000},
    workers={"pairs": 100, "outstanding": 4, "units": 60_000, "warm_up": 10_000},
    rest=5,
    rooms=100_000,
)
QUICK = Sizes(
    single={"pairs": 2, "outstanding": 1, "units": 800, "warm_up": 100},
    relay={"pairs": 50, "outstanding": 8, "units": 8_000, "warm_up": 2_000},
    relay_1={"pairs": 50, "outstanding": 1, "units": 5_000, "warm_up": 1_000},
    steady={"pairs": 50, "seconds": 1, "warm_up": 0.5},
    joins={"clients": 800, "in_step": 40, "warm_up": 80},
    joins_1={"clients": 200, "in_step": 1, "warm_up": 40},
    growth={"sizes": [2, 64], "members": 128, "units": 1_000},
    workers={"pairs": 100, "outstanding": 4, "units": 15_000, "warm_up": 4_000},
    rest=2,
    rooms=10_000,
)


class Measurement:
    """Figures as they are measured, each of a way that clients are dealt out."""

    def __init__(self, sizes: Sizes, home: Path) -> None:
        self.figures: Figures = {}
        self._sizes = sizes
        self._home = home
        server_core, self._generator_core = cores()
        self._servers = {server_core}
        self._all = {server_core, self._generator_core}

    def round(self) -> None:
        """Measure everything once."""
        self.rooms()
        self.workers()

    def rooms(self) -> None:
        """Measure rooms on a server by itself, on one node and on two."""
        sizes = self._sizes
        with cluster_servers.alone(self._home, self._servers) as server:
            self._relays(ALONE, server.dealt())
            self._joins(ALONE, server.dealt())
        with cluster_servers.cluster(0, self._home, self._servers) as nobody:
            self._take("rest", NONE, nobody.dealt(), {"seconds": sizes.rest})
        with cluster_servers.cluster(1, self._home, self._servers) as one:
            self._joins(ONE, one.dealt())
        with cluster_servers.cluster(2, self._home, self._servers) as two:
            self._take("rest", TWO, two.dealt(), {"seconds": sizes.rest})  # before anybody leaves
            # Each second pair the other way round, so that both nodes have as much to do.
            within, across = two.dealt(0, 0, 1, 1), two.dealt(0, 1, 1, 0)
            self._relays(WITHIN, within)
            self._relays(ACROSS, across)
            self._joins(TWO, across)
            self._take("growth", TWO, two.dealt(), sizes.growth)

    def workers(self) -> None:
        """Measure one worker and two, on all cores."""
        sizes = self._sizes
        for number in (1, 2):
            options = ("--workers", str(number))
            with cluster_servers.cluster(1, self._home, self._all, options) as workers:
                setup = f"{number} worker{'s'[: number - 1]}"
                self._take("relay", setup, workers.dealt(), sizes.workers, "workers, relay")
                self._take("joins", setup, workers.dealt(), sizes.joins, "workers, joins")

    def memory(self) -> dict[str, float]:
        """Return the bytes that a member takes in Redis, by whether it can resume."""
        held = {}
        for what, resume in (("a member", False), ("one that can resume", True)):
            with cluster_servers.redis_server(self._home, self._all) as (port, pid):
                held[what] = fill(Redis(port, pid), self._sizes.rooms, resume=resume)
        return held

    def _relays(self, setup: str, there: Mapping[str, object]) -> None:
        """Measure relays: little of it, much, in bursts, and at half the rate of much."""
        sizes = self._sizes
        self._take("relay", setup, there, sizes.single, "single")
        self._take("relay", setup, there, sizes.relay)
        self._take("relay", setup, there, sizes.relay_1, "relay-1")
        full = self.figures["relay-1"][setup][-1]
        rate = HALF * full.units / full.seconds
        self._take("steady", setup, there, {**sizes.steady, "rate": rate})

    def _joins(self, setup: str, there: Mapping[str, object]) -> None:
        """Measure joins and leaves, many at a time and one by one."""
        self._take("joins", setup, there, self._sizes.joins)
        self._take("joins", setup, there, self._sizes.joins_1, "joins-1")

    def _take(
        self,
        workload: str,
        setup: str,
        there: Mapping[str, object],
        arguments: Mapping[str, object],
        name: str = "",
    ) -> None:
        """Run a workload and keep its figures, under its own name or another."""
        for part, result in load(there, workload, arguments).items():
            figure = f"{name or workload}, {part}" if part else name or workload
            self.figures.setdefault(figure, {}).setdefault(setup, []).append(result)


def options() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(description="Measures nodes that share rooms by a Redis.")
    parser.add_argument("--rounds", type=int, help="default: 3; with --quick 1")
    parser.add_argument("--quick", action="store_true", help="small workloads, no report")
    parser.add_argument("--no-report", action="store_true", help="print the tables only")
    return parser.parse_args()


def main() -> None:
    """Do what the command line says."""
    chosen = options()
    rounds = chosen.rounds or (1 if chosen.quick else 3)
    began = time.monotonic()
    _, mine = cores()
    sizes = QUICK if chosen.quick else FULL
    with tempfile.TemporaryDirectory() as home:
        measurement = Measurement(sizes, Path(home))
        os.sched_setaffinity(0, {mine})
        try:
            for number in range(rounds):
                measurement.round()
                print(f"Round {number + 1} of {rounds}", flush=True)
            memory = measurement.memory()
        except (RunError, StartError, MissingError) as error:
            said = "".join(
                f"\n{log.name}: {log.read_text(errors='replace')[-1000:]}"
                for log in Path(home).glob("*.log")
            )
            sys.exit(f"{error}{said}")
    run = ClusterRun(
        measurement.figures,
        memory,
        sizes.rooms,
        cluster_servers.versions(),
        rounds,
        time.monotonic() - began,
    )
    print(f"\n{cluster_report.render(run)}\nTook {run.seconds:.0f} s.")
    if not chosen.quick and not chosen.no_report:
        cluster_report.write(run, HERE)


if __name__ == "__main__":
    main()
