"""The values of options, with where they come from."""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from twisted_signal.option_table import Option

Value = str | bool | list[str] | None
"""As it would be typed, a number too; a list for what is repeatable; None: nothing is given."""


class ConfigError(ValueError):
    """A file or a variable is wrong. `str(error)` is the line for the operator."""


class Origin(Enum):
    """Where a value comes from; the first wins."""

    COMMAND_LINE = "command line"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEMO = "demo"
    DEFAULT = "default"


class Setting(NamedTuple):
    """The value of an option.

    Attributes:
        value: as it would be typed.
        origin: where it comes from.
        place: the variable, or file and line; empty for the other origins.
    """

    value: Value
    origin: Origin = Origin.DEFAULT
    place: str = ""


_OPTION = re.compile(r"--([a-z][a-z-]*[a-z])")


def with_places(sentence: str, settings: Mapping[str, Setting]) -> str:
    """Return a sentence in which options that were not typed are named by where they stand.

    Args:
        sentence: such as `--max-clients must be a number`.
        settings: the value of each option.
    """

    def place(found: re.Match[str]) -> str:
        name = found[1]
        setting = settings.get(name, Setting(None))
        match setting.origin:
            case Origin.ENVIRONMENT:
                return setting.place
            case Origin.FILE:
                return f"{name} in {setting.place}" if found.start() else f"{setting.place}: {name}"
        return found[0]

    return _OPTION.sub(place, sentence)


def suggestion(name: str, names: Iterable[str], prefix: str = "") -> str:
    """Return the end of a sentence: the nearest of the names that there are, if one is near.

    Args:
        prefix: how all of them begin.
    """
    by_spelling = {_spelled(each.removeprefix(prefix)): each for each in names}
    found = difflib.get_close_matches(_spelled(name.removeprefix(prefix)), by_spelling, n=1)
    return f"; did you mean {by_spelling[found[0]]}?" if found else ""


def _spelled(name: str) -> str:
    return name.replace("_", "-").lower()


def absolute(option: Option, setting: Setting, directory: Path) -> Setting:
    """Return a setting with its paths taken from a directory, where they are relative."""
    if not option.is_path:
        return setting
    return setting._replace(
        value=[os.path.join(directory, path) for path in setting.value]  # noqa: PTH118 - as typed
        if isinstance(setting.value, list)
        else os.path.join(directory, str(setting.value))  # noqa: PTH118 - as typed
    )
