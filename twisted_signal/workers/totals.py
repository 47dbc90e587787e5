"""The metrics of all workers as those of one server.

Counters and histograms are summed, those of processes that have ended with them: else a sum would
fall when a worker dies, and Prometheus would take all of it for new. What is known of a process is
what it said when it was asked last.
"""

from collections.abc import Iterable, Iterator
from copy import copy

from prometheus_client.core import Metric, Sample
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

MOST_OF_ALL = frozenset({"vislam_signal_build", "process_start_time_seconds"})
"""What is not summed: the largest of all workers' is told."""
LEAST_OF_ALL = frozenset({"vislam_signal_cluster_up"})
"""Likewise, the smallest: all is well when it is so for all."""
THAT_GROW = ("counter", "histogram")
"""The types of metrics that never fall."""

_Key = tuple[str, tuple[tuple[str, str], ...]]


class Family:
    """One metric: what is said of it, and its values by name and labels."""

    def __init__(self, metric: Metric) -> None:
        """Begin with a metric's samples."""
        self.metric = metric
        self.values: dict[_Key, float] = {
            (each.name, tuple(each.labels.items())): each.value for each in metric.samples
        }

    @property
    def name(self) -> str:
        """The metric's."""
        return self.metric.name

    @property
    def grows(self) -> bool:
        """Whether it never falls."""
        return self.metric.type in THAT_GROW

    def add(self, other: "Family") -> None:
        """Take the values of another process, too."""
        for key, value in other.values.items():
            own = self.values.get(key)
            self.values[key] = value if own is None else self._both(own, value)

    def _both(self, one: float, other: float) -> float:
        if self.name in MOST_OF_ALL:
            return max(one, other)
        if self.name in LEAST_OF_ALL:
            return min(one, other)
        return one + other

    def as_metric(self) -> Metric:
        """Return it as it is now."""
        metric = copy(self.metric)
        metric.samples = [
            Sample(name, dict(labels), value) for (name, labels), value in self.values.items()
        ]
        return metric


Families = dict[str, Family]


def parse(text: str) -> Families:
    """Return what a process said, in the words of OpenMetrics, by the metrics' names."""
    return {metric.name: Family(metric) for metric in text_string_to_metric_families(text)}


def add(into: Families, more: Families) -> None:
    """Sum."""
    for name, family in more.items():
        if name in into:
            into[name].add(family)
        else:
            into[name] = Family(family.as_metric())


class Totals(Collector):
    """What all workers have said."""

    def __init__(self) -> None:
        self._last: dict[int, Families] = {}  # by the number of the process
        self._ended: Families = {}

    def said(self, process: int, text: str) -> None:
        """A process has said how it is, in the words of OpenMetrics."""
        self._last[process] = parse(text)

    def keep(self, processes: Iterable[int]) -> None:
        """Only these are there: of what others have counted the sum is kept."""
        for process in self._last.keys() - set(processes):
            gone = self._last.pop(process)
            add(self._ended, {name: each for name, each in gone.items() if each.grows})

    def value(self, name: str) -> float:
        """Return the sum of all that a metric says, whatever its labels."""
        found = self._all().get(name)
        return 0 if found is None else sum(found.values.values())

    def collect(self) -> Iterator[Metric]:
        """Return the sums. A hook of prometheus-client."""
        for family in self._all().values():
            yield family.as_metric()

    def _all(self) -> Families:
        found: Families = {}
        for families in (*self._last.values(), self._ended):
            add(found, families)
        return found
