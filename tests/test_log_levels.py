import io
import logging

import pytest
from logged import lines

from twisted_signal import event_log, logs
from twisted_signal.log_levels import Levels, UnknownLevel, read_levels
from twisted_signal.outbox import Outbox

pytestmark = pytest.mark.usefixtures("restored_logging")


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("INFO", Levels("INFO")),
        ("warning", Levels("WARNING")),
        ("INFO,websocket=DEBUG", Levels("INFO", {"websocket": "DEBUG"})),
        (" session = debug , ERROR", Levels("ERROR", {"session": "DEBUG"})),
        ("websocket=DEBUG", Levels("INFO", {"websocket": "DEBUG"})),
        ("DEBUG,twisted=ERROR,autobahn=ERROR",
         Levels("DEBUG", {"twisted": "ERROR", "autobahn": "ERROR"})),
        ("DEBUG,INFO,relay=INFO,relay=ERROR", Levels("INFO", {"relay": "ERROR"})),
    ],
)  # fmt: skip
def test_levels_are_of_all_and_of_single_modules(text: str, levels: Levels) -> None:
    assert read_levels(text) == levels


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("loud", "must be one of DEBUG, INFO, WARNING, ERROR, not loud"),
        ("", 'must be one of DEBUG, INFO, WARNING, ERROR, not ""'),
        ("WARN", "must be one of DEBUG, INFO, WARNING, ERROR, not WARN; did you mean WARNING?"),
        ("relay=DEBG", "must be one of DEBUG, INFO, WARNING, ERROR, not DEBG; did you mean DEBUG?"),
        ("INFO,", 'must be one of DEBUG, INFO, WARNING, ERROR, not ""'),
        ("websockets=DEBUG",
         "names a module that is not there, websockets; did you mean websocket?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_what_is_nearest(text: str, sentence: str) -> None:
    with pytest.raises(UnknownLevel) as raised:
        read_levels(text)

    assert str(raised.value) == sentence


@pytest.mark.parametrize("name", ["qqq", "tests", "core", "aiortc", "__init__"])
def test_a_module_that_is_not_there_or_the_clients_has_no_level(name: str) -> None:
    with pytest.raises(UnknownLevel, match="names a module that is not there"):
        read_levels(f"{name}=DEBUG")


def test_a_module_may_say_more_or_less_than_all_others(log_stdout: io.StringIO) -> None:
    logs.start(None, read_levels("INFO,relay=DEBUG,session=ERROR,twisted=WARNING"), Outbox())

    for name in ("relay", "session", "registry"):
        event_log.logger(f"twisted_signal.{name}").debug("debug")
        event_log.logger(f"twisted_signal.{name}").info("info")
    logging.getLogger("twisted.internet").info("info")
    logging.getLogger("twisted.internet").warning("warning")

    assert [line[:2] for line in lines(log_stdout)] == [
        ("DEBUG", "relay"),
        ("INFO", "relay"),
        ("INFO", "registry"),
        ("WARNING", "twisted"),
    ]


def test_levels_can_change_and_those_of_before_are_forgotten(log_stdout: io.StringIO) -> None:
    logs.start(None, read_levels("ERROR,relay=DEBUG"), Outbox())
    logger = event_log.logger("twisted_signal.relay")

    logs.set_level(read_levels("WARNING"))
    logger.info("no")
    logger.warning("yes")
    logs.set_level(read_levels("DEBUG"))
    logger.debug("yes")

    assert [line[:2] for line in lines(log_stdout)] == [
        ("WARNING", "relay"),
        ("DEBUG", "relay"),
    ]


def test_where_twisted_has_the_log_the_levels_of_other_programs_stay() -> None:
    before = logging.getLogger().level

    logs.start({"syslog": 1}, read_levels("DEBUG"), Outbox())
    logs.set_level(read_levels("ERROR"))

    assert logging.getLogger().level == before
    assert not logging.getLogger("twisted_signal.relay").isEnabledFor(logging.WARNING)
