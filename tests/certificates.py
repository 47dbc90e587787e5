"""Certificates for the tests, as an authority or an operator would make them."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass
class Issued:
    """A certificate, its key, and the certificates above it but for the root."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    above: tuple[x509.Certificate, ...] = ()

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def chain_pem(self) -> bytes:
        return b"".join(one.public_bytes(Encoding.PEM) for one in (self.certificate, *self.above))

    def key_pem(self, passphrase: bytes | None = None, form: str = "PKCS8") -> bytes:
        return self.key.private_bytes(
            Encoding.PEM,
            getattr(PrivateFormat, form),
            BestAvailableEncryption(passphrase) if passphrase else NoEncryption(),
        )

    @property
    def both_pem(self) -> bytes:
        return self.key_pem() + self.chain_pem


def issue(
    name: str = "localhost",
    by: Issued | None = None,
    *,
    key: rsa.RSAPrivateKey | None = None,
    is_authority: bool = False,
    begins: timedelta = -DAY,
    ends: timedelta = 2 * DAY,
) -> Issued:
    """Make a certificate for a name and 127.0.0.1; one that signs itself, if by nobody.

    Args:
        key: a P-256 key is made by default.
        begins: from now, when it begins to be valid.
        ends: from now, when it ends.
    """
    own: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signer = own if by is None else by.key
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by.certificate.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(x509.KeyUsage(**_usage(is_authority=is_authority)), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    above = (
        ()
        if by is None or by.certificate.issuer == by.certificate.subject
        else (by.certificate, *by.above)
    )
    return Issued(certificate, own, above)


def _usage(*, is_authority: bool) -> dict[str, bool]:
    """Return what a key is for, which CPython 3.13 wants of an authority (RFC 5280, 4.2.1.3)."""
    uses = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    wanted = {"key_cert_sign"} if is_authority else {"digital_signature", "key_encipherment"}
    return {use: use in wanted for use in uses}


def make_certificate(directory: Path) -> Path:
    """Make a key and a certificate for localhost, in one file and, beside it, in two."""
    made = issue()
    path = directory / "both.pem"
    path.write_bytes(made.both_pem)
    Path(f"{path}.key").write_bytes(made.key_pem())
    Path(f"{path}.crt").write_bytes(made.chain_pem)
    return path
