"""The forms of the log: a line of text, or one with a JSON object, for whatever happens.

    2026-01-31 12:00:00 [INFO] registry: Room opened: lab1
    {"time":"2026-01-31T11:00:00.123Z","level":"INFO","module":"registry","event":"room_opened",…}

Either is one line, whatever a client put into it.
"""

import json
import logging
import time
from collections.abc import Mapping
from math import floor
from types import MappingProxyType

import msgspec

from twisted_signal.event_log import Subject
from twisted_signal.events import Event, name_of
from twisted_signal.text import printable, raw

_PACKAGE = __name__.partition(".")[0]
_ENCODER = msgspec.json.Encoder(enc_hook=str)
_NOTHING: Mapping[str, object] = MappingProxyType({})
_HEAD = ("time", "level", "module", "worker")
# What every LogRecord has, of Python 3.12 too. What else there is was given as `extra`.
_OF_ANY_RECORD = {*vars(logging.makeLogRecord({})), "about", "asctime", "message", "taskName"}


def module_name(logger_name: str) -> str:
    """Return what a line calls its source: our module, or the package it came from."""
    if logger_name.startswith(f"{_PACKAGE}."):
        return logger_name.rpartition(".")[2]
    return logger_name.partition(".")[0]


class TextForm(logging.Formatter):
    """Writes a record as one line, and its traceback, if it has one, as further such lines.

    Whatever a client put into the message stays within its line: see `text.printable`.
    """

    default_time_format = "%Y-%m-%d %H:%M:%S"

    def __init__(self, worker: int | None = None) -> None:
        """`worker`: the number of this process among those that share the work."""
        super().__init__()
        self._worker = "" if worker is None else f"[{worker}]"
        # The beginnings of lines, by level and source, in one second: lines come many to a second.
        self._heads: dict[int, dict[str, str]] = {}
        self._second = -1

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its newline."""
        texts = [record.getMessage()]
        if record.exc_info:
            traceback = self.formatException(record.exc_info)
            texts += [f"| {line}" for line in traceback.splitlines()]
        place = (record.created, record.levelno, record.name)
        return "\n".join(self.line(*place, text) for text in texts)

    def line(
        self,
        created: float,
        level: int,
        logger_name: str,
        text: str,
        _event: object = None,
        _values: tuple[object, ...] = (),
        _about: Subject | None = None,
    ) -> str:
        """See `JsonForm.line`."""
        if not 0 <= created - self._second < 1:
            self._second = int(created)
            self._heads.clear()
        try:
            head = self._heads[level][logger_name]
        except KeyError:
            head = self._head(level, logger_name)
            self._heads.setdefault(level, {})[logger_name] = head
        return head + (text if text.isprintable() else printable(text))

    def _head(self, level: int, logger_name: str) -> str:
        moment = time.strftime(self.default_time_format, time.localtime(self._second))
        module = f"{module_name(logger_name)}{self._worker}"
        return f"{moment} [{logging.getLevelName(level)}] {module}: "


class JsonForm(logging.Formatter):
    """Writes a record as a line with a JSON object (RFC 8259): docs/logs.md says what is in it."""

    def __init__(self, worker: int | None = None) -> None:
        """`worker`: the number of this process among those that share the work."""
        super().__init__()
        self._worker = {} if worker is None else {"worker": worker}
        self._second = -1
        self._moment = ""  # the beginning of lines, up to the second
        self._places: dict[tuple[int, str], str] = {}  # what follows it, by level and source

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its newline."""
        extra = {name: vars(record)[name] for name in vars(record).keys() - _OF_ANY_RECORD}
        if record.exc_info:
            extra["traceback"] = self.formatException(record.exc_info)
        values = record.args if isinstance(record.args, tuple) else ()
        about = getattr(record, "about", None)
        place = (record.created, record.levelno, record.name)
        return self.line(*place, record.getMessage(), record.msg, values, about, extra)

    def line(  # noqa: PLR0917 - all of them, always, and keywords would cost time for each line
        self,
        created: float,
        level: int,
        logger_name: str,
        text: str,
        event: object = "",
        values: tuple[object, ...] = (),
        about: Subject | None = None,
        extra: Mapping[str, object] = _NOTHING,
    ) -> str:
        """Return a line.

        Args:
            created: when, in seconds since 1970.
            text: the event with the values in it.
            event: see `event_log.EventLogger.say`, as for `values` and `about`.
            extra: what else is known of it.
        """
        fields: dict[str, object] = {
            "event": name_of(event),
            "message": text if text.isprintable() else printable(text),
        }
        if about is not None:
            fields |= about.log_fields()
        if isinstance(event, Event):
            for name, value in zip(event.fields, values, strict=False):
                field = raw(value)
                if name and field is not None and field != "":
                    fields[name] = field
        for name, value in extra.items():
            if name not in _HEAD:
                fields.setdefault(name, value)
        return self._head(created, level, logger_name) + _one_line(fields)[1:]

    def _head(self, created: float, level: int, logger_name: str) -> str:
        second = floor(created)
        if second != self._second:
            self._second = second
            self._moment = time.strftime('{"time":"%Y-%m-%dT%H:%M:%S', time.gmtime(second))
        place = self._places.get((level, logger_name))
        if place is None:
            fields: dict[str, object] = {"level": logging.getLevelName(level)}
            fields |= {"module": module_name(logger_name), **self._worker}
            place = self._places[level, logger_name] = f'Z",{_one_line(fields)[1:-1]},'
        return f"{self._moment}.{int(1000 * (created - second)):03}{place}"  # RFC 3339


def _one_line(fields: Mapping[str, object]) -> str:
    try:
        line = _ENCODER.encode(fields).decode("utf-8")
    except Exception:  # a lone surrogate, or a value that has no text
        line = _ENCODER.encode({printable(name): _plain(fields[name]) for name in fields}).decode()
    if line.isprintable():
        return line
    # All that is not stands in a string, where JSON has a way to write it.
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1] for character in line
    )


def _plain(value: object) -> object:
    """Return what can surely be encoded."""
    if value is None or type(value) in (bool, int, float):
        return value
    try:
        return printable(str(value))
    except Exception as error:
        return f"({type(value).__name__} without a text: {type(error).__name__})"
