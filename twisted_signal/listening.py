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
from twisted_signal.service import Listener, Reactor
from twisted_signal.text import printable, quoted

BACKLOG = 1024
"""Connections that the kernel holds ready: a fleet reconnects at once (Twisted's default is 50)."""


def tcp_listener(reactor: Reactor, host: str, port: int) -> Listener:
    """Return the listener for `--host` and `--port`.

    Raises:
        usage.UsageError: the host is none of this machine.
    """
    address = _ip_address(host)
    make = TCP6ServerEndpoint if ":" in address else TCP4ServerEndpoint
    endpoint = make(reactor, port, backlog=BACKLOG, interface=address)
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


def endpoint_listener(reactor: Reactor, description: str) -> Listener:
    """Return the listener for an `--endpoint`.

    Raises:
        usage.UsageError: Twisted cannot use the description.
    """
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, description)
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
