import ast
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from exposed import Exposed, busy_server
from processes import ROOT
from prometheus_client.openmetrics import parser as open_metrics

from twisted_signal.errors import SignalError
from twisted_signal.metrics import (
    AUTH_FAILURES,
    CONNECTIONS_DROPPED,
    CONNECTIONS_REFUSED,
    KINDS,
    MESSAGES_REFUSED,
    NO_REASON,
    OPEN_METRICS,
    PLACE_NOT_KEPT,
    TEXT_FORMAT,
    TOLD,
)

LABELS = {"autobahn", "dialect", "le", "python", "reason", "twisted", "type", "version"}


@pytest.fixture(scope="module")
def busy() -> Iterator[Exposed]:
    made = busy_server()
    yield made
    made.telemetry.stopService()


# Formats


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT_FORMAT),
        ("*/*", TEXT_FORMAT),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", TEXT_FORMAT),
        ("application/openmetrics-text;version=1.0.0;q=0.75,text/plain;q=0.5", OPEN_METRICS),
        ("text/plain, Application/OpenMetrics-Text; version=99", OPEN_METRICS),
        ("application/openmetrics-text; version=nonsense", OPEN_METRICS),
        (",;,=\0", TEXT_FORMAT),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(
    accept: str, content_type: str, busy: Exposed
) -> None:
    told, body = busy.exposition.answer(accept)

    assert told == content_type
    assert body.endswith(b"# EOF\n") is (content_type == OPEN_METRICS)


def test_both_formats_say_the_same(busy: Exposed) -> None:
    _, body = busy.exposition.answer("application/openmetrics-text")

    in_open_metrics = {
        (sample.name, frozenset(sample.labels.items()))
        for family in open_metrics.text_string_to_metric_families(body.decode())  # type: ignore[no-untyped-call] # has no annotations
        for sample in family.samples
    }
    assert in_open_metrics == set(busy.series())


def test_prometheus_own_checker_finds_nothing_wrong(busy: Exposed) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    _, body = busy.exposition.answer()

    done = subprocess.run(
        [promtool, "check", "metrics"], input=body, capture_output=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# What is said


def test_who_is_there(busy: Exposed) -> None:
    assert busy.value("clients", dialect="readme") == 3
    assert busy.value("clients", dialect="flat") == 1
    assert busy.value("clients", dialect="unknown") == 0
    assert busy.value("open_connections") == 4
    assert busy.value("max_clients") == 10
    assert busy.value("rooms") == 2
    assert busy.value("members") == 3
    assert busy.value("kept_places") == 0


def test_what_happened(busy: Exposed) -> None:
    assert busy.value("connections_total") == 6
    assert busy.value("registrations_total") == 4
    assert busy.value("resumes_total") == 1
    assert busy.value("messages_received_total", dialect="readme", type="ice_candidate") == 2
    assert busy.value("messages_received_total", dialect="flat", type="offer") == 1
    assert busy.value("connections_refused_total", reason="handshake") == 1
    assert busy.value("connections_dropped_total", reason="binary") == 1
    assert busy.value("messages_refused_total", reason="peer_not_found") == 2


def test_how_long_it_took(busy: Exposed) -> None:
    assert busy.value("relay_latency_seconds_bucket", le="0.0025") == 0
    assert busy.value("relay_latency_seconds_bucket", le="0.005") == 2
    assert busy.value("relay_latency_seconds_sum") == 0.006
    assert busy.value("handshake_seconds_count") == 5
    assert busy.value("reactor_lag_seconds_bucket", le="0.025") == 1


def test_a_client_that_has_said_nothing_has_no_dialect_yet() -> None:
    exposed = Exposed()
    exposed.memory.open()

    assert exposed.value("clients", dialect="unknown") == 1


# Bounds


ODD = ["", "\n", 'a"b', "{}", "\\", "é" * 50, "x" * 128, "flat", "reason", "\x7f", "$(id)"]


def test_no_client_makes_another_series() -> None:
    exposed = Exposed()
    before = set(exposed.series())

    for number, odd in enumerate(ODD):
        clients = [exposed.memory.open(path) for path in ("/", "/signaling", f"/{number}?room=r")]
        for client in clients:
            client.say(type=odd, client_id=odd)
            client.say_text(odd.encode())
            client.say(type="register", client_id=odd, room_id=odd, client_type=odd)
            client.say(type="register", client_id=f"id {number}", room_id=f"room {number}")
            client.say(type="message", target_id=odd, data=odd)
            client.say(type="resume", resume_token=odd)
            client.say(type="offer", target_id=odd, sdp=odd)
            client.say(type="offer", sdp=odd)
        exposed.memory.connect().receive(odd.encode() + b"\r\n\r\n")
        exposed.memory.connect().request(headers={"Origin": f"http://{number}.example.com"})
        exposed.factory.refusals.note(f"kind {odd}", odd, odd)

    assert len(exposed.factory.registry.rooms) > 1
    assert set(exposed.series()) == before


def test_labels_are_few_and_known(busy: Exposed) -> None:
    labels = {name for _, pairs in busy.series() for name, _ in pairs}

    assert labels == LABELS
    assert len(busy.series()) < 200


# What is refused


def test_a_kind_without_a_family_is_not_lost() -> None:
    exposed = Exposed()

    exposed.factory.refusals.count["invented"] += 3

    assert exposed.value("messages_refused_total", reason=NO_REASON) == 3


def test_a_client_that_is_told_to_slow_down_is_not_counted_beside_its_messages() -> None:
    exposed = Exposed(message_rate=1, message_burst=2)
    client = exposed.memory.registered("pc")

    for _ in range(3):
        client.say(type="ping")

    refused = {
        dict(labels)["reason"]: value
        for (name, labels), value in exposed.series().items()
        if name == "vislam_signal_messages_refused_total" and value
    }
    assert refused == {"message_rate": exposed.factory.refusals.count["message_rate"]}


def test_each_kind_is_in_one_family() -> None:
    families = [
        *CONNECTIONS_REFUSED,
        *CONNECTIONS_DROPPED,
        *MESSAGES_REFUSED,
        *AUTH_FAILURES,
        PLACE_NOT_KEPT,
        TOLD,
    ]

    assert len(families) == len(set(families)) == len(KINDS)


INDIRECT = {"refusal.kind", "error.code", "_FAULTS.get(code, 'protocol_error')", "kind"}
"""Kinds that stand elsewhere: in a Refusal, an error's class, a table, a caller's argument."""
NAMED_IN = ("Refusal", "_drop", "refusals.note")
"""Calls of which the first argument is a kind."""


def kinds_in_code() -> Iterator[str]:
    """Yield the kinds of all that is counted; what is none of INDIRECT must be a constant."""
    sources = sorted((ROOT / "twisted_signal").rglob("*.py"))
    for path in [each for each in sources if each.name != "metrics.py"]:  # which reads them
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith(
                "refusals.count"
            ):
                kind: ast.expr = node.slice
            elif isinstance(node, ast.Call) and node.args:
                if not ast.unparse(node.func).endswith(NAMED_IN):
                    continue
                kind = node.args[0]
            else:
                continue
            if isinstance(kind, ast.Constant):
                yield str(kind.value)
            else:
                assert ast.unparse(kind) in INDIRECT, f"{path}: {ast.unparse(kind)}"


def error_codes(error: type[SignalError] = SignalError) -> Iterator[str]:
    for each in error.__subclasses__():
        yield each.code
        yield from error_codes(each)


def test_every_kind_that_the_code_counts_has_a_family_and_no_family_has_others() -> None:
    from twisted_signal.channel import _FAULTS

    counted = {*kinds_in_code(), *error_codes(), *_FAULTS.values(), "protocol_error"}

    assert counted == KINDS - {NO_REASON}


# The page


def rows() -> list[tuple[str, ...]]:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", page, re.MULTILINE)
    return [tuple(map(str.strip, row)) for row in found]


def test_the_page_has_what_is_exposed(busy: Exposed) -> None:
    exposed = []
    for family in busy.families():
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        told = ", ".join(f"`{label}`" for label in sorted(labels)) or "–"
        exposed.append((name, family.type, told, family.documentation))

    assert [row for row in rows() if not row[0].startswith("vislam_signal_worker")] == exposed


def test_the_page_has_every_reason(busy: Exposed) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| [^|]* \|$", page, re.MULTILINE)

    reasons = {dict(labels)["reason"] for _, labels in busy.series() if "reason" in dict(labels)}
    assert sorted(told) == sorted(reasons)
