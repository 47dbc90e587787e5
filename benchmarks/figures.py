"""What was measured, and what follows from it: medians, ratios, targets met."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from cases import CASES, MEMORY, OURS, REST, Target
from load import Result

Figures = dict[str, dict[str, list[Result]]]
"""By figure and server, what each round measured."""


@dataclass(frozen=True)
class Spread:
    """A figure of one server over all rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, results: list[Result], value: Callable[[Result], float]) -> "Spread":
        """Take one value of each round."""
        values = sorted(map(value, results))
        return cls(median(values), values[0], values[-1])


def cost(result: Result) -> float:
    """Return the server's CPU seconds for a unit of work."""
    return result.server / result.units


def _kept(name: str) -> Callable[[Result], float]:
    return lambda result: result.extra[name]


VALUES = {MEMORY: ("connect", _kept("memory")), REST: ("connect", _kept("rest"))}
"""Figures that are not the cost of a workload: where they are found."""


ONE_PING = 0.9
"""Pings to each client at rest that are taken for one; the last may come too late to be counted."""


def spread(figures: Figures, name: str, server: str) -> Spread | None:
    """Return a figure of a server by its name; None: it was not measured."""
    workload, value = VALUES.get(name, (name, cost))
    results = figures.get(workload, {}).get(server, [])
    if name == REST:  # without keep-alive it costs nothing to be at rest
        results = [result for result in results if result.extra.get("pings", 0) >= ONE_PING]
    if not results:
        return None
    return Spread.of(results, value)


def kept_alive(results: list[Result]) -> bool:
    """Tell whether the clients at rest were pinged, so that the cost of it counts."""
    return all(result.extra.get("pings", ONE_PING) >= ONE_PING for result in results)


def case_of(figure: str) -> str:
    """Return the name of the workload that a figure belongs to."""
    return figure.partition(",")[0]


def shown(name: str, value: float) -> str:
    """Return a figure as people read it, with its unit."""
    if name == MEMORY:
        return f"{value / 1024:.1f} KiB"
    if name == REST:
        return f"{100 * value:.2f} %"
    number = value * 1e6
    return f"{number:,.0f} µs" if number >= 200 else f"{number:.1f} µs"


@dataclass(frozen=True)
class Verdict:
    """Whether a target is met.

    Attributes:
        target: that is judged.
        ours: our figure.
        reached: the ratio, or our figure where the target names no other.
    """

    target: Target
    ours: float
    reached: float

    @property
    def met(self) -> bool:
        """Tell whether it is reached, to the two digits that are shown."""
        return self.reached <= self.target.most * 1.005


def judge(figures: Figures, target: Target) -> Verdict | None:
    """Hold what was measured against a target; None: a figure for it is missing."""
    ours = spread(figures, target.figure, OURS)
    if ours is None:
        return None
    if target.against is None:
        return Verdict(target, ours.median, ours.median)
    if case_of(target.against) in CASES:
        other = spread(figures, target.against, OURS)
    else:
        other = spread(figures, target.figure, target.against)
    if other is None or not other.median:
        return None
    return Verdict(target, ours.median, ours.median / other.median)
