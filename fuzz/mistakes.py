"""Mistakes of the server's that it logs rather than raises."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from twisted_signal.log_lines import JsonForm, TextForm


class Mistake(AssertionError):
    """The server has logged an error."""


class _Listener(logging.Handler):
    """Formats all lines, as a log would, and keeps the errors."""

    def __init__(self) -> None:
        super().__init__()
        self._forms = (TextForm(), JsonForm())
        self.errors: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        for form in self._forms:
            # Without the traceback, which has lines of its own in the one form.
            line = form.format(logging.makeLogRecord({**vars(record), "exc_info": None}))
            assert line.isprintable(), f"a line of the log that can be forged: {line!r}"
        if record.levelno >= logging.ERROR:
            self.errors.append(record)


_listener = _Listener()
_log = logging.getLogger("twisted_signal")


@contextmanager
def none_logged() -> Iterator[None]:
    """See that the server logs no error while the block runs.

    Raises:
        Mistake: it does, for the reason that it logs.
    """
    _listener.errors.clear()
    level, propagate = _log.level, _log.propagate
    _log.setLevel(logging.DEBUG)
    _log.propagate = False
    _log.addHandler(_listener)
    try:
        yield
    finally:
        _log.removeHandler(_listener)
        _log.setLevel(level)
        _log.propagate = propagate
    if _listener.errors:
        record = _listener.errors[0]
        raise Mistake(record.getMessage()) from (record.exc_info or (None, None))[1]
