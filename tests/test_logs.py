import io
import logging
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from caller import Caller
from logged import LINE, Someone, lines, objects, raise_error
from processes import running
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import (
    ILogObserver,
    Logger,
    LogLevel,
    STDLibLogObserver,
    formatEvent,
    globalLogPublisher,
)
from twisted.python import log as legacy_log
from twisted.python.failure import Failure

from twisted_signal import event_log, logs
from twisted_signal.events import ROOM_OPENED
from twisted_signal.log_bounds import LogBounds
from twisted_signal.log_levels import Levels
from twisted_signal.log_lines import TextForm
from twisted_signal.logs import LineHandler, observer
from twisted_signal.outbox import Outbox

pytestmark = pytest.mark.usefixtures("restored_logging")


def test_a_line_tells_time_level_module_and_message(log_started: io.StringIO) -> None:
    logging.getLogger("twisted_signal.session").info("Relayed %s", "offer")

    assert lines(log_started) == [("INFO", "session", "Relayed offer")]


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r2026-01-01 00:00:00 [INFO] x: y", "\x1b[2J", "\u2028"]
)
def test_a_message_stays_on_its_line(log_started: io.StringIO, text: str) -> None:
    logging.getLogger("twisted_signal.x").warning("%s", text)
    Logger(namespace="twisted.x").warn("{text}", text=text)

    assert log_started.getvalue().count("\n") == 2
    assert all(text not in line for line in log_started.getvalue().split("\n"))


def test_every_line_of_a_traceback_has_the_form(log_started: io.StringIO) -> None:
    try:
        raise_error("forged\n2026-01-01 00:00:00 [INFO] session: Client registered: me")
    except ValueError:
        logging.getLogger("twisted_signal.x").exception("Broken")

    first, *traceback = lines(log_started)
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
    log_started: io.StringIO, level: Any, shown: str
) -> None:
    Logger(namespace="autobahn.twisted.websocket").emit(level, "{count} peers", count=3)

    assert lines(log_started) == [(shown, "autobahn", "3 peers")]


def test_twisteds_old_log_comes_out_in_the_same_form(log_started: io.StringIO) -> None:
    legacy_log.msg("as of old")

    assert lines(log_started) == [("INFO", "twisted", "as of old")]


def test_a_failure_comes_out_with_its_traceback(log_started: io.StringIO) -> None:
    try:
        raise_error("gone")
    except ValueError:
        Logger(namespace="twisted.x").failure("Oh", Failure())

    found = lines(log_started)
    assert found[0] == ("CRITICAL", "twisted", "Oh")
    assert found[-1] == ("CRITICAL", "twisted", "| ValueError: gone")


def test_events_below_the_level_are_left_out(log_stdout: io.StringIO) -> None:
    logs.start(None, Levels("WARNING"), Outbox())

    observer({"log_level": LogLevel.info, "log_namespace": "twisted.x", "log_format": "quiet"})
    logging.getLogger("twisted_signal.x").info("quiet")
    observer({"log_level": LogLevel.warn, "log_namespace": "twisted.x", "log_format": "loud"})

    assert lines(log_stdout) == [("WARNING", "twisted", "loud")]


def test_a_handler_that_fails_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError("no space left")

    errors = io.StringIO()
    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", errors)
    logs.start(None, Levels("INFO"), Outbox())

    logging.getLogger("twisted_signal.x").info("lost")

    assert errors.getvalue() == ""


# Under twistd and twist


def test_twistd_in_the_foreground_logs_to_stdout_through_the_observer(
    log_stdout: io.StringIO,
) -> None:
    runner: dict[str, Any] = {"nodaemon": 1, "logfile": None, "logger": None, "syslog": 0}

    logs.start(runner, Levels("INFO"), Outbox())
    logging.getLogger("twisted_signal.x").info("here")

    assert lines(log_stdout) == [("INFO", "x", "here")]
    assert runner["logger"] == "twisted_signal.logs.make_observer"
    assert logs.make_observer() is observer
    assert ILogObserver.providedBy(observer)


@pytest.mark.parametrize("nodaemon", [0, 1])
def test_twistd_logs_to_its_log_file(tmp_path: Path, nodaemon: int) -> None:
    path = tmp_path / "signal.log"

    logs.start({"nodaemon": nodaemon, "logfile": str(path)}, Levels("INFO"), Outbox())
    logging.getLogger("twisted_signal.x").info("über")

    match = LINE.fullmatch(path.read_text(encoding="utf-8").rstrip("\n"))
    assert match is not None
    assert match[3] == "über"


def test_a_daemon_logs_to_twistd_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    logs.start({"nodaemon": 0, "logfile": None}, Levels("INFO"), Outbox())
    logging.getLogger("twisted_signal.x").info("here")

    assert (tmp_path / "twistd.log").read_text().endswith("x: here\n")


def test_a_daemon_has_no_stdout_to_log_to() -> None:
    with pytest.raises(OSError, match="daemon"):
        logs.start({"nodaemon": 0, "logfile": "-"}, Levels("INFO"), Outbox())


def test_sigusr1_rotates_the_log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from twisted.internet import reactor

    called: list[Any] = []
    assert IReactorFromThreads.providedBy(reactor)
    monkeypatch.setattr(reactor, "callFromThread", called.append)
    path = tmp_path / "signal.log"
    logs.start({"logfile": str(path)}, Levels("INFO"), Outbox())
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
    logs.start(runner, Levels("INFO"), Outbox())
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
    logs.start({"logger": "twisted.logger.STDLibLogObserver"}, Levels("INFO"), Outbox())
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
    logs.start(None, Levels("INFO"), Outbox())

    logging.getLogger("twisted_signal.x").info("Gerät")

    assert written.getvalue().endswith(b"x: Ger\\xe4t\n")


def test_twist_logs_to_its_file_through_the_observer() -> None:
    written = io.StringIO()
    runner: dict[str, Any] = {
        "fileLogObserverFactory": print,
        "logFile": written,
        "logLevel": LogLevel.info,
    }

    logs.start(runner, Levels("DEBUG"), Outbox())
    logging.getLogger("twisted_signal.x").debug("here")

    assert lines(written) == [("DEBUG", "x", "here")]
    assert runner["fileLogObserverFactory"](written) is observer
    assert runner["logLevel"] is LogLevel.debug


# Of other processes


def test_a_line_of_another_process_is_written_as_it_is(log_stdout: io.StringIO) -> None:
    logs.start(None, Levels("ERROR"), Outbox())

    logs.pass_on("2026-01-31 12:00:00 [INFO] session[2]: Grüße")

    assert log_stdout.getvalue() == "2026-01-31 12:00:00 [INFO] session[2]: Grüße\n"


@pytest.mark.usefixtures("restored_logging")
def test_where_the_operator_chose_a_log_lines_of_another_process_go_there() -> None:
    logs.start({"syslog": 1}, Levels("INFO"), Outbox())
    events: list[Any] = []
    hear: Any = events.append
    globalLogPublisher.addObserver(hear)
    try:
        logs.pass_on("2026-01-31 12:00:00 [INFO] session[2]: {here}")
    finally:
        globalLogPublisher.removeObserver(hear)

    assert [formatEvent(event) for event in events] == [
        "2026-01-31 12:00:00 [INFO] session[2]: {here}"
    ]


# JSON


def test_json_lines_say_what_the_text_says_and_twisteds_lines_too(
    log_stdout: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    logs.start(None, Levels("INFO"), Outbox(), form="json")
    log = event_log.logger("twisted_signal.registry")

    log.info(ROOM_OPENED, "lab", about=Someone(client="pc"))
    log.warning(ROOM_OPENED, "hall", extra={"count": 2})
    observer({"log_level": LogLevel.error, "log_namespace": "twisted.x", "log_format": "Oh"})

    first, second, third = objects(log_stdout.getvalue())
    assert (first["message"], first["room"], first["client"]) == ("Room opened: lab", "lab", "pc")
    assert (second["level"], second["room"], second["count"]) == ("WARNING", "hall", 2)
    assert (third["module"], third["event"], third["message"]) == ("twisted", "log", "Oh")


def test_a_json_line_needs_no_record_either(
    log_stdout: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.start(None, Levels("INFO"), Outbox(), form="json")
    monkeypatch.setattr(logging, "_logRecordFactory", raise_error)

    event_log.logger("twisted_signal.registry").info(ROOM_OPENED, "lab")

    assert [each["room"] for each in objects(log_stdout.getvalue())] == ["lab"]


def test_json_is_utf8_whatever_stdout_was(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    latin = io.TextIOWrapper(written, encoding="latin-1")
    monkeypatch.setattr(logs, "sys", SimpleNamespace(stdout=latin))
    logs.start(None, Levels("INFO"), Outbox(), form="json")

    logging.getLogger("twisted_signal.x").info("Gerät ☎")

    assert objects(written.getvalue().decode("utf-8"))[0]["message"] == "Gerät ☎"


@pytest.mark.parametrize("runner", [{"syslog": 1}, {"logger": "some.observer"}])
def test_a_log_that_the_operator_chose_has_a_form_of_its_own(runner: dict[str, Any]) -> None:
    with pytest.raises(logs.FormNotPossible):
        logs.start(runner, Levels("INFO"), Outbox(), form="json")


BROKEN = """
import sys
from twisted.scripts.twistd import run
from twisted_signal.session import Session

def broken(*_):
    raise RuntimeError("for" + chr(10) + "ged")

Session._list_peers = broken
sys.argv[1:1] = ["--nodaemon", "--pidfile=", "vislam-signal", "--host", "127.0.0.1", "--port", "0"]
run()
"""


def test_every_line_of_a_real_server_is_an_object(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(BROKEN, encoding="utf-8")
    options = ("--self-signed", "--state-dir", tmp_path, "--tls-port", "0", "--log-format", "json")
    with running(sys.executable, script, *options, cwd=tmp_path) as started:
        with Caller(started.wait_for(r"Listening on (ws:[^\s\"]+)")[1]) as caller:
            caller.say(type="register", client_id="a b\u2028c", room_id="lab")
            caller.say(type="offer", target_id="nobody", sdp="x")
            caller.say(type="peers")
            started.wait_for("message_failed")
        started.process.send_signal(signal.SIGHUP)
        started.wait_for("certificate_same")
        started.process.send_signal(signal.SIGTERM)
        assert started.wait() == 0

    found = objects("\n".join(started.lines[:-1]) + "\n")
    by_event = {each["event"]: each for each in found}
    registered, refused = by_event["client_registered"], by_event["refused"]
    assert registered["message"] == 'Client registered: "a b\\u2028c" (unknown) in room lab'
    assert registered["client"] == refused["client"] == "a b\u2028c"
    assert registered["address"] == refused["address"] == by_event["connected"]["address"]
    assert (refused["kind"], refused["room"]) == ("peer_not_found", "lab")
    assert by_event["message_failed"]["traceback"].endswith("RuntimeError: for\nged")
    assert by_event["disconnected"]["code"] == 1011
    assert by_event["reloading"]["signal"] == "SIGHUP"
    assert {each["module"] for each in found if each["event"] == "log"} == {"twisted"}


# Bounds


def test_what_one_address_causes_is_left_out_when_it_is_too_much(log_stdout: io.StringIO) -> None:
    logs.start(None, Levels("INFO"), Outbox(), bounds=(bounds := LogBounds(10)))
    log = event_log.logger("twisted_signal.x")

    for number in range(100):
        log.info("%s", number, about=Someone("192.0.2.1"))
        log.warning("%s", number, about=Someone("192.0.2.2"))
    log.info("here", about=Someone("192.0.2.3"))
    log.info("the server itself")
    bounds.tick(1.0)

    found = lines(log_stdout)
    assert 20 < len([text for _, _, text in found if text.isdecimal()]) < 60
    assert [text for _, _, text in found][-3:-1] == ["here", "the server itself"]
    assert "Left out" in found[-1][2]


@pytest.mark.parametrize("runner", [None, {"syslog": 1}])
def test_twisteds_own_lines_are_bounded_too(
    runner: dict[str, Any] | None, log_stdout: io.StringIO
) -> None:
    events: list[Any] = []
    remember: Any = events.append
    logs.start(runner, Levels("INFO"), Outbox(), bounds=LogBounds(100))
    globalLogPublisher.addObserver(remember)
    log = event_log.logger("twisted_signal.poller")

    for _ in range(1000):
        log.error("A connection failed", exc_info=ValueError("why"), about=event_log.OTHERS)
        observer({"log_level": LogLevel.warn, "log_namespace": "twisted.x", "log_format": "Oh"})

    globalLogPublisher.removeObserver(remember)
    assert 2 < len(events) + log_stdout.getvalue().count("A connection failed") < 20


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
    handler = LineHandler(stream, outbox, LogBounds(), TextForm())
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
