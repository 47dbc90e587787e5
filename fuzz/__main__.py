"""`make fuzz`: each target gets input that nobody thought of, for some time."""

import argparse
import importlib.util
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from fuzz import ROOT, engines, targets

FOUND = 1
ENGINES = ("atheris", "hypothesis")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit status: 1 if something was found."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=60, help="for each target (default: %(default)s)"
    )
    parser.add_argument(
        "--target", action="append", choices=list(targets.TARGETS), help="one only; repeatable"
    )
    parser.add_argument("--engine", choices=ENGINES, help="default: atheris, if it is installed")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try what was found, once more")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        return replay(options.replay)
    engine = options.engine or ENGINES[importlib.util.find_spec("atheris") is None]
    run = {"atheris": run_atheris, "hypothesis": run_hypothesis}[engine]
    print(f"Each target takes {options.seconds:g} s, with {engine}", flush=True)
    failed = [name for name in options.target or targets.TARGETS if not run(name, options.seconds)]
    return FOUND if failed else 0


def replay(path: Path) -> int:
    """Let a target have a file once more; return the exit status."""
    try:
        targets.replay(path)
    except OSError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return FOUND
    except KeyError:
        print(f"fuzz: {path} is in no folder that has the name of a target", file=sys.stderr)
        return FOUND
    except Exception:
        traceback.print_exc()
        return FOUND
    print(f"{path}: nothing is wrong with it")
    return 0


def run_hypothesis(name: str, seconds: float) -> bool:
    """Return whether a target took all that it got."""
    try:
        tried = engines.with_hypothesis(name, seconds)
    except engines.Found as error:
        traceback.print_exception(error.__cause__)
        _tell(name, targets.keep(name, error.data))
        return False
    print(f"{name}: {tried} inputs, nothing found", flush=True)
    return True


def run_atheris(name: str, seconds: float) -> bool:
    """Return whether a target took all that it got."""
    before = set(_crashes(name))
    ended = subprocess.run(
        [sys.executable, "-m", "fuzz.one", name, str(seconds)],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output = ended.stdout.decode("utf-8", "replace")
    stats = dict(
        line.removeprefix("stat::").split(":", 1)
        for line in output.splitlines()
        if line.startswith("stat::")
    )
    tried = stats.get("number_of_executed_units", "no").strip()
    new = sorted(set(_crashes(name)) - before)
    if ended.returncode == 0 and not new:
        print(f"{name}: {tried} inputs, nothing found", flush=True)
        return True
    print("\n".join(output.splitlines()[-40:]))
    for path in new:
        _tell(name, path)
    if not new:
        print(f"{name}: atheris ended with status {ended.returncode}", flush=True)
    return False


def _crashes(name: str) -> list[Path]:
    folder = targets.CRASHES / name
    return list(folder.iterdir()) if folder.is_dir() else []


def _tell(name: str, path: Path) -> None:
    command = f"{Path(sys.executable)} -m fuzz --replay {path.relative_to(ROOT)}"
    print(f"{name}: found {path.name}; again with: {command}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
