import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logged import LINE, Someone, objects, raise_error

from twisted_signal.events import CLIENT_REGISTERED, DISCONNECTED, Event
from twisted_signal.log_lines import JsonForm, TextForm, module_name
from twisted_signal.text import Shown, quoted

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()
SOURCE = "twisted_signal.session"
ANYTHING = Event("%s: %s", "anything", "value", "other")


def said(
    event: object, /, *values: object, about: Someone | None = None, **extra: object
) -> dict[str, Any]:
    """Return what the JSON line of a record says."""
    record = logging.makeLogRecord({"name": SOURCE, "levelno": logging.INFO, "created": NOON})
    vars(record).update({"msg": event, "args": values, "about": about, **extra})
    (found,) = objects(JsonForm().format(record) + "\n")
    return found


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


def test_a_record_is_formatted_alike_wherever_it_is_written() -> None:
    record = logging.LogRecord("twisted_signal.x", logging.INFO, "", 0, "text", None, None)

    assert LINE.fullmatch(TextForm().format(record)) is not None


# JSON


def test_a_json_line_says_when_where_and_what_in_this_order() -> None:
    line = JsonForm().line(
        NOON + 0.5, logging.INFO, SOURCE, "Client registered: a (b) in room c", CLIENT_REGISTERED,
        ("a", "b", "c"), Someone(client="a", room="c"),
    )  # fmt: skip

    assert line == (
        '{"time":"2026-01-31T12:00:00.500Z","level":"INFO","module":"session",'
        '"event":"client_registered","message":"Client registered: a (b) in room c",'
        '"client":"a","room":"c","address":"192.0.2.7:4711","client_type":"b"}'
    )


def test_a_record_and_a_line_without_one_say_the_same() -> None:
    values, about = ("a", "b", "c"), Someone(client="a", room="c")
    text = CLIENT_REGISTERED % values

    line = JsonForm().line(NOON, logging.INFO, SOURCE, text, CLIENT_REGISTERED, values, about)

    assert json.loads(line) == said(CLIENT_REGISTERED, *values, about=about, levelname="INFO")


def test_the_time_goes_on() -> None:
    form = JsonForm()

    times = [
        json.loads(form.line(moment, logging.INFO, SOURCE, ""))["time"]
        for moment in (NOON, NOON + 0.0625, NOON + 59.9996, NOON - 0.5, -0.25)
    ]

    assert times == [
        "2026-01-31T12:00:00.000Z",
        "2026-01-31T12:00:00.062Z",
        "2026-01-31T12:00:59.999Z",
        "2026-01-31T11:59:59.500Z",
        "1969-12-31T23:59:59.750Z",
    ]


def test_fields_are_what_they_are_and_not_as_they_are_shown() -> None:
    found = said(DISCONNECTED, "x", 1001, Shown(f" {quoted('so long')}", "so long"))

    assert found["message"] == 'Disconnected: x, code 1001 "so long"'
    assert (found["code"], found["reason"]) == (1001, "so long")
    assert said(CLIENT_REGISTERED, quoted("a b"), "c", "d")["client"] == "a b"


def test_what_there_is_nothing_of_is_no_field() -> None:
    found = said(DISCONNECTED, "x", Shown("none", None), "")

    assert found["message"] == "Disconnected: x, code none"
    assert not found.keys() & {"code", "reason", ""}


def test_what_the_line_says_itself_is_preferred_to_what_is_known_of_whom_it_is_about() -> None:
    found = said(CLIENT_REGISTERED, "new", "b", "hall", about=Someone(client="old", room="lab"))

    assert (found["client"], found["room"]) == ("new", "hall")


def test_what_is_no_event_of_ours_is_called_log() -> None:
    assert said("Unhandled error in %s", "Deferred")["event"] == "log"


def test_what_a_record_has_besides_is_a_field_but_takes_no_others_place() -> None:
    found = said(ANYTHING, 1, 2, kind="origin", time="never", level=1, event="forged", value=3)

    assert (found["kind"], found["value"], found["event"]) == ("origin", 1, "anything")
    assert found["time"].startswith("2026-01-31")


def test_a_traceback_is_one_field_of_one_line() -> None:
    try:
        raise_error("for\nged")
    except ValueError:
        found = said("Broken", exc_info=sys.exc_info())

    assert found["traceback"].startswith("Traceback (most recent call last):\n")
    assert found["traceback"].endswith("ValueError: for\nged")


class NoText:
    """Nothing can be said of it."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (7, 7),
        (2**70, 2**70),
        (0.5, 0.5),
        (True, True),
        (float("nan"), None),
        (Path("/a/b"), "/a/b"),
        (ValueError("why"), "why"),
        ("\ud800", "\\ud800"),
        ("\u2028\x7f\U000e0001", "\u2028\x7f\U000e0001"),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00Z"),
    ],
)
def test_a_value_keeps_its_type_where_json_has_it(value: object, field: object) -> None:
    assert said(ANYTHING, value, 1)["value"] == field


def test_a_value_of_which_nothing_can_be_said_does_not_lose_the_line() -> None:
    line = JsonForm().line(NOON, logging.INFO, SOURCE, "text", ANYTHING, (NoText(), "\ud800"))

    assert json.loads(line)["value"] == "(NoText without a text: RuntimeError)"


TEXTS = st.text(st.characters(codec=None, categories=None))
VALUES = st.one_of(TEXTS, st.integers(), st.floats(), st.none(), st.booleans(), st.binary())


@given(TEXTS, VALUES, VALUES, TEXTS, st.dictionaries(TEXTS, VALUES, max_size=3))
def test_a_json_line_is_one_valid_line_whatever_is_in_it(
    text: str, value: object, other: object, room: str, extra: dict[str, object]
) -> None:
    form = JsonForm()

    line = form.line(
        NOON, logging.INFO, SOURCE, text, ANYTHING, (value, other), Someone(room=room), extra
    )  # fmt: skip

    assert line.isprintable()
    found = json.loads(line.encode("utf-8"))
    assert found["event"] == "anything"
    assert found["message"].isprintable()


def test_lines_of_a_worker_have_its_number() -> None:
    line = TextForm(3).line(NOON, logging.INFO, SOURCE, "text")
    assert line.endswith(" [INFO] session[3]: text")

    assert '"module":"session","worker":3,' in JsonForm(3).line(NOON, logging.INFO, SOURCE, "text")
