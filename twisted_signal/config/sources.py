"""All that gives values to options, and which of them wins."""

from collections.abc import Mapping
from pathlib import Path

from twisted_signal.config.environment import from_environment
from twisted_signal.config.settings import ConfigError, Origin, Setting, Value, absolute
from twisted_signal.config.toml_file import from_toml
from twisted_signal.files import UnreadableFile, read_small_file
from twisted_signal.option_table import BY_NAME, OPTIONS, Kind, Option
from twisted_signal.text import quoted

LONGEST = 2**20
"""Bytes of a file that nobody exceeds by hand."""


class Sources:
    """All that gives values to options. The file can be read again, the others stay.

    Attributes:
        path: of the file; None: there is none.
    """

    def __init__(self, command_line: Mapping[str, Value], environment: Mapping[str, str]) -> None:
        """
        Args:
            command_line: what was given there, by the names of the options.
            environment: all of it; what does not begin with `PREFIX` is left alone.

        Raises:
            ConfigError: a variable is wrong.
        """
        # Absolute, as twistd may change the directory before the file is read again.
        directory = Path.cwd()
        self._fixed = from_environment(environment) | {
            name: Setting(value, Origin.COMMAND_LINE) for name, value in command_line.items()
        }
        self._fixed = {
            name: absolute(BY_NAME[name], setting, directory)
            for name, setting in self._fixed.items()
        }
        named = self._fixed.get("config")
        self._was_read = False
        self.path = None if named is None else Path(str(named.value))

    def read(self) -> dict[str, Setting]:
        """Read the file, if there is one, and return the value of each option.

        Raises:
            ConfigError: the file cannot be read, or what stands in it is wrong.
        """
        given = self._read_file() | self._fixed
        return {option.name: _effective(option, given) for option in OPTIONS}

    def _read_file(self) -> dict[str, Setting]:
        if self.path is None:
            return {}
        if self._was_read and not self.path.is_file():
            # A pipe would be empty now: all would go back to its default.
            raise ConfigError(
                f"{quoted(str(self.path))} cannot be read again: there is no such file"
            )
        self._was_read = True
        try:
            data = read_small_file(self.path, LONGEST, "file of options")
        except UnreadableFile as error:
            raise ConfigError(str(error)) from None
        return from_toml(data, self.path)


def _effective(option: Option, given: Mapping[str, Setting]) -> Setting:
    if option.name in given:
        return given[option.name]
    if _is_on("demo", given) and (
        option.name == "qr" or (option.name == "self-signed" and not _is_on("tls-cert", given))
    ):
        return Setting(value=True, origin=Origin.DEMO)
    if option.kind == Kind.FLAG:
        return Setting(value=False)
    return Setting([] if option.is_repeatable else option.default)


def _is_on(name: str, given: Mapping[str, Setting]) -> bool:
    return name in given and bool(given[name].value)
