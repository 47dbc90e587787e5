"""The least level that is logged: of all, and of single modules.

INFO,websocket=DEBUG,twisted=ERROR
"""

import logging
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
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
    for name, full_names in _modules().items():
        level = levels.of_modules.get(name, logging.NOTSET)
        for each in full_names:
            logging.getLogger(each).setLevel(level)


@cache
def _modules() -> dict[str, list[str]]:
    """Return the full names of what may have a level of its own, by its name in a line.

    The modules that are not imported yet are among them. The client's are not, for the client is
    part of another program.
    """
    found = {each: [each] for each in _LIBRARIES}
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[0] != "client" and parts[-1] != "__init__":
            full_name = ".".join((_PACKAGE, *parts))
            found.setdefault(module_name(full_name), []).append(full_name)
    return found


def _module(name: str) -> str:
    if name in _modules():
        return name
    hint = _nearest(name, _modules()) or "; the name stands in its lines, before the colon"
    raise UnknownLevel(f"names a module that is not there, {quoted(name)}{hint}")


def _level(name: str) -> str:
    level = name.upper()
    if level in LEVELS:
        return level
    hint = _nearest(level, LEVELS)
    raise UnknownLevel(f"must be one of {', '.join(LEVELS)}, not {quoted(name)}{hint}")


def _nearest(name: str, names: Iterable[str]) -> str:
    found = get_close_matches(name, names, n=1)
    return f"; did you mean {found[0]}?" if found else ""
