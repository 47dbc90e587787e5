"""The metrics of several processes, as those of one."""

from memory import Memory
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from twisted_signal.metrics import ServerCollector, told
from twisted_signal.workers.totals import Totals

OPEN = "application/openmetrics-text"


def said(*lines: str) -> str:
    return "\n".join([*lines, "# EOF", ""])


def values(totals: Totals) -> dict[str, float]:
    """Return what Prometheus reads, by the names with their labels."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(totals)
    _, body = told(registry)
    return {
        "".join([sample.name, *(f" {value}" for value in sample.labels.values())]): sample.value
        for metric in text_string_to_metric_families(body.decode())
        for sample in metric.samples
    }


def test_counters_gauges_and_histograms_are_summed_by_their_labels() -> None:
    totals = Totals()
    for process, count in ((1, 3), (2, 4)):
        totals.said(
            process,
            said(
                "# TYPE messages counter",
                f'messages_total{{type="offer"}} {count}',
                f'messages_total{{type="p{process}"}} 1',
                "# TYPE clients gauge",
                f"clients {count}",
                "# TYPE lag histogram",
                f'lag_bucket{{le="1.0"}} {count}',
                f'lag_bucket{{le="+Inf"}} {2 * count}',
                f"lag_count {2 * count}",
                f"lag_sum {count}.5",
            ),
        )

    assert values(totals) == {
        "messages_total offer": 7,
        "messages_total p1": 1,
        "messages_total p2": 1,
        "clients": 7,
        "lag_bucket 1.0": 7,
        "lag_bucket +Inf": 14,
        "lag_count": 14,
        "lag_sum": 8,
    }


def test_what_cannot_be_summed_is_that_of_the_last_to_start_or_of_the_worst() -> None:
    totals = Totals()
    for process, start, is_up in ((1, 100, 1), (2, 200, 0)):
        totals.said(
            process,
            said(
                "# TYPE process_start_time_seconds gauge",
                f"process_start_time_seconds {start}",
                "# TYPE vislam_signal_cluster_up gauge",
                f"vislam_signal_cluster_up {is_up}",
                "# TYPE vislam_signal_build info",
                'vislam_signal_build_info{version="1"} 1',
            ),
        )

    assert values(totals) == {
        "process_start_time_seconds": 200,
        "vislam_signal_cluster_up": 0,
        "vislam_signal_build_info 1": 1,
    }


def test_what_a_process_had_counted_stays_when_it_has_ended() -> None:
    totals = Totals()
    text = said("# TYPE came counter", "came_total 5", "# TYPE here gauge", "here 5")
    for process in (1, 2):
        totals.said(process, text)

    totals.keep([2, 3])  # the third has not said anything yet

    assert values(totals) == {"came_total": 10, "here": 5}
    totals.said(3, text)
    assert values(totals) == {"came_total": 15, "here": 10}
    totals.keep([2])
    totals.keep([])
    assert values(totals) == {"came_total": 15}
    assert totals.value("came") == 15
    assert totals.value("nothing") == 0


def test_what_the_server_says_is_understood_and_comes_out_as_it_was() -> None:
    memory = Memory()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServerCollector(memory.factory))
    totals = Totals()
    summed = CollectorRegistry(auto_describe=False)
    summed.register(totals)

    totals.said(1, told(registry, OPEN)[1].decode())

    assert told(summed) == told(registry)
    assert told(summed, OPEN) == told(registry, OPEN)
