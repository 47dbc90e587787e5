"""A certificate and its key, read from PEM files (RFC 7468) and checked before they are used."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from twisted_signal.text import quoted

_PRIVATE_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_ENCRYPTED = re.compile(rb"BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED")  # RFC 5958, RFC 1421


class CertificateError(Exception):
    """A certificate cannot be used. Says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key.

    Attributes:
        chain: the server's certificate, and then those that lead to a root.
        key: the private key of the first.
    """

    chain: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes

    @property
    def expires(self) -> datetime:
        """The last moment at which the certificate is valid, in UTC."""
        return self.chain[0].not_valid_after_utc

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint of the certificate, in the form in which browsers show it."""
        return self.chain[0].fingerprint(hashes.SHA256()).hex(":").upper()


class Source(Protocol):
    """Where a certificate comes from."""

    def state(self) -> object:
        """Return something that is different as soon as another certificate may be there."""

    def read(self, now: datetime) -> Pair:
        """Return the certificate that is there now.

        Args:
            now: the time, in UTC, at which it must be valid.

        Raises:
            CertificateError: it cannot be used.
        """


class Files:
    """A certificate in files of the operator's. Implements `Source`."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """See `read_pair`."""
        self._certificate = certificate
        self._key = key

    def state(self) -> object:
        """See `Source`. Symbolic links are followed, as certbot and Kubernetes swap them."""
        return file_state(self._certificate), file_state(self._key)

    def read(self, now: datetime) -> Pair:
        """See `Source`."""
        return read_pair(self._certificate, self._key, now)


def file_state(path: Path) -> object:
    """Return something that is different as soon as a file is another or has changed."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_pair(certificate: Path, key: Path, now: datetime) -> Pair:
    """Return the certificate and the key that two files hold; one file may hold both.

    Args:
        certificate: a PEM file: the server's certificate, then those that lead to a root.
        key: a PEM file with the private key of the first.
        now: the time, in UTC, at which the certificate must be valid.

    Raises:
        CertificateError: they cannot be used, or not yet, or no more.
    """
    chain = _read_chain(certificate)
    private_key = _read_key(key)
    own = chain[0]
    if not _belong_together(own, private_key):
        hint = ""
        if any(_belong_together(other, private_key) for other in chain[1:]):
            hint = ": the server's own certificate must stand first"
        raise CertificateError(
            f"the key in {_name(key)} is not that of the certificate in {_name(certificate)}{hint}"
        )
    begins, ends = own.not_valid_before_utc, own.not_valid_after_utc
    if ends < now:
        raise CertificateError(
            f"the certificate in {_name(certificate)} expired on {ends:%Y-%m-%d %H:%M} UTC"
        )
    if begins > now:
        raise CertificateError(
            f"the certificate in {_name(certificate)} is not valid before"
            f" {begins:%Y-%m-%d %H:%M} UTC"
        )
    return Pair(chain, private_key)


def _read_chain(path: Path) -> tuple[x509.Certificate, ...]:
    data = _read(path)
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise CertificateError(f"{_name(path)} holds no PEM certificate")
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except ValueError:
        raise CertificateError(f"a certificate in {_name(path)} is broken") from None


def _read_key(path: Path) -> PrivateKeyTypes:
    found = _PRIVATE_KEY.search(_read(path))
    if found is None:
        raise CertificateError(f"{_name(path)} holds no PEM private key")
    if _ENCRYPTED.search(found[0]):
        raise CertificateError(
            f"the key in {_name(path)} is encrypted: store it without a passphrase"
        )
    try:
        return load_pem_private_key(found[0], password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CertificateError(f"the key in {_name(path)} is broken, or of no known kind") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"cannot read {_name(path)}: {error.strerror}") from None
    except ValueError:  # a NUL in the name
        raise CertificateError(f"cannot read {_name(path)}: no such name is possible") from None


def _belong_together(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):  # a curve, say, that nobody knows
        return False


def _name(path: Path) -> str:
    return quoted(str(path))
