"""The units in deploy/ for systemd: checked by its own tools, and what they need of the server."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from caller import Caller
from processes import BIN, ROOT, found, free_port, running

from twisted_signal.limits import Limits

SERVICE = (ROOT / "deploy" / "vislam-signal.service").read_text(encoding="utf-8")
SOCKET = (ROOT / "deploy" / "vislam-signal.socket").read_text(encoding="utf-8")
INSTALLED = "/opt/vislam-signal/bin/vislam-signal"
"""Where the unit finds the program."""


def setting(name: str, unit: str = SERVICE) -> str:
    """Return the last value of a setting."""
    values: list[str] = re.findall(rf"^{name}=(.*)$", unit, re.MULTILINE)
    return values[-1]


@pytest.fixture(params=["as it is", "with its secrets"])
def units(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A directory with the units; the program is where it is on this machine."""
    service = SERVICE.replace(INSTALLED, str(BIN / "vislam-signal"))
    assert service != SERVICE
    if request.param == "with its secrets":
        service, changed = re.subn(
            "^#(LoadCredential|Environment)=", r"\1=", service, flags=re.MULTILINE
        )
        assert changed == 6
    (tmp_path / "vislam-signal.service").write_text(service)
    (tmp_path / "vislam-signal.socket").write_text(SOCKET)
    return tmp_path


def analyze(*arguments: str, units: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [found("systemd-analyze"), *arguments],
        cwd=units,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"},
    )


def test_systemd_understands_all_of_the_units(units: Path) -> None:
    names = ("./vislam-signal.service", "./vislam-signal.socket")
    done = analyze("verify", "--recursive-errors=no", *names, units=units)

    # It ends with 0 where it leaves out a setting that it does not know.
    assert [line for line in done.stderr.splitlines() if "vislam-signal" in line] == []
    assert done.returncode == 0


def test_the_service_is_exposed_by_2_0_at_most(units: Path) -> None:
    done = analyze(
        *("security", "--offline=true", "--threshold=20", "--no-pager", "./vislam-signal.service"),
        units=units,
    )

    level = re.search(r"Overall exposure level for vislam-signal.service: ([\d.]+)", done.stdout)
    assert level is not None, done.stderr
    assert float(level[1]) <= 2.0
    assert done.returncode == 0, done.stdout


def test_the_service_may_open_as_many_files_as_it_takes_clients() -> None:
    assert int(setting("LimitNOFILE")) > Limits().max_clients


def test_systemd_waits_for_longer_than_clients_have_to_go() -> None:
    assert int(setting("TimeoutStopSec")) > Limits().drain_timeout


def test_the_server_takes_the_sockets_that_systemd_holds(tmp_path: Path) -> None:
    endpoints = re.findall(r'"(systemd:[^"]+)"', SOCKET)
    assert len(endpoints) == len(re.findall("^ListenStream=", SOCKET, re.MULTILINE)) == 2
    options = [word for endpoint in endpoints for word in ("--endpoint", endpoint)]
    places = [f"127.0.0.1:{free_port()}", f"[::1]:{free_port()}"]

    with running(
        found("systemd-socket-activate"),
        # Names as systemd gives them, without which Twisted takes no descriptors.
        "--fdname=vislam-signal.socket:vislam-signal.socket",
        *(word for place in places for word in ("--listen", place)),
        *(BIN / "vislam-signal", "serve", *options),
        cwd=tmp_path,
    ) as process:
        process.wait_for(r"Listening on \[::1\]")
        # The first client starts it, and waits meanwhile.
        for client_id, place in zip(("phone1", "pc"), places, strict=True):
            with Caller(f"ws://{place}") as client:
                client.say(type="register", client_id=client_id, room_id="lab1")
                assert client.hear()["client_id"] == client_id
        assert process.stop() == 0
