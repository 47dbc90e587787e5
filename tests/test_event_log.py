import io
import logging
from collections.abc import Callable

import pytest
from logged import lines, raise_error

from twisted_signal import event_log
from twisted_signal.event_log import EventLogger
from twisted_signal.logs import LineHandler

OURS = "twisted_signal.session"


@pytest.fixture
def alone(log_started: io.StringIO) -> Callable[[], EventLogger]:
    """Return a logger of ours, once the test runner's handlers are out of the way."""

    def logger() -> EventLogger:
        handlers = logging.getLogger().handlers  # the runner adds its own when a test begins
        handlers[:] = [handler for handler in handlers if isinstance(handler, LineHandler)]
        return event_log.logger(OURS)

    return logger


def test_a_line_of_ours_needs_no_record(
    log_started: io.StringIO, alone: Callable[[], EventLogger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "_logRecordFactory", raise_error)

    alone().info("Relayed %s", "offer")

    assert lines(log_started) == [("INFO", "session", "Relayed offer")]


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
    log_started: io.StringIO,
    alone: Callable[[], EventLogger],
    message: object,
    arguments: tuple[object, ...],
    text: str,
) -> None:
    alone().info(message, *arguments)

    assert lines(log_started) == [("INFO", "session", text)]


def test_arguments_that_do_not_fit_lose_their_own_line_only(
    log_started: io.StringIO, alone: Callable[[], EventLogger]
) -> None:
    alone().info("%d", "no number")
    alone().info("after")

    assert lines(log_started) == [("INFO", "session", "after")]


def test_a_logger_of_ours_keeps_to_its_level(
    log_started: io.StringIO, alone: Callable[[], EventLogger]
) -> None:
    logger = alone()
    logger.setLevel("WARNING")
    try:
        logger.info("no")
        logger.log(logging.INFO, "no")
        logger.log(logging.WARNING, "yes")
    finally:
        logger.setLevel("NOTSET")

    assert lines(log_started) == [("WARNING", "session", "yes")]


def test_a_traceback_follows_its_line(
    log_started: io.StringIO, alone: Callable[[], EventLogger]
) -> None:
    alone().error("failed", exc_info=ValueError("why"))

    assert lines(log_started) == [
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
def test_a_handler_that_others_add_gets_whole_records(log_started: io.StringIO, name: str) -> None:
    handler = Keeps()
    logging.getLogger(name).addHandler(handler)
    try:
        logging.getLogger(OURS).info("Relayed %s", "offer")
    finally:
        logging.getLogger(name).removeHandler(handler)

    assert [(record.name, record.args) for record in handler.records] == [(OURS, ("offer",))]
    assert lines(log_started) == [("INFO", "session", "Relayed offer")]


def test_what_the_caller_adds_to_a_record_is_kept(log_started: io.StringIO) -> None:
    seen: list[logging.LogRecord] = []
    logger = logging.getLogger(OURS)

    def remember(record: logging.LogRecord) -> bool:
        seen.append(record)
        return True

    logger.addFilter(remember)

    logger.info("text", extra={"room": "lab"})

    logger.removeFilter(remember)
    assert vars(seen[0])["room"] == "lab"


def test_a_record_names_who_said_it(alone: Callable[[], EventLogger]) -> None:
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
