"""Says what happens, in the standard `logging`, so that the core needs no Twisted.

log = event_log.logger(__name__)
log.info(events.ROOM_OPENED, room.label, about=session)
"""

import logging
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, cast

_ROOT = logging.getLogger()


class Subject(Protocol):
    """Whom a line of the log is about."""

    @property
    def address(self) -> str:
        """Where it is, for people."""

    @property
    def source(self) -> str | None:
        """What its address is counted by; None: it is not, as its connections are not."""

    def log_fields(self) -> dict[str, object]:
        """Return what programs are told of it: `client`, `room`, `address`, so far as known."""


class EventLogger(logging.Logger):
    """Hands what is said to a handler at once: a LogRecord finds out 20 things for a line.

    It does so in `info` and `say`, which are called for each message and each connection, and
    where there is nothing but an event. Whatever else there is goes the standard way: tracebacks,
    fields of a record's own, handlers that others add, filters.

    All its methods take `about`, whom the line is about, which is an attribute of a record.

    Attributes:
        writers: the handler, a `logs.LineHandler`, or None. It is used as long as it is the one
            handler of all lines.
    """

    writers: ClassVar[list[Any]] = [None]

    # They hand on what they get to _log.
    debug = cast("Callable[..., None]", logging.Logger.debug)
    warning = cast("Callable[..., None]", logging.Logger.warning)
    error = cast("Callable[..., None]", logging.Logger.error)
    exception = cast("Callable[..., None]", logging.Logger.exception)

    def info(
        self, msg: object, *args: object, about: Subject | None = None, **options: Any
    ) -> None:
        """See Logger."""
        if self.isEnabledFor(logging.INFO):
            if options:
                self._log(logging.INFO, msg, args, about=about, above=1, **options)
            else:
                self.say(logging.INFO, msg, args, about, 1)

    def say(
        self,
        level: int,
        event: object,
        values: tuple[object, ...],
        about: Subject | None,
        above: int = 0,
    ) -> None:
        """Write a line, whether its level is wanted or not.

        Args:
            event: an `events.Event`, a %-format, or anything that has a text.
            values: for the format.
            about: whom the line is about; None: nobody.
            above: how many calls away is the one that a record names.
        """
        writers = self.writers
        if _ROOT.handlers == writers and not (self.filters or self.handlers):
            try:
                writers[0].say(self.name, level, event, values, about)
            except Exception:  # noqa: S110 - the standard way deals with it
                pass
            else:
                return
        self._log(level, event, values, about=about, above=above + 1)

    def _log(  # type: ignore[override] # which is how Logger's other methods pass on what they get
        self,
        level: int,
        msg: object,
        args: Any,
        *,
        about: Subject | None = None,
        extra: dict[str, object] | None = None,
        stacklevel: int = 1,
        above: int = 0,
        **options: Any,
    ) -> None:
        extra = {**(extra or {}), "about": about}
        stacklevel += above + 1
        super()._log(level, msg, args, extra=extra, stacklevel=stacklevel, **options)


def logger(name: str) -> EventLogger:
    """Return the logger of a module. `name`: its full name."""
    found = logging.getLogger(name)
    if type(found) is logging.Logger:  # not one that was asked for before
        found.__class__ = EventLogger
    return cast("EventLogger", found)


class _Others:
    """What no client is known to cause. Implements `Subject`."""

    address = source = "others"

    def log_fields(self) -> dict[str, object]:
        """Return nothing."""
        return {}


OTHERS = _Others()
"""What lines are about that may come without end, such as Twisted's, but not for one address."""
