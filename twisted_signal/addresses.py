"""Network addresses as people read them."""

import socket
from ipaddress import ip_address
from pathlib import Path

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

# Addresses for documentation (RFC 5737, RFC 3849): a datagram socket that is connected to one sends
# nothing, but tells which address of this machine would be used towards other networks.
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def host_port(host: str, port: int) -> str:
    """Return `192.0.2.7:4321` or `[2001:db8::7]:4321` (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def peer_text(address: IAddress) -> str:
    """Return what the log calls a client before it has an id."""
    if isinstance(address, IPv4Address | IPv6Address):
        return host_port(address.host, address.port)
    return "local socket"


def is_local(address: IAddress) -> bool:
    """Tell whether only programs of this machine can connect to an address, so far as it says."""
    if isinstance(address, IPv4Address | IPv6Address):
        return ip_address(address.host).is_loopback
    return isinstance(address, UNIXAddress)


def lan_address(family: socket.AddressFamily) -> str | None:
    """Return this machine's address towards other networks, or None if it has none.

    Args:
        family: `socket.AF_INET` or `socket.AF_INET6`.
    """
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_ELSEWHERE[family], 9))
            host: str = probe.getsockname()[0]
            return host
    except OSError:
        return None


def urls(address: IAddress, secure: bool) -> list[str]:
    """Return the URLs under which clients reach a listening address, the most local one first.

    Args:
        address: where the server listens; for all interfaces at once, several URLs come of it.
        secure: whether TLS is spoken there.
    """
    scheme = "wss" if secure else "ws"
    if isinstance(address, UNIXAddress):
        path = Path((address.name or b"").decode(errors="replace")).absolute()
        return [f"{scheme}+unix://{path}"]
    if not isinstance(address, IPv4Address | IPv6Address):
        return [f"{scheme}: {address}"]
    hosts: list[str | None] = [address.host]
    if address.host == "0.0.0.0":  # noqa: S104 - compared, not bound
        hosts = ["127.0.0.1", lan_address(socket.AF_INET)]
    elif address.host == "::":
        hosts = ["::1", lan_address(socket.AF_INET6), lan_address(socket.AF_INET)]
    found = dict.fromkeys(host for host in hosts if host is not None)
    return [f"{scheme}://{host_port(host, address.port)}" for host in found]
