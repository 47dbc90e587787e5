"""Where a client behind proxies really comes from. No I/O.

A proxy says whom it speaks for in `X-Forwarded-For` or `Forwarded` (RFC 7239), after what it was
told itself. Only what a trusted proxy wrote is believed: from the last entry back to the first that
no trusted one wrote. What stands before that anybody may have made up.
"""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

LOCAL = "unix"
"""The word for local sockets among the networks."""

Address = IPv4Address | IPv6Address

_IPV4 = re.compile(r"([\d.]+)(?::\d{1,5})?", re.ASCII)
_IPV6 = re.compile(r"\[([\da-fA-F:.]+)\](?::\d{1,5})?|([\da-fA-F:.]+)")

# RFC 7239, section 4. What stands between quotes may have a comma or a semicolon in it.
_WORD = r"[!#$%&'*+.^_`|~\w-]++"
_PAIR = rf'({_WORD})=(?:({_WORD})|"((?:[^"\\\x00-\x1f\x7f]|\\[\t -~])*)")'
_PAIRS = re.compile(rf"[ \t]*+(?:{_PAIR})?+[ \t]*+([;,]|$)", re.ASCII)
_MAX_PAIRS = 256
"""More than that are no header of a proxy's."""
_NO_NODES = [""]
"""A header that is worth nothing."""
_ESCAPE = re.compile(r"\\(.)")


class TrustedProxies:
    """The proxies that are believed."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """
        Args:
            networks: each an address, a network such as `10.0.0.0/8`, or `unix`.

        Raises:
            ValueError: one of them is none of that.
        """
        words = list(networks)
        self._trusts_local = LOCAL in words
        self._networks = [network(word) for word in words if word != LOCAL]

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self._trusts_local or bool(self._networks)

    def trusts(self, host: str | None) -> bool:
        """Tell whether the other end of a connection is a trusted proxy.

        Args:
            host: its IP address; None for a local socket.
        """
        if host is None:
            return self._trusts_local
        if not self._networks:
            return False
        address = _address(host.partition("%")[0])
        return address is not None and self._includes(address)

    def client(self, host: str | None, request: bytes) -> str | None:
        """Return the client's address: the farthest that is proven.

        Where both headers are there, and do not say the same, one of them is not the proxy's but
        passed through, and it cannot be told which: then neither is believed.

        Args:
            host: whom the connection comes from; None for a local socket.
            request: the opening handshake as it came, to the empty line.
        """
        if not self.trusts(host):
            return host
        headers = _values(request)
        found = {
            self._walk(host, nodes(", ".join(headers[name])))
            for name, nodes in _HEADERS.items()
            if headers[name]
        }
        return found.pop() if len(found) == 1 else host

    def _walk(self, host: str | None, nodes: list[str]) -> str | None:
        for node in reversed(nodes):
            address = _node(node)
            if address is None:
                break
            host = str(address)
            if not self._includes(address):
                break
        return host

    def _includes(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def network(word: str) -> IPv4Network | IPv6Network:
    """Return a network, or one address as a network.

    Raises:
        ValueError: it is none, or an address in it with more bits than the network has.
    """
    return ip_network(word)


def forwarded_for(value: str) -> list[str]:
    """Return the nodes of an X-Forwarded-For header, as they are written."""
    return [entry.strip(" \t") for entry in value.split(",")]


def forwarded(value: str) -> list[str]:
    """Return the nodes of a Forwarded header (RFC 7239); one that is empty where none is named.

    One mistake makes all of it worth nothing: where an entry ends is not certain any more.
    """
    nodes: list[str] = []
    pairs: dict[str, str] = {}
    place = 0
    for _ in range(_MAX_PAIRS):
        pair = _PAIRS.match(value, place)
        if pair is None:
            break
        name, token, quoted, end = pair.groups()
        if name is not None:
            name = name.lower()
            if name in pairs:
                break
            pairs[name] = token or _ESCAPE.sub(r"\1", quoted or "")
        if end != ";" and pairs:  # an empty entry is none (RFC 9110, section 5.6.1)
            nodes.append(pairs.get("for", ""))
            pairs = {}
        if not end:
            return nodes
        place = pair.end()
    return _NO_NODES


_HEADERS = {b"x-forwarded-for": forwarded_for, b"forwarded": forwarded}


def _values(request: bytes) -> dict[bytes, list[str]]:
    """Return the values of both headers, line by line, exactly as a proxy must have sent them.

    Whatever else could be taken for a line, such as one that ends in another character, or a name
    with a space after it, is none: a proxy may have passed it through from the client.
    """
    values: dict[bytes, list[str]] = {name: [] for name in _HEADERS}
    for line in request.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if colon and name in values:
            values[name].append(value.strip(b" \t").decode("latin-1"))
    return values


def _node(text: str) -> Address | None:
    """Return the address of a node (RFC 7239, section 6), whose port is left out.

    `unknown`, and names that begin with `_`, are no addresses. An IPv6 address may come without
    brackets, as it does in X-Forwarded-For.
    """
    found = _IPV4.fullmatch(text) or _IPV6.fullmatch(text)
    return None if found is None else _address(found[found.lastindex or 0])


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
