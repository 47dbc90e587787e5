"""The parent of workers that a test makes up."""

import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from fake_processes import FakeReactor
from parents import NO_REDIS
from twisted.application.service import Service
from twisted.internet import reactor as twisted_reactor
from twisted.internet.error import ProcessDone
from typed import parse

from twisted_signal import tap
from twisted_signal.inheritance import VARIABLE, Inheritance
from twisted_signal.options import Options
from twisted_signal.service import CannotStart, SignalService
from twisted_signal.signals import SignalHandler
from twisted_signal.workers.parent import Parent

pytestmark = pytest.mark.usefixtures("started_logs")

WORKERS = ("--workers", "2", "--redis-url", NO_REDIS)
PORT = ("--host", "127.0.0.1", "--port", "0")


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the signals of the tests' process alone."""
    monkeypatch.setattr(SignalHandler, "_hold", lambda _: None)
    monkeypatch.setattr(SignalHandler, "_install", lambda _: None)
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)


class Stage:
    """A parent that was started, and its reactor."""

    def __init__(self, *options: str) -> None:
        self.reactor = FakeReactor()
        self.options = parse(*(options or PORT), *WORKERS)
        self.parent = Parent(self.reactor, self.options)
        self.parent.privilegedStartService()
        self.parent.startService()

    def all_ready(self) -> None:
        for process in self.reactor.processes:
            self.reactor.tell(process, "READY=1", "STATUS=Serving; connections: 3, rooms: 1")

    def signals(self) -> list[list[str]]:
        return [process.signals for process in self.reactor.processes]

    async def end(self) -> None:
        """Stop it, with workers that end at once."""
        stopping = self.parent.stopService()
        for process in self.reactor.processes:
            process.end(ProcessDone(0))
        await stopping
        for trigger in self.reactor.triggers:
            trigger()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    return Stage()


@pytest_twisted.ensureDeferred
async def test_each_worker_is_started_with_the_options_and_the_sockets(stage: Stage) -> None:
    first, second = (process.launch for process in stage.reactor.processes)

    assert first["args"][:5] == [sys.executable, "-P", "-m", "twisted_signal.cli", "serve"]
    assert first["args"][5:] == stage.options.typed()
    assert first["path"] == str(Path.cwd())
    assert first["childFDs"].keys() == {0, 1, 2, 3, 4}
    inherited = [Inheritance.of(each["env"]) for each in (first, second)]
    assert [each.number for each in inherited if each] == [1, 2]
    assert inherited[0] is not None
    assert inherited[0].settings == stage.options.settings
    assert inherited[0].sockets == [2]
    await stage.end()
    assert not Path(inherited[0].directory).exists()


@pytest_twisted.ensureDeferred
async def test_workers_do_not_hear_of_the_service_manager(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"):
        monkeypatch.setenv(name, "/systemd's")
    stage = Stage()

    environment = stage.reactor.processes[0].launch["env"]

    assert "/systemd's" not in environment.values()
    assert environment["NOTIFY_SOCKET"].startswith(stage.parent.workers.directory)
    assert environment["PATH"] == os.environ["PATH"]
    await stage.end()


@pytest_twisted.ensureDeferred
async def test_it_listens_when_all_workers_do_for_the_first_time(stage: Stage) -> None:
    listening = stage.parent.when_listening()
    first, second = stage.reactor.processes
    stage.reactor.tell(first, "READY=1", "STATUS=Serving; connections: 3, rooms: 1")
    assert not listening.called
    assert stage.parent.summary() == "workers: 1 of 2, connections: 3"

    stage.reactor.tell(second, "READY=1")

    assert await listening is True
    assert await stage.parent.when_listening() is True
    assert stage.parent.stop_timeout == stage.options.limits.drain_timeout
    (url,) = stage.parent.urls()
    assert url.startswith("ws://127.0.0.1:")
    await stage.end()


@pytest_twisted.ensureDeferred
async def test_a_stuck_worker_is_noticed(stage: Stage) -> None:
    stage.all_ready()

    stage.reactor.pump([1] * 30)

    assert stage.signals() == [["KILL"], ["KILL"]]
    await stage.end()


@pytest_twisted.ensureDeferred
async def test_it_stops_when_its_workers_have_and_what_outlasts_them_does_so(stage: Stage) -> None:
    outlasting = Service()
    outlasting.setServiceParent(stage.parent.outlasting)
    stage.all_ready()
    stage.parent.pass_reload_on()
    stage.parent.drain("A test")
    stage.parent.drain("Once more")
    assert stage.reactor.stopped == 1

    stopping = stage.parent.stopService()

    assert stage.signals() == [["HUP", "TERM"], ["HUP", "TERM"]]
    stage.parent._hurry()
    assert stage.signals()[0] == ["HUP", "TERM", "TERM"]
    first, second = stage.reactor.processes
    first.end(ProcessDone(0))
    assert outlasting.running
    stage.reactor.advance(stage.parent.stop_timeout + 5)
    assert second.signals[-1] == "KILL"
    second.end(ProcessDone(0))
    await stopping
    assert not outlasting.running
    assert stage.reactor.getDelayedCalls() == []


@pytest_twisted.ensureDeferred
async def test_the_operator_is_warned_once_where_anybody_may_enter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage("--host", "0.0.0.0", "--port", "0", "--endpoint", "tcp:0")

    assert sum("Anybody" in message for message in caplog.messages) == 1
    await stage.end()


def test_sockets_go_to_a_short_path_or_the_start_fails_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/" + "x" * 100)
    made: list[dict[str, str]] = []

    def make(**place: str) -> str:
        made.append(place)
        return "/nowhere"

    monkeypatch.setattr(tempfile, "mkdtemp", make)
    from twisted_signal.workers import parent

    assert parent._directory() == "/nowhere"
    assert made == [{"prefix": "vislam-signal-", "dir": "/tmp"}]

    def refuse(**_: str) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", stderr)
    with pytest.raises(
        CannotStart, match=r"--workers: cannot make a directory in /tmp: Permission"
    ):
        parent._directory()
    assert stderr.getvalue().count("\n") == 1


def test_the_service_is_a_parent_with_what_sighup_is_for(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("")
    (tmp_path / "token").write_text("0123456789abcdef")
    token = ("--admin-token-file", str(tmp_path / "token"))

    def reloads(*options: str) -> list[str]:
        service = tap.makeService(parse(*PORT, *WORKERS, *options))
        assert isinstance(service, Parent)
        return [each.__qualname__ for each in service.reloads]

    assert reloads("--admin-endpoint", "none") == ["Parent.pass_reload_on"]
    assert reloads(*token) == ["add_site.<locals>.renew", "Parent.pass_reload_on"]
    assert reloads("--config", str(tmp_path / "x.toml")) == ["FileReload.reload"]


def test_a_worker_is_a_server_that_ends_when_its_parent_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real: Any = twisted_reactor
    reading, writing = os.pipe()
    monkeypatch.setattr("twisted_signal.inheritance.LIFELINE", reading)
    sessions: list[None] = []
    monkeypatch.setattr(os, "setsid", lambda: sessions.append(None))
    parent = parse(*PORT, *WORKERS, "--qr")
    environment = {VARIABLE: Inheritance(1, parent.settings, [1], "/nowhere").encode()}
    options = Options(environment)
    options.parseOptions([])

    service = tap.makeService(options)

    assert isinstance(service, SignalService)
    assert len(sessions) == 1
    assert not [each for each in service if type(each).__name__ == "Invitation"]
    (lifeline,) = [each for each in real.getReaders() if type(each).__name__ == "Lifeline"]
    why: list[str] = []
    monkeypatch.setattr(service, "drain", why.append)
    triggers: list[tuple[object, ...]] = []
    monkeypatch.setattr(real, "addSystemEventTrigger", lambda *each: triggers.append(each))
    os.close(writing)
    lifeline.doRead()
    os.close(reading)
    assert why == ["The parent process has gone"]
    assert [each[:2] for each in triggers] == [("after", "shutdown")]
