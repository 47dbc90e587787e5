"""What a service manager is told, at a real socket of its kind."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from caller import Caller
from processes import BIN, Server, running
from service_manager import Manager
from signalled import Running
from twisted.internet.defer import Deferred

from twisted_signal.limits import Limits
from twisted_signal.notify import (
    RETRY,
    STATUS_INTERVAL,
    Notifier,
    socket_address,
    watchdog_interval,
)
from twisted_signal.registry import Room
from twisted_signal.server import SignalFactory
from twisted_signal.service import SignalService


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.socket.close()


class Stage:
    """A Notifier on a Clock, of a server that listens when the test says so."""

    def __init__(self, address: str, **environment: str) -> None:
        self.reactor = cast("Any", Running())
        self.listens: Deferred[bool] = Deferred()
        self.factory = SignalFactory(self.reactor, limits=Limits(drain_timeout=7))
        server: Any = SimpleNamespace(
            factory=self.factory,
            when_listening=lambda: self.listens,
            stop_timeout=self.factory.limits.drain_timeout,
        )
        server.summary = partial(SignalService.summary, server)
        self.notifier = Notifier(self.reactor, server, address, environment)
        self.notifier.startService()

    def listen(self, *, everywhere: bool = True) -> None:
        self.listens.callback(everywhere)


@pytest.fixture
def stage(manager: Manager) -> Stage:
    return Stage(manager.address)


def test_it_is_ready_when_the_server_listens_and_not_before(stage: Stage, manager: Manager) -> None:
    assert manager.hears_nothing()

    stage.listen()

    assert manager.hear() == ["READY=1", "STATUS=Serving; connections: 0, rooms: 0"]


def test_a_server_that_cannot_listen_somewhere_is_not_ready(stage: Stage, manager: Manager) -> None:
    stage.listen(everywhere=False)

    assert manager.hears_nothing()


def test_a_server_that_stops_before_it_listens_is_not_ready(stage: Stage, manager: Manager) -> None:
    stage.notifier.stopService()
    stage.listen()

    assert manager.hear()[0] == "STOPPING=1"
    assert manager.hears_nothing()


def test_the_status_is_told_when_it_has_changed(stage: Stage, manager: Manager) -> None:
    stage.listen()
    manager.hear()

    stage.reactor.advance(STATUS_INTERVAL)
    assert manager.hears_nothing()

    stage.factory.connections[cast("Any", "a connection")] = None
    stage.factory.registry.rooms["lab1"] = Room("lab1", stage.factory.registry.calls, 0)
    stage.reactor.advance(STATUS_INTERVAL)
    assert manager.hear() == ["STATUS=Serving; connections: 1, rooms: 1"]


def test_a_stopping_server_says_how_long_it_may_take_and_who_is_still_there(
    stage: Stage, manager: Manager
) -> None:
    stage.factory.connections[cast("Any", "a connection")] = None
    stage.listen()
    manager.hear()

    stage.notifier.stopService()
    assert manager.hear() == [
        "STOPPING=1",
        "EXTEND_TIMEOUT_USEC=12000000",
        "STATUS=Stopping; connections: 1, rooms: 0",
    ]

    stage.factory.connections.clear()
    stage.reactor.advance(STATUS_INTERVAL)
    assert manager.hear() == ["STATUS=Stopping; connections: 0, rooms: 0"]


def test_a_reload_is_over_after_the_turn_in_which_it_began(stage: Stage, manager: Manager) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    stage.notifier.reloading()

    reloading, began = manager.hear()
    assert reloading == "RELOADING=1"
    began_at = int(began.removeprefix("MONOTONIC_USEC="))
    assert before <= began_at <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert manager.hears_nothing()

    stage.reactor.advance(0)
    assert manager.hear() == ["READY=1"]


def test_the_watchdog_is_told_at_half_of_its_time(manager: Manager) -> None:
    stage = Stage(manager.address, WATCHDOG_USEC="8000000", WATCHDOG_PID=str(os.getpid()))
    stage.reactor.advance(4)
    assert manager.hears_nothing()

    stage.listen()
    manager.hear()
    for _ in range(2):
        assert manager.hear() == ["WATCHDOG=1"]
        stage.reactor.advance(3.9)
        assert manager.hears_nothing()
        stage.reactor.advance(0.1)


def test_what_there_is_no_room_for_is_sent_later_in_its_order(manager: Manager) -> None:
    stage = Stage(manager.address, WATCHDOG_USEC="200000")
    manager.fill()

    stage.listen()
    stage.reactor.pump([0.1] * 5)  # pings that do not wait as well
    stage.notifier.stopService()
    manager.forget()
    stage.reactor.pump([RETRY, 0.2])

    assert [manager.hear()[0] for _ in range(3)] == ["READY=1", "STOPPING=1", "WATCHDOG=1"]


def test_a_manager_that_is_not_there_is_one_warning_until_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(str(tmp_path / "later"))
    stage.listen()
    stage.reactor.pump([RETRY] * 3)
    assert caplog.messages == [
        "The service manager cannot be told anything: No such file or directory"
    ]

    manager = Manager(str(tmp_path / "later"))
    stage.reactor.advance(RETRY)
    assert manager.hear()[0] == "READY=1"
    manager.socket.close()


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, None),
        ({"NOTIFY_SOCKET": ""}, None),
        ({"NOTIFY_SOCKET": "/run/notify"}, "/run/notify"),
        ({"NOTIFY_SOCKET": "@abstract"}, "\0abstract"),
    ],
)
def test_the_manager_hears_where_it_says(
    environment: dict[str, str], address: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert socket_address(environment) == address
    assert caplog.messages == []


def test_a_socket_of_another_kind_is_not_used_and_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert socket_address({"NOTIFY_SOCKET": "vsock:2:1234"}) is None
    assert caplog.messages == ["NOTIFY_SOCKET is no local socket: vsock:2:1234"]


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "17"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "18"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "9" * 30}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_told_when_it_is_asked_of_this_process(
    environment: dict[str, str], interval: float | None
) -> None:
    assert watchdog_interval(environment, 17) == interval


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_real_server_is_ready_once_it_listens_and_says_when_it_reloads_and_stops(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = str(tmp_path / "notify") if kind == "path" else f"\0vislam-signal-test-{os.getpid()}"
    manager = Manager(name)
    monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    place = tmp_path / "signal"

    with (
        manager.socket,
        running(BIN / "vislam-signal", "serve", "--endpoint", f"unix:{place}") as started,
        socket.socket(socket.AF_UNIX) as connection,
    ):
        assert manager.hear() == ["READY=1", "STATUS=Serving; connections: 0, rooms: 0"]
        connection.connect(str(place))
        manager.hear_until("WATCHDOG=1")
        manager.hear_until("WATCHDOG=1")

        started.process.send_signal(signal.SIGHUP)
        manager.hear_until("RELOADING=1")
        manager.hear_until("READY=1")

        with Caller("ws://localhost", over=connection) as caller:
            caller.say(type="register", client_id="pc", client_type="pc", room_id="lab1")
            assert caller.hear()["type"] == "registered"
            started.process.send_signal(signal.SIGTERM)
            stopping = manager.hear_until("STOPPING=1")
            assert stopping[-1] == "STATUS=Stopping; connections: 1, rooms: 1"
            manager.hear_until("WATCHDOG=1")  # as it waits for its client
        assert started.wait() == 0


STUCK = """
import signal, sys, time
from twisted.internet import reactor
from twisted_signal import cli

def hang():
    print("The reactor is stuck", flush=True)
    while True:
        time.sleep(60)

signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(hang))
cli.main(["serve", "--host", "127.0.0.1", "--port", "0"])
"""


def test_a_server_whose_reactor_is_stuck_sends_no_pings(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "100000")

    with running(sys.executable, "-c", STUCK, cwd=tmp_path) as process:
        manager.hear_until("WATCHDOG=1")
        manager.hear_until("WATCHDOG=1")
        process.process.send_signal(signal.SIGUSR1)
        process.wait_for("The reactor is stuck")
        manager.forget()

        assert manager.hears_nothing(0.5)


def test_without_a_manager_nothing_is_different(signal_server: Server) -> None:
    with Caller(signal_server.url) as caller:
        caller.say(type="register", client_id="pc", client_type="pc", room_id="lab1")
        assert caller.hear()["type"] == "registered"
    assert "service manager" not in signal_server.output
