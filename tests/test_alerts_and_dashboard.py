"""Holds what Prometheus and Grafana are given in `deploy/` to what a server exposes."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exposed import busy_server
from processes import ROOT

DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
CONFIG = DEPLOY / "prometheus" / "prometheus.yml"
DASHBOARD = DEPLOY / "grafana" / "vislam-signal.json"

OF_PROMETHEUS = {"job", "instance"}
"""Labels that Prometheus gives each series."""


@pytest.fixture(scope="module")
def exposed() -> dict[str, list[dict[str, str]]]:
    """The labels of each series of a server, by its name."""
    server = busy_server()
    series: dict[str, list[dict[str, str]]] = {"up": [{}]}
    for name, labels in server.series():
        series.setdefault(name, []).append(dict(labels))
    server.telemetry.stopService()
    return series


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return found


def run(promtool: str, *arguments: str | Path) -> None:
    """Run promtool, which must find nothing wrong."""
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> dict[str, str]:
    """Return each alert's text by its name."""
    _, *texts = re.split(r"^ +- alert: ", ALERTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {text.partition("\n")[0]: text.partition("\n")[2] for text in texts}


def values(node: Any, key: str) -> Iterator[Any]:
    """Yield what stands under a key, however deep."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from values(value, key)
    elif isinstance(node, list):
        for each in node:
            yield from values(each, key)


def dashboard() -> Any:
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def expressions() -> list[str]:
    """Return the PromQL of the dashboard."""
    return list(values(dashboard(), "expr"))


NAME = r"\b(?:vislam_signal_\w+|process_\w+|up\b)"
SELECTOR = re.compile(rf"({NAME})(?:\{{([^}}]*)\}})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")


def check(expression: str, exposed: dict[str, list[dict[str, str]]]) -> None:
    """See that all that an expression names is there."""
    found = SELECTOR.findall(expression)
    assert found, f"names no metric: {expression}"
    known = set(OF_PROMETHEUS)
    for name, matchers in found:
        assert name in exposed, f"no metric {name} in {expression}"
        labels = {label for series in exposed[name] for label in series}
        known |= labels
        for label, operator, value in MATCHER.findall(matchers):
            assert label in labels | OF_PROMETHEUS, f"no label {label} of {name}"
            if label in labels and operator in ("=", "!="):
                assert value in {series[label] for series in exposed[name]}, (label, value)
    for grouped in GROUPED.findall(expression):
        assert set(re.findall(r"\w+", grouped)) <= known, f"by ({grouped}) in {expression}"


# The alerts


@pytest.mark.parametrize("name", alerts())
def test_an_alert_uses_what_there_is(name: str, exposed: dict[str, list[dict[str, str]]]) -> None:
    check(alerts()[name], exposed)


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    text = alerts()[name]

    assert re.search(r"severity: (critical|warning)\n", text)
    assert re.search(r"summary: .*{{ \$labels.instance }}", text)
    assert re.search(r"description: \S+", text)


def test_a_metric_that_does_not_exist_is_found(
    exposed: dict[str, list[dict[str, str]]],
) -> None:
    for wrong in (
        "vislam_signal_client > 1",
        "rate(vislam_signal_messages_received[5m])",
        'vislam_signal_clients{room="lab"}',
        'vislam_signal_clients{dialect="klingon"}',
        "sum by (room) (vislam_signal_clients)",
        "1 > 0",
    ):
        with pytest.raises(AssertionError):
            check(wrong, exposed)


def test_prometheus_takes_the_alerts_and_its_configuration(promtool: str) -> None:
    for kind, path in (("rules", ALERTS), ("config", CONFIG)):
        run(promtool, "check", kind, path)


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    """Return a series as promtool's tests have it: its values a minute apart."""
    told = {"job": "vislam-signal", "instance": "a:8767", **labels}
    matchers = ",".join(f'{label}="{value}"' for label, value in told.items())
    return {"series": f"{name}{{{matchers}}}", "values": values}


def counter(name: str, step: int, **labels: str) -> dict[str, str]:
    return series(f"vislam_signal_{name}_total", f"0+{step}x30", **labels)


def quick(name: str, count: int = 60) -> list[dict[str, str]]:
    """Return a histogram in which all is in the first bucket but what the last one adds."""
    return [
        series(f"vislam_signal_{name}_bucket", f"0+{count}x30", le=le)
        for le in ("0.05", "0.5", "+Inf")
    ]


def slow(name: str) -> list[dict[str, str]]:
    """Return a histogram in which half of all is slow."""
    _, *others = quick(name)
    return [series(f"vislam_signal_{name}_bucket", "0+30x30", le="0.05"), *others]


WELL = [
    series("up", "1x30"),
    series("process_start_time_seconds", "1000x30"),
    series("process_open_fds", "100x30"),
    series("process_max_fds", "1000x30"),
    series("vislam_signal_clients", "80x30", dialect="readme"),
    series("vislam_signal_clients", "5x30", dialect="flat"),
    series("vislam_signal_max_clients", "100x30"),
    series("vislam_signal_cluster_up", "1x30"),
    counter("connections", 60),
    counter("connections_refused", 3, reason="origin"),
    counter("connections_dropped", 6, reason="stall"),
    counter("connections_dropped", 6, reason="ping_timeout"),
    counter("connections_dropped", 0, reason="internal_error"),
    counter("messages_received", 60_000, dialect="readme", type="offer"),
    counter("messages_refused", 60, reason="invalid_json"),
    counter("auth_failures", 1, reason="unauthorized"),
    *quick("reactor_lag_seconds"),
    *quick("relay_latency_seconds", 60_000),
]
"""A server that is well."""

ILL: dict[str, list[dict[str, str]]] = {
    "VislamSignalDown": [series("up", "1x10 0x20")],
    "VislamSignalRestarts": [series("process_start_time_seconds", "1000x14 1 2 3 3x12")],
    "VislamSignalRedisAway": [series("vislam_signal_cluster_up", "1x10 0x20")],
    "VislamSignalReactorLag": slow("reactor_lag_seconds"),
    "VislamSignalSlowRelay": slow("relay_latency_seconds"),
    "VislamSignalFileDescriptors": [series("process_open_fds", "900x30")],
    "VislamSignalNearlyFull": [series("vislam_signal_clients", "89x30", dialect="readme")],
    "VislamSignalRefusesConnections": [counter("connections_refused", 3000, reason="origin")],
    "VislamSignalRefusesMessages": [counter("messages_refused", 30_000, reason="invalid_json")],
    "VislamSignalAuthFailures": [counter("auth_failures", 60, reason="unauthorized")],
    "VislamSignalDropsConnections": [counter("connections_dropped", 90, reason="stall")],
    "VislamSignalClientsVanish": [counter("connections_dropped", 90, reason="ping_timeout")],
    "VislamSignalMistake": [counter("connections_dropped", 1, reason="internal_error")],
}
"""What is otherwise when an alert must come."""


def test_each_alert_comes_when_it_must_and_none_else(promtool: str, tmp_path: Path) -> None:
    assert set(ILL) == set(alerts())
    tests = []
    for ill in (None, *ILL):
        differs = {each["series"]: each for each in ILL.get(ill or "", [])}
        tests.append(
            {
                "interval": "1m",
                "input_series": [differs.get(each["series"], each) for each in WELL],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": "20m",
                        "exp_samples": [
                            {"labels": f'{{alertname="{name}"}}', "value": 1}
                            for name in ([ill] if ill is not None else [])
                        ],
                    }
                ],
            }
        )
    path = tmp_path / "tests.yml"  # JSON is YAML
    path.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": tests}))

    run(promtool, "test", "rules", path)


# The dashboard


@pytest.mark.parametrize("expression", expressions())
def test_the_dashboard_shows_what_there_is(
    expression: str, exposed: dict[str, list[dict[str, str]]]
) -> None:
    check(expression, exposed)


def test_the_dashboard_shows_all_that_is_exposed(
    exposed: dict[str, list[dict[str, str]]],
) -> None:
    shown = {name for expression in expressions() for name, _ in SELECTOR.findall(expression)}
    families = {re.sub(r"_(count|sum|bucket)$", "", name) for name in exposed}

    assert families - {re.sub(r"_bucket$", "", name) for name in shown} == {
        "process_virtual_memory_bytes"
    }


def test_the_dashboard_s_variables_name_a_metric_that_there_is(
    exposed: dict[str, list[dict[str, str]]],
) -> None:
    for definition in values(dashboard(), "definition"):
        check(definition, exposed)


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_prometheus_takes_what_the_dashboard_asks(promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"panel_{number}", "expr": re.sub(r"\$__rate_interval", "1m", expression)}
        for number, expression in enumerate(expressions())
    ]
    path = tmp_path / "dashboard.yml"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    run(promtool, "check", "rules", path)
