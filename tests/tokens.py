"""Keys for the tests, and tokens made with them: as PyJWT makes them, or byte by byte."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from twisted_signal.keys import PrivateKey, PublicKey

NOW = 1_800_000_000
SECRET = b"0123456789abcdef" * 4
CLAIMS = {"exp": NOW + 60, "room": "lab1"}

MAKERS: dict[str, Callable[[], PrivateKey]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@cache
def _made(algorithm: str, name: str) -> PrivateKey:
    return MAKERS[algorithm]()


def private_key(algorithm: str, name: str = "") -> PrivateKey:
    """Return a key for an algorithm; the same one for the same name."""
    return _made(algorithm, name)


def public_key(algorithm: str, name: str = "") -> PublicKey:
    return private_key(algorithm, name).public_key()


def public_pem(key: Any) -> bytes:
    data: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return data


def private_pem(key: Any) -> bytes:
    data: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return data


def certificate_pem(algorithm: str, name: str = "", *, expired: bool = False) -> bytes:
    key = private_key(algorithm, name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    begin = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin.replace(year=2001 if expired else 2100))
    )
    made = builder.sign(key, None if algorithm == "EdDSA" else SHA256())
    return made.public_bytes(Encoding.PEM)


def jwk(algorithm: str, name: str = "", **members: Any) -> dict[str, Any]:
    made = jwt.get_algorithm_by_name(algorithm).to_jwk(public_key(algorithm, name), as_dict=True)
    return {key: value for key, value in made.items() if key != "key_ops"} | members


def write_jwks(path: Path, *keys: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"keys": keys}))
    return path


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: str | bytes, claims: str | bytes, sign: Callable[[bytes], bytes]) -> str:
    """Return a token with a header and claims as they stand, whatever they are."""
    parts = [part.encode() if isinstance(part, str) else part for part in (header, claims)]
    start = ".".join(base64url(part) for part in parts)
    return f"{start}.{base64url(sign(start.encode()))}"


def hs256(secret: bytes = SECRET) -> Callable[[bytes], bytes]:
    return lambda message: hmac.digest(secret, message, hashlib.sha256)


def by_secret(claims: str | bytes | dict[str, Any], header: str | bytes = '{"alg":"HS256"}') -> str:
    """Return a token with a right signature by `SECRET`, whatever it says."""
    text = json.dumps(claims) if isinstance(claims, dict) else claims
    return signed(header, text, hs256())


def by_key(
    algorithm: str,
    claims: dict[str, Any] = CLAIMS,
    headers: dict[str, Any] | None = None,
    name: str = "",
) -> str:
    """Return a token as an issuer makes it."""
    return jwt.encode(claims, private_key(algorithm, name), algorithm, headers)
