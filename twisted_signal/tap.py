"""`twistd vislam-signal`: its options, checked and converted here once, and their service."""

import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, cast

from twisted.application.service import IService
from twisted.python import usage

from twisted_signal import __version__, logs
from twisted_signal.advertisement import Advertisement
from twisted_signal.auth import Verifier
from twisted_signal.certificates import CertificateError, Files
from twisted_signal.clock import run_steadily
from twisted_signal.collector import spare_what_stays
from twisted_signal.descriptors import raise_limit
from twisted_signal.invitation import Invitation
from twisted_signal.keys import KeyFiles, UnusableKey
from twisted_signal.limits import LARGE, Limits
from twisted_signal.listening import endpoint_listener, ip_address, tcp_listener
from twisted_signal.notify import Notifier, socket_address
from twisted_signal.origins import AllowedOrigins, is_origin
from twisted_signal.outbox import Outbox
from twisted_signal.proxies import TrustedProxies
from twisted_signal.registry import DuplicateId, Registry
from twisted_signal.relays import Relays
from twisted_signal.renewal import Renewal
from twisted_signal.self_signed import SelfSigned, default_directory
from twisted_signal.server import SignalFactory
from twisted_signal.service import Listener, Reactor, SignalService
from twisted_signal.text import quoted
from twisted_signal.web.connection import Pages
from twisted_signal.web.website import Website

DEFAULT_HOST = "0.0.0.0"  # noqa: S104 - a phone must reach the server, that is what it is for
DEFAULT_PORT = 8765
DEFAULT_TLS_PORT = 8766
NO_PORT = "none"
TURN_TTL = 3600


def _limit_options() -> list[list[str | None]]:
    return [
        [_option(limit.name), None, str(limit.default), limit.metadata["meaning"]]
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
        key_files: the keys by which tokens are checked, to be read again at will; None: all enter.
        relays: the STUN and TURN servers that clients are told of.
        renewal: keeps the certificate new, where TLS is spoken with one.
    """

    longdesc = "A WebRTC signaling server: a phone and a PC meet in a room and connect."

    optParameters: ClassVar = [
        ["host", None, None, f"Address to listen at, IPv4 or IPv6. [default: {DEFAULT_HOST}]"],
        ["port", "p", None, f"Port to listen at; 0: a free one; none. [default: {DEFAULT_PORT}]"],
        ["tls-cert", None, None, "PEM file with a certificate and its chain: speak TLS too."],
        ["tls-key", None, None, "PEM file with its key. [default: the file of --tls-cert]"],
        ["tls-port", None, None, f"Port for TLS; 0: a free one. [default: {DEFAULT_TLS_PORT}]"],
        [
            "state-dir",
            None,
            None,
            "Directory for what must outlive the server. [default: the user's]",
        ],
        ["turn-secret-file", None, None, "Secret that is shared with the TURN servers."],
        ["turn-ttl", None, str(TURN_TTL), "Seconds for which credentials for TURN are good."],
        ["log-level", None, "INFO", f"Least level to log: {', '.join(logs.LEVELS)}."],
        [
            "duplicate-id",
            None,
            DuplicateId.PROBE.value,
            f"What becomes of a claim to an id that is taken: {', '.join(DuplicateId)}.",
        ],
        *_limit_options(),
    ]

    optFlags: ClassVar = [
        ["self-signed", None, "Speak TLS too, with a certificate that is made here, once."],
        ["no-web", None, "Serve no pages, WebSockets only."],
        ["advertise", None, "Announce the server in the local network (mDNS)."],
        ["qr", None, "Print where the pages are, and a QR code for the phone."],
    ]

    listeners: list[Listener]
    limits: Limits
    key_files: KeyFiles | None
    renewal: Renewal | None
    proxies: TrustedProxies
    origins: AllowedOrigins
    relays: Relays

    def __init__(self) -> None:
        super().__init__()
        self._endpoints: list[str] = []
        self._secret_files: list[str] = []
        self._public_key_files: list[str] = []
        self._proxies: list[str] = []
        self._origins: list[str] = []
        self._stun_uris: list[str] = []
        self._turn_uris: list[str] = []
        self.outbox = Outbox()

    def opt_endpoint(self, description: str) -> None:
        """Listen at a Twisted endpoint, such as tcp6:8765; repeatable, with --port or instead."""
        self._endpoints.append(description)

    def opt_auth_secret_file(self, path: str) -> None:
        """Let in only who shows a token (JWT) made with the secret in this file."""
        self._secret_files.append(path)

    def opt_auth_public_key_file(self, path: str) -> None:
        """Let in only who shows a token made with the private key of one in here; repeatable."""
        self._public_key_files.append(path)

    @property
    def verifier(self) -> Verifier | None:
        """Checks tokens, by the key files as last read; None: all enter."""
        return None if self.key_files is None else self.key_files.verifier

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

    def opt_stun_uri(self, uri: str) -> None:
        """Tell clients of this STUN server, such as stun:stun.example.com:3478; repeatable."""
        self._stun_uris.append(uri)

    def opt_turn_uri(self, uri: str) -> None:
        """Tell clients of this TURN server, such as turn:turn.example.com:3478?transport=udp;
        repeatable.
        """
        self._turn_uris.append(uri)

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
        if self["duplicate-id"] not in list(DuplicateId):
            raise usage.UsageError(
                f"--duplicate-id must be one of {', '.join(DuplicateId)},"
                f" not {quoted(self['duplicate-id'])}"
            )
        self.key_files = self._read_key_files()
        self.proxies = self._find_proxies()
        self.origins = self._find_origins()
        ttl = self._number("turn-ttl", LARGE)
        secret = self["turn-secret-file"]
        if self["qr"] and self["no-web"]:
            raise usage.UsageError("--qr is for the pages, which --no-web leaves out")
        if self["advertise"] and find_spec("zeroconf") is None:
            raise usage.UsageError(
                "--advertise needs python-zeroconf: pip install 'vislam-signal[mdns]'"
            )
        self.relays = Relays(self._stun_uris, self._turn_uris, secret, ttl)
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
        reactor = _reactor()
        address = ip_address(DEFAULT_HOST if self["host"] is None else self["host"])
        listeners = []
        if self["port"] != NO_PORT and (
            not self._endpoints or (self["host"], self["port"]) != (None, None)
        ):
            listeners.append(tcp_listener(reactor, address, self._port("port", DEFAULT_PORT)))
        self.renewal = self._find_certificate(address)
        if self.renewal is not None:
            port = self._port("tls-port", DEFAULT_TLS_PORT)
            listeners.append(tcp_listener(reactor, address, port, self.renewal.context))
        listeners += [endpoint_listener(reactor, each) for each in self._endpoints]
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
                return Renewal(SelfSigned(self._state_directory(), address), _reactor())
            if certificate is not None:
                key = certificate if self["tls-key"] is None else self["tls-key"]
                return Renewal(Files(Path(certificate), Path(key)), _reactor())
        except CertificateError as error:
            raise usage.UsageError(f"{option}: {error}") from None
        if self["tls-port"] is not None:
            raise usage.UsageError("--tls-port is of no use without --tls-cert or --self-signed")
        return None

    def _state_directory(self) -> Path:
        directory = self["state-dir"]
        return default_directory() if directory is None else Path(directory)

    def _port(self, option: str, default: int) -> int:
        return default if self[option] is None else self._number(option, 65535)

    def _read_key_files(self) -> KeyFiles | None:
        secrets, public = self._secret_files, self._public_key_files
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
    run_steadily(reactor)
    spare_what_stays(reactor)
    raise_limit(options.limits.max_clients)
    factory = SignalFactory(
        reactor,
        Registry(options.limits, DuplicateId(options["duplicate-id"])),
        limits=options.limits,
        verifier=options.verifier,
        outbox=options.outbox,
        proxies=options.proxies,
        origins=options.origins,
        ice=options.relays.provider,
    )
    service = SignalService(reactor, factory, options.listeners)
    wants_token = options.verifier is not None
    if not options["no-web"]:
        website = Website(service.urls, wants_token=wants_token, now=reactor.seconds())
        factory.pages = Pages(website, reactor, factory.server)
    if options["advertise"]:
        announced = Advertisement(reactor, service.urls, wants_token=wants_token)
        announced.setServiceParent(service)
    if options["qr"]:
        signed_here = options.renewal if options["self-signed"] else None
        invitation = Invitation(reactor, sys.stdout, service.urls, signed_here)
        invitation.setServiceParent(service)
    if options.renewal is not None:
        options.renewal.setServiceParent(service)
        service.reloads.append(options.renewal.reload)
    if options.key_files is not None:
        service.reloads.append(options.key_files.renew)
    if options.relays.is_turn:
        service.reloads.append(options.relays.renew)
    manager = socket_address(os.environ)
    if manager is not None:
        notifier = Notifier(reactor, service, manager)
        notifier.setServiceParent(service)
        service.reloads.insert(0, notifier.reloading)
    return service


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
