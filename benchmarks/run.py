"""Measures our server and its peers side by side.

    python benchmarks/run.py                          everything; writes results.md and results.svg
    python benchmarks/run.py --quick                  ours and websockets, small; writes nothing
    python benchmarks/run.py --servers ours,picows --workloads relay,calls --rounds 3 --no-report

Servers take turns, so that whatever the machine does meanwhile meets all of them.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path

import report
from cases import CASES, OURS
from figures import Figures
from load import Result
from report import Run
from servers import (
    HERE,
    SERVERS,
    MissingError,
    Server,
    Settings,
    StartError,
    cores,
    running,
)

LONGEST = 300
"""Seconds after which one workload on one server is given up."""


class RunError(Exception):
    """A workload could not be measured."""


def generate(
    server: Server, workload: str, arguments: Mapping[str, object], home: Path
) -> dict[str, Result]:
    """Run a workload on a fresh server, whose output goes to a file in `home`."""
    server_core, _ = cores()
    with running(server, {server_core}, home) as started:
        try:
            return load({"ports": [started.port], "pids": [started.pid]}, workload, arguments)
        except RunError as error:
            said = (home / f"{server.name}.log").read_text(errors="replace")[-1000:]
            raise RunError(f"{error}; {server.name} said:\n{said}") from None


def load(
    there: Mapping[str, object], workload: str, arguments: Mapping[str, object]
) -> dict[str, Result]:
    """Run a workload in a process of its own. `there`: where the server is, as generator.py says.

    Raises:
        RunError: it failed, or took too long.
    """
    words = json.dumps({**arguments, **there})
    command = [sys.executable, str(HERE / "generator.py"), workload, words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise RunError(f"{workload} takes over {LONGEST} s.") from None
    if done.returncode:
        raise RunError(done.stderr.strip()[-1000:])
    return {part: Result(**result) for part, result in json.loads(done.stdout).items()}


def measure(server: Server, case_name: str, *, quick: bool, home: Path) -> dict[str, Result]:
    """Run one workload once; return its figures."""
    case = CASES[case_name]
    arguments = {**((case.quick if quick else case.full) or {})}
    if server.name == OURS and not quick:
        arguments |= case.ours
    results = generate(server, case.workload, arguments, home)
    return {_figure(case_name, part): result for part, result in results.items()}


def _figure(case_name: str, part: str) -> str:
    return f"{case_name}, {part} pairs" if part else case_name


def find(names: Iterable[str], settings: Settings) -> tuple[list[Server], list[str]]:
    """Return the servers that this machine has, and lines on those that are left out."""
    found = []
    left_out = []
    for name in names:
        try:
            found.append(SERVERS[name](settings))
        except MissingError as error:
            left_out.append(f"Left out {name}: {error}.")
            print(left_out[-1], flush=True)
    return found, left_out


def measure_all(
    servers: list[Server], case_names: list[str], rounds: int, *, quick: bool
) -> tuple[Figures, list[str]]:
    """Run all workloads on all servers in turn; return the figures, and a line on each failure."""
    figures: Figures = {}
    failed: list[str] = []
    _, mine = cores()
    os.sched_setaffinity(0, {mine})
    with tempfile.TemporaryDirectory() as home:
        for case_name in case_names:
            for number in range(rounds):
                for server in servers:
                    try:
                        results = measure(server, case_name, quick=quick, home=Path(home))
                    except (RunError, StartError) as error:
                        failed.append(f"Round {number + 1} of {case_name} failed on {server.name}.")
                        print(f"{failed[-1]} {error}", flush=True)
                        continue
                    for figure, result in results.items():
                        figures.setdefault(figure, {}).setdefault(server.name, []).append(result)
                print(f"{case_name}: round {number + 1} of {rounds}", flush=True)
    return figures, failed


def options() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(description="Measures vislam-signal and its peers side by side.")
    parser.add_argument("--servers", help="some of " + ",".join(SERVERS))
    parser.add_argument("--workloads", help="some of " + ",".join(CASES))
    parser.add_argument("--rounds", type=int, help="default: 5; with --quick 3")
    parser.add_argument("--quick", action="store_true", help="small workloads, no report")
    parser.add_argument("--no-report", action="store_true", help="print the tables only")
    parser.add_argument("--ours-options", default="", help="more options of our server")
    parser.add_argument(
        "--python",
        type=Path,
        default=HERE.parent / ".venv-bench/bin/python",
        help="of the environment with peers/requirements.txt",
    )
    chosen = parser.parse_args()
    for what, known in (("servers", SERVERS), ("workloads", CASES)):
        names = getattr(chosen, what)
        unknown = set(names.split(",")) - set(known) if names else set()
        if unknown:
            parser.error(f"no such {what}: {', '.join(sorted(unknown))}")
    return chosen


def main() -> None:
    """Do what the command line says."""
    chosen = options()
    quick: bool = chosen.quick
    names = chosen.servers.split(",") if chosen.servers else list(SERVERS)
    if quick and not chosen.servers:
        names = [OURS, "websockets"]
    case_names = chosen.workloads.split(",") if chosen.workloads else list(CASES)
    if quick:
        case_names = [name for name in case_names if CASES[name].quick]
    began = time.monotonic()
    servers, left_out = find(names, Settings(chosen.python, chosen.ours_options))
    rounds = chosen.rounds or (3 if quick else 5)
    figures, failed = measure_all(servers, case_names, rounds, quick=quick)
    titles = {server.name: server.title for server in servers}
    run = Run(figures, titles, left_out + failed, rounds, time.monotonic() - began)
    print(f"\n{report.tables(figures)}\n{report.targets(figures)}\nTook {run.seconds:.0f} s.")
    if not quick and not chosen.no_report:
        report.write(run, HERE)
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
