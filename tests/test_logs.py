import io
import logging
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import ILogObserver, Logger, LogLevel, STDLibLogObserver, globalLogPublisher
from twisted.python import log as legacy_log
from twisted.python.failure import Failure

from twisted_signal import logs
from twisted_signal.logs import LineFormatter, module_name, observer

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(\w+)\] (\w+): (.*)")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """What a test changes of the process's logging is put back."""
    loggers = [logging.getLogger(), logging.getLogger("twisted_signal")]
    before = [(logger.handlers[:], logger.level) for logger in loggers]
    raising, rotating = logging.raiseExceptions, signal.getsignal(signal.SIGUSR1)
    yield
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)
    logging.raiseExceptions = raising
    signal.signal(signal.SIGUSR1, rotating)


@pytest.fixture
def stdout(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()  # sys.stdout itself is the test runner's, anew in each phase
    monkeypatch.setattr(logs, "sys", SimpleNamespace(stdout=written))
    return written


@pytest.fixture
def started(stdout: io.StringIO) -> Iterator[io.StringIO]:
    """The log as a server has it, at DEBUG, with Twisted's events in it."""
    logs.start(None, "DEBUG")
    globalLogPublisher.addObserver(observer)
    yield stdout
    globalLogPublisher.removeObserver(observer)


def lines(written: io.StringIO) -> list[tuple[str, ...]]:
    """Return level, source and text of each line; every line must have the form."""
    found = []
    for line in written.getvalue().splitlines():
        match = LINE.fullmatch(line)
        assert match is not None, line
        found.append(match.groups())
    return found


def raise_error(text: str) -> None:
    raise ValueError(text)


def test_a_line_tells_time_level_module_and_message(started: io.StringIO) -> None:
    logging.getLogger("twisted_signal.session").info("Relayed %s", "offer")

    assert lines(started) == [("INFO", "session", "Relayed offer")]


@pytest.mark.parametrize(
    ("logger", "name"),
    [
        ("twisted_signal.websocket", "websocket"),
        ("twisted_signal.dialects.android", "android"),
        ("twisted.internet.protocol", "twisted"),
        ("autobahn.websocket.protocol", "autobahn"),
        ("stdout", "stdout"),
    ],
)
def test_a_source_is_our_module_or_the_package(logger: str, name: str) -> None:
    assert module_name(logger) == name


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r2026-01-01 00:00:00 [INFO] x: y", "\x1b[2J", "\u2028"]
)
def test_a_message_stays_on_its_line(started: io.StringIO, text: str) -> None:
    logging.getLogger("twisted_signal.x").warning("%s", text)
    Logger(namespace="twisted.x").warn("{text}", text=text)

    assert started.getvalue().count("\n") == 2
    assert all(text not in line for line in started.getvalue().split("\n"))


def test_every_line_of_a_traceback_has_the_form(started: io.StringIO) -> None:
    try:
        raise_error("forged\n2026-01-01 00:00:00 [INFO] session: Client registered: me")
    except ValueError:
        logging.getLogger("twisted_signal.x").exception("Broken")

    first, *traceback = lines(started)
    assert first == ("ERROR", "x", "Broken")
    assert traceback[0][2] == "| Traceback (most recent call last):"
    assert all(level == "ERROR" and text.startswith("| ") for level, _, text in traceback)


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (LogLevel.debug, "DEBUG"),
        (LogLevel.info, "INFO"),
        (LogLevel.warn, "WARNING"),
        (LogLevel.error, "ERROR"),
        (LogLevel.critical, "CRITICAL"),
    ],
)
def test_twisteds_events_come_out_in_the_same_form(
    started: io.StringIO, level: Any, shown: str
) -> None:
    Logger(namespace="autobahn.twisted.websocket").emit(level, "{count} peers", count=3)

    assert lines(started) == [(shown, "autobahn", "3 peers")]


def test_twisteds_old_log_comes_out_in_the_same_form(started: io.StringIO) -> None:
    legacy_log.msg("as of old")

    assert lines(started) == [("INFO", "twisted", "as of old")]


def test_a_failure_comes_out_with_its_traceback(started: io.StringIO) -> None:
    try:
        raise_error("gone")
    except ValueError:
        Logger(namespace="twisted.x").failure("Oh", Failure())

    found = lines(started)
    assert found[0] == ("CRITICAL", "twisted", "Oh")
    assert found[-1] == ("CRITICAL", "twisted", "| ValueError: gone")


def test_events_below_the_level_are_left_out(stdout: io.StringIO) -> None:
    logs.start(None, "WARNING")

    observer({"log_level": LogLevel.info, "log_namespace": "twisted.x", "log_format": "quiet"})
    logging.getLogger("twisted_signal.x").info("quiet")
    observer({"log_level": LogLevel.warn, "log_namespace": "twisted.x", "log_format": "loud"})

    assert lines(stdout) == [("WARNING", "twisted", "loud")]


def test_a_handler_that_fails_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError("no space left")

    errors = io.StringIO()
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", errors)
    logs.start(None, "INFO")

    logging.getLogger("twisted_signal.x").info("lost")

    assert errors.getvalue() == ""


# Under twistd and twist


def test_twistd_in_the_foreground_logs_to_stdout_through_the_observer(stdout: io.StringIO) -> None:
    runner: dict[str, Any] = {"nodaemon": 1, "logfile": None, "logger": None, "syslog": 0}

    logs.start(runner, "INFO")
    logging.getLogger("twisted_signal.x").info("here")

    assert lines(stdout) == [("INFO", "x", "here")]
    assert runner["logger"] == "twisted_signal.logs.make_observer"
    assert logs.make_observer() is observer
    assert ILogObserver.providedBy(observer)


@pytest.mark.parametrize("nodaemon", [0, 1])
def test_twistd_logs_to_its_log_file(tmp_path: Path, nodaemon: int) -> None:
    path = tmp_path / "signal.log"

    logs.start({"nodaemon": nodaemon, "logfile": str(path)}, "INFO")
    logging.getLogger("twisted_signal.x").info("über")

    match = LINE.fullmatch(path.read_text(encoding="utf-8").rstrip("\n"))
    assert match is not None
    assert match[3] == "über"


def test_a_daemon_logs_to_twistd_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    logs.start({"nodaemon": 0, "logfile": None}, "INFO")
    logging.getLogger("twisted_signal.x").info("here")

    assert (tmp_path / "twistd.log").read_text().endswith("x: here\n")


def test_a_daemon_has_no_stdout_to_log_to() -> None:
    with pytest.raises(OSError, match="daemon"):
        logs.start({"nodaemon": 0, "logfile": "-"}, "INFO")


def test_sigusr1_rotates_the_log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twisted.internet import reactor

    called: list[Any] = []
    assert IReactorFromThreads.providedBy(reactor)
    monkeypatch.setattr(reactor, "callFromThread", called.append)
    path = tmp_path / "signal.log"
    logs.start({"logfile": str(path)}, "INFO")
    logging.getLogger("twisted_signal.x").info("before")

    signal.raise_signal(signal.SIGUSR1)
    called[0]()
    logging.getLogger("twisted_signal.x").info("after")

    assert "before" in (tmp_path / "signal.log.1").read_text()
    assert path.read_text().endswith("after\n")


@pytest.mark.parametrize("runner", [{"syslog": 1}, {"logger": "some.observer"}])
def test_a_log_that_the_operator_chose_gets_our_lines(runner: dict[str, Any]) -> None:
    events: list[Any] = []
    remember: Any = events.append
    logs.start(runner, "INFO")
    globalLogPublisher.addObserver(remember)

    logging.getLogger("twisted_signal.x").warning("here {it} is")
    logging.getLogger("twisted_signal.x").log(35, "between levels")

    globalLogPublisher.removeObserver(remember)
    assert [(event["log_namespace"], event["log_level"]) for event in events] == [
        ("twisted_signal.x", LogLevel.warn),
        ("twisted_signal.x", LogLevel.info),
    ]
    assert "here {it} is" in events[0]["text"]


def test_a_log_of_twisteds_that_writes_to_the_standard_one_does_not_go_round() -> None:
    written = io.StringIO()
    logging.getLogger().handlers[:] = [logging.StreamHandler(written)]
    standard: Any = STDLibLogObserver()
    logs.start({"logger": "twisted.logger.STDLibLogObserver"}, "INFO")
    globalLogPublisher.addObserver(standard)

    logging.getLogger("twisted_signal.x").warning("here")

    globalLogPublisher.removeObserver(standard)
    assert "x: here" in written.getvalue()


def test_a_name_that_stdout_cannot_write_is_no_reason_to_lose_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    ascii_only = io.TextIOWrapper(written, encoding="ascii")
    monkeypatch.setattr(logs, "sys", SimpleNamespace(stdout=ascii_only))
    logs.start(None, "INFO")

    logging.getLogger("twisted_signal.x").info("Gerät")

    assert written.getvalue().endswith(b"x: Ger\\xe4t\n")


def test_twist_logs_to_its_file_through_the_observer() -> None:
    written = io.StringIO()
    runner: dict[str, Any] = {
        "fileLogObserverFactory": print,
        "logFile": written,
        "logLevel": LogLevel.info,
    }

    logs.start(runner, "DEBUG")
    logging.getLogger("twisted_signal.x").debug("here")

    assert lines(written) == [("DEBUG", "x", "here")]
    assert runner["fileLogObserverFactory"](written) is observer
    assert runner["logLevel"] is LogLevel.debug


def test_a_record_is_formatted_alike_wherever_it_is_written() -> None:
    record = logging.LogRecord("twisted_signal.x", logging.INFO, "", 0, "text", None, None)

    assert LINE.fullmatch(LineFormatter().format(record)) is not None
