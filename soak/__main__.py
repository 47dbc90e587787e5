"""`make soak`: the server has no more memory, descriptors or sessions at the end than it needs."""

import argparse
import asyncio
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from random import Random

from soak import scenarios, server
from soak.clients import Unexpected

FAILED = 1
NOT_RUN = 3
INTERRUPTED = 130
WARM_UP = 60.0
"""Seconds after which the memory has what it will have."""
MAX_GROWTH = 0.05
"""How much more resident memory than after the warm-up is too much, as a part of it."""
SCENARIOS_A_SECOND = 8
AT_ONCE = 40
"""How many scenarios may be played at the same time."""
COLUMNS = ("time", "RSS", "descriptors", "calls", "drops", "resumes", "errors")
IN_LOG = {
    "opened": r"registry: Room opened: ",
    "closed": r"registry: Room closed: ",
    "mistakes": r"\[(ERROR|CRITICAL)\]|Traceback",
}


class Soak:
    """A run.

    Attributes:
        wrong: what was seen that should not be, one line each.
    """

    def __init__(self, running: server.Server, seconds: float, seed: int) -> None:
        self._server = running
        self._seconds = seconds
        self._rng = Random(seed)  # noqa: S311 - no secret
        self._counts: Counter[str] = Counter()
        self._began = time.monotonic()
        self._descriptors = running.descriptors()
        self.wrong: list[str] = []

    async def run(self) -> None:
        """Play scenarios for the time, and look at what is left."""
        print(("{:>12}" * len(COLUMNS)).format(*COLUMNS), flush=True)
        reports = asyncio.create_task(self._report())
        await self._play()
        reports.cancel()
        await self._wait_until_gone()
        self._print()
        self._check_end(await asyncio.gather(reports, return_exceptions=True))

    async def _play(self) -> None:
        places = asyncio.Semaphore(AT_ONCE)
        chosen = self._rng.choices(
            list(scenarios.ALL), list(scenarios.ALL.values()), k=round(self._seconds * 100)
        )
        async with asyncio.TaskGroup() as group:
            for number, scenario in enumerate(chosen):
                if self._passed() >= self._seconds or not self._server.is_running():
                    break
                await places.acquire()
                task = group.create_task(self._play_one(scenario, number))
                task.add_done_callback(lambda _: places.release())
                await asyncio.sleep(self._rng.expovariate(SCENARIOS_A_SECOND))

    async def _play_one(self, scenario: scenarios.Scenario, number: int) -> None:
        rng = Random(self._rng.random())  # noqa: S311 - no secret
        life = scenarios.Life(self._server.url, f"room{number}", rng, self._counts)
        try:
            await scenario(life)
        except (Unexpected, OSError, EOFError, TimeoutError) as error:
            self._counts["errors"] += 1
            *_, place = traceback.extract_tb(error.__traceback__, limit=2)
            self.wrong.append(
                f"{getattr(scenario, '__name__', scenario)}, room{number}, line {place.lineno}:"
                f" {type(error).__name__} {error}"
            )

    async def _wait_until_gone(self) -> None:
        """Wait until the server has missed everybody."""
        deadline = time.monotonic() + scenarios.UNTIL_GONE
        while time.monotonic() < deadline and self._server.is_running():
            counts = self._server.counts(IN_LOG)
            if self._server.descriptors() <= self._descriptors and (
                counts["opened"] == counts["closed"]
            ):
                return
            await asyncio.sleep(0.5)

    async def _report(self) -> int:
        """Print a line a minute; when cancelled, return the memory after the warm-up."""
        warm = 0
        number = 0
        try:
            while True:
                number += 1
                await asyncio.sleep(self._began + number * WARM_UP - time.monotonic())
                self._print()
                warm = warm or self._server.resident_kib()
        except asyncio.CancelledError:
            return warm

    def _print(self) -> None:
        if not self._server.is_running():
            return
        counts = [self._counts[name] for name in COLUMNS[3:]]
        minutes, seconds = divmod(round(self._passed()), 60)
        values = (
            f"{minutes}:{seconds:02}",
            f"{self._server.resident_kib() / 1024:.1f} MiB",
            self._server.descriptors(),
            *counts,
        )
        print(("{:>12}" * len(values)).format(*values), flush=True)

    def _check_end(self, reports: Sequence[int | BaseException]) -> None:
        if not self._server.is_running():
            self.wrong.append(f"the server ended:\n{self._server.end_of_log()}")
            return
        (warm,) = reports
        assert isinstance(warm, int)
        resident = self._server.resident_kib()
        if warm and resident > warm * (1 + MAX_GROWTH):
            self.wrong.append(
                f"{resident} KiB are resident; {warm} were after {WARM_UP:g} s:"
                f" {resident / warm - 1:+.1%}"
            )
        if (descriptors := self._server.descriptors()) > self._descriptors:
            self.wrong.append(
                f"{descriptors} file descriptors are open; {self._descriptors} were at the start"
            )
        counts = self._server.counts(IN_LOG)
        if counts["opened"] != counts["closed"]:
            self.wrong.append(f"{counts['opened']} rooms opened and {counts['closed']} closed")
        if counts["mistakes"]:
            self.wrong.append(f"mistakes in the server's log:\n{self._server.end_of_log()}")
        if not counts["opened"]:
            self.wrong.append("nobody came into a room")
        if (status := self._server.stop()) != 0:
            self.wrong.append(f"the server ended with status {status}")
        growth = f", memory {resident / warm - 1:+.1%} since the first minute" if warm else ""
        print(f"{counts['opened']} rooms, {self._counts['calls']} calls{growth}")

    def _passed(self) -> float:
        return time.monotonic() - self._began


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument(
        "--minutes",
        type=float,
        default=60,
        help="how long (default: %(default)s); the memory is compared from the first minute on",
    )
    parser.add_argument("--seed", type=int, default=None, help="of what is left to chance")
    options = parser.parse_args(arguments)
    if not options.minutes > 0:
        parser.error("--minutes must be more than 0")
    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    try:
        with server.running(scenarios.OPTIONS) as running:
            print(f"Soaking {running.url} for {options.minutes:g} minutes (--seed {seed})")
            soak = Soak(running, options.minutes * 60, seed)
            asyncio.run(soak.run())
    except (OSError, RuntimeError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return NOT_RUN
    except KeyboardInterrupt:
        return INTERRUPTED
    for line in soak.wrong[:20]:
        print(line)
    print(f"Failed: {len(soak.wrong)} things are wrong" if soak.wrong else "All is well")
    return FAILED if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
