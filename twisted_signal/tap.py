"""`twistd vislam-signal`: its options, checked and converted here once, and their service."""

import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, cast

from OpenSSL import crypto
from twisted.application.service import IService
from twisted.internet.endpoints import (
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    serverFromString,
)
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.python import usage

from twisted_signal import __version__, logs
from twisted_signal.addresses import host_port
from twisted_signal.outbox import Outbox
from twisted_signal.sending import MAX_BUFFER
from twisted_signal.service import Listener, Reactor, SignalService
from twisted_signal.text import printable, quoted
from twisted_signal.websocket import (
    MAX_MESSAGE_SIZE,
    PING_INTERVAL,
    PING_TIMEOUT,
    SignalFactory,
)

DEFAULT_HOST = "0.0.0.0"  # noqa: S104 - a phone must reach the server, that is what it is for
DEFAULT_PORT = 8765
BACKLOG = 1024
"""Connections that the kernel holds ready: a fleet reconnects at once (Twisted's default is 50)."""


class Options(usage.Options):
    """The command line of `twistd vislam-signal` and `vislam-signal serve`.

    Attributes:
        listeners: where to listen.
        max_message_size: the largest message that a client may send, in bytes; 0 for any.
        max_buffer: the most that may wait for one client that does not read; likewise.
        ping_interval: seconds of silence after which a client is pinged; 0: never.
        ping_timeout: seconds of silence after a ping, in which it is taken for gone.
        outbox: gathers what is sent and logged in a turn of the reactor.
    """

    longdesc = "A WebRTC signaling server: a phone and a PC meet in a room and connect."

    optParameters: ClassVar = [
        ["host", None, None, f"Address to listen at, IPv4 or IPv6. [default: {DEFAULT_HOST}]"],
        ["port", "p", None, f"Port to listen at; 0 takes a free one. [default: {DEFAULT_PORT}]"],
        ["log-level", None, "INFO", f"Least level to log: {', '.join(logs.LEVELS)}."],
        [
            "max-message-size",
            None,
            str(MAX_MESSAGE_SIZE),
            "Largest message a client may send, in bytes; 0 for any size.",
        ],
        [
            "max-buffer",
            None,
            str(MAX_BUFFER),
            "Drop a client that does not read when more bytes than this wait for it; 0: never.",
        ],
        [
            "ping-interval",
            None,
            str(PING_INTERVAL),
            "Ping a client after this many seconds of silence; 0: never.",
        ],
        [
            "ping-timeout",
            None,
            str(PING_TIMEOUT),
            "Drop a client that says nothing for this many seconds after a ping.",
        ],
    ]

    listeners: list[Listener]
    max_message_size: int
    max_buffer: int
    ping_interval: int
    ping_timeout: int

    def __init__(self) -> None:
        super().__init__()
        self._endpoints: list[str] = []
        self.outbox = Outbox()

    def opt_endpoint(self, description: str) -> None:
        """Listen at a Twisted endpoint, such as tcp6:8765; repeatable, with --port or instead."""
        self._endpoints.append(description)

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
        except usage.UsageError as error:
            raise SystemExit(f"vislam-signal: {error}") from None

    def postOptions(self) -> None:
        """Check and convert.

        Raises:
            usage.UsageError: a value is wrong.
        """
        self.max_message_size = _number("--max-message-size", self["max-message-size"], 2**31)
        self.max_buffer = _number("--max-buffer", self["max-buffer"], 2**31)
        self.ping_interval = _number("--ping-interval", self["ping-interval"], 86400)
        self.ping_timeout = _number("--ping-timeout", self["ping-timeout"], 86400)
        level = self["log-level"].upper()
        if level not in logs.LEVELS:
            raise usage.UsageError(
                f"--log-level must be one of {', '.join(logs.LEVELS)},"
                f" not {quoted(self['log-level'])}"
            )
        self.listeners = self._find_listeners()
        runner = getattr(self, "parent", None)
        if runner is not None:
            _check_pid_file(runner.get("pidfile"))
        try:
            logs.start(runner, level, self.outbox)
        except OSError as error:
            raise usage.UsageError(
                f"cannot write the log to {error.filename}: {error.strerror}"
            ) from None

    def _find_listeners(self) -> list[Listener]:
        listeners = []
        if not self._endpoints or (self["host"], self["port"]) != (None, None):
            port = DEFAULT_PORT if self["port"] is None else _number("--port", self["port"], 65535)
            host = DEFAULT_HOST if self["host"] is None else self["host"]
            listeners.append(_tcp_listener(host, port))
        return listeners + [_endpoint_listener(description) for description in self._endpoints]


def makeService(options: Options) -> IService:
    """Return the server that the options describe. A hook of twistd."""
    reactor = _reactor()
    factory = SignalFactory(
        reactor,
        outbox=options.outbox,
        max_message_size=options.max_message_size,
        max_buffer=options.max_buffer,
        ping_interval=options.ping_interval,
        ping_timeout=options.ping_timeout,
    )
    return SignalService(reactor, factory, options.listeners)


def _reactor() -> Reactor:
    from twisted.internet import reactor  # not before the options of twistd have chosen one

    return cast("Reactor", reactor)


def _check_pid_file(path: str | None) -> None:
    """Raise UsageError where twistd could not write its pid file, over which it would stumble."""
    if path and not os.access(Path(path).absolute().parent, os.W_OK):
        raise usage.UsageError(
            f"cannot write the pid file {path} here: --pidfile=FILE before vislam-signal names"
            " another place, --pidfile= none"
        )


def _number(option: str, text: str, largest: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= largest):
        raise usage.UsageError(f"{option} must be a number from 0 to {largest}, not {quoted(text)}")
    return int(text)


def _tcp_listener(host: str, port: int) -> Listener:
    address = _ip_address(host)
    make = TCP6ServerEndpoint if ":" in address else TCP4ServerEndpoint
    endpoint = make(_reactor(), port, backlog=BACKLOG, interface=address)
    return Listener(host_port(address, port), endpoint)


def _ip_address(host: str) -> str:
    """Return the IP address that a host name or an address in brackets stands for."""
    host = host.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        # An empty name would stand for this machine.
        found = socket.getaddrinfo(host or ".", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise usage.UsageError(
            f"--host must be an address of this machine, and {quoted(host)} is none"
        ) from None
    return str(found[0][4][0])


def _endpoint_listener(description: str) -> Listener:
    try:
        endpoint: IStreamServerEndpoint = serverFromString(_reactor(), description)
    except Exception as error:  # each endpoint's parser has errors of its own
        raise usage.UsageError(f"--endpoint {quoted(description)}: {_complaint(error)}") from None
    kind = description.removeprefix("haproxy:").partition(":")[0]
    return Listener(description, endpoint, secure=kind in ("ssl", "tls"))


def _complaint(error: Exception) -> str:
    """Return in words what an endpoint's parser found wrong."""
    match error:
        case OSError(filename=str(path)):
            return f"cannot read {path}: {error.strerror}"
        case crypto.Error():
            return "its privateKey or certKey file holds no PEM key or certificate"
        case VerifyError():
            return "its privateKey and certKey do not belong together"
        case LookupError():
            return "systemd has handed over no such socket"
        case _:
            return f"Twisted cannot use it: {printable(str(error))}"
