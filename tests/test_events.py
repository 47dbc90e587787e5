"""Holds the log calls of the package, and docs/logs.md, to what `events` lists."""

import ast
import logging
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from processes import ROOT

from twisted_signal import events
from twisted_signal.events import Event, name_of

PACKAGE = ROOT / "twisted_signal"
METHODS = ("debug", "info", "warning", "error", "exception", "critical", "log", "say")
LEVELS = {"exception": "ERROR", "log": "", "say": "INFO, DEBUG"}
EVENTS = {name: event for name, event in vars(events).items() if isinstance(event, Event)}


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Yield the server's log calls: where, what is called, and the call.

    The client library logs to the log of the program that it is part of.
    """
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.is_relative_to(PACKAGE / "client") or path.name == "event_log.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=method)):
                    if method in METHODS:
                        yield f"{path.relative_to(PACKAGE)}:{node.lineno}", method, node


def named(node: ast.AST) -> set[str]:
    """Return the events that are named in a part of the program."""
    return {
        each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute)
        and isinstance(each.value, ast.Name)
        and each.value.id == "events"
        and each.attr.isupper()
    }


def documented() -> dict[str, list[str]]:
    """Return the rows of the table of events, by the event's name."""
    page = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if re.match(r"\| `\w+` \| (DEBUG|INFO|WARNING|ERROR)\b", line)
    ]
    return {row[0].strip("`"): row for row in rows}


def test_every_log_call_of_the_server_tells_of_an_event() -> None:
    nameless = [
        place
        for place, method, call in calls()
        if not named(call.args[1 if method in ("log", "say") else 0])
        and ast.unparse(call.args[0]) != "event"  # which is one of those of its caller
    ]

    assert nameless == []


def test_events_have_names_of_their_own_and_all_are_told() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))

    assert [
        name for name, count in Counter(map(name_of, EVENTS.values())).items() if count > 1
    ] == []
    assert [name for name in EVENTS if f"events.{name}" not in source] == []
    assert [
        event.name for event in EVENTS.values() if not re.fullmatch(r"[a-z_]+", event.name)
    ] == []


@pytest.mark.parametrize("event", EVENTS.values(), ids=name_of)
def test_an_event_has_a_field_for_each_thing_that_is_put_into_its_text(event: Event) -> None:
    places = re.findall(r"%[.\d]*[sdf]", event)

    assert len(event.fields) in (0, len(places))
    assert not {"time", "level", "module", "event", "message"} & set(event.fields)


@pytest.mark.parametrize("event", EVENTS.values(), ids=name_of)
def test_the_page_about_the_log_has_each_event_as_it_is(event: Event) -> None:
    _, levels, text, fields = documented()[event.name]

    assert text.strip("`").split("…") == re.split(r"%[.\d]*[sdf]", event)
    told = [field for field in event.fields if field]
    assert re.findall(r"`(\w+)`", fields)[: len(told)] == told
    assert set(levels.split(", ")) <= set(logging.getLevelNamesMapping())


def test_the_page_about_the_log_has_no_other_events_and_their_levels() -> None:
    levels: dict[str, set[str]] = {}
    for _, method, call in calls():
        for name in named(call):
            levels.setdefault(name, set()).update(LEVELS.get(method, method.upper()).split(", "))

    assert documented().keys() == {event.name for event in EVENTS.values()}
    for name, found in levels.items():
        assert set(documented()[EVENTS[name].name][1].split(", ")) == found, name


def test_an_event_is_the_text_that_it_always_was() -> None:
    assert events.ROOM_OPENED == "Room opened: %s"
    assert events.ROOM_OPENED % "lab" == "Room opened: lab"
    assert (events.ROOM_OPENED.name, events.ROOM_OPENED.fields) == ("room_opened", ("room",))


def test_what_is_no_event_is_called_log() -> None:
    assert name_of("Room opened: %s") == name_of(7) == "log"
