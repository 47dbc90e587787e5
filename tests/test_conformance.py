"""The Autobahn|Testsuite against our protocol class, and what `make conformance` makes of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT

from conformance import __main__ as command
from conformance import environment, report, suite

TIMEOUT = 120.0
"""Seconds for what takes ten on an idle machine."""


@pytest.fixture
def suites_python() -> Path:
    """An environment with the suite, made if there is none."""
    try:
        return environment.ready()
    except environment.NoPython27:
        pytest.skip("no Python 2.7 on this machine, which the Autobahn|Testsuite needs")
    except environment.CannotInstall as error:
        why = str(error).splitlines()[-1]
        pytest.skip(f"{why}: the Autobahn|Testsuite is not installed")


def index(folder: Path, cases: object, agent: str = "us") -> Path:
    """Write a report as the suite does."""
    path = folder / "index.json"
    path.write_text(json.dumps({"someone else": {}, agent: cases}), encoding="utf-8")
    return path


def entry(behavior: str, close: str = "OK") -> dict[str, object]:
    """One case of such a report."""
    return {
        "behavior": behavior,
        "behaviorClose": close,
        "duration": 2,
        "remoteCloseCode": None,
        "reportfile": "us_case_1_1_1.json",
    }


def executable(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines)), encoding="utf-8")
    path.chmod(0o755)
    return path


def test_every_quick_case_of_the_suite_passes(suites_python: Path) -> None:
    cases = suite.run(suites_python, [f"{group}.*" for group in suite.QUICK], timeout=TIMEOUT)

    expected = {group: suite.GROUPS[group] for group in suite.QUICK}
    assert report.missing(cases, expected) == []
    assert report.failures(cases) == []


def test_a_suite_that_takes_too_long_is_stopped(suites_python: Path) -> None:
    with pytest.raises(suite.SuiteFailed, match=r"not ready in 0\.5 s"):
        suite.run(suites_python, ["1.*", "6.4.*"], timeout=0.5)


def test_a_suite_without_a_report_is_no_success(tmp_path: Path) -> None:
    executable(tmp_path / "wstest", "echo so much for that")

    with pytest.raises(suite.SuiteFailed, match="so much for that"):
        suite.run(tmp_path / "python", ["1.*"])


def test_a_suite_that_fails_says_why(tmp_path: Path) -> None:
    executable(tmp_path / "wstest", "echo not today >&2", "exit 9")

    with pytest.raises(suite.SuiteFailed, match=r"(?s)exit status 9.*not today"):
        suite.run(tmp_path / "python", ["1.*"])


def test_a_report_of_an_earlier_run_is_not_read(tmp_path: Path) -> None:
    executable(tmp_path / "wstest")
    index(tmp_path, {"1.1.1": entry("OK")}, agent=suite.AGENT)

    with pytest.raises(suite.SuiteFailed, match="no report"):
        suite.run(tmp_path / "python", ["1.*"], folder=tmp_path)


def test_the_echo_server_ends_with_who_started_it() -> None:
    code = (
        "import os, time\n"
        "from conformance import suite\n"
        "with suite.echo_server() as url:\n"
        "    print(url, flush=True)\n"
        "    os._exit(0)\n"
    )

    # Both have the same stderr: it ends when neither is there any more.
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.stdout.startswith("ws://127.0.0.1:")


def test_a_report_is_read_in_the_order_of_the_cases(tmp_path: Path) -> None:
    path = index(tmp_path, {number: entry("OK") for number in ("10.1.1", "1.1.10", "1.1.2")})

    assert list(report.read(path, "us")) == ["1.1.2", "1.1.10", "10.1.1"]


@pytest.mark.parametrize(
    ("behavior", "close", "passed"),
    [
        ("OK", "OK", True),
        ("NON-STRICT", "OK", True),
        ("INFORMATIONAL", "INFORMATIONAL", True),
        ("FAILED", "OK", False),
        ("OK", "FAILED", False),
        ("OK", "WRONG CODE", False),
        ("OK", "UNCLEAN", False),
        ("OK", "FAILED BY CLIENT", False),
        ("UNIMPLEMENTED", "OK", False),
    ],
)
def test_what_passes(tmp_path: Path, behavior: str, close: str, passed: bool) -> None:
    cases = report.read(index(tmp_path, {"1.1.1": entry(behavior, close)}), "us")

    assert cases["1.1.1"].passed is passed


def test_failures_are_counted_and_named(tmp_path: Path) -> None:
    found = {"1.1.1": entry("OK"), "7.1.1": entry("OK", "UNCLEAN"), "9.1.1": entry("FAILED", "OK")}
    cases = report.read(index(tmp_path, found), "us")

    assert report.summary(cases) == "1 passed, 2 failed"
    assert report.failures(cases) == [
        "case 7.1.1: behavior OK, behaviorClose UNCLEAN",
        "case 9.1.1: behavior FAILED, behaviorClose OK",
    ]


def test_groups_with_cases_left_out_are_named() -> None:
    assert report.missing(["1.1.1", "1.1.2", "10.1.1"], {"1": 3, "9": 1, "10": 1}) == [
        "group 1: 2 cases instead of 3",
        "group 9: 0 cases instead of 1",
    ]


@pytest.mark.parametrize(
    "text", [None, "{", "{}", '{"us": {"1.1.1": {}}}', '{"us": {"one": {}}}', '{"us": []}']
)
def test_what_is_no_report_is_not_read(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "index.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")

    with pytest.raises(report.CannotRead, match="no report of us"):
        report.read(path, "us")


def test_without_a_python_27_there_is_a_line_and_a_status_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "FOLDER", tmp_path / "environment")
    monkeypatch.setenv("PYTHON27", str(tmp_path / "nothing"))

    assert command.main([]) == command.NO_PYTHON

    said = capsys.readouterr().err
    assert "CPython 2.7" in said
    assert "pyenv install" in said
    assert said.count("\n") == 1


def test_an_installation_that_fails_has_a_status_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "FOLDER", tmp_path / "environment")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    fake = executable(tmp_path / "python2.7", "echo CPython2.7.18")
    monkeypatch.setenv("PYTHON27", str(fake))

    assert command.main([]) == command.NOT_INSTALLED

    assert "/bin/false" in capsys.readouterr().err
    assert not (tmp_path / "environment" / "installed").exists()


def test_a_python_of_pyenvs_is_found_behind_its_shim_that_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "path" / "python2.7", "echo 'pyenv: command not found' >&2", "exit 127")
    real = executable(
        tmp_path / "pyenv" / "versions" / "2.7.18" / "bin" / "python2.7", "echo CPython2.7.18"
    )
    monkeypatch.delenv("PYTHON27", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))

    assert environment.find_python27() == real


@pytest.mark.parametrize("says", ["CPython3.11.2", "PyPy2.7.18"])
def test_another_python_is_not_taken_for_one(tmp_path: Path, says: str) -> None:
    assert not environment.is_python27(executable(tmp_path / "python2.7", f"echo {says}"))


@pytest.mark.parametrize(
    ("found", "arguments", "status"),
    [
        ({"1.1.1": "OK"}, ["--cases", "1.1.1"], 0),
        ({"1.1.1": "FAILED"}, ["--cases", "1.1.1"], command.FAILED),
        ({}, ["--cases", "1.1.99"], command.FAILED),
        ({"1.1.1": "OK"}, [], command.FAILED),  # the others did not run
    ],
)
def test_the_status_is_zero_when_all_that_was_asked_for_passed(
    found: dict[str, str], arguments: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = {number: report.Case(behavior, "OK") for number, behavior in found.items()}
    monkeypatch.setattr(environment, "ready", lambda: Path("python"))
    monkeypatch.setattr(suite, "run", lambda *arguments: cases)

    assert command.main(arguments) == status
