"""What a client trusts, where the server's certificate is signed by itself.

`vislam-signal serve --self-signed` makes such a certificate, and tells its fingerprint when it
starts.
"""

import hashlib
import ssl
from urllib.parse import urlsplit

TIMEOUT = 5.0
"""Seconds for the server to show its certificate."""


def pinned(url: str, fingerprint: str) -> ssl.SSLContext:
    """Return a context that trusts the server's certificate of now, and no other.

    It asks the server for it, and so blocks: on asyncio, call it by `asyncio.to_thread`.

    Args:
        url: the server, such as `wss://192.0.2.7:8766`.
        fingerprint: SHA-256 of the certificate in hexadecimal, with colons or without.

    Raises:
        ConnectionError: the certificate has another fingerprint.
        OSError: the server cannot be reached, or speaks no TLS.
    """
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 443)
    pem = ssl.get_server_certificate(address, timeout=TIMEOUT)
    found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    if found != fingerprint.replace(":", "").strip().lower():
        raise ConnectionError(
            f"The certificate of {url} has the fingerprint {_with_colons(found)}, not {fingerprint}"
        )
    context = ssl.create_default_context(cadata=pem)
    context.check_hostname = False  # it is this certificate, whatever names it has
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # and whoever signed it
    return context


def unchecked() -> ssl.SSLContext:
    """Return a context that trusts anybody: whoever is on the way may read and change it all."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _with_colons(digest: str) -> str:
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2)).upper()
