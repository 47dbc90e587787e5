"""The options of the server, checked and converted here once. Their table is `option_table`."""

import os
from collections.abc import Container, Mapping
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from twisted.python import usage

from twisted_signal import logs
from twisted_signal.admin.endpoint import AdminPlace, admin_place
from twisted_signal.auth import Verifier
from twisted_signal.certificates import CertificateError, Files
from twisted_signal.command_line import CommandLine
from twisted_signal.config.settings import Setting, Value
from twisted_signal.inheritance import Inheritance, adoptable
from twisted_signal.keys import KeyFiles, UnusableKey, read_secret
from twisted_signal.limits import Limits
from twisted_signal.listening import endpoint_listener, ip_address, tcp_listener
from twisted_signal.log_bounds import LogBounds
from twisted_signal.log_levels import Levels, UnknownLevel, read_levels
from twisted_signal.option_table import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    DEFAULT_TLS_PORT,
    NO_PORT,
    option_name,
)
from twisted_signal.origins import AllowedOrigins, is_origin
from twisted_signal.outbox import Outbox
from twisted_signal.proxies import TrustedProxies
from twisted_signal.registry import DuplicateId
from twisted_signal.relays import Relays
from twisted_signal.renewal import Renewal
from twisted_signal.self_signed import Rehearsed, SelfSigned, default_directory
from twisted_signal.service import Listener
from twisted_signal.signals import Reactor
from twisted_signal.text import quoted

if TYPE_CHECKING:
    from twisted_signal.cluster.endpoints import Endpoints


class Options(CommandLine):
    """The command line of `twistd vislam-signal` and `vislam-signal serve`.

    Attributes:
        listeners: where to listen.
        address: the IP address that --host stands for.
        limits: how much one client may take.
        log_level: the least that is logged.
        log_bounds: how much of the log an address may cause.
        duplicate_id: what becomes of a claim to an id that is taken.
        proxies: those that are believed about where a client comes from.
        origins: of the pages that may connect.
        outbox: gathers what is sent and logged in a turn of the reactor.
        key_files: the keys by which tokens are checked, to be read again at will; None: all enter.
        relays: the STUN and TURN servers that clients are told of.
        renewal: keeps the certificate new, where TLS is spoken with one.
        admin: where the admin endpoint is; None: it is switched off.
        workers: how many processes share the work.
        inheritance: what this process has from its parent; None: it is no worker.
        directory: where relative paths begin.
        redis: the way to the Redis of the cluster; None: there is no cluster.
    """

    address: str | None = None
    listeners: list[Listener]
    limits: Limits
    log_level: Levels
    duplicate_id: DuplicateId
    key_files: KeyFiles | None
    renewal: Renewal | None
    proxies: TrustedProxies
    origins: AllowedOrigins
    relays: Relays
    admin: AdminPlace | None
    workers: int
    redis: "Endpoints | None"

    def __init__(
        self, environment: Mapping[str, str] = os.environ, *, is_rehearsal: bool = False
    ) -> None:
        """
        Args:
            environment: its `VISLAM_SIGNAL_…` variables are options too.
            is_rehearsal: nothing is written, neither a certificate nor a log.
        """
        super().__init__(environment)
        self._is_rehearsal = is_rehearsal
        self.inheritance = Inheritance.of(environment)
        self.directory = Path.cwd()
        self.outbox = Outbox()
        self.log_bounds = LogBounds()

    @property
    def verifier(self) -> Verifier | None:
        """Checks tokens, by the key files as last read; None: all enter."""
        return None if self.key_files is None else self.key_files.verifier

    def postOptions(self) -> None:
        """Put together what was given, check and convert it, and begin to log.

        Raises:
            ConfigError: a value is wrong.
            usage.UsageError: the log or the pid file cannot be written.
        """
        super().postOptions()
        if not self._is_rehearsal:
            self._begin_to_log()

    def read(self) -> dict[str, Setting]:
        """See CommandLine. A worker takes what its parent has."""
        return super().read() if self.inheritance is None else dict(self.inheritance.settings)

    def renewed(self, settings: dict[str, Setting]) -> "Options":
        """Return options with other values, checked, with what their files hold now.

        Raises:
            ConfigError: one of them is wrong.
        """
        fresh = Options({})
        fresh.inheritance = self.inheritance
        if settings["host"].value == self["host"]:
            fresh.address = self.address  # a name need not be looked up, which takes its time
        fresh.take(settings)
        return fresh

    def follow(self, fresh: "Options", stuck: Container[str]) -> None:
        """Take over the values of others that hold now.

        Args:
            stuck: the names of those that stay as they were.
        """
        for name, setting in fresh.settings.items():
            if name not in stuck:
                self.settings[name] = setting
                self[name] = setting.value
        self.limits, self.origins, self.proxies = fresh.limits, fresh.origins, fresh.proxies
        self.log_level, self.duplicate_id = fresh.log_level, fresh.duplicate_id

    def effective(self) -> dict[str, Setting]:
        """Return the settings, with those defaults that depend on others."""
        certificate = self["tls-cert"]
        defaults: dict[str, Value] = {
            "host": DEFAULT_HOST,
            "port": str(DEFAULT_PORT) if self.has_plain_port else NO_PORT,
            "tls-port": None if self.renewal is None else str(DEFAULT_TLS_PORT),
            "tls-key": certificate,
            "state-dir": str(self._state_directory()) if self["self-signed"] else None,
        }
        return self.settings | {
            name: Setting(value) for name, value in defaults.items() if self[name] is None
        }

    def convert(self) -> None:
        """See CommandLine."""
        self.limits = Limits(
            **{limit.name: self.number(option_name(limit.name)) for limit in fields(Limits)}
        )
        try:
            self.log_level = read_levels(self["log-level"])
        except UnknownLevel as error:
            raise usage.UsageError(f"--log-level {error}") from None
        if self["log-format"] not in logs.FORMS:
            raise usage.UsageError(
                f"--log-format must be one of {', '.join(logs.FORMS)},"
                f" not {quoted(self['log-format'])}"
            )
        if self["duplicate-id"] not in list(DuplicateId):
            raise usage.UsageError(
                f"--duplicate-id must be one of {', '.join(DuplicateId)},"
                f" not {quoted(self['duplicate-id'])}"
            )
        self.duplicate_id = DuplicateId(self["duplicate-id"])
        self.key_files = self._read_key_files()
        self.proxies = self._find_proxies()
        self.origins = self._find_origins()
        if self["qr"] and self["no-web"]:
            raise usage.UsageError("--qr is for the pages, which --no-web leaves out")
        if self["qr"] and self["log-format"] != "text":
            raise usage.UsageError("--qr prints for people, between the lines of --log-format json")
        if self["advertise"] and find_spec("zeroconf") is None:
            raise usage.UsageError(
                "--advertise needs python-zeroconf: pip install 'vislam-signal[mdns]'"
            )
        self.relays = Relays(
            self["stun-uri"], self["turn-uri"], self["turn-secret-file"], self.number("turn-ttl")
        )
        self.redis = self._find_redis()
        self.workers = self._find_workers()
        self.listeners = self._find_listeners()
        self.admin = self._find_admin()

    def _begin_to_log(self) -> None:
        runner = getattr(self, "parent", None)
        if runner is not None:
            _check_pid_file(runner.get("pidfile"))
        try:
            logs.start(
                runner,
                self.log_level,
                self.outbox,
                bounds=self.log_bounds,
                form=self["log-format"],
                worker=None if self.inheritance is None else self.inheritance.number,
            )
        except logs.FormNotPossible:
            raise usage.UsageError(
                f"--log-format {self['log-format']} is for logs of this server's own, not for"
                " --syslog and --logger of twistd"
            ) from None
        except OSError as error:
            raise usage.UsageError(
                f"cannot write the log to {error.filename}: {error.strerror}"
            ) from None

    def _find_workers(self) -> int:
        workers = self.number("workers", 1)
        if workers > 1 and self["redis-url"] is None:
            raise usage.UsageError(
                "--workers needs --redis-url where there are more than one: they share rooms by"
                " Redis"
            )
        return workers

    def _find_admin(self) -> AdminPlace | None:
        if self.inheritance is not None:  # its parent asks it there, and nobody else
            place = AdminPlace(global_reactor(), self.inheritance.admin_endpoint, None)
            place.listener = place.listener._replace(is_inherited=True)
            return place
        return admin_place(global_reactor(), self["admin-endpoint"], self["admin-token-file"])

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

    @property
    def has_plain_port(self) -> bool:
        """Whether it listens at a port without TLS, besides the endpoints."""
        if self["port"] == NO_PORT:
            return False
        return not self["endpoint"] or (self["host"], self["port"]) != (None, None)

    def _find_listeners(self) -> list[Listener]:
        if self.address is None:
            self.address = ip_address(DEFAULT_HOST if self["host"] is None else self["host"])
        listeners: list[Listener] = []
        if self.has_plain_port:
            port = self._port("port", DEFAULT_PORT)
            listeners.append(tcp_listener(self._reactor_for(0), self.address, port))
        self.renewal = self._find_certificate(self.address)
        if self.renewal is not None:
            port = self._port("tls-port", DEFAULT_TLS_PORT)
            reactor = self._reactor_for(len(listeners))
            listeners.append(tcp_listener(reactor, self.address, port, self.renewal.context))
        for each in self["endpoint"]:
            description = each if self.inheritance is None else adoptable(each)
            reactor = self._reactor_for(len(listeners))
            listeners.append(endpoint_listener(reactor, description))
        if self.inheritance is not None:
            return [each._replace(is_inherited=True) for each in listeners]
        if not listeners:
            raise usage.UsageError(
                "--port none leaves nothing to listen at without --tls-cert, --self-signed or"
                " --endpoint"
            )
        return listeners

    def _reactor_for(self, listener: int) -> Reactor:
        """Return what listens. `listener`: what it is for, by its index in `listeners`."""
        reactor = global_reactor()
        if self.inheritance is None or listener >= len(self.inheritance.sockets):
            return reactor  # the file may name more by now: they need a restart
        return cast("Reactor", self.inheritance.reactor_for(reactor, listener))

    def _find_certificate(self, address: str) -> Renewal | None:
        certificate, is_self_signed = self["tls-cert"], self["self-signed"]
        if certificate is not None and is_self_signed:
            raise usage.UsageError("--tls-cert and --self-signed exclude each other")
        if certificate is None and self["tls-key"] is not None:
            raise usage.UsageError("--tls-key is of no use without --tls-cert")
        option = "--self-signed" if is_self_signed else "--tls-cert"
        try:
            if is_self_signed:
                make = Rehearsed if self._is_rehearsal else SelfSigned
                return Renewal(make(self._state_directory(), address), global_reactor())
            if certificate is not None:
                key = certificate if self["tls-key"] is None else self["tls-key"]
                return Renewal(Files(Path(certificate), Path(key)), global_reactor())
        except CertificateError as error:
            raise usage.UsageError(f"{option}: {error}") from None
        if self["tls-port"] is not None:
            raise usage.UsageError("--tls-port is of no use without --tls-cert or --self-signed")
        return None

    def _find_redis(self) -> "Endpoints | None":
        url, password_file = self["redis-url"], self["redis-password-file"]
        if url is None:
            if password_file is not None:
                raise usage.UsageError("--redis-password-file is of no use without --redis-url")
            return None
        if find_spec("txredisapi") is None or find_spec("hiredis") is None:
            raise usage.UsageError(
                "--redis-url needs txredisapi and hiredis: pip install 'vislam-signal[redis]'"
            )
        # Nothing of it is there for a server by itself.
        from twisted_signal.cluster.address import UnusableUrl, redis_address
        from twisted_signal.cluster.endpoints import Endpoints

        password = None
        if password_file is not None:
            try:
                password = read_secret(Path(password_file), 1, "password").decode()
            except UnicodeDecodeError:
                raise usage.UsageError(
                    f"--redis-password-file {quoted(password_file)} holds no text in UTF-8"
                ) from None
            except UnusableKey as error:
                raise usage.UsageError(f"--redis-password-file {error}") from None
        try:
            return Endpoints(redis_address(url, password))
        except UnusableUrl as error:
            raise usage.UsageError(f"--redis-url {error}") from None

    def _state_directory(self) -> Path:
        directory = self["state-dir"]
        return default_directory() if directory is None else Path(directory)

    def _port(self, option: str, default: int) -> int:
        return default if self[option] is None else self.number(option)

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
