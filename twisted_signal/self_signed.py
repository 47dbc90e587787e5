"""A certificate that this machine signs for itself: phones' browsers want HTTPS for the camera."""

import fcntl
import ipaddress
import os
import re
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from twisted_signal import event_log, events
from twisted_signal.addresses import lan_address
from twisted_signal.certificates import CertificateError, Pair, file_state, read_pair
from twisted_signal.text import quoted

log = event_log.logger(__name__)

VALID = timedelta(days=397)
"""How long it is valid. Browsers took 398 days of any authority (Apple's HT211025), and iOS takes
825 of those that a user trusts (HT210176). Whoever trusts this one is asked again once a year."""

RENEWED_BEFORE = timedelta(days=30)
"""How long before its end another is made."""

MAX_ADDRESSES = 32
"""How many addresses it names at most before those of the past are forgotten."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_FILE = "self-signed.pem"
_LOOPBACK: set[Address] = {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
_HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", re.IGNORECASE)


def default_directory() -> Path:
    """Return where state is kept that nobody chose a place for.

    Raises:
        CertificateError: the user has no home directory.
    """
    from_systemd = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd.exec(5)
    if from_systemd:
        return Path(from_systemd)
    from_user = os.environ.get("XDG_STATE_HOME", "")
    try:
        # The XDG Base Directory Specification has relative paths ignored.
        state = Path(from_user) if from_user.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        raise CertificateError("there is no home directory: name a --state-dir") from None
    return state / "vislam-signal"


class SelfSigned:
    """The certificate in a state directory, made where there is none. Implements `Source`."""

    def __init__(self, directory: Path, address: str | None = None) -> None:
        """
        Args:
            directory: where it is kept; made, for this user alone, where it is not there.
            address: an IP address that it must be for, besides those of this machine.
        """
        self._directory = directory
        self._path = directory / _FILE
        self._address = address

    def state(self) -> object:
        """See `Source`."""
        return file_state(self._path), frozenset(self._needed())

    def read(self, now: datetime) -> Pair:
        """See `Source`. Makes another certificate where the one that is there will not do."""
        kept = self._kept(now)
        if kept is not None:
            return kept
        try:
            with self._locked():
                # Another server may have made it while this one waited.
                return self._kept(now) or self._make(now)
        except OSError as error:
            path = quoted(str(error.filename or self._directory))
            raise CertificateError(f"cannot write {path}: {error.strerror}") from None

    def _needed(self) -> set[Address]:
        """Return the addresses that it must be for.

        An IPv6 address of this machine is none of them: many change daily (RFC 8981), and with each
        certificate everybody is asked anew.
        """
        found = (lan_address(socket.AF_INET), self._address)
        return _LOOPBACK | _addresses(found)

    def _kept(self, now: datetime) -> Pair | None:
        try:
            # A machine without a battery may begin in the past; its clients do not.
            made = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
            pair = read_pair(self._path, self._path, max(now, made))
        except (OSError, CertificateError):
            return None
        is_old = pair.expires - now < RENEWED_BEFORE
        return None if is_old or not self._needed() <= _named(pair.chain[0]) else pair

    def _make(self, now: datetime) -> Pair:
        pair, data = self._made(now)
        self._write(data)
        log.info(events.CERTIFICATE_MADE, self._path)
        return pair

    def _made(self, now: datetime) -> tuple[Pair, bytes]:
        """Return another certificate, and the file for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        addresses = (
            self._needed() | _addresses([lan_address(socket.AF_INET6)]) | self._named_before()
        )
        certificate = _sign(key, _own_names(), sorted(addresses, key=str), now)
        data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Pair((certificate,), key), data + certificate.public_bytes(Encoding.PEM)

    def _named_before(self) -> set[Address]:
        """Return the addresses of the one before.

        So a machine that goes to and fro between two networks needs one certificate for both.
        """
        try:
            (certificate,) = x509.load_pem_x509_certificates(self._path.read_bytes())
            named = _named(certificate)
        except (OSError, ValueError, x509.ExtensionNotFound):
            return set()
        return named if len(named) < MAX_ADDRESSES else set()

    def _write(self, data: bytes) -> None:
        """Put the file in place, whole and for this user alone."""
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        fresh.rename(self._path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


class Rehearsed(SelfSigned):
    """As `SelfSigned`, but nothing is written: what it would make is lost. Implements `Source`."""

    def read(self, now: datetime) -> Pair:
        """See `Source`."""
        kept = self._kept(now)
        if kept is not None:
            return kept
        there = next(place for place in (self._directory, *self._directory.parents) if _is(place))
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            raise CertificateError(f"cannot write {quoted(str(self._directory))}")
        return self._made(now)[0]


def _is(path: Path) -> bool:
    """Whether there is something of that name; not so where nobody may look."""
    try:
        return path.exists()
    except OSError:
        return False


def _addresses(texts: Iterable[str | None]) -> set[Address]:
    """Return what can stand in a certificate: no zone of IPv6's, and not all addresses at once."""
    found = {ipaddress.ip_address(text.partition("%")[0]) for text in texts if text is not None}
    return {address for address in found if not address.is_unspecified}


def _own_names() -> list[str]:
    """Return the names of this machine."""
    name = socket.gethostname().lower()
    if not _HOST_NAME.fullmatch(name) or name == "localhost":
        return ["localhost"]
    return ["localhost", name, *([f"{name}.local"] if "." not in name else [])]


def _named(certificate: x509.Certificate) -> set[Address]:
    """Return the addresses that a certificate is for."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {
        address
        for address in names.get_values_for_type(x509.IPAddress)
        if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    }


def _sign(
    key: ec.EllipticCurvePrivateKey, names: list[str], addresses: list[Address], now: datetime
) -> x509.Certificate:
    """Return a certificate that its own key signs (RFC 5280)."""
    title = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "vislam-signal --self-signed"),
            x509.NameAttribute(NameOID.COMMON_NAME, names[-1][:64]),
        ]
    )
    public = key.public_key()
    begins = now - timedelta(days=1)  # a phone's clock may be behind
    usage = dict.fromkeys(_KEY_USAGES, False) | {"digital_signature": True}
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (
            x509.SubjectAlternativeName(
                [*map(x509.DNSName, names), *map(x509.IPAddress, addresses)]
            ),
            False,
        ),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(**usage), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(title)
        .issuer_name(title)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + VALID)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, hashes.SHA256())
