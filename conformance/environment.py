"""The environment that the suite runs in: found, or made. It needs CPython 2.7."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parent / ".venv-conformance"
REQUIREMENTS = HERE / "requirements-2.7.txt"
VIRTUALENV = "virtualenv==20.21.1"
"""The last that makes environments for Python 2.7 (20.22 does not)."""
STEP_TIMEOUT = 300.0
"""Seconds that one step of the installation may take."""


class NoPython27(Exception):
    """There is no CPython 2.7."""

    def __init__(self) -> None:
        super().__init__(
            "the Autobahn|Testsuite needs CPython 2.7, and there is none here: get one with "
            "`pyenv install 2.7.18`, or name one: make conformance PYTHON27=/path/to/python2.7"
        )


class CannotInstall(Exception):
    """There is a CPython 2.7, and the suite could not be installed for it."""


def ready() -> Path:
    """Return the Python of an environment with the suite; make one if there is none.

    Raises:
        NoPython27: there is no Python to make it with.
        CannotInstall: making it failed.
    """
    python = FOLDER / "suite" / "bin" / "python"
    made_of = f"{VIRTUALENV}\n{REQUIREMENTS.read_text(encoding='utf-8')}"
    mark = FOLDER / "installed"
    if not (mark.exists() and mark.read_text(encoding="utf-8") == made_of and is_python27(python)):
        base = find_python27()
        print("Installing the Autobahn|Testsuite into .venv-conformance …", flush=True)
        shutil.rmtree(FOLDER, ignore_errors=True)
        _make(base, python)
        mark.write_text(made_of, encoding="utf-8")
    return python


def find_python27() -> Path:
    """Return the first CPython 2.7 that runs.

    Raises:
        NoPython27: there is none.
    """
    for candidate in _candidates():
        if is_python27(candidate):
            return candidate
    raise NoPython27


def is_python27(python: Path) -> bool:
    """Return whether this is a CPython 2.7: pyenv's `python2.7` may be there and run none."""
    code = "import platform; print(platform.python_implementation() + platform.python_version())"
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.startswith("CPython2.7.")


def _candidates() -> Iterator[Path]:
    """Yield where a CPython 2.7 may be: named, on PATH, or one of pyenv's."""
    if named := os.environ.get("PYTHON27"):
        yield Path(named)
        return
    for name in ("python2.7", "python2", "python"):
        if found := shutil.which(name):
            yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/2.7*/bin/python2.7"), reverse=True)


def _make(base: Path, python: Path) -> None:
    """Make the environment with all that the suite needs."""
    tools = FOLDER / "tools"
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    pinned = ("--no-deps", "--no-build-isolation", "--requirement", REQUIREMENTS)
    build = ("--constraint", REQUIREMENTS, "pip", "setuptools", "wheel", "incremental")
    _run(sys.executable, *pip, "--target", tools, VIRTUALENV)
    _run(
        sys.executable,
        "-m",
        "virtualenv",
        "--quiet",
        "--no-periodic-update",
        "--app-data",
        tools / "app-data",
        "--python",
        base,
        python.parent.parent,
        path=tools,
    )
    _run(python, *pip, *build)
    _run(python, *pip, *pinned)
    _run(python, "-c", "import autobahntestsuite.fuzzing")


def _run(*command: str | Path, path: Path | None = None) -> None:
    """Run a step of the installation. `path`: where Python finds modules besides its own."""
    environment = {**os.environ, "PIP_NO_PYTHON_VERSION_WARNING": "1"}
    environment.pop("PYTHONPATH", None)
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    try:
        subprocess.run(
            command,
            env=environment,
            check=True,
            timeout=STEP_TIMEOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        raise CannotInstall(f"{error}\n{error.stdout}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(str(error)) from error
