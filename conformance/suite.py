"""The suite's fuzzing client against our echo server."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conformance import report

ROOT = Path(__file__).parent.parent
AGENT = "vislam-signal"
GROUPS = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1}
"""How many cases each group has. There are 12 and 13 besides, about compression: we have none."""
QUICK = [group for group in GROUPS if group != "9"]
"""All but group 9, whose messages have up to 16 MiB."""
STOP_TIMEOUT = 10.0
RUN_TIMEOUT = 600.0
"""Seconds that the suite may take for all of it."""


class SuiteFailed(Exception):
    """The suite, or the server for it, did not run to the end."""


def run(
    python: Path, cases: Sequence[str], folder: Path | None = None, timeout: float = RUN_TIMEOUT
) -> report.Cases:
    """Run the suite.

    Args:
        python: the Python that the suite is installed for.
        cases: what to run, as the suite names them: `1.*`, `7.1.1`.
        folder: where the suite writes its reports, in HTML too; a temporary one by default.
        timeout: seconds that it may take.

    Raises:
        SuiteFailed: it did not run to the end.
    """
    with tempfile.TemporaryDirectory(prefix="conformance-") as temporary, echo_server() as url:
        reports = (folder or Path(temporary) / "reports").absolute()
        (reports / "index.json").unlink(missing_ok=True)  # an older run's
        specification = Path(temporary) / "fuzzingclient.json"
        specification.write_text(
            json.dumps(
                {
                    "outdir": str(reports),
                    "servers": [{"agent": AGENT, "url": url}],
                    "cases": list(cases),
                    "exclude-cases": [],
                    "exclude-agent-cases": {},
                }
            ),
            encoding="utf-8",
        )
        output = _fuzz(python, specification, timeout)
        try:
            return report.read(reports / "index.json", AGENT)
        except report.CannotRead as error:
            raise SuiteFailed(f"{error}\n{output}") from error


@contextmanager
def echo_server() -> Iterator[str]:
    """Run the echo server for as long as the block takes; yields its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "conformance.echo"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise SuiteFailed("the echo server did not start")
            yield url
            if process.poll() is not None:
                raise SuiteFailed(f"the echo server ended with status {process.returncode}")
        finally:
            process.stdin.close()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()


def _fuzz(python: Path, specification: Path, timeout: float) -> str:
    """Run the fuzzing client; return the end of its output."""
    wstest = python.with_name("wstest")
    # To a file: the client goes on for ever when it cannot say why it wants to stop.
    output = specification.with_name("output.txt")
    try:
        with output.open("wb") as file:
            subprocess.run(
                [wstest, "--mode", "fuzzingclient", "--spec", specification],
                cwd=specification.parent,
                check=True,
                timeout=timeout,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
    except subprocess.TimeoutExpired as error:
        raise SuiteFailed(f"the suite was not ready in {timeout:g} s") from error
    except subprocess.CalledProcessError as error:
        raise SuiteFailed(f"{error}\n{_end(output)}") from error
    return _end(output)


def _end(output: Path) -> str:
    return "\n".join(output.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
