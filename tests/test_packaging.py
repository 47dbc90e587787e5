"""The distribution: built, installed into fresh environments, and used from elsewhere."""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import venv
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from processes import ROOT, running

from twisted_signal import __version__


def run(*command: str | Path, cwd: Path) -> str:
    """Return what a command prints."""
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's files, and nothing that was made of them before."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    made = [line.strip("/").rpartition("/")[2] for line in lines]
    copy = tmp_path_factory.mktemp("source") / "vislam-signal"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", *made))
    return copy


@pytest.fixture(scope="module")
def distribution(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist and a wheel: those of `make dist`, or some of the test's own."""
    if "DIST" in os.environ:
        return ROOT / os.environ["DIST"]
    built = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", built, source, cwd=ROOT)
    return built


@pytest.fixture(scope="module")
def sdist(distribution: Path) -> Path:
    (built,) = distribution.glob("*.tar.gz")
    return built


@pytest.fixture(scope="module")
def wheel(distribution: Path) -> Path:
    (built,) = distribution.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_sdist_holds_the_files_of_the_project_and_nothing_else(
    sdist: Path, source: Path
) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}

    made = {name for name in names | files(source) if name.startswith("vislam_signal.egg-info/")}
    assert names - made - {"PKG-INFO", "setup.cfg"} == files(source) - made


def test_the_wheel_holds_the_package_and_the_plugin_and_nothing_of_twisteds(
    wheel: Path, source: Path
) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    package = {name for name in files(source) if name.startswith("twisted_signal/")}
    assert {name for name in names if ".dist-info/" not in name} == package | {
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
        "prometheus-client",
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


def test_the_version_stands_in_one_place(source: Path) -> None:
    kinds = (".py", ".toml", "Dockerfile", "Makefile", ".yaml", ".service")
    code = {name for name in files(source) if name.endswith(kinds) and not name.startswith("tests")}

    named = {name for name in code if f'"{__version__}"' in (source / name).read_text()}
    assert named == {"twisted_signal/__init__.py"}


@pytest.mark.parametrize("way", ["sdist", "wheel", "editable"])
def test_what_is_installed_works_everywhere(
    way: str, sdist: Path, wheel: Path, source: Path, tmp_path: Path
) -> None:
    environment, elsewhere = tmp_path / "environment", tmp_path / "elsewhere"
    elsewhere.mkdir()
    venv.create(environment)
    target: tuple[str | Path, ...] = {
        "sdist": (sdist,),
        "wheel": (wheel,),
        "editable": ("--editable", source),
    }[way]
    programs = environment / "bin"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    install: list[str | Path] = ["--python", programs / "python", "install", *target]
    run(*pip, *install, cwd=elsewhere)

    version = run(programs / "vislam-signal", "--version", cwd=elsewhere)
    assert version == f"vislam-signal {__version__}\n"
    assert "vislam-signal" in run(programs / "twistd", "--help", cwd=elsewhere)
    options = run(programs / "twist", "vislam-signal", "--help", cwd=elsewhere)
    assert "--max-message-size" in options
    serve = (programs / "vislam-signal", "serve", "--port", "0")
    with running(*serve, cwd=elsewhere) as server:
        url = server.wait_for(r"Listening on ws(://127\.0\.0\.1:\d+)")[1]
        for path in ("/healthz", "/", "/client.js", "/demo/phone"):
            with urllib.request.urlopen(f"http{url}{path}") as answer:
                assert answer.status == 200
        assert server.stop() == 0
