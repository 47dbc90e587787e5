"""The log: one form for our lines, Twisted's and Autobahn's.

    2026-01-31 12:00:00 [INFO] session: Client registered: phone1 (android) in room lab1

Our modules write to the standard `logging`, so that the core needs no Twisted. Twisted's and
Autobahn's events come to it through `observer`, and one handler writes them all.
"""

import errno
import io
import logging
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol, cast

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import ILogObserver, Logger, LogLevel, formatEvent
from twisted.python.logfile import LogFile
from zope.interface import provider

from twisted_signal.outbox import Outbox
from twisted_signal.text import printable

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_PACKAGE = __name__.partition(".")[0]
_LEVEL_OF_EVENT = {
    LogLevel.debug: logging.DEBUG,
    LogLevel.info: logging.INFO,
    LogLevel.warn: logging.WARNING,
    LogLevel.error: logging.ERROR,
    LogLevel.critical: logging.CRITICAL,
}
_LEVEL_FOR_TWISTED = {number: level for level, number in _LEVEL_OF_EVENT.items()}


class LineLogger(logging.Logger):
    """Hands what is said to the `LineHandler` at once: a LogRecord finds out 20 things for a line.

    It does so for the methods that are called for each message and each connection, and where there
    is nothing but a message. Whatever else there is goes the standard way: tracebacks, fields of a
    record's own, handlers that others add, filters.
    """

    def info(self, msg: object, *args: object, **options: Any) -> None:
        """See Logger."""
        if self.isEnabledFor(logging.INFO):
            self._say(logging.INFO, msg, args, options)

    def log(self, level: int, msg: object, *args: object, **options: Any) -> None:
        """See Logger."""
        if self.isEnabledFor(level):
            self._say(level, msg, args, options)

    def _say(self, level: int, msg: object, args: Any, options: dict[str, Any]) -> None:
        handlers = logging.root.handlers
        if (
            len(handlers) == 1
            and type(handlers[0]) is LineHandler
            and not (options or self.filters or self.handlers)
        ):
            try:
                text = str(msg) % args if args else str(msg)
            except Exception:  # noqa: S110 - the standard way deals with it
                pass
            else:
                handlers[0].say(self.name, level, text)
                return
        options["stacklevel"] = options.get("stacklevel", 1) + 2  # this one, and who called it
        self._log(level, msg, args, **options)


class LineFormatter(logging.Formatter):
    """Writes a record as one line, and its traceback, if it has one, as further such lines.

    Whatever a client put into the message stays within its line: see `text.printable`.
    """

    default_time_format = "%Y-%m-%d %H:%M:%S"

    def __init__(self) -> None:
        super().__init__()
        # The beginnings of lines, by level and source, in one second: lines come many to a second.
        self._heads: dict[tuple[int, str], str] = {}
        self._second = -1

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its newline."""
        texts = [record.getMessage()]
        if record.exc_info:
            traceback = self.formatException(record.exc_info)
            texts += [f"| {line}" for line in traceback.splitlines()]
        place = (record.created, record.levelno, record.name)
        return "\n".join(self.line(*place, text) for text in texts)

    def line(self, created: float, level: int, logger_name: str, message: str) -> str:
        """Return a line. `created`: when, in seconds since 1970."""
        if not 0 <= created - self._second < 1:
            self._second = int(created)
            self._heads.clear()
        place = (level, logger_name)
        head = self._heads.get(place)
        if head is None:
            head = self._heads[place] = self._head(level, logger_name)
        return head + (message if message.isprintable() else printable(message))

    def _head(self, level: int, logger_name: str) -> str:
        moment = time.strftime(self.default_time_format, time.localtime(self._second))
        return f"{moment} [{logging.getLevelName(level)}] {module_name(logger_name)}: "


class LineHandler(logging.Handler):
    """Writes lines to a file: those of one turn of the reactor together, others at once."""

    def __init__(self, stream: IO[str], outbox: Outbox) -> None:
        """`outbox`: says when a turn ends."""
        super().__init__()
        self._stream = stream
        self._outbox = outbox
        self._lines: list[str] = []
        self._form = LineFormatter()
        self.setFormatter(self._form)

    def say(self, logger_name: str, level: int, message: str) -> None:
        """Write a line."""
        self._add(self._form.line(time.time(), level, logger_name, message))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line."""
        try:
            self._add(self.format(record))
        except Exception:
            self.handleError(record)

    def _add(self, line: str) -> None:
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


def module_name(logger_name: str) -> str:
    """Return what a line calls its source: our module, or the package it came from."""
    if logger_name.startswith(f"{_PACKAGE}."):
        return logger_name.rpartition(".")[2]
    return logger_name.partition(".")[0]


@provider(ILogObserver)
def observer(event: Mapping[str, Any]) -> None:
    """Hand an event of Twisted's or Autobahn's over to the standard logging."""
    level = _LEVEL_OF_EVENT.get(event.get("log_level"), logging.INFO)
    namespace = event.get("log_namespace", "log_legacy")
    logger = logging.getLogger("twisted" if namespace == "log_legacy" else namespace)
    if logger.isEnabledFor(level):
        failure = event.get("log_failure")
        exc_info = failure and (failure.type, failure.value, failure.getTracebackObject())
        logger.log(level, "%s", formatEvent(dict(event)), exc_info=exc_info)


def make_observer() -> Any:
    """Return `observer`; twistd's `--logger` wants a callable that makes one."""
    return observer


class TwistedHandler(logging.Handler):
    """Hands our lines over to Twisted's log, where the operator chose an observer for that."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Make an event of a record."""
        level = _LEVEL_FOR_TWISTED.get(record.levelno, LogLevel.info)
        Logger(namespace=record.name).emit(level, "{text}", text=self.format(record))


class RunnerOptions(Protocol):
    """The options of twistd or twist, which run the server."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return an option."""

    def __setitem__(self, key: str, value: Any) -> None: ...


def start(runner: RunnerOptions | None, level: str, outbox: Outbox) -> None:
    """Send all log lines to where twistd or twist was told to log, stdout by default.

    Args:
        outbox: says when a turn of the reactor ends.
        runner: the options of twistd or twist, which are told to use `observer`; None for neither.
        level: one of `LEVELS`.

    Raises:
        OSError: the log file cannot be opened.
    """
    handler = _handler(runner, outbox) if runner is not None else _stdout_handler(outbox)
    # What goes to Twisted's log must not come back from it: one of its observers writes to the
    # root logger.
    logger = logging.getLogger(_PACKAGE if isinstance(handler, TwistedHandler) else None)
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    # A handler that fails would report it on stderr, which twistd logs in turn.
    logging.raiseExceptions = False
    _make_lean()


def set_level(level: str) -> None:
    """Log from another level on. `level`: one of `LEVELS`."""
    own = logging.getLogger(_PACKAGE)
    (own if own.handlers else logging.root).setLevel(level)


def _make_lean() -> None:
    """Let our modules' loggers, which were made when those were imported, be LineLoggers."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith(f"{_PACKAGE}.") and type(logger) is logging.Logger:
            logger.__class__ = LineLogger


def _handler(runner: RunnerOptions, outbox: Outbox) -> logging.Handler:
    if runner.get("fileLogObserverFactory") is not None:  # twist
        runner["fileLogObserverFactory"] = lambda _file: observer
        runner["logLevel"] = LogLevel.debug  # what is logged is decided here
        return LineHandler(runner.get("logFile"), outbox)
    if runner.get("logger") or runner.get("syslog"):
        return TwistedHandler()
    runner["logger"] = f"{__name__}.{make_observer.__name__}"
    path = runner.get("logfile")
    if runner.get("nodaemon") and path in (None, "", "-"):
        return _stdout_handler(outbox)
    if path == "-":
        raise OSError(errno.ENOTTY, "a daemon has no stdout", "-")
    return LineHandler(_log_file(path or "twistd.log"), outbox)


def _stdout_handler(outbox: Outbox) -> logging.Handler:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name is no reason to lose a line
    return LineHandler(sys.stdout, outbox)


def _log_file(path: str) -> IO[str]:
    """Open a log file as twistd does: rotated by size, and at SIGUSR1."""
    file: Any = LogFile.fromFullPath(str(Path(path).absolute()))

    def rotate(_signal: int, _frame: object) -> None:
        from twisted.internet import reactor

        cast("IReactorFromThreads", reactor).callFromThread(file.rotate)

    signal.signal(signal.SIGUSR1, rotate)
    return cast("IO[str]", file)
