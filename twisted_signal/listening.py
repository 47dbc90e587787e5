"""Where the server listens, as the command line names it: from options to endpoints."""

import ipaddress
import socket

from OpenSSL import crypto
from twisted.internet.endpoints import (
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    serverFromString,
)
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.python import usage

from twisted_signal.addresses import host_port
from twisted_signal.service import Listener
from twisted_signal.signals import Reactor
from twisted_signal.text import printable, quoted
from twisted_signal.tls import TlsContext, TlsEndpoint

BACKLOG = 1024
"""Connections that the kernel holds ready: a fleet reconnects at once (Twisted's default is 50)."""


def tcp_listener(
    reactor: Reactor, address: str, port: int, context: TlsContext | None = None
) -> Listener:
    """Return the listener for an IP address and a port; with a context, one that speaks TLS."""
    make = TCP6ServerEndpoint if ":" in address else TCP4ServerEndpoint
    endpoint: IStreamServerEndpoint = make(reactor, port, backlog=BACKLOG, interface=address)
    if context is not None:
        endpoint = TlsEndpoint(endpoint, context, reactor)
    return Listener(host_port(address, port), endpoint, secure=context is not None)


def ip_address(host: str) -> str:
    """Return the IP address that a `--host` stands for: a name, or an address in brackets or not.

    Raises:
        usage.UsageError: it is none of this machine.
    """
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


def endpoint_listener(reactor: Reactor, description: str, option: str = "--endpoint") -> Listener:
    """Return the listener for an `--endpoint`, or for another option of its kind.

    Raises:
        usage.UsageError: Twisted cannot use the description.
    """
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
    except Exception as error:  # each endpoint's parser has errors of its own
        raise usage.UsageError(f"{option} {quoted(description)}: {_complaint(error)}") from None
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
