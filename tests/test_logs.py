import io
import logging
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import ILogObserver, Logger, LogLevel, STDLibLogObserver, globalLogPublisher
from twisted.python import log as legacy_log
from twisted.python.failure import Failure

from twisted_signal import logs
from twisted_signal.logs import LineFormatter, LineHandler, LineLogger, module_name, observer
from twisted_signal.outbox import Outbox

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(\w+)\] (\w+): (.*)")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """What a test changes of the process's logging is put back."""
    loggers = [logging.getLogger(), logging.getLogger("twisted_signal")]
    before = [(logger.handlers[:], logger.level) for logger in loggers]
    raising, rotating = logging.raiseExceptions, signal.getsignal(signal.SIGUSR1)
    yield
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, LineLogger):
            logger.__class__ = logging.Logger  # type: ignore[assignment] # as it was made
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
    logs.start(None, "DEBUG", Outbox())
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
    logs.start(None, "WARNING", Outbox())

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
    logs.start(None, "INFO", Outbox())

    logging.getLogger("twisted_signal.x").info("lost")

    assert errors.getvalue() == ""


# Under twistd and twist


def test_twistd_in_the_foreground_logs_to_stdout_through_the_observer(stdout: io.StringIO) -> None:
    runner: dict[str, Any] = {"nodaemon": 1, "logfile": None, "logger": None, "syslog": 0}

    logs.start(runner, "INFO", Outbox())
    logging.getLogger("twisted_signal.x").info("here")

    assert lines(stdout) == [("INFO", "x", "here")]
    assert runner["logger"] == "twisted_signal.logs.make_observer"
    assert logs.make_observer() is observer
    assert ILogObserver.providedBy(observer)


@pytest.mark.parametrize("nodaemon", [0, 1])
def test_twistd_logs_to_its_log_file(tmp_path: Path, nodaemon: int) -> None:
    path = tmp_path / "signal.log"

    logs.start({"nodaemon": nodaemon, "logfile": str(path)}, "INFO", Outbox())
    logging.getLogger("twisted_signal.x").info("über")

    match = LINE.fullmatch(path.read_text(encoding="utf-8").rstrip("\n"))
    assert match is not None
    assert match[3] == "über"


def test_a_daemon_logs_to_twistd_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    logs.start({"nodaemon": 0, "logfile": None}, "INFO", Outbox())
    logging.getLogger("twisted_signal.x").info("here")

    assert (tmp_path / "twistd.log").read_text().endswith("x: here\n")


def test_a_daemon_has_no_stdout_to_log_to() -> None:
    with pytest.raises(OSError, match="daemon"):
        logs.start({"nodaemon": 0, "logfile": "-"}, "INFO", Outbox())


def test_sigusr1_rotates_the_log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twisted.internet import reactor

    called: list[Any] = []
    assert IReactorFromThreads.providedBy(reactor)
    monkeypatch.setattr(reactor, "callFromThread", called.append)
    path = tmp_path / "signal.log"
    logs.start({"logfile": str(path)}, "INFO", Outbox())
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
    logs.start(runner, "INFO", Outbox())
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
    logs.start({"logger": "twisted.logger.STDLibLogObserver"}, "INFO", Outbox())
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
    logs.start(None, "INFO", Outbox())

    logging.getLogger("twisted_signal.x").info("Gerät")

    assert written.getvalue().endswith(b"x: Ger\\xe4t\n")


def test_twist_logs_to_its_file_through_the_observer() -> None:
    written = io.StringIO()
    runner: dict[str, Any] = {
        "fileLogObserverFactory": print,
        "logFile": written,
        "logLevel": LogLevel.info,
    }

    logs.start(runner, "DEBUG", Outbox())
    logging.getLogger("twisted_signal.x").debug("here")

    assert lines(written) == [("DEBUG", "x", "here")]
    assert runner["fileLogObserverFactory"](written) is observer
    assert runner["logLevel"] is LogLevel.debug


def test_a_record_is_formatted_alike_wherever_it_is_written() -> None:
    record = logging.LogRecord("twisted_signal.x", logging.INFO, "", 0, "text", None, None)

    assert LINE.fullmatch(LineFormatter().format(record)) is not None


# Written in turns


class Writes(io.StringIO):
    """A stream that remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.each: list[str] = []
        self.flushed = 0

    def write(self, text: str) -> int:
        self.each.append(text)
        return super().write(text)

    def flush(self) -> None:
        self.flushed += 1


class Full(Writes):
    """A stream on a full disk, as long as `is_full`."""

    is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


class Bystander:
    """Something else that waits for the end of the turn."""

    def __init__(self) -> None:
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


def line_logger(stream: io.StringIO, outbox: Outbox) -> logging.Logger:
    """Return a logger of its own whose lines go to a stream."""
    logger = logging.Logger("twisted_signal.x")  # noqa: LOG001 - known to nobody else
    handler = LineHandler(stream, outbox)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    return logger


def test_a_line_outside_a_turn_is_written_at_once(outbox: Outbox) -> None:
    stream = Writes()
    logger = line_logger(stream, outbox)

    logger.info("first")
    assert stream.each == ["first\n"]
    logger.info("second")

    assert stream.each == ["first\n", "second\n"]
    assert stream.flushed == 2


def test_the_lines_of_a_turn_are_written_together_in_their_order(outbox: Outbox) -> None:
    stream = Writes()
    logger = line_logger(stream, outbox)
    expected = [str(number) for number in range(100)]
    outbox.open = True

    for text in expected:
        logger.info(text)
    assert stream.each == []
    outbox.close()

    assert stream.each == ["".join(f"{text}\n" for text in expected)]
    assert stream.flushed == 1


def test_each_turn_has_its_own_write(outbox: Outbox) -> None:
    stream = Writes()
    logger = line_logger(stream, outbox)

    for turn in (["a", "b"], [], ["c"]):
        outbox.open = True
        for text in turn:
            logger.info(text)
        outbox.close()
    logger.info("d")

    assert stream.each == ["a\nb\n", "c\n", "d\n"]


@pytest.mark.parametrize("in_a_turn", [True, False])
def test_a_closed_stream_does_no_harm(outbox: Outbox, in_a_turn: bool) -> None:
    stream, bystander = Writes(), Bystander()
    logger = line_logger(stream, outbox)
    stream.close()

    outbox.open = in_a_turn
    logger.info("lost")
    outbox.add(bystander)
    outbox.close()

    assert bystander.flushed == 1


@pytest.mark.parametrize("in_a_turn", [True, False])
def test_a_full_disk_does_no_harm_and_the_log_goes_on_after_it(
    outbox: Outbox, in_a_turn: bool
) -> None:
    stream, bystander = Full(), Bystander()
    logger = line_logger(stream, outbox)

    outbox.open = in_a_turn
    logger.info("lost")
    outbox.add(bystander)
    outbox.close()
    stream.is_full = False
    logger.info("here")

    assert bystander.flushed == 1
    assert stream.each == ["here\n"]


def test_a_record_that_cannot_be_formatted_loses_its_own_line_only(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    stream = Writes()
    logger = line_logger(stream, outbox)
    outbox.open = True

    logger.info("before")
    logger.info("%d", "no number")
    logger.info("after")
    outbox.close()

    assert stream.each == ["before\nafter\n"]


def test_what_waits_is_written_when_the_process_ends(outbox: Outbox) -> None:
    stream = Writes()
    logger = line_logger(stream, outbox)
    outbox.open = True
    logger.info("last words")

    logger.handlers[0].flush()  # as logging.shutdown does

    assert stream.each == ["last words\n"]
    outbox.close()
    assert stream.each == ["last words\n"]


# The short way of our own loggers


OURS = "twisted_signal.session"


@pytest.fixture
def alone(started: io.StringIO) -> Callable[[], logging.Logger]:
    """Return a logger of ours, once the test runner's handlers are out of the way."""

    def logger() -> logging.Logger:
        handlers = logging.getLogger().handlers  # the runner adds its own when a test begins
        handlers[:] = [handler for handler in handlers if isinstance(handler, LineHandler)]
        return logging.getLogger(OURS)

    return logger


def test_a_line_of_ours_needs_no_record(
    started: io.StringIO, alone: Callable[[], logging.Logger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "_logRecordFactory", raise_error)

    alone().info("Relayed %s", "offer")

    assert lines(started) == [("INFO", "session", "Relayed offer")]


@pytest.mark.parametrize(
    ("message", "arguments", "text"),
    [
        ("100 %", (), "100 %"),
        ("%s", ("a",), "a"),
        ("%s %d", ("a", 2), "a 2"),
        ("%(name)s", ({"name": "a"},), "a"),
        ("%s", ({},), "{}"),
        (ValueError("text"), (), "text"),
    ],
)
def test_a_message_and_its_arguments_are_read_as_the_standard_library_does(
    started: io.StringIO,
    alone: Callable[[], logging.Logger],
    message: object,
    arguments: tuple[object, ...],
    text: str,
) -> None:
    alone().info(message, *arguments)

    assert lines(started) == [("INFO", "session", text)]


def test_arguments_that_do_not_fit_lose_their_own_line_only(
    started: io.StringIO, alone: Callable[[], logging.Logger]
) -> None:
    alone().info("%d", "no number")
    alone().info("after")

    assert lines(started) == [("INFO", "session", "after")]


def test_a_logger_of_ours_keeps_to_its_level(
    started: io.StringIO, alone: Callable[[], logging.Logger]
) -> None:
    logger = alone()
    logger.setLevel("WARNING")
    try:
        logger.info("no")
        logger.log(logging.INFO, "no")
        logger.log(logging.WARNING, "yes")
    finally:
        logger.setLevel("NOTSET")

    assert lines(started) == [("WARNING", "session", "yes")]


def test_a_traceback_follows_its_line(
    started: io.StringIO, alone: Callable[[], logging.Logger]
) -> None:
    alone().error("failed", exc_info=ValueError("why"))

    assert lines(started) == [
        ("ERROR", "session", "failed"),
        ("ERROR", "session", "| ValueError: why"),
    ]


class Keeps(logging.Handler):
    """A handler that somebody else brings along."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.mark.parametrize("name", ["", OURS])
def test_a_handler_that_others_add_gets_whole_records(started: io.StringIO, name: str) -> None:
    handler = Keeps()
    logging.getLogger(name).addHandler(handler)
    try:
        logging.getLogger(OURS).info("Relayed %s", "offer")
    finally:
        logging.getLogger(name).removeHandler(handler)

    assert [(record.name, record.args) for record in handler.records] == [(OURS, ("offer",))]
    assert lines(started) == [("INFO", "session", "Relayed offer")]


def test_what_the_caller_adds_to_a_record_is_kept(started: io.StringIO) -> None:
    seen: list[logging.LogRecord] = []
    logger = logging.getLogger(OURS)

    def remember(record: logging.LogRecord) -> bool:
        seen.append(record)
        return True

    logger.addFilter(remember)

    logger.info("text", extra={"room": "lab"})

    logger.removeFilter(remember)
    assert vars(seen[0])["room"] == "lab"


def test_a_record_names_who_said_it(alone: Callable[[], logging.Logger]) -> None:
    handler = Keeps()
    logger = alone()
    logger.addHandler(handler)
    try:
        logger.info("text")
        logger.log(logging.INFO, "text", extra={"room": "lab"})
        logger.warning("text")
    finally:
        logger.removeHandler(handler)

    assert [record.funcName for record in handler.records] == [
        "test_a_record_names_who_said_it"
    ] * 3
