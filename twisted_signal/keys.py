"""Files of keys that sign and check tokens: a secret, PEM (RFC 7468), or a JWK set (RFC 7517).

PyJWT computes and checks the signatures. What a file holds decides the algorithm of its keys; the
token has no say in it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from twisted_signal import event_log, events
from twisted_signal.auth import Key, Verifier
from twisted_signal.files import UnreadableFile, read_small_file
from twisted_signal.text import printable, quoted

log = event_log.logger(__name__)

SECRET_LENGTHS = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Least bytes of a secret for each algorithm: those of its hash (RFC 7518, section 3.2)."""
RSA_BITS = 2048
"""Least bits of an RSA key (RFC 7518, section 3.3)."""
MOST_KEYS = 16
"""Most public keys together: a token without `kid` is tried with every one of its algorithm."""
_FILE_LENGTH = 2**20

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


class UnusableKey(ValueError):
    """A file of keys cannot be used. `str(error)` is the line for the operator, naming the file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{quoted(str(path))} {reason}")


class KeyFiles:
    """The files by which tokens are checked.

    Attributes:
        verifier: checks tokens with the keys as last read.
    """

    def __init__(self, secret: str | None = None, public: Sequence[str] = ()) -> None:
        """
        Args:
            secret: the path of a file with a secret; None: there is none.
            public: paths of files with public keys.

        Raises:
            UnusableKey: a file cannot be used.
        """
        # Absolute, as twistd may change the directory before they are read again.
        self._secret = None if secret is None else Path(secret).absolute()
        self._public = [Path(path).absolute() for path in public]
        self.verifier = Verifier(self._read())

    def take(self, other: "KeyFiles") -> None:
        """Take the files of another, and the keys that it has read, from now on."""
        self._secret, self._public = other._secret, other._public  # noqa: SLF001 - its own kind
        # Not the other's verifier: those who are connected have this one.
        self.verifier.take(other.verifier)

    def reload(self) -> None:
        """Read the files again; the verifier has their keys from then on.

        Raises:
            UnusableKey: a file cannot be used. The verifier keeps the keys that it had.
        """
        self.verifier.replace(self._read())

    def renew(self) -> None:
        """As `reload`, and the log tells what came of it."""
        try:
            self.reload()
        except UnusableKey as error:
            log.warning(events.KEYS_UNUSABLE, error)
        else:
            log.info(events.KEYS_READ)

    def _read(self) -> list[Key]:
        keys = [] if self._secret is None else secret_keys(self._secret)
        for path in self._public:
            keys += public_keys(path)
            if len(keys) > MOST_KEYS:
                raise UnusableKey(path, f"is one too many: all together may hold {MOST_KEYS} keys")
        return keys


class Signer(NamedTuple):
    """What signs tokens. `key_id`: the `kid` by which a server finds the public key."""

    key: PrivateKey | bytes
    algorithm: str
    key_id: str | None

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a token."""
        headers = None if self.key_id is None else {"kid": self.key_id}
        return jwt.encode(claims, self.key, self.algorithm, headers)


def secret_keys(path: Path) -> list[Key]:
    """Return the keys that the secret in a file is good for.

    Raises:
        UnusableKey: it is good for none.
    """
    secret = _secret(path)
    return [
        _key(algorithm, secret, frozenset())
        for algorithm, length in SECRET_LENGTHS.items()
        if len(secret) >= length
    ]


def secret_signer(path: Path) -> Signer:
    """Return what signs with the secret in a file, by HS256.

    Raises:
        UnusableKey: the secret is too short, or none.
    """
    return Signer(_secret(path), "HS256", None)


def private_signer(path: Path, key_id: str | None) -> Signer:
    """Return what signs with the private key in a PEM file.

    Args:
        path: the file.
        key_id: the `kid`; None: the key's thumbprint, by which every server knows it.

    Raises:
        UnusableKey: there is no private key that can be used.
    """
    data = read_key_file(path)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise UnusableKey(path, "is protected by a passphrase; store the key without it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKey(path, "holds no private key in PEM") from None
    if not isinstance(key, PrivateKey):
        raise UnusableKey(path, _WRONG_KIND)
    public = key.public_key()
    return Signer(key, _algorithm(path, public), key_id or thumbprint(public))


def public_keys(path: Path) -> list[Key]:
    """Return the public keys in a file: PEM keys, PEM certificates, or a JWK set.

    A token names a key in PEM by the file's name without its ending, a key in a JWK set by its
    `kid`, and both by their thumbprint. Whether a certificate has expired does not count.

    Raises:
        UnusableKey: it holds no such keys, or what else must not be there.
    """
    data = read_key_file(path)
    if data.lstrip().startswith(b"{"):
        return list(_jwk_keys(path, data))
    blocks = [(found[1], found[0]) for found in _PEM.finditer(data)]
    labels = [label for label, _ in blocks]
    if any(label.endswith(b"PRIVATE KEY") for label in labels):
        raise UnusableKey(path, _PRIVATE)
    if labels.count(b"CERTIFICATE") > 1:
        # The others of a chain are authorities, which sign no tokens.
        raise UnusableKey(path, "holds several certificates; leave in the one whose key signs")
    if not blocks:
        raise UnusableKey(path, "holds no public key or certificate in PEM, and no JWK set")
    return [_public_key(path, _pem_key(path, label, block), path.stem) for label, block in blocks]


def thumbprint(key: PublicKey) -> str:
    """Return the thumbprint of a key (RFC 7638; RFC 8037, appendix A.3), by SHA-256."""
    # Not PyJWT's to_jwk: it leaves out leading zeros of a coordinate, in some of its versions.
    members: dict[str, str]
    match key:
        case RSAPublicKey():
            numbers = key.public_numbers()
            members = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
        case EllipticCurvePublicKey():
            point = key.public_numbers()
            x, y = _number(point.x, 32), _number(point.y, 32)
            members = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
        case Ed25519PublicKey():
            x = _base64url(key.public_bytes_raw())
            members = {"crv": "Ed25519", "kty": "OKP", "x": x}
    text = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return _base64url(hashlib.sha256(text.encode("ascii")).digest())


def _number(number: int, length: int = 0) -> str:
    return _base64url(number.to_bytes(length or (number.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def read_key_file(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        UnusableKey: it cannot be read, or is far too long.
    """
    try:
        return read_small_file(path, _FILE_LENGTH, "file of keys")
    except UnreadableFile as error:
        raise UnusableKey(path, error.reason) from None


def read_secret(path: Path, least: int, kind: str = "secret", advice: str = "") -> bytes:
    """Return the secret that a file holds, without the end of line that an editor puts behind it.

    Args:
        path: the file.
        least: bytes that it must have.
        kind: what it is called.
        advice: more of what is said of one that is too short.

    Raises:
        UnusableKey: it is too short, or cannot be read.
    """
    secret = _without_newline(read_key_file(path))
    if len(secret) < least:
        raise UnusableKey(
            path,
            f"holds a {kind} of {len(secret)} bytes, and {least} are the least;"
            f" openssl rand -hex 32 makes one{advice}",
        )
    return secret


def _without_newline(data: bytes) -> bytes:
    return data.removesuffix(b"\n").removesuffix(b"\r") if data.endswith(b"\n") else data


def _secret(path: Path) -> bytes:
    secret = read_secret(path, min(SECRET_LENGTHS.values()))
    try:
        prepared: bytes = jwt.get_algorithm_by_name("HS256").prepare_key(secret)
    except jwt.InvalidKeyError:
        # Everybody may know a public key, and sign with it if it were taken for a secret.
        raise UnusableKey(path, "holds a key of another kind, no secret") from None
    return prepared


def _key(algorithm: str, key: PublicKey | bytes, ids: frozenset[str]) -> Key:
    verify = jwt.get_algorithm_by_name(algorithm).verify
    return Key(algorithm, ids, lambda signed, signature: verify(signed, key, signature))


_WRONG_KIND = "holds a key that is neither RSA, nor EC on P-256, nor Ed25519"
_PRIVATE = "holds a private key; the server needs the public one only, and should not have more"


def _algorithm(path: Path, key: object) -> str:
    """Return the one algorithm that a public key is used with."""
    match key:
        case RSAPublicKey():
            if key.key_size < RSA_BITS:
                raise UnusableKey(
                    path, f"holds an RSA key of {key.key_size} bits; {RSA_BITS} are the least"
                )
            return "RS256"
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return "ES256"
        case Ed25519PublicKey():
            return "EdDSA"
    raise UnusableKey(path, _WRONG_KIND)


def _public_key(path: Path, key: Any, key_id: str | None) -> Key:
    algorithm = _algorithm(path, key)
    ids = {thumbprint(key)} if key_id is None else {thumbprint(key), key_id}
    return _key(algorithm, key, frozenset(ids))


def _pem_key(path: Path, label: bytes, block: bytes) -> object:
    try:
        if label == b"CERTIFICATE":
            return x509.load_pem_x509_certificate(block).public_key()
        return load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm):
        name = printable(label.decode("ascii"))
        raise UnusableKey(path, f"holds {name} that cannot be used") from None


class _Jwk(msgspec.Struct):
    """A JWK (RFC 7517, section 4; RFC 7518, section 6; RFC 8037, section 2)."""

    kty: str
    crv: str | None = None
    use: str = "sig"
    key_ops: list[str] | None = None
    alg: str | None = None
    kid: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None
    d: str | None = None
    k: str | None = None


class _JwkSet(msgspec.Struct):
    keys: list[_Jwk]


_JWK_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}


def _jwk_keys(path: Path, data: bytes) -> Iterator[Key]:
    try:
        jwks = msgspec.json.decode(data, type=_JwkSet).keys
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnusableKey(path, f"holds no JWK set: {printable(str(error))}") from None
    found = False
    for jwk in jwks:
        if jwk.d is not None or jwk.k is not None:
            raise UnusableKey(path, _PRIVATE)
        algorithm = _JWK_ALGORITHMS.get((jwk.kty, jwk.crv))
        if algorithm is None or not _is_for(jwk, algorithm):
            continue  # a set has keys for other purposes as well (RFC 7517, section 5)
        found = True
        members = {name: value for name, value in msgspec.structs.asdict(jwk).items() if value}
        try:
            key = jwt.get_algorithm_by_name(algorithm).from_jwk(members)
        except (jwt.PyJWTError, ValueError, UnsupportedAlgorithm):
            raise UnusableKey(path, f"holds a JWK for {algorithm} that cannot be used") from None
        yield _public_key(path, key, jwk.kid)
    if not found:
        raise UnusableKey(path, f"holds no JWK for {' or '.join(_JWK_ALGORITHMS.values())}")


def _is_for(jwk: _Jwk, algorithm: str) -> bool:
    """Tell whether a JWK is meant for checking signatures by an algorithm."""
    return (
        jwk.use == "sig"
        and jwk.alg in (None, algorithm)
        and (jwk.key_ops is None or "verify" in jwk.key_ops)
    )
