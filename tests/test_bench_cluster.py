"""The benchmark of nodes that share rooms: what its clients do, and what it writes."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from processes import ROOT, found

sys.path.append(str(ROOT / "benchmarks"))

import cluster_report
import cluster_run
import cluster_servers
import report
from cluster_report import ACROSS, ALONE, NONE, ONE, TWO, WITHIN, ClusterRun
from cluster_run import Measurement
from figures import Figures
from filling import fill
from load import Result
from redis_figures import Redis
from run import load

CORES = {0}


def result(micros: float, p99: float = 0.002, **extra: float) -> Result:
    """Return what 1000 units of so many microseconds would be."""
    given = {"redis": micros / 2000, "in": 9000.0, "out": 500.0, **extra}
    return Result(1000, micros / 1000, 0.1, 0.5, 0.001, p99, given)


def made_up() -> Figures:
    setups = {
        ("single", "relay", "relay-1"): (ALONE, WITHIN, ACROSS),
        ("joins, join", "joins, leave", "joins-1, join", "joins-1, leave"): (ALONE, ONE, TWO),
        ("workers, relay", "workers, joins, join", "workers, joins, leave"): (
            "1 worker",
            "2 workers",
        ),
        ("growth, join, 2", "growth, relay, 2", "growth, join, 64", "growth, relay, 64"): (TWO,),
        ("rest",): (NONE, TWO),
    }
    made: Figures = {
        figure: {setup: [result(20.0), result(10.0), result(40.0)] for setup in places}
        for names, places in setups.items()
        for figure in names
    }
    made["steady"] = {
        setup: [result(10.0, p99)]
        for setup, p99 in ((ALONE, 0.001), (WITHIN, 0.001), (ACROSS, 0.003))
    }
    return made


def run() -> ClusterRun:
    return ClusterRun(made_up(), {"a member": 380.0}, 5000, "Redis 7", 3, 240)


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]


def test_the_section_tells_costs_ratios_traffic_and_what_one_redis_carries() -> None:
    text = cluster_report.render(run())

    assert "in 3 rounds and 4 minutes" in text
    cost = ["20.0 µs", "10.0 µs", "30.0 µs (15.0–60.0)", "1.00", "2,000", "1.00", "2.00"]
    assert [ACROSS, *cost] in rows(text)
    assert ["p99 added at half load", "3.0 ms", "2.00 ms", "met"] in rows(text)
    assert ["64", "9", "0", "10.0 µs", "20.0 µs", "9", "0"] in rows(text)
    joins = ["joins", "10.0 µs", "100,000", "10.0 µs", "1,667", "1.7 %", "0.03"]
    assert joins in rows(text)
    assert "In 5,000 rooms of two, Redis's memory is 380 bytes for a member." in text


def test_what_is_too_slow_is_told() -> None:
    figures = made_up()
    figures["steady"][ACROSS] = [result(10.0, 0.0041)]

    assert ["p99 added at half load", "3.0 ms", "3.10 ms", "**not met**"] in rows(
        cluster_report.added(figures)
    )


def test_each_benchmark_writes_its_own_part_of_the_results(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    other = report.Run({"relay": {"ours": [result(1.0)]}}, {"ours": "vislam-signal"}, [], 1, 60)
    page.write_text("# Results\n\nbefore\n")

    cluster_report.write(run(), tmp_path)
    assert page.read_text().startswith("# Results\n\nbefore\n\n" + report.CLUSTER)
    section = page.read_text().partition(report.CLUSTER)[2]
    report.write(other, tmp_path)
    assert "before\n" not in page.read_text()
    assert page.read_text() == report.render(other) + "\n" + report.CLUSTER + section
    before = page.read_text()
    cluster_report.write(run(), tmp_path)
    assert page.read_text() == before


@pytest.mark.parametrize(
    ("workload", "arguments", "units"),
    [
        ("steady", {"pairs": 2, "rate": 200, "seconds": 0.2, "warm_up": 0.1}, {"": 40}),
        ("joins", {"clients": 6, "in_step": 4, "warm_up": 2}, {"join": 6, "leave": 6}),
        (
            "growth",
            {"sizes": [2, 4], "members": 8, "units": 10},
            {"join, 2": 8, "relay, 2": 10, "join, 4": 8, "relay, 4": 10},
        ),
    ],
)
def test_a_workload_runs_on_a_server_without_a_cluster(
    workload: str, arguments: dict[str, object], units: dict[str, int], tmp_path: Path
) -> None:
    with cluster_servers.alone(tmp_path, CORES) as server:
        results = load(server.dealt(), workload, arguments)

    assert {part: measured.units for part, measured in results.items()} == units
    for measured in results.values():
        assert 0 < measured.server < 5
        assert 0 <= measured.p50 <= measured.p99 < measured.seconds


def test_a_redis_is_filled_as_nodes_fill_it(tmp_path: Path) -> None:
    found("redis-server")
    with cluster_servers.redis_server(tmp_path, CORES) as (port, pid):
        redis = Redis(port, pid)
        before = redis.totals()
        held = fill(redis, 1000, resume=True)
        after = redis.totals()
        keys = redis.info()["db0"]

    assert 100 < held < 1000
    # Two of each room, one of each token, one of each node, and some of all nodes.
    assert 4002 < int(keys.removeprefix("keys=").partition(",")[0]) < 4010
    assert after["in"] == before["in"]  # its own traffic is not counted
    assert after["redis"] > before["redis"]


TINY = replace(
    cluster_run.QUICK,
    relay={"pairs": 4, "outstanding": 2, "units": 100, "warm_up": 20},
    relay_1={"pairs": 4, "outstanding": 1, "units": 100, "warm_up": 20},
    steady={"pairs": 4, "seconds": 0.2, "warm_up": 0.1},
    single={"pairs": 2, "outstanding": 1, "units": 20, "warm_up": 4},
    joins_1={"clients": 8, "in_step": 1, "warm_up": 4},
    joins={"clients": 40, "in_step": 8, "warm_up": 8},
    growth={"sizes": [2, 8], "members": 16, "units": 50},
    workers={"pairs": 4, "outstanding": 2, "units": 100, "warm_up": 20},
    rest=1,
    rooms=100,
)


def test_everything_is_measured(tmp_path: Path) -> None:
    found("redis-server")
    measurement = Measurement(TINY, tmp_path)
    measurement.round()
    figures = measurement.figures

    assert {name for name in figures if "growth" not in name} == {
        name for name in made_up() if "growth" not in name
    }
    for figure, by_setup in made_up().items():
        if "64" not in figure:
            assert figures[figure].keys() == by_setup.keys()
    text = cluster_report.render(
        ClusterRun(figures, measurement.memory(), TINY.rooms, cluster_servers.versions(), 1, 1)
    )
    assert "bytes for one that can resume" in text
    across, within = (figures["relay-1"][setup][0] for setup in (ACROSS, WITHIN))
    assert across.extra["in"] > across.units * 300  # through Redis
    assert within.extra["in"] < within.units * 30  # not
