"""The options of the server, checked and converted here once. Their table is `option_table`."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, cast

from twisted.python import usage

from twisted_signal import __version__, logs
from twisted_signal.admin.endpoint import AdminPlace, admin_place
from twisted_signal.auth import Verifier
from twisted_signal.certificates import CertificateError, Files
from twisted_signal.keys import KeyFiles, UnusableKey
from twisted_signal.limits import Limits
from twisted_signal.listening import endpoint_listener, ip_address, tcp_listener
from twisted_signal.option_table import (
    BY_NAME,
    DEFAULT_HOST,
    DEFAULT_PORT,
    DEFAULT_TLS_PORT,
    NO_PORT,
    OPTIONS,
    Kind,
    Option,
    option_name,
)
from twisted_signal.origins import AllowedOrigins, is_origin
from twisted_signal.outbox import Outbox
from twisted_signal.proxies import TrustedProxies
from twisted_signal.registry import DuplicateId
from twisted_signal.relays import Relays
from twisted_signal.renewal import Renewal
from twisted_signal.self_signed import SelfSigned, default_directory
from twisted_signal.service import Listener, Reactor
from twisted_signal.text import quoted


def _repeatable(option: Option) -> Callable[["Options", str], None]:
    """Return what usage.Options calls for each value of an option: the values are a list."""

    def add(self: "Options", value: str) -> None:
        self[option.name].append(value)

    add.__doc__ = option.meaning
    return add


def _meaning(option: Option) -> str:
    if option.default_meaning is None:
        return option.meaning
    return f"{option.meaning} [default: {option.default_meaning}]"


class Options(usage.Options):
    """The command line of `twistd vislam-signal` and `vislam-signal serve`.

    Attributes:
        listeners: where to listen.
        limits: how much one client may take.
        proxies: those that are believed about where a client comes from.
        origins: of the pages that may connect.
        outbox: gathers what is sent and logged in a turn of the reactor.
        key_files: the keys by which tokens are checked, to be read again at will; None: all enter.
        relays: the STUN and TURN servers that clients are told of.
        renewal: keeps the certificate new, where TLS is spoken with one.
        admin: where the admin endpoint is; None: it is switched off.
    """

    longdesc = "A WebRTC signaling server: a phone and a PC meet in a room and connect."

    optParameters: ClassVar = [
        [option.name, option.short, option.default, _meaning(option)]
        for option in OPTIONS
        if option.kind != Kind.FLAG and not option.is_repeatable
    ]
    optFlags: ClassVar = [
        [option.name, option.short, option.meaning]
        for option in OPTIONS
        if option.kind == Kind.FLAG
    ]

    listeners: list[Listener]
    limits: Limits
    key_files: KeyFiles | None
    renewal: Renewal | None
    proxies: TrustedProxies
    origins: AllowedOrigins
    relays: Relays
    admin: AdminPlace | None

    def __init__(self) -> None:
        super().__init__()
        self.update((option.name, []) for option in OPTIONS if option.is_repeatable)
        self.outbox = Outbox()

    @property
    def verifier(self) -> Verifier | None:
        """Checks tokens, by the key files as last read; None: all enter."""
        return None if self.key_files is None else self.key_files.verifier

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
            **{limit.name: self._number(option_name(limit.name)) for limit in fields(Limits)}
        )
        level = self["log-level"].upper()
        if level not in logs.LEVELS:
            raise usage.UsageError(
                f"--log-level must be one of {', '.join(logs.LEVELS)},"
                f" not {quoted(self['log-level'])}"
            )
        if self["duplicate-id"] not in list(DuplicateId):
            raise usage.UsageError(
                f"--duplicate-id must be one of {', '.join(DuplicateId)},"
                f" not {quoted(self['duplicate-id'])}"
            )
        self.key_files = self._read_key_files()
        self.proxies = self._find_proxies()
        self.origins = self._find_origins()
        ttl = self._number("turn-ttl")
        secret = self["turn-secret-file"]
        if self["qr"] and self["no-web"]:
            raise usage.UsageError("--qr is for the pages, which --no-web leaves out")
        if self["advertise"] and find_spec("zeroconf") is None:
            raise usage.UsageError(
                "--advertise needs python-zeroconf: pip install 'vislam-signal[mdns]'"
            )
        self.relays = Relays(self["stun-uri"], self["turn-uri"], secret, ttl)
        self.listeners = self._find_listeners()
        self.admin = admin_place(global_reactor(), self["admin-endpoint"], self["admin-token-file"])
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
        for word in self["trust-proxy"]:
            try:
                TrustedProxies([word])
            except ValueError:
                raise usage.UsageError(
                    "--trust-proxy must be an address, a network such as 10.0.0.0/8, or unix,"
                    f" not {quoted(word)}"
                ) from None
        return TrustedProxies(self["trust-proxy"])

    def _find_origins(self) -> AllowedOrigins:
        for origin in self["allowed-origin"]:
            if not is_origin(origin):
                raise usage.UsageError(
                    "--allowed-origin must be an origin such as https://app.example.com,"
                    f" https://*.example.com or null, not {quoted(origin)}"
                )
        return AllowedOrigins(self["allowed-origin"])

    def _find_listeners(self) -> list[Listener]:
        reactor = global_reactor()
        address = ip_address(DEFAULT_HOST if self["host"] is None else self["host"])
        listeners = []
        if self["port"] != NO_PORT and (
            not self["endpoint"] or (self["host"], self["port"]) != (None, None)
        ):
            listeners.append(tcp_listener(reactor, address, self._port("port", DEFAULT_PORT)))
        self.renewal = self._find_certificate(address)
        if self.renewal is not None:
            port = self._port("tls-port", DEFAULT_TLS_PORT)
            listeners.append(tcp_listener(reactor, address, port, self.renewal.context))
        listeners += [endpoint_listener(reactor, each) for each in self["endpoint"]]
        if not listeners:
            raise usage.UsageError(
                "--port none leaves nothing to listen at without --tls-cert, --self-signed or"
                " --endpoint"
            )
        return listeners

    def _find_certificate(self, address: str) -> Renewal | None:
        certificate, is_self_signed = self["tls-cert"], self["self-signed"]
        if certificate is not None and is_self_signed:
            raise usage.UsageError("--tls-cert and --self-signed exclude each other")
        if certificate is None and self["tls-key"] is not None:
            raise usage.UsageError("--tls-key is of no use without --tls-cert")
        option = "--self-signed" if is_self_signed else "--tls-cert"
        try:
            if is_self_signed:
                return Renewal(SelfSigned(self._state_directory(), address), global_reactor())
            if certificate is not None:
                key = certificate if self["tls-key"] is None else self["tls-key"]
                return Renewal(Files(Path(certificate), Path(key)), global_reactor())
        except CertificateError as error:
            raise usage.UsageError(f"{option}: {error}") from None
        if self["tls-port"] is not None:
            raise usage.UsageError("--tls-port is of no use without --tls-cert or --self-signed")
        return None

    def _state_directory(self) -> Path:
        directory = self["state-dir"]
        return default_directory() if directory is None else Path(directory)

    def _port(self, option: str, default: int) -> int:
        return default if self[option] is None else self._number(option)

    def _read_key_files(self) -> KeyFiles | None:
        secrets, public = self["auth-secret-file"], self["auth-public-key-file"]
        if not secrets and not public:
            return None
        if secrets and public:
            raise usage.UsageError(
                "--auth-secret-file and --auth-public-key-file do not go together; use one"
            )
        if len(secrets) > 1:
            raise usage.UsageError("--auth-secret-file may be given once only")
        option = "auth-public-key-file" if public else "auth-secret-file"
        try:
            return KeyFiles(secrets[0] if secrets else None, public)
        except UnusableKey as error:
            raise usage.UsageError(f"--{option} {error}") from None

    def _number(self, name: str) -> int:
        text, largest = self[name], BY_NAME[name].largest
        if not (text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= largest):
            raise usage.UsageError(
                f"--{name} must be a number from 0 to {largest}, not {quoted(text)}"
            )
        return int(text)


for _option in OPTIONS:
    if _option.is_repeatable:
        setattr(Options, f"opt_{_option.name.replace('-', '_')}", _repeatable(_option))


def global_reactor() -> Reactor:
    """Return the reactor that twistd's options have chosen."""
    from twisted.internet import reactor  # not before the options of twistd have chosen one

    return cast("Reactor", reactor)


def _check_pid_file(path: str | None) -> None:
    """Raise UsageError where twistd could not write its pid file, over which it would stumble."""
    if path and not os.access(Path(path).absolute().parent, os.W_OK):
        raise usage.UsageError(
            f"cannot write the pid file {path} here: --pidfile=FILE before vislam-signal names"
            " another place, --pidfile= none"
        )
