"""Ways to Redis: TCP, TLS or a local socket, and by Sentinels to whichever Redis is the master."""

import ipaddress
from pathlib import Path
from typing import Any

import OpenSSL.crypto
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import (
    Certificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)

from twisted_signal.cluster.address import Address, Place, UnusableUrl
from twisted_signal.files import UnreadableFile, read_small_file
from twisted_signal.text import quoted

CONNECT_TIMEOUT = 2.0
"""Seconds to find a name's address, and to connect."""
LARGEST_CA_FILE = 2**20

_END = b"-----END CERTIFICATE-----"


class Endpoints:
    """Makes endpoints for connections to the servers of an address.

    Attributes:
        address: whose.
    """

    def __init__(self, address: Address) -> None:
        """
        Raises:
            UnusableUrl: the file of its CA cannot be used.
        """
        self.address = address
        self._trust = None if address.ca_file is None else _trust_root(address.ca_file)

    def endpoint(self, place: Place, reactor: Any) -> IStreamClientEndpoint:
        """Return the endpoint for a server. `reactor`: connects."""
        host, port = place
        if not port:
            return UNIXClientEndpoint(reactor, host, timeout=CONNECT_TIMEOUT)
        endpoint: IStreamClientEndpoint = _tcp(host)(reactor, host, port, timeout=CONNECT_TIMEOUT)
        if not self.address.is_secure:
            return endpoint
        trust = platformTrust() if self._trust is None else self._trust
        return wrapClientTLS(optionsForClientTLS(host, trust), endpoint)


def _tcp(host: str) -> Any:
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return HostnameEndpoint
    return TCP4ClientEndpoint if version == 4 else TCP6ClientEndpoint


def _trust_root(ca_file: str) -> Any:
    try:
        data = read_small_file(Path(ca_file), LARGEST_CA_FILE, "file of certificates")
        blocks = [block + _END for block in data.split(_END)[:-1]]
        certificates = [Certificate.loadPEM(block) for block in blocks]
    except UnreadableFile as error:
        raise UnusableUrl(f"names a ca-file that cannot be used: {error}") from None
    except OpenSSL.crypto.Error:
        certificates = []
    if not certificates:
        raise UnusableUrl(f"names a ca-file without a certificate: {quoted(ca_file)}")
    return trustRootFromCertificates(certificates)
