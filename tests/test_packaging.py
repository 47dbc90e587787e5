"""The distribution: built, installed into a fresh environment, and used from elsewhere."""

import email
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from processes import ROOT

from twisted_signal import __version__


def pip(python: Path, *arguments: str | Path) -> None:
    subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's files, and nothing that was made of them before."""
    made = (
        ".git",
        ".venv*",
        ".*_cache",
        ".hypothesis",
        "build",
        "dist",
        "*.egg-info",
        "__pycache__",
    )
    copy = tmp_path_factory.mktemp("source") / "vislam-signal"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*made))
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    pip(Path(sys.executable), "wheel", "--no-deps", "--wheel-dir", target, source)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_wheel_holds_the_package_and_the_plugin_and_nothing_of_twisteds(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    package = {
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.py", "web/static/*")
        for path in (ROOT / "twisted_signal").rglob(pattern)
    }
    assert {name for name in names if ".dist-info/" not in name} == package | {
        "twisted_signal/py.typed",
        "twisted/plugins/vislam_signal.py",
    }
    assert any(name.endswith("/LICENSE") for name in names)


def test_the_wheel_names_what_it_needs_with_lower_bounds_only(metadata: Message) -> None:
    needed = [
        requirement
        for requirement in metadata.get_all("Requires-Dist", [])
        if "extra ==" not in requirement
    ]

    assert metadata["Name"] == "vislam-signal"
    assert metadata["Version"] == __version__
    assert {requirement.partition(">=")[0] for requirement in needed} == {
        "twisted[tls]",
        "autobahn",
        "cryptography",
        "pyopenssl",
        "service-identity",
        "msgspec",
        "pyjwt[crypto]",
        "segno",
        "websockets",
    }
    assert all(">=" in requirement and "<" not in requirement for requirement in needed)


def test_the_lower_bounds_are_those_that_make_test_lowest_tries(metadata: Message) -> None:
    lowest = dict(
        line.split("==")
        for line in (ROOT / "tests" / "lowest.txt").read_text().splitlines()
        if not line.startswith("#")
    )

    for requirement in metadata.get_all("Requires-Dist", []):
        if 'extra == "docs"' in requirement:  # make test-lowest leaves the documentation out
            continue
        package, bound = re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", requirement).groups()  # type: ignore[union-attr] # another form fails the test
        if package not in ("mypy", "mypy-zope", "ruff"):  # these do not run with the tests
            assert (lowest[package] + ".0").startswith(bound), package


@pytest.mark.parametrize("way", ["wheel", "editable"])
def test_an_installed_server_is_known_to_twistd_everywhere(
    way: str, wheel: Path, source: Path, tmp_path: Path
) -> None:
    environment, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    elsewhere.mkdir()
    venv.create(environment, with_pip=True)
    target = [wheel] if way == "wheel" else ["--editable", source]
    pip(environment / "bin" / "python", "install", *target)

    for command in (["twistd"], ["twist"]):
        done = subprocess.run(
            [environment / "bin" / command[0], "vislam-signal", "--help"],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "--max-message-size" in done.stdout
    done = subprocess.run(
        [environment / "bin" / "vislam-signal", "--version"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"vislam-signal {__version__}\n"
