"""Tables of what was measured, for the terminal and for results.md."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import picture
from cases import CASES, MEMORY, OURS, REST, TARGETS
from figures import Figures, Spread, case_of, cost, judge, kept_alive, shown, spread
from load import Result

HOW = """\
A figure is CPU time of the server's process and its children for a unit of work, as the operating
system counts it, so that the load generator's speed does not matter: lower is better. The server
has one core to itself and the generator another. Servers take turns, each time with a fresh
process, and a part that is not measured goes before: the median of all rounds stands here, with
the least and the most in brackets. Throughput and latency are what came of it with the generator
on the same machine, medians too. Ours runs as a user starts it, with checks, limits and log;
the others are relays as small as can be, which check and log nothing.
"""

CLUSTER = "## Rooms across nodes\n"
"""Heading of the last section, which is `make bench-cluster`'s."""


@dataclass(frozen=True)
class Run:
    """What was measured, and of what.

    Attributes:
        figures: all of them.
        titles: by server, what it is.
        left_out: lines on the servers that are not there.
        rounds: how many times each workload ran.
        seconds: how long it all took.
    """

    figures: Figures
    titles: dict[str, str]
    left_out: Sequence[str]
    rounds: int
    seconds: float


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table that is legible as text, too; numbers stand to the right."""
    cells = [head, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        first, *rest = zip(row, widths, strict=True)
        aligned = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in rest)]
        return "| " + " | ".join(aligned) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(head), line(rule), *(line(row) for row in cells[1:])]) + "\n"


def with_spread(name: str, value: Spread) -> str:
    """Return a figure with its least and its most value in brackets."""
    least, most = (shown(name, edge).rsplit(" ", 1)[0] for edge in (value.least, value.most))
    return f"{shown(name, value.median)} ({least}–{most})"


def milliseconds(seconds: float) -> str:
    """Return seconds as milliseconds, without the unit."""
    return f"{1000 * seconds:.2f}"


def _main_table(figures: Figures, figure: str) -> str:
    ours = spread(figures, figure, OURS)
    unit = CASES[case_of(figure)].unit
    rows = []
    for server, results in figures[figure].items():
        costs = Spread.of(results, cost)
        rows.append(
            [
                server,
                with_spread(figure, costs),
                f"{ours.median / costs.median:.2f}" if ours else "–",
                f"{Spread.of(results, lambda result: result.units / result.seconds).median:,.0f}",
                milliseconds(Spread.of(results, lambda result: result.p50).median),
                milliseconds(Spread.of(results, lambda result: result.p99).median),
            ]
        )
    head = ["", f"CPU a {unit}", "ours / it", f"{unit}s/s", "p50 ms", "p99 ms"]
    return table(head, rows)


def _extra_table(figures: Figures, name: str) -> str:
    found = {server: spread(figures, name, server) for server in figures["connect"]}
    ours = found.get(OURS)
    rows = [
        [server, with_spread(name, value), f"{ours.median / value.median:.2f}" if ours else "–"]
        for server, value in found.items()
        if value is not None
    ]
    head = {MEMORY: "memory a client", REST: "of a core at rest"}
    return table(["", head[name], "ours / it"], rows) if rows else ""


def tables(figures: Figures) -> str:
    """Return a table for each figure, under a heading for each workload."""
    parts = []
    headed = ""
    for figure in figures:
        if (name := case_of(figure)) != headed:
            headed = name
            parts.append(f"### {name}\n\n{CASES[name].text}\n")
        if figure != name:
            parts.append(f"{figure.partition(', ')[2]}:\n")
        parts.append(_main_table(figures, figure))
        if figure == "connect":
            parts += filter(None, (_extra_table(figures, extra) for extra in (MEMORY, REST)))
            if not kept_alive(figures[figure].get(OURS, [])):
                parts.append("At rest: not measured, for the clients were not pinged.\n")
    return "\n".join(parts)


def targets(figures: Figures) -> str:
    """Return a table of the targets, met and not met."""
    rows = []
    for target in TARGETS:
        if (verdict := judge(figures, target)) is None:
            continue
        if target.against is None:
            bound, reached = shown(target.figure, target.most), shown(target.figure, verdict.ours)
        else:
            bound, reached = f"{target.most:.2f} × {target.against}", f"{verdict.reached:.2f} ×"
        rows.append([target.figure, bound, reached, "met" if verdict.met else "**not met**"])
    return table(["", "at most", "reached", ""], rows) if rows else ""


def machine() -> str:
    """Say what this machine is."""
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    model = found[1] if found else platform.machine()
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def _busiest(figures: Figures) -> str:
    """Say what the generator needed, for a reader who doubts it."""

    def share(results: list[Result]) -> float:
        return Spread.of(results, lambda result: result.generator / result.seconds).median

    shares = [
        (share(results), figure, server)
        for figure, by_server in figures.items()
        for server, results in by_server.items()
    ]
    most, figure, server = max(shares)
    return (
        f"The generator was busy {100 * most:.0f} % of the time at most, in {figure} on {server}."
    )


def render(run: Run) -> str:
    """Return results.md."""
    kinds = "".join(f"- **{name}**: {title}\n" for name, title in run.titles.items())
    today = datetime.now(UTC).date()
    when = (
        f"Measured on {today} by `make bench`, in {run.rounds} rounds and"
        f" {run.seconds / 60:.0f} minutes, on: {machine()}.\n"
    )
    lines = [
        "# Results\n",
        when,
        "![A bar for each server in each workload](results.svg)\n",
        HOW,
        _busiest(run.figures) + "\n",
        kinds,
        *(f"{line}\n" for line in run.left_out),
        "## Targets\n",
        targets(run.figures),
        "## Workloads\n",
        tables(run.figures),
    ]
    return "\n".join(lines)


def parts(page: Path) -> tuple[str, str]:
    """Return what `make bench` and what `make bench-cluster` have written into results.md."""
    text = page.read_text(encoding="utf-8") if page.exists() else "# Results\n\n"
    bench, heading, cluster = text.partition(CLUSTER)
    return bench, heading + cluster


def write(run: Run, home: Path) -> None:
    """Write results.md and results.svg into a folder. What is said of clusters stays."""
    page = home / "results.md"
    _, cluster = parts(page)
    rendered = render(run) + ("\n" + cluster if cluster else "")
    page.write_text(rendered, encoding="utf-8")
    (home / "results.svg").write_text(picture.draw(run.figures), encoding="utf-8")
