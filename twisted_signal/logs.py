"""The log: where it goes, for our lines, Twisted's and Autobahn's.

Our modules write to the standard `logging` (`event_log`), so that the core needs no Twisted.
Twisted's and Autobahn's events come to it through `observer`, and one handler writes them all.
"""

import errno
import io
import logging
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import ILogObserver, Logger, LogLevel, formatEvent
from twisted.python.logfile import LogFile
from zope.interface import provider

from twisted_signal import log_levels
from twisted_signal.event_log import OTHERS, EventLogger, Subject
from twisted_signal.log_bounds import LogBounds
from twisted_signal.log_levels import Levels
from twisted_signal.log_lines import JsonForm, TextForm
from twisted_signal.outbox import Outbox

FORMS: dict[str, type[TextForm | JsonForm]] = {"text": TextForm, "json": JsonForm}
"""The forms of the log, by the names that an operator knows them by."""
TRACEBACK = 3000
"""Characters that a traceback is taken to have."""

set_level = log_levels.set_level

_PACKAGE = __name__.partition(".")[0]
_LEVEL_OF_EVENT = {
    LogLevel.debug: logging.DEBUG,
    LogLevel.info: logging.INFO,
    LogLevel.warn: logging.WARNING,
    LogLevel.error: logging.ERROR,
    LogLevel.critical: logging.CRITICAL,
}
_LEVEL_FOR_TWISTED = {number: level for level, number in _LEVEL_OF_EVENT.items()}


class LineHandler(logging.Handler):
    """Writes lines to a file: those of one turn of the reactor together, others at once."""

    def __init__(
        self,
        stream: IO[str],
        outbox: Outbox,
        bounds: LogBounds,
        form: TextForm | JsonForm,
    ) -> None:
        """
        Args:
            outbox: says when a turn ends.
            bounds: of lines that are about somebody.
        """
        super().__init__()
        self._stream = stream
        self._outbox = outbox
        self._bounds = bounds
        self._lines: list[str] = []
        self._line, self._may_take = form.line, bounds.take  # found faster than by way of them
        self.setFormatter(form)

    def say(
        self,
        logger_name: str,
        level: int,
        event: object,
        values: tuple[object, ...],
        about: Subject | None,
    ) -> None:
        """Write a line without a LogRecord.

        Args:
            logger_name: of the module that says it.
            level, event, values, about: see `event_log.EventLogger.say`.

        Raises:
            Exception: the event and the values do not make a text.
        """
        text = event % values if values else str(event)  # type: ignore[operator] # a %-format
        if about is None or self._may_take(about, event, len(text)):
            line = self._line(time.time(), level, logger_name, text, event, values, about)
            lines = self._lines
            lines.append(line)
            if len(lines) == 1:
                self._outbox.add(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line."""
        try:
            if _is_in_bounds(record, self._bounds):
                self.pass_on(self.format(record))
        except Exception:
            self.handleError(record)

    def pass_on(self, line: str) -> None:
        """Write a line that is one already."""
        self._lines.append(line)
        if len(self._lines) == 1:
            self._outbox.add(self)

    def flush(self) -> None:
        """See `outbox.Flushable`."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        try:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # a full disk or a closed stream is no reason to fail, and there is nobody to tell


def _is_in_bounds(record: logging.LogRecord, bounds: LogBounds) -> bool:
    about: Subject | None = getattr(record, "about", None)
    size = len(record.getMessage()) + (TRACEBACK if record.exc_info else 0)
    return about is None or bounds.take(about, record.msg, size)


@provider(ILogObserver)
def observer(event: Mapping[str, Any]) -> None:
    """Hand an event of Twisted's or Autobahn's over to the standard logging."""
    level = _LEVEL_OF_EVENT.get(event.get("log_level"), logging.INFO)
    namespace = event.get("log_namespace", "log_legacy")
    logger = logging.getLogger("twisted" if namespace == "log_legacy" else namespace)
    if logger.isEnabledFor(level):
        failure = event.get("log_failure")
        exc_info = failure and (failure.type, failure.value, failure.getTracebackObject())
        text = formatEvent(dict(event))
        logger.log(level, "%s", text, exc_info=exc_info, extra={"about": OTHERS})


def make_observer() -> Any:
    """Return `observer`; twistd's `--logger` wants a callable that makes one."""
    return observer


class TwistedHandler(logging.Handler):
    """Hands our lines over to Twisted's log, where the operator chose an observer for that."""

    def __init__(self, bounds: LogBounds) -> None:
        """`bounds`: of lines that are about somebody."""
        super().__init__()
        self._bounds = bounds
        self.setFormatter(TextForm())

    def emit(self, record: logging.LogRecord) -> None:
        """Make an event of a record."""
        if _is_in_bounds(record, self._bounds):
            level = _LEVEL_FOR_TWISTED.get(record.levelno, LogLevel.info)
            Logger(namespace=record.name).emit(level, "{text}", text=self.format(record))

    def pass_on(self, line: str) -> None:
        """Write a line that is one already."""
        Logger(namespace=_PACKAGE).emit(LogLevel.info, "{text}", text=line)


def pass_on(line: str) -> None:
    """Write a line that is one already: of another process, which has the same form of them."""
    for handler in (*logging.getLogger().handlers, *logging.getLogger(_PACKAGE).handlers):
        if isinstance(handler, LineHandler | TwistedHandler):
            handler.pass_on(line)


class FormNotPossible(Exception):
    """Twisted's own logs have one form."""


class RunnerOptions(Protocol):
    """The options of twistd or twist, which run the server."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return an option."""

    def __setitem__(self, key: str, value: Any) -> None: ...


def start(
    runner: RunnerOptions | None,
    levels: Levels,
    outbox: Outbox,
    *,
    bounds: LogBounds | None = None,
    form: str = "text",
    worker: int | None = None,
) -> None:
    """Send all log lines to where twistd or twist was told to log, stdout by default.

    Args:
        runner: the options of twistd or twist, which are told to use `observer`; None for neither.
        levels: the least that is logged.
        outbox: says when a turn of the reactor ends.
        bounds: of the lines that are about somebody; none by default.
        form: one of `FORMS`.
        worker: the number of this process among those that share the work; None: it is by itself.

    Raises:
        OSError: the log file cannot be opened.
        FormNotPossible: the log goes to where lines have a form of their own.
    """
    handler = _handler(runner, _Lines(outbox, bounds or LogBounds(), FORMS[form], worker))
    # What goes to Twisted's log must not come back from it: one of its observers writes to the
    # root logger.
    logger = logging.getLogger(_PACKAGE if isinstance(handler, TwistedHandler) else None)
    logger.handlers[:] = [handler]
    EventLogger.writers = [handler] if isinstance(handler, LineHandler) else [None]
    log_levels.set_level(levels)
    # A handler that fails would report it on stderr, which twistd logs in turn.
    logging.raiseExceptions = False


class _Lines(NamedTuple):
    """How lines are written, wherever that is."""

    outbox: Outbox
    bounds: LogBounds
    form: type[TextForm | JsonForm]
    worker: int | None

    def to(self, stream: IO[str]) -> LineHandler:
        if isinstance(stream, io.TextIOWrapper):
            if self.form is JsonForm:
                stream.reconfigure(encoding="utf-8")  # RFC 8259, section 8.1
            stream.reconfigure(errors="backslashreplace")  # a name is no reason to lose a line
        return LineHandler(stream, self.outbox, self.bounds, self.form(self.worker))


def _handler(runner: RunnerOptions | None, lines: _Lines) -> logging.Handler:
    if runner is None:
        return lines.to(sys.stdout)
    if runner.get("fileLogObserverFactory") is not None:  # twist
        runner["fileLogObserverFactory"] = lambda _file: observer
        runner["logLevel"] = LogLevel.debug  # what is logged is decided here
        return lines.to(runner.get("logFile"))
    if runner.get("logger") or runner.get("syslog"):
        if lines.form is not TextForm:
            raise FormNotPossible
        return TwistedHandler(lines.bounds)
    runner["logger"] = f"{__name__}.{make_observer.__name__}"
    path = runner.get("logfile")
    if runner.get("nodaemon") and path in (None, "", "-"):
        return lines.to(sys.stdout)
    if path == "-":
        raise OSError(errno.ENOTTY, "a daemon has no stdout", "-")
    return lines.to(_log_file(path or "twistd.log"))


def _log_file(path: str) -> IO[str]:
    """Open a log file as twistd does: rotated by size, and at SIGUSR1."""
    file: Any = LogFile.fromFullPath(str(Path(path).absolute()))

    def rotate(_signal: int, _frame: object) -> None:
        from twisted.internet import reactor

        cast("IReactorFromThreads", reactor).callFromThread(file.rotate)

    signal.signal(signal.SIGUSR1, rotate)
    return cast("IO[str]", file)
