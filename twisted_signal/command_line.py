"""The command line of the server, as twistd reads it, and what is given elsewhere.

What the values must be is checked in `options`.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.python import usage

from twisted_signal import __version__
from twisted_signal.config.settings import ConfigError, Setting, Value, with_places
from twisted_signal.config.sources import Sources
from twisted_signal.option_table import BY_NAME, OPTIONS, Kind, Option
from twisted_signal.text import quoted


class CommandLine(usage.Options):
    """What an operator has given. An item is the value of an option, by its name.

    Each is as it would be typed, a number too. What is repeatable is a list, a flag a bool.

    Attributes:
        sources: where the values come from.
        settings: the value of each option, and where it comes from.
    """

    longdesc = "A WebRTC signaling server: a phone and a PC meet in a room and connect."

    sources: Sources
    settings: dict[str, Setting]

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """`environment`: its `VISLAM_SIGNAL_…` variables are options too."""
        super().__init__()
        self._environment = environment
        self._given: dict[str, Value] = {}

    def getSynopsis(self) -> str:
        """Return how to use it; the options are the same in both ways."""
        return "Usage: twistd -n vislam-signal [options], or: vislam-signal serve [options]"

    def opt_version(self) -> None:
        """Print the version and exit."""
        sys.stdout.write(f"vislam-signal {__version__}\n")
        raise SystemExit(0)

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse and check; what is wrong ends the process with one line on stderr and status 1.

        twistd would print all of its help to stdout instead.
        """
        try:
            super().parseOptions(options)
        except (usage.UsageError, ConfigError) as error:
            raise SystemExit(f"vislam-signal: {error}") from None

    def postOptions(self) -> None:
        """Put what was given on the command line together with what was given elsewhere.

        Raises:
            ConfigError: a value is wrong. Its sentence names where it comes from.
        """
        self.sources = Sources(self._given, self._environment)
        self.take(self.read())

    def read(self) -> dict[str, Setting]:
        """Return the value of each option.

        Raises:
            ConfigError: one of them cannot be read.
        """
        return self.sources.read()

    def typed(self) -> list[str]:
        """Return what was given on the command line, as it may be typed again."""
        words = []
        for name, value in self._given.items():
            match value:
                case bool():
                    words.append(f"--{name if value else opposite(BY_NAME[name])}")
                case list():
                    words += [f"--{name}={each}" for each in value]
                case _:
                    words.append(f"--{name}={value}")
        return words

    def take(self, settings: dict[str, Setting]) -> None:
        """Let these be the values, and check them.

        Raises:
            ConfigError: one of them is wrong. Its sentence names where it comes from.
        """
        self.settings = settings
        self.update((name, setting.value) for name, setting in settings.items())
        try:
            self.convert()
        except usage.UsageError as error:
            raise ConfigError(with_places(str(error), settings)) from None

    def convert(self) -> None:
        """Check the values, and make of them what the server needs.

        Raises:
            usage.UsageError: one of them is wrong. Its sentence names the option.
        """

    def number(self, name: str, least: int = 0) -> int:
        """Return the value of an option that is a number. `least`: that it may be.

        Raises:
            usage.UsageError: it is none, or too small, or too large.
        """
        text, largest = str(self[name]), BY_NAME[name].largest
        is_number = text.isascii() and text.isdecimal() and len(text) < 12
        if not (is_number and least <= int(text) <= largest):
            raise usage.UsageError(
                f"--{name} must be a number from {least} to {largest}, not {quoted(text)}"
            )
        return int(text)


def opposite(option: Option) -> str:
    """Return the name of the option that switches off a flag which was given elsewhere."""
    return option.name.removeprefix("no-") if option.name.startswith("no-") else f"no-{option.name}"


def _handlers(option: Option) -> dict[str, Callable[..., None]]:
    """Return what usage.Options calls for an option, by the name of the method."""

    def keep(self: Any, value: str) -> None:
        self._given[option.name] = value

    def add(self: Any, value: str) -> None:
        self._given.setdefault(option.name, []).append(value)

    def switch_on(self: Any) -> None:
        self._given[option.name] = True

    def switch_off(self: Any) -> None:
        self._given[option.name] = False

    method = f"opt_{option.name.replace('-', '_')}"
    if option.kind == Kind.FLAG:
        switch_on.__doc__ = option.meaning
        switch_off.__doc__ = f"The opposite of --{option.name}."
        return {method: switch_on, f"opt_{opposite(option).replace('-', '_')}": switch_off}
    handler = add if option.is_repeatable else keep
    handler.__doc__ = _help(option)
    return {method: handler} | ({f"opt_{option.short}": handler} if option.short else {})


def _help(option: Option) -> str:
    default = option.default_meaning or option.default
    return option.meaning if default is None else f"{option.meaning} [default: {default}]"


for _option in OPTIONS:
    for _name, _handler in _handlers(_option).items():
        setattr(CommandLine, _name, _handler)
