"""The options of the server: their names, kinds, defaults and meanings, in one table.

An option that is added here is on the command line at once. What its value must be is checked in
`options`.
"""

from dataclasses import fields
from enum import Enum
from typing import NamedTuple

from twisted_signal.limits import LARGE, Limits
from twisted_signal.log_levels import LEVELS
from twisted_signal.registry import DuplicateId

DEFAULT_HOST = "0.0.0.0"  # noqa: S104 - a phone must reach the server, that is what it is for
DEFAULT_PORT = 8765
DEFAULT_TLS_PORT = 8766
DEFAULT_ADMIN_ENDPOINT = "tcp:8767:interface=127.0.0.1"
TURN_TTL = 3600
MOST_WORKERS = 256
NO_PORT = "none"


class Kind(Enum):
    """What an option takes; the value says it in words."""

    TEXT = "a string"
    NUMBER = "an integer"
    PORT = f'an integer or "{NO_PORT}"'
    FLAG = "true or false"


class Option(NamedTuple):
    """One option.

    Attributes:
        name: as on the command line, without the dashes before it.
        meaning: a sentence for `--help`.
        kind: what it takes.
        default: what holds where it is not given, as it would be typed; None: nothing.
        default_meaning: the default in words, for `--help`; None: as `default`.
        short: its letter; None: it has none.
        is_repeatable: it may be given several times. The value is a list then.
        is_path: it names a file or a directory.
        largest: most that a number may be.
        is_live: a change of it in the file is taken while the server runs.
    """

    name: str
    meaning: str
    kind: Kind = Kind.TEXT
    default: str | None = None
    default_meaning: str | None = None
    short: str | None = None
    is_repeatable: bool = False
    is_path: bool = False
    largest: int = LARGE
    is_live: bool = False


def option_name(name: str) -> str:
    """Return the name of the option for a name in Python, such as that of a limit."""
    return name.replace("_", "-")


OPTIONS = (
    Option(
        "config",
        "TOML file with options, each by its name here, such as max-clients = 100.",
        is_path=True,
    ),
    Option(
        "host",
        "Address to listen at, IPv4 or IPv6.",
        default_meaning=DEFAULT_HOST,
    ),
    Option(
        "port",
        "Port to listen at; 0: a free one; none.",
        Kind.PORT,
        default_meaning=str(DEFAULT_PORT),
        short="p",
        largest=65535,
    ),
    Option(
        "endpoint",
        "Listen at a Twisted endpoint, such as tcp6:8765; repeatable, with --port or instead.",
        is_repeatable=True,
    ),
    Option(
        "tls-cert",
        "PEM file with a certificate and its chain: speak TLS too.",
        is_path=True,
        is_live=True,
    ),
    Option(
        "tls-key",
        "PEM file with its key.",
        default_meaning="the file of --tls-cert",
        is_path=True,
        is_live=True,
    ),
    Option(
        "tls-port",
        "Port for TLS; 0: a free one.",
        Kind.NUMBER,
        default_meaning=str(DEFAULT_TLS_PORT),
        largest=65535,
    ),
    Option(
        "self-signed",
        "Speak TLS too, with a certificate that is made here, once.",
        Kind.FLAG,
        is_live=True,
    ),
    Option(
        "state-dir",
        "Directory for what must outlive the server.",
        default_meaning="the user's",
        is_path=True,
        is_live=True,
    ),
    Option(
        "auth-secret-file",
        "Let in only who shows a token (JWT) made with the secret in this file.",
        is_repeatable=True,  # so that a second one is told of, not taken instead of the first
        is_path=True,
        is_live=True,
    ),
    Option(
        "auth-public-key-file",
        "Let in only who shows a token made with the private key of one in here; repeatable.",
        is_repeatable=True,
        is_path=True,
        is_live=True,
    ),
    Option(
        "trust-proxy",
        "Believe X-Forwarded-For and Forwarded from this network, such as 10.0.0.0/8, or from"
        " local sockets: unix. Repeatable.",
        is_repeatable=True,
        is_live=True,
    ),
    Option(
        "allowed-origin",
        "Let only pages from this origin connect, such as https://app.example.com, besides"
        " programs that are no browser; *. may stand before the host, null is for files."
        " Repeatable.",
        is_repeatable=True,
        is_live=True,
    ),
    Option(
        "stun-uri",
        "Tell clients of this STUN server, such as stun:stun.example.com:3478; repeatable.",
        is_repeatable=True,
        is_live=True,
    ),
    Option(
        "turn-uri",
        "Tell clients of this TURN server, such as turn:turn.example.com:3478?transport=udp;"
        " repeatable.",
        is_repeatable=True,
        is_live=True,
    ),
    Option(
        "turn-secret-file",
        "Secret that is shared with the TURN servers.",
        is_path=True,
        is_live=True,
    ),
    Option(
        "turn-ttl",
        "Seconds for which credentials for TURN are good.",
        Kind.NUMBER,
        default=str(TURN_TTL),
        is_live=True,
    ),
    Option(
        "workers",
        "Processes that share the work, and the ports; more than one need --redis-url.",
        Kind.NUMBER,
        default="1",
        largest=MOST_WORKERS,
    ),
    Option("no-web", "Serve no pages, WebSockets only.", Kind.FLAG),
    Option(
        "demo",
        "Switch on --qr, and --self-signed where there is no --tls-cert: vislam-signal demo.",
        Kind.FLAG,
    ),
    Option("advertise", "Announce the server in the local network (mDNS).", Kind.FLAG),
    Option("qr", "Print where the pages are, and a QR code for the phone.", Kind.FLAG),
    Option(
        "admin-endpoint",
        "Where the operator's page and API are: a Twisted endpoint, or none.",
        default_meaning=DEFAULT_ADMIN_ENDPOINT,
    ),
    Option(
        "admin-token-file",
        "Let only who shows the token in this file ask there; a must beyond this machine.",
        is_path=True,
    ),
    Option(
        "redis-url",
        "Be one of several servers that behave as one, by the Redis at this URL, such as"
        " redis://host:6379/0.",
    ),
    Option(
        "redis-password-file",
        "Password for it, in place of one in the URL.",
        is_path=True,
    ),
    Option(
        "log-level",
        f"Least level to log: {', '.join(LEVELS)}; also of single modules: INFO,websocket=DEBUG.",
        default="INFO",
        is_live=True,
    ),
    Option(
        "log-format",
        "Form of the log: text, or json, an object a line.",
        default="text",
    ),
    Option(
        "duplicate-id",
        f"What becomes of a claim to an id that is taken: {', '.join(DuplicateId)}.",
        default=DuplicateId.PROBE.value,
        is_live=True,
    ),
    *(
        Option(
            option_name(limit.name),
            limit.metadata["meaning"],
            Kind.NUMBER,
            default=str(limit.default),
            largest=limit.metadata["largest"],
            is_live=True,
        )
        for limit in fields(Limits)
    ),
)

BY_NAME = {option.name: option for option in OPTIONS}
