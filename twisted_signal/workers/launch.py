"""How a worker is started: the program, its environment, its descriptors."""

import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from twisted_signal.inheritance import FIRST_SOCKET, LIFELINE, VARIABLE, Inheritance
from twisted_signal.options import Options
from twisted_signal.workers.sockets import SharedListening

PROGRAM = ("-P", "-m", "twisted_signal.cli", "serve")
"""`vislam-signal serve`, by the same interpreter; -P: nothing is imported from where it runs."""

_OF_THE_MANAGER = ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "MAINPID")
"""How variables begin by which a service manager speaks to the parent alone."""


class Launch(NamedTuple):
    """What `spawnProcess` takes."""

    executable: str
    args: list[str]
    env: dict[str, str]
    path: str
    childFDs: dict[int, Any]


class Launcher:
    """Knows how workers are started, with the options that hold then."""

    def __init__(
        self,
        options: Options,
        listening: list[SharedListening],
        directory: str,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """
        Args:
            options: of the server; they may change.
            listening: has the sockets, of each listener in the options.
            directory: where the sockets of parent and workers are.
            environment: the parent's.
        """
        self._options = options
        self._listening = listening
        self._directory = directory
        self._environment = {
            name: value
            for name, value in environment.items()
            if not name.startswith(_OF_THE_MANAGER)
        }

    def launch(self, number: int, told: Mapping[str, str]) -> Launch:
        """Return how the worker of a number is started. `told`: more of its environment."""
        sockets = [each.sockets for each in self._listening]
        inheritance = Inheritance(
            number, self._options.settings, [len(each) for each in sockets], self._directory
        )
        environment = {**self._environment, **told, VARIABLE: inheritance.encode()}
        # The parent writes the lines to the log in the encoding that the log has.
        environment["PYTHONIOENCODING"] = "utf-8"
        inherited = [one.fileno() for each in sockets for one in each]
        return Launch(
            sys.executable,
            [sys.executable, *PROGRAM, *self._options.typed()],
            environment,
            str(self._options.directory),
            {LIFELINE: "w", 1: "r", 2: "r"} | dict(enumerate(inherited, FIRST_SOCKET)),
        )
