"""Fixtures that several test modules share."""

import fcntl
import io
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dealers import dealer
from nodes import Dealt, nodes
from processes import Restarted, Server, server
from redis_server import RedisServer, redis_server
from twisted.logger import globalLogPublisher
from ways import Way, way

from twisted_signal import logs
from twisted_signal.event_log import EventLogger
from twisted_signal.log_levels import Levels, set_level
from twisted_signal.logs import observer
from twisted_signal.outbox import Outbox
from twisted_signal.registry import Registry
from twisted_signal.signals import ReloadSignal, StopSignals


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files with tests that run alone be the last: until then they would wait."""
    alone = {item.path for item in items if item.get_closest_marker("alone")}
    items.sort(key=lambda item: item.path in alone)


@pytest.fixture(autouse=True)
def company(
    request: pytest.FixtureRequest, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Lets a test that is marked so run while no other test does, in whichever process."""
    if worker_id == "master":  # the only one
        yield
        return
    with (tmp_path_factory.getbasetemp().parent / "company").open("w") as file:
        alone = request.node.get_closest_marker("alone") is not None
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


PLAYED_AGAIN = {
    "signal_server": {"test_asyncapi", "test_client_shells", "test_protocol_page", "test_server"},
    "registry": {"test_relay", "test_session"},
}
"""By a fixture, the modules whose tests with it are about what clients are told. They run a second
time against two nodes: nobody shall see a difference."""
LOOK_INSIDE = {
    "test_the_end_of_the_first_claimant_touches_nothing_of_the_second",  # at the rooms
    "test_the_log_tells_who_came_said_something_and_left",
    "test_a_line_is_about_who_caused_it",
}
"""Tests among them that look at one server from inside, or at its log: each node has its own."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let tests run again against two nodes, where that is to be shown."""
    for fixture, modules in PLAYED_AGAIN.items():
        if metafunc.module.__name__ in modules and fixture in metafunc.fixturenames:
            kinds = ["node", "nodes"][: 1 if metafunc.function.__name__ in LOOK_INSIDE else 2]
            metafunc.parametrize(fixture, kinds, indirect=True)


@pytest.fixture
def registry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The rooms of a server; or of the first of two nodes, to which clients are dealt out."""
    if getattr(request, "param", "node") == "node":
        return Registry()
    from dealt import dealt_registry  # which loads Lua

    return dealt_registry(monkeypatch)


@pytest.fixture(scope="module")
def signal_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server | Dealt]:
    """A real server on a free port; rooms keep the tests of a module apart.

    Or two nodes in its place, to which clients are dealt out in turn.
    """
    cwd = tmp_path_factory.mktemp("server")
    if getattr(request, "param", "node") == "node":
        with server("--log-level", "DEBUG", cwd=cwd) as started:
            yield started
        return
    with (
        redis_server(cwd) as shared,
        nodes(shared.url, shared.url, cwd=cwd) as dealt,
        dealer(*(node.port for node in dealt)) as dealing,
    ):
        yield Dealt(dealt, dealing.url)


@pytest.fixture
def cut(signal_server: Server) -> Iterator[Way]:
    """A way to the server that can be cut."""
    with way(int(signal_server.url.rpartition(":")[2])) as made:
        yield made


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[Restarted]:
    """A real server of the test's own, to be killed and started again."""
    made = Restarted(tmp_path)
    yield made
    made.server.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A real Redis of the test's own, with nothing in it."""
    with redis_server(tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser; each test has a context of its own in it."""
    from browser import chromium  # skips where there is none

    with chromium() as started:
        yield started


@pytest.fixture
def started_logs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Levels, Outbox]]:
    """What the log was told to do; it is the test runner's log that goes on."""
    calls: list[tuple[Any, Levels, Outbox]] = []
    monkeypatch.setattr(logs, "start", lambda *arguments, **_: calls.append(arguments))
    return calls


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """What a test changes of the process's logging is put back."""
    loggers = [logging.getLogger(), logging.getLogger("twisted_signal")]
    before = [(logger.handlers[:], logger.level) for logger in loggers]
    raising, rotating = logging.raiseExceptions, signal.getsignal(signal.SIGUSR1)
    yield
    EventLogger.writers = [None]
    set_level(Levels())  # none of a single module stays
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)
    logging.raiseExceptions = raising
    signal.signal(signal.SIGUSR1, rotating)


@pytest.fixture
def log_stdout(restored_logging: None, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Where a log goes that is started: sys.stdout itself is the test runner's."""
    written = io.StringIO()
    monkeypatch.setattr(logs, "sys", SimpleNamespace(stdout=written))
    return written


@pytest.fixture
def log_started(log_stdout: io.StringIO) -> Iterator[io.StringIO]:
    """The log as a server has it, at DEBUG, with Twisted's events in it."""
    logs.start(None, Levels("DEBUG"), Outbox())
    globalLogPublisher.addObserver(observer)
    yield log_stdout
    globalLogPublisher.removeObserver(observer)


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """Signal handlers are put back."""
    numbers = (*StopSignals.SIGNALS, *ReloadSignal.SIGNALS)
    before = [signal.getsignal(number) for number in numbers]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
