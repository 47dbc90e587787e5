"""The benchmarks' own tools: what they send, count, read and write."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import ROOT
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol

sys.path.append(str(ROOT / "benchmarks"))

import picture
import report
import usage
import wire
from cases import CASES, MEMORY, PEERS, REST, TARGETS, Target
from figures import Figures, judge
from load import Result
from report import Run
from run import find, generate
from servers import SERVERS, Settings


def opened() -> ServerProtocol:
    """Return a server that has taken the benchmarks' opening handshake."""
    protocol = ServerProtocol()
    protocol.receive_data(wire.HANDSHAKE)
    (request,) = protocol.events_received()
    response = protocol.accept(request)  # type: ignore[arg-type] # before it there are no frames
    assert response.headers["Sec-WebSocket-Accept"].encode() == wire.ACCEPT
    protocol.send_response(response)
    protocol.data_to_send()
    return protocol


@pytest.mark.parametrize("size", [0, 1, 125, 126, 300, 65535, 65536])
def test_a_frame_is_read_as_it_was_meant(size: int) -> None:
    protocol = opened()
    payload = bytes(number % 251 for number in range(size))
    protocol.receive_data(wire.frame(payload, wire.PONG if size == 1 else wire.TEXT))
    opcode = Opcode.PONG if size == 1 else Opcode.TEXT
    assert protocol.events_received() == [Frame(opcode, payload)]


def test_frames_are_masked() -> None:
    assert wire.message(type="hello")[1] & 0x80
    assert b"hello" not in wire.message(type="hello")


def test_the_close_frame_is_a_proper_one() -> None:
    protocol = opened()
    protocol.receive_data(wire.CLOSE_FRAME)
    assert protocol.close_rcvd is not None
    assert protocol.close_rcvd.code == 1000


@given(
    sizes=st.lists(st.sampled_from([0, 1, 125, 126, 300, 300, 300, 65536, -1]), max_size=12),
    cuts=st.lists(st.integers(0, 5000), max_size=12),
    known=st.booleans(),
)
def test_messages_are_counted_however_they_are_cut(
    sizes: list[int], cuts: list[int], known: bool
) -> None:
    protocol = opened()
    if known:  # -1 is a ping, which may come between messages of a known size
        sizes = [300 if size >= 0 else size for size in sizes]
    for size in sizes:
        if size < 0:
            protocol.send_ping(b"there?")
        else:
            protocol.send_text(b"x" * size)
    data = b"".join(protocol.data_to_send())

    counter = wire.Counter()
    counter.size = 304 if known else 0
    count = at = 0
    for cut in [*cuts, len(data)]:
        if piece := data[at : at + cut]:
            count += counter.feed(piece)
            at += cut

    assert count == sum(size >= 0 for size in sizes)
    assert counter.pings == [b"there?"] * sum(size < 0 for size in sizes)


def test_cpu_time_grows_with_the_work_of_a_process_and_its_children() -> None:
    work = "import sys\nfor _ in sys.stdin: print(sum(range(4_000_000)), flush=True)"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def after(rounds: int) -> float:
            assert process.stdin is not None
            assert process.stdout is not None
            before = usage.cpu(process.pid)
            for _ in range(rounds):
                process.stdin.write("\n")
                process.stdin.flush()
                process.stdout.readline()
            return usage.cpu(process.pid).since(before)

        after(1)  # the child is there
        assert len(usage.tree(process.pid)) == 2
        assert usage.memory(process.pid) > 1 << 20
        idle = after(0)
        once, thrice = after(1), after(6)
        process.stdin.close()
    assert 0 <= idle < once < thrice


def test_cpu_time_of_a_thread_that_has_ended_is_not_lost() -> None:
    before = usage.Usage(seconds=1.0, all_seconds=1.0)
    assert usage.Usage(seconds=1.5, all_seconds=1.51).since(before) == pytest.approx(0.5)
    assert usage.Usage(seconds=1.5, all_seconds=2.0).since(before) == pytest.approx(1.0)


def result(micros: float, **extra: float) -> Result:
    return Result(
        units=1000,
        server=micros / 1000,
        generator=0.1,
        seconds=0.5,
        p50=0.001,
        p99=0.002,
        extra=extra,
    )


def made_up() -> Figures:
    parts = {name: [name] for name in CASES if name != "scale"}
    parts["scale"] = [f"scale, {size} pairs" for size in (10, 5000)]
    return {
        figure: {
            server: [
                result(cost * factor, memory=5000.0 * cost, rest=0.005, pings=1.0)
                for factor in (1, 2, 3)
            ]
            for server, cost in {"ours": 1, **dict.fromkeys(PEERS, 10)}.items()
        }
        for case in parts.values()
        for figure in case
    }


def test_the_report_tells_figures_ratios_and_targets() -> None:
    titles = {"ours": "vislam-signal 9.9", "ws": "ws 8 on Node.js"}
    text = report.render(Run(made_up(), titles, ["Left out gorilla: there is no go."], 3, 600))

    assert "in 3 rounds and 10 minutes" in text
    assert "vislam-signal 9.9" in text
    assert "Left out gorilla: there is no go." in text
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["ws", "20.0 µs (10.0–30.0)", "0.10", "2,000", "1.00", "2.00"] in rows
    assert ["relay", "0.40 × gorilla", "0.10 ×", "met"] in rows
    assert ["connect, memory", "6.0 KiB", "4.9 KiB", "met"] in rows
    assert ["connect, at rest", "1.00 %", "0.50 %", "met"] in rows
    assert ["scale, 5000 pairs", "1.25 × scale, 10 pairs", "1.00 ×", "met"] in rows
    assert all(f"### {name}" in text for name in CASES)
    assert sum(row[-1:] == ["met"] for row in rows) == len(TARGETS)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("relay", 0.1, "ws"), True),
        (Target("relay", 0.09, "ws"), False),
        (Target(MEMORY, 5000), True),
        (Target(MEMORY, 4000), False),
        (Target(REST, 0.001), False),
    ],
)
def test_targets_are_judged(target: Target, met: bool) -> None:
    verdict = judge(made_up(), target)
    assert verdict is not None
    assert verdict.met is met


def test_nothing_is_said_of_what_was_not_measured() -> None:
    figures = {"relay": {"ours": [result(1.0)]}}
    assert all(judge(figures, target) is None for target in TARGETS)
    assert report.targets(figures) == ""


def test_rest_without_keep_alive_is_no_figure() -> None:
    figures = {"connect": {"ours": [result(1.0, memory=5000.0, rest=0.0, pings=0.0)]}}
    assert judge(figures, Target(REST, 0.01)) is None
    assert "not measured, for the clients were not pinged" in report.tables(figures)


def test_the_picture_has_a_bar_for_each_server_in_each_workload() -> None:
    root = ET.fromstring(picture.draw(made_up()))
    bars = [element for element in root.iter() if element.get("class", "").split()[:1] == ["bar"]]
    assert len(bars) == len(picture.PANELS) * (1 + len(PEERS))
    assert sum(element.get("class") == "bar ours" for element in bars) == len(picture.PANELS)


@pytest.mark.parametrize(
    ("workload", "arguments", "units"),
    [
        ("relay", {"pairs": 3, "outstanding": 4, "units": 50, "warm_up": 10}, [50]),
        ("sdp", {"pairs": 2, "outstanding": 2, "units": 10, "warm_up": 4}, [10]),
        ("calls", {"in_step": 2, "candidates": 2, "units": 4, "warm_up": 2}, [4]),
        ("room", {"clients": 5, "warm_up": 2}, [15]),
        ("scale", {"sizes": [1, 3], "units": 10, "warm_up": 2}, [10, 10]),
        ("connect", {"clients": 6, "warm_up": 2, "rest": 0.1}, [6]),
    ],
)
def test_a_workload_runs_on_our_server(
    workload: str, arguments: dict[str, object], units: list[int], tmp_path: Path
) -> None:
    ours = SERVERS["ours"](Settings(Path(sys.executable)))
    results = generate(ours, workload, arguments, tmp_path)
    assert [result.units for result in results.values()] == units
    for measured in results.values():
        assert 0 < measured.server < 5
        assert 0 < measured.p50 <= measured.p99 < measured.seconds


def test_a_peer_whose_toolchain_is_missing_is_left_out_with_a_line_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(python=tmp_path / "python")

    found, left_out = find(SERVERS, settings)

    assert [server.name for server in found] == ["ours"]
    assert left_out == [
        "Left out websockets: there is no python.",
        "Left out ws: there is no node.",
        "Left out gorilla: there is no go.",
        "Left out picows: there is no python.",
        "Left out autobahn: there is no python.",
    ]
    assert capsys.readouterr().out.splitlines() == left_out
