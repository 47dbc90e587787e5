"""`twistd vislam-signal`: its options, checked and converted here once, and their service."""

import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import ClassVar, cast

from twisted.application.service import IService
from twisted.python import usage

from twisted_signal import __version__, logs
from twisted_signal.limits import Limits
from twisted_signal.listening import endpoint_listener, tcp_listener
from twisted_signal.origins import AllowedOrigins, is_origin
from twisted_signal.outbox import Outbox
from twisted_signal.proxies import TrustedProxies
from twisted_signal.service import Listener, Reactor, SignalService
from twisted_signal.text import quoted
from twisted_signal.websocket import SignalFactory

DEFAULT_HOST = "0.0.0.0"  # noqa: S104 - a phone must reach the server, that is what it is for
DEFAULT_PORT = 8765


def _limit_options() -> list[list[str | None]]:
    return [
        [_option(limit.name), None, str(limit.default), f"{limit.metadata['meaning']} 0: no limit."]
        for limit in fields(Limits)
    ]


def _option(name: str) -> str:
    return name.replace("_", "-")


class Options(usage.Options):
    """The command line of `twistd vislam-signal` and `vislam-signal serve`.

    Attributes:
        listeners: where to listen.
        limits: how much one client may take.
        proxies: those that are believed about where a client comes from.
        origins: of the pages that may connect.
        outbox: gathers what is sent and logged in a turn of the reactor.
    """

    longdesc = "A WebRTC signaling server: a phone and a PC meet in a room and connect."

    optParameters: ClassVar = [
        ["host", None, None, f"Address to listen at, IPv4 or IPv6. [default: {DEFAULT_HOST}]"],
        ["port", "p", None, f"Port to listen at; 0 takes a free one. [default: {DEFAULT_PORT}]"],
        ["log-level", None, "INFO", f"Least level to log: {', '.join(logs.LEVELS)}."],
        *_limit_options(),
    ]

    listeners: list[Listener]
    limits: Limits
    proxies: TrustedProxies
    origins: AllowedOrigins

    def __init__(self) -> None:
        super().__init__()
        self._endpoints: list[str] = []
        self._proxies: list[str] = []
        self._origins: list[str] = []
        self.outbox = Outbox()

    def opt_endpoint(self, description: str) -> None:
        """Listen at a Twisted endpoint, such as tcp6:8765; repeatable, with --port or instead."""
        self._endpoints.append(description)

    def opt_trust_proxy(self, network: str) -> None:
        """Believe X-Forwarded-For and Forwarded from this network, such as 10.0.0.0/8, or from
        local sockets: unix. Repeatable.
        """
        self._proxies.append(network)

    def opt_allowed_origin(self, origin: str) -> None:
        """Let only pages from this origin connect, such as https://app.example.com, besides
        programs that are no browser; *. may stand before the host, null is for files. Repeatable.
        """
        self._origins.append(origin)

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
        self.limits = Limits(
            **{
                limit.name: self._number(_option(limit.name), limit.metadata["largest"])
                for limit in fields(Limits)
            }
        )
        level = self["log-level"].upper()
        if level not in logs.LEVELS:
            raise usage.UsageError(
                f"--log-level must be one of {', '.join(logs.LEVELS)},"
                f" not {quoted(self['log-level'])}"
            )
        self.proxies = self._find_proxies()
        self.origins = self._find_origins()
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

    def _find_proxies(self) -> TrustedProxies:
        for word in self._proxies:
            try:
                TrustedProxies([word])
            except ValueError:
                raise usage.UsageError(
                    "--trust-proxy must be an address, a network such as 10.0.0.0/8, or unix,"
                    f" not {quoted(word)}"
                ) from None
        return TrustedProxies(self._proxies)

    def _find_origins(self) -> AllowedOrigins:
        for origin in self._origins:
            if not is_origin(origin):
                raise usage.UsageError(
                    "--allowed-origin must be an origin such as https://app.example.com,"
                    f" https://*.example.com or null, not {quoted(origin)}"
                )
        return AllowedOrigins(self._origins)

    def _find_listeners(self) -> list[Listener]:
        listeners = []
        if not self._endpoints or (self["host"], self["port"]) != (None, None):
            port = DEFAULT_PORT if self["port"] is None else self._number("port", 65535)
            host = DEFAULT_HOST if self["host"] is None else self["host"]
            listeners.append(tcp_listener(_reactor(), host, port))
        return listeners + [endpoint_listener(_reactor(), each) for each in self._endpoints]

    def _number(self, option: str, largest: int) -> int:
        text = self[option]
        if not (text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= largest):
            raise usage.UsageError(
                f"--{option} must be a number from 0 to {largest}, not {quoted(text)}"
            )
        return int(text)


def makeService(options: Options) -> IService:
    """Return the server that the options describe. A hook of twistd."""
    reactor = _reactor()
    factory = SignalFactory(
        reactor,
        limits=options.limits,
        outbox=options.outbox,
        proxies=options.proxies,
        origins=options.origins,
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
