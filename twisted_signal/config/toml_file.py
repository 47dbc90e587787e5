"""Options in a TOML file."""

import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted_signal.config.settings import (
    ConfigError,
    Origin,
    Setting,
    Value,
    absolute,
    suggestion,
)
from twisted_signal.option_table import BY_NAME, NO_PORT, OPTIONS, Kind, Option
from twisted_signal.text import printable, quoted

_TOML_INTEGERS = range(-(2**63), 2**63)  # TOML 1.0.0, "Integer"


def from_toml(data: bytes, path: Path) -> dict[str, Setting]:
    """Return what a file gives, by the names of the options.

    Args:
        data: what it holds: TOML 1.0.0, one key an option, no tables.
        path: where it stands: relative paths in it are relative to its directory.

    Raises:
        ConfigError: it is no TOML, or a key is unknown, or has a value of another type.
    """
    name = quoted(str(path))
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")  # as some editors begin and end lines
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{name}:{line}: the file is not UTF-8") from None
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        last = text.rstrip("\n").count("\n") + 1
        raise ConfigError(f"{name}:{_syntax_error(str(error), last)}") from None
    lines = key_lines(text)
    given = {}
    for key, value in table.items():
        place = f"{name}:{lines.get(key, 1)}"
        option = BY_NAME.get(key)
        if option is None:
            raise ConfigError(f"{place}: {_unknown(key, value)}")
        if option.name == "config":
            raise ConfigError(f"{place}: config names this file, and cannot stand in it")
        try:
            setting = Setting(_checked(option, value), Origin.FILE, place)
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from None
        given[key] = absolute(option, setting, path.parent)
    return given


def key_lines(text: str) -> dict[str, int]:
    """Return in which line of a TOML document each of its keys stands, which tomllib does not tell.

    Args:
        text: a document without errors. Of one with tables, the lines are right up to the first.
    """
    found: dict[str, int] = {}
    lines = text.split("\n")
    part: list[str] = []
    for number, (line, after) in enumerate(zip(lines, [*lines[1:], "["], strict=True), 1):
        part.append(line)
        if _BEGINS.match(after):  # else the value may go on there
            with suppress(ValueError, RecursionError):  # it does, within a text of several lines
                for key in tomllib.loads("\n".join(part)):
                    found.setdefault(key, number - len(part) + 1)
                part = []
    return found


_BEGINS = re.compile(r"""\s*(?:\[|(?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*')\s*[.=])""")
"""A line with which a key may begin."""
_POSITION = re.compile(r"(.*) \(at line (\d+), column (\d+)\)", re.DOTALL)


def _syntax_error(message: str, last: int) -> str:
    """Return what tomllib found wrong, with its line first. `last`: the line for what has none."""
    found = _POSITION.fullmatch(message)
    if found is None:
        return f"{last}: this is no TOML: {printable(message)}"
    what, line, column = found.groups()
    return f"{line}: this is no TOML: {printable(what)} (column {column})"


def _unknown(key: str, value: object) -> str:
    names = [option.name for option in OPTIONS if option.name != "config"]
    if isinstance(value, dict):
        return (
            f"there is no table {quoted(key)}: options stand by themselves, such as"
            f" {names[0]} = …, without [tables] and dots"
        )
    return f"there is no option {quoted(key)}{suggestion(key, names)}"


def _checked(option: Option, value: Any) -> Value:
    """Return a value of a file as it would be typed.

    Raises:
        ConfigError: its type is none that the option takes.
    """
    if option.is_repeatable and isinstance(value, list):
        for each in value:
            if type(each) is not str:
                raise ConfigError(
                    f"{option.name} must be an array of strings, and {_type(each)} is in it"
                )
        return list(value)
    match option.kind, value:
        case Kind.FLAG, bool():
            return value
        case Kind.NUMBER | Kind.PORT, int() if type(value) is int and value in _TOML_INTEGERS:
            return str(value)
        case Kind.TEXT, str():
            return [value] if option.is_repeatable else value
        case Kind.PORT, str() if value == NO_PORT:
            return value
    wanted = option.kind.value + " or an array of strings" * option.is_repeatable
    hint = ""
    if isinstance(value, str) and _is_plain(value):
        hint = f": {option.name} = {value.lower()}, without quotes"
    raise ConfigError(f"{option.name} must be {wanted}, not {_type(value)}{hint}")


def _is_plain(text: str) -> bool:
    """Whether it would be a number, or a flag, without its quotes."""
    return text.lower() in ("true", "false") or (
        len(text) < 12 and text.isascii() and text.isdecimal()
    )


_TYPES = {
    bool: "true or false",
    int: "an integer",
    float: "a fraction",
    str: "a string",
    list: "an array",
    dict: "a table",
}


def _type(value: object) -> str:
    if type(value) is int and value not in _TOML_INTEGERS:
        return "such a large one"
    return _TYPES.get(type(value), "a date or a time")
