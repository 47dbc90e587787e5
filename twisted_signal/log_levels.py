"""The least level that is logged: of all, and of single modules.

INFO,websocket=DEBUG,twisted=ERROR
"""

import logging
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from twisted_signal.log_lines import module_name
from twisted_signal.text import quoted

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
DEFAULT = "INFO"

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = ("autobahn", "twisted")


class Levels(NamedTuple):
    """The least levels that are logged.

    Attributes:
        of_all: of whatever has none of its own.
        of_modules: by their names, as a line in the log says them.
    """

    of_all: str = DEFAULT
    of_modules: Mapping[str, str] = {}


class UnknownLevel(ValueError):
    """There is no such level, or no such module; it says so in a sentence."""


def read_levels(text: str) -> Levels:
    """Read what an operator typed: a level, `websocket=DEBUG`, or several with commas between them.

    Of what is said twice the last holds.

    Raises:
        UnknownLevel: it says something else.
    """
    of_all, of_modules = DEFAULT, {}
    for word in text.split(","):
        module, separator, level = word.strip().rpartition("=")
        if separator:
            of_modules[_module(module.strip())] = _level(level.strip())
        else:
            of_all = _level(level)
    return Levels(of_all, of_modules)


def set_level(levels: Levels) -> None:
    """Log from now on what has these levels; may be called while the server runs."""
    ours = logging.getLogger(_PACKAGE)
    # Where our lines go to a log of Twisted's, what others log is none of our business.
    (ours if ours.handlers else logging.getLogger()).setLevel(levels.of_all)
    for name in _names():
        level = levels.of_modules.get(module_name(name), logging.NOTSET)
        logging.getLogger(name).setLevel(level)


def _names() -> list[str]:
    """Return the full names of what may have a level of its own: our modules, and the libraries."""
    loggers = logging.root.manager.loggerDict
    return [*(name for name in loggers if name.startswith(f"{_PACKAGE}.")), *_LIBRARIES]


def _module(name: str) -> str:
    names = sorted(set(map(module_name, _names())))
    if name in names:
        return name
    hint = _nearest(name, names) or f": there are {', '.join(names)}"
    raise UnknownLevel(f"names a module that logs nothing, {quoted(name)}{hint}")


def _level(name: str) -> str:
    level = name.upper()
    if level in LEVELS:
        return level
    hint = _nearest(level, LEVELS)
    raise UnknownLevel(f"must be one of {', '.join(LEVELS)}, not {quoted(name)}{hint}")


def _nearest(name: str, names: Sequence[str]) -> str:
    found = get_close_matches(name, names, n=1)
    return f"; did you mean {found[0]}?" if found else ""
