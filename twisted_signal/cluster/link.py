"""The way from a node to Redis, as the node's core and the shell see each other."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, Protocol


class Lost(Enum):
    """What is told instead of an answer."""

    LOST = "the connection broke first"


LOST: Final = Lost.LOST

Reply = int | bytes | list["Reply"] | None
"""What a script returned, as Redis gave it."""


class Link(Protocol):
    """The way to Redis, while it is up."""

    def call(
        self,
        script: str,
        keys: Sequence[str],
        arguments: Sequence[str | int],
        answered: Callable[[Reply | Lost], None],
    ) -> None:
        """Run a script; all that is called and published is done in order.

        Args:
            script: a file of `scripts`, without `.lua`.
            keys: all that it touches.
            arguments: what else it is given.
            answered: is told what it returned, later.
        """

    def publish(self, node: str, payload: bytes, answered: Callable[[int | None], None]) -> None:
        """Say something on a node's channel.

        Args:
            node: the node's name.
            payload: what it hears.
            answered: is told how many hear it; None if the connection broke first.
        """

    def restart(self, why: str) -> None:
        """Drop all connections and begin again. `why`: a sentence without a full stop."""


class Core(Protocol):
    """A node without I/O, as the shell knows it.

    Attributes:
        name: the node's.
    """

    name: str

    @property
    def is_up(self) -> bool:
        """Whether Redis knows the node."""

    def connected(self, link: Link, now: float) -> None:
        """The connections are there, and what is said on the node's channel will be heard.

        Args:
            link: the way to Redis, until `disconnected`.
            now: the reactor's time, in seconds.
        """

    def disconnected(self, now: float) -> None:
        """They are not there any more."""

    def heard(self, payload: bytes, now: float, now_ns: int) -> None:
        """Something was said on the node's channel.

        Args:
            payload: what.
            now: the reactor's time, in seconds.
            now_ns: the wall clock's, in nanoseconds since 1970.
        """

    def tick(self, now: float, now_ns: int) -> None:
        """Some time has passed, a quarter of a second at most. See `heard`."""

    def stop(self, done: Callable[[], None]) -> None:
        """The node is about to go: hand over what others can take. `done`: is told after that."""
