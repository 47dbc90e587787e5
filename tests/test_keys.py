"""Files of keys, as operators and identity providers write them."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)
from tokens import (
    CLAIMS,
    MAKERS,
    NOW,
    SECRET,
    base64url,
    by_key,
    by_secret,
    certificate_pem,
    hs256,
    jwk,
    private_key,
    private_pem,
    public_key,
    public_pem,
    signed,
    write_jwks,
)

from twisted_signal import keys
from twisted_signal.errors import Unauthorized
from twisted_signal.keys import (
    KeyFiles,
    UnusableKey,
    private_signer,
    public_keys,
    secret_keys,
    secret_signer,
    thumbprint,
)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def reason(path: Path, data: bytes | None = None) -> str:
    """Return the line by which a file of public keys is refused."""
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UnusableKey) as caught:
        public_keys(path)
    line = str(caught.value)
    assert line.isprintable()
    assert str(path) in line
    return line


# Secrets


@pytest.mark.parametrize(
    ("data", "secret"),
    [
        (SECRET, SECRET),
        (SECRET + b"\n", SECRET),
        (SECRET + b"\r\n", SECRET),
        (SECRET + b"\n\n", SECRET + b"\n"),
        (SECRET + b" ", SECRET + b" "),
        (SECRET + b"\r", SECRET + b"\r"),
        (b"\xff\x00" * 20, b"\xff\x00" * 20),
    ],
)
def test_one_newline_at_the_end_is_not_of_the_secret(
    tmp_path: Path, data: bytes, secret: bytes
) -> None:
    verifier = KeyFiles(str(written(tmp_path / "secret", data))).verifier

    assert verifier.verify(signed('{"alg":"HS256"}', json.dumps(CLAIMS), hs256(secret)), NOW)


@pytest.mark.parametrize("data", [b"", b"\n", b"x" * 31, b"x" * 31 + b"\n"])
def test_a_short_secret_is_refused_and_how_to_make_one_is_told(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path / "secret", data)

    for load in (secret_keys, secret_signer):
        with pytest.raises(UnusableKey, match=r"32 are the least; openssl rand -hex 32"):
            load(path)


@pytest.mark.parametrize(
    ("length", "algorithms"),
    [
        (32, ["HS256"]),
        (47, ["HS256"]),
        (48, ["HS256", "HS384"]),
        (64, ["HS256", "HS384", "HS512"]),
    ],
)
def test_a_secret_is_for_the_hashes_that_are_no_longer_than_it(
    tmp_path: Path, length: int, algorithms: list[str]
) -> None:
    found = secret_keys(written(tmp_path / "secret", b"x" * length))

    assert [key.algorithm for key in found] == algorithms


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_public_key_is_no_secret(tmp_path: Path, algorithm: str) -> None:
    for data in (public_pem(public_key(algorithm)), private_pem(private_key(algorithm))):
        with pytest.raises(UnusableKey, match="holds a key of another kind, no secret"):
            secret_keys(written(tmp_path / "secret", data))


def test_who_signs_by_the_secret_signs_for_who_has_it(tmp_path: Path) -> None:
    path = written(tmp_path / "secret", SECRET)

    token = secret_signer(path).sign(CLAIMS)

    assert KeyFiles(str(path)).verifier.verify(token, NOW).rooms == ("lab1",)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


# Public keys


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_public_key_may_stand_in_any_form(tmp_path: Path, algorithm: str) -> None:
    forms = [
        written(tmp_path / "key.pem", public_pem(public_key(algorithm))),
        written(tmp_path / "crlf.pem", public_pem(public_key(algorithm)).replace(b"\n", b"\r\n")),
        written(tmp_path / "certificate.pem", certificate_pem(algorithm)),
        written(tmp_path / "expired.pem", certificate_pem(algorithm, expired=True)),
        written(tmp_path / "said.pem", b"Bag Attributes\n" + certificate_pem(algorithm)),
        write_jwks(tmp_path / "jwks.json", jwk(algorithm)),
        write_jwks(tmp_path / "spaces.json", jwk(algorithm, use="sig", key_ops=["verify"])),
    ]
    forms[-1].write_bytes(b"\n  " + forms[-1].read_bytes())

    for path in forms:
        (key,) = public_keys(path)
        assert key.algorithm == algorithm
        assert KeyFiles(None, [str(path)]).verifier.verify(by_key(algorithm), NOW), path


def test_an_rsa_key_may_stand_in_its_own_form(tmp_path: Path) -> None:
    key: Any = public_key("RS256")
    data = key.public_bytes(Encoding.PEM, PublicFormat.PKCS1)

    assert public_keys(written(tmp_path / "key.pem", data))[0].algorithm == "RS256"


def test_a_key_in_pem_is_known_by_its_files_name_and_its_thumbprint(tmp_path: Path) -> None:
    path = written(
        tmp_path / "2025-10.pem", public_pem(public_key("ES256")) + certificate_pem("EdDSA")
    )

    ids = [key.ids for key in public_keys(path)]

    assert ids == [
        {"2025-10", thumbprint(public_key("ES256"))},
        {"2025-10", thumbprint(public_key("EdDSA"))},
    ]


def test_a_key_of_a_set_is_known_by_its_kid_and_its_thumbprint(tmp_path: Path) -> None:
    path = write_jwks(tmp_path / "jwks.json", jwk("ES256", kid="a"), jwk("RS256"))

    assert [key.ids for key in public_keys(path)] == [
        {"a", thumbprint(public_key("ES256"))},
        {thumbprint(public_key("RS256"))},
    ]


def test_the_key_that_a_token_names_is_the_only_one_tried(tmp_path: Path) -> None:
    paths = [
        str(written(tmp_path / f"{name}.pem", public_pem(public_key("ES256", name))))
        for name in ("old", "new")
    ]
    verifier = KeyFiles(None, paths).verifier

    for name in ("old", "new"):
        assert verifier.verify(by_key("ES256", name=name), NOW)
        assert verifier.verify(by_key("ES256", headers={"kid": name}, name=name), NOW)
    with pytest.raises(Unauthorized, match="signature is wrong"):
        verifier.verify(by_key("ES256", headers={"kid": "old"}, name="new"), NOW)


def test_keys_for_other_purposes_are_left_out_of_a_set(tmp_path: Path) -> None:
    path = write_jwks(
        tmp_path / "jwks.json",
        jwk("RS256", use="enc"),
        jwk("RS256", alg="RSA-OAEP"),
        jwk("RS256", alg="RS512"),
        jwk("RS256", key_ops=["encrypt"]),
        jwk("ES256", crv="P-384"),
        jwk("EdDSA", crv="X25519"),
        {"kty": "of the future", "z": [1]},
        jwk("ES256", alg="ES256", kid="this", x5c=["MII"], x5t="x"),
    )

    assert [key.algorithm for key in public_keys(path)] == ["ES256"]


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_private_key_is_refused(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "key.pem"
    pem = private_pem(private_key(algorithm))

    assert "holds a private key; the server needs the public one only" in reason(path, pem)
    assert "private" in reason(path, certificate_pem(algorithm) + pem)
    private = jwt.get_algorithm_by_name(algorithm).to_jwk(private_key(algorithm), as_dict=True)
    assert "private" in reason(write_jwks(path, jwk(algorithm), private))


def test_a_private_key_of_any_label_is_refused(tmp_path: Path) -> None:
    key: Any = private_key("RS256")
    protection = BestAvailableEncryption(b"pass")
    forms = [
        key.private_bytes(Encoding.PEM, form, protection)
        for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8)
    ]
    ssh = b"-----BEGIN OPENSSH PRIVATE KEY-----\nAA==\n-----END OPENSSH PRIVATE KEY-----\n"

    for data in (*forms, ssh):
        assert "holds a private key" in reason(tmp_path / "key.pem", data)


def test_a_secret_in_a_set_is_refused(tmp_path: Path) -> None:
    secret = {"kty": "oct", "alg": "HS256", "k": base64url(SECRET)}

    assert "private key" in reason(write_jwks(tmp_path / "jwks.json", jwk("ES256"), secret))


def test_a_key_that_is_too_weak_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    weak = rsa.generate_private_key(65537, 1024).public_key()

    assert "holds an RSA key of 1024 bits; 2048 are the least" in reason(path, public_pem(weak))
    assert "1024 bits" in reason(
        write_jwks(
            path, jwt.get_algorithm_by_name("RS256").to_jwk(weak, as_dict=True) | {"key_ops": None}
        )
    )
    for other in (
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed448.Ed448PrivateKey.generate(),
        dsa.generate_private_key(2048),
    ):
        line = reason(path, public_pem(other.public_key()))
        assert "neither RSA, nor EC on P-256, nor Ed25519" in line


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "holds no public key or certificate in PEM, and no JWK set"),
        (b"\xff\x00", "holds no public key"),
        (b"ssh-ed25519 AAAA me@here", "holds no public key"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n", "holds no public key"),
        (
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "holds PUBLIC KEY that cannot be used",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds CERTIFICATE that cannot be used",
        ),
        (
            b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
            "holds EC PARAMETERS that cannot be used",
        ),
        (b"{", "holds no JWK set: "),
        (b"{}", "holds no JWK set: "),
        (b'{"keys":[]}', "holds no JWK for RS256 or ES256 or EdDSA"),
        (b'{"keys":{}}', "holds no JWK set: "),
        (b'{"keys":[{"kty":["RSA"]}]}', "holds no JWK set: "),
        (b'{"keys":[{"kty":"RSA"}]}', "holds a JWK for RS256 that cannot be used"),
        (b'{"keys":[{"kty":"RSA","n":"","e":""}]}', "holds a JWK for RS256 that"),
        (b'{"keys":[{"kty":"RSA","n":"!","e":"AQAB"}]}', "JWK for RS256"),
        (b'{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}', "holds a JWK for ES256"),
        (b'{"keys":[{"kty":"EC","crv":"P-256"}]}', "holds a JWK for ES256"),
        (b'{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}', "holds a JWK for EdDSA"),
        (b'{"keys":' + b"[" * 100_000, "holds no JWK set: "),
        (b" " * (2**20 + 1), "is longer than any file of keys"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_holds_no_key_is_one_line(tmp_path: Path, data: bytes, complaint: str) -> None:
    assert complaint in reason(tmp_path / "key.pem", data)


def test_a_point_that_is_not_on_the_curve_is_refused(tmp_path: Path) -> None:
    wrong = jwk("ES256") | {"y": base64url(b"\1" * 32)}

    assert "holds a JWK for ES256" in reason(write_jwks(tmp_path / "jwks.json", wrong))


def test_a_chain_of_certificates_is_refused(tmp_path: Path) -> None:
    chain = certificate_pem("ES256") + certificate_pem("RS256")

    assert "leave in the one whose key signs" in reason(tmp_path / "chain.pem", chain)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    assert "cannot be read: No such file or directory" in reason(tmp_path / "nowhere.pem")
    assert "cannot be read: Is a directory" in reason(tmp_path)
    with pytest.raises(UnusableKey, match="cannot be read: embedded null"):
        public_keys(Path("a\0b"))


def test_there_are_not_more_keys_than_a_token_can_be_tried_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST_KEYS", 2)
    paths = [str(written(tmp_path / f"{n}.pem", public_pem(public_key("EdDSA")))) for n in range(3)]

    assert KeyFiles(None, paths[:2])
    with pytest.raises(UnusableKey, match=r"2\.pem is one too many: all together may hold 2 keys"):
        KeyFiles(None, paths)


# Thumbprints


def test_the_thumbprint_is_that_of_the_rfcs(tmp_path: Path) -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPe"
        "bWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY36"
        "8QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4l"
        "Fd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    rfc_7638 = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    rfc_8037 = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }
    path = write_jwks(tmp_path / "jwks.json", rfc_7638, rfc_8037)

    assert [key.ids - {"2011-04-29"} for key in public_keys(path)] == [
        {"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
        {"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
    ]


def test_a_coordinate_that_begins_with_zeros_keeps_them(tmp_path: Path) -> None:
    number = 1
    while (
        point := ec.derive_private_key(number, ec.SECP256R1()).public_key()
    ).public_numbers().x >> 248:
        number += 1
    x, y = (
        base64url(each.to_bytes(32, "big"))
        for each in (point.public_numbers().x, point.public_numbers().y)
    )
    path = write_jwks(tmp_path / "jwks.json", {"kty": "EC", "crv": "P-256", "x": x, "y": y})
    text = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    assert public_keys(path)[0].ids == {base64url(sha256(text.encode()).digest())}


# Private keys, which sign


@pytest.mark.parametrize("algorithm", MAKERS)
def test_who_signs_by_a_private_key_names_it_by_its_thumbprint(
    tmp_path: Path, algorithm: str
) -> None:
    private = written(tmp_path / "private.pem", private_pem(private_key(algorithm)))
    public = written(tmp_path / "another-name.pem", public_pem(public_key(algorithm)))

    token = private_signer(private, None).sign(CLAIMS)

    assert KeyFiles(None, [str(public)]).verifier.verify(token, NOW)
    assert jwt.get_unverified_header(token) == {
        "alg": algorithm,
        "kid": thumbprint(public_key(algorithm)),
        "typ": "JWT",
    }


def test_who_signs_may_name_the_key_otherwise(tmp_path: Path) -> None:
    private = written(tmp_path / "private.pem", private_pem(private_key("ES256")))

    token = private_signer(private, "2025-10").sign(CLAIMS)

    assert jwt.get_unverified_header(token)["kid"] == "2025-10"


def test_what_cannot_sign_is_one_line(tmp_path: Path) -> None:
    key: Any = private_key("ES256")
    protected = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass")
    )
    weak = private_pem(rsa.generate_private_key(65537, 1024))
    other = private_pem(ec.generate_private_key(ec.SECP384R1()))
    for data, complaint in (
        (b"", "holds no private key in PEM"),
        (public_pem(public_key("ES256")), "holds no private key in PEM"),
        (protected, "is protected by a passphrase"),
        (weak, "RSA key of 1024 bits"),
        (other, "neither RSA, nor EC on P-256, nor Ed25519"),
        (private_pem(ed448.Ed448PrivateKey.generate()), "neither RSA"),
    ):
        with pytest.raises(UnusableKey, match=complaint):
            private_signer(written(tmp_path / "key.pem", data), None)
    with pytest.raises(UnusableKey, match="No such file"):
        private_signer(tmp_path / "nowhere.pem", None)


# Reading them again


def test_a_key_that_is_replaced_counts_from_the_next_reading(tmp_path: Path) -> None:
    path = written(tmp_path / "key.pem", public_pem(public_key("EdDSA", "old")))
    files = KeyFiles(None, [str(path)])
    verifier = files.verifier
    old, new = by_key("EdDSA", name="old"), by_key("EdDSA", name="new")
    path.write_bytes(public_pem(public_key("EdDSA", "new")))
    assert verifier.verify(old, NOW)

    files.reload()

    assert files.verifier is verifier
    assert verifier.verify(new, NOW)
    with pytest.raises(Unauthorized):
        verifier.verify(old, NOW)


@pytest.mark.parametrize("data", [None, b"", b"x" * 31])
def test_what_cannot_be_read_again_leaves_the_keys_that_were(
    tmp_path: Path, data: bytes | None
) -> None:
    path = written(tmp_path / "secret", SECRET)
    files = KeyFiles(str(path))
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)

    with pytest.raises(UnusableKey):
        files.reload()

    assert files.verifier.verify(by_secret(CLAIMS), NOW)


def test_one_broken_file_of_several_leaves_all_keys_as_they_were(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{n}.pem", public_pem(public_key("EdDSA", n))) for n in "ab"]
    files = KeyFiles(None, [str(path) for path in paths])
    paths[0].write_bytes(public_pem(public_key("EdDSA", "c")))
    paths[1].write_bytes(b"")

    with pytest.raises(UnusableKey, match=r"b\.pem holds no public key"):
        files.reload()

    assert files.verifier.verify(by_key("EdDSA", name="a"), NOW)
    with pytest.raises(Unauthorized):
        files.verifier.verify(by_key("EdDSA", name="c"), NOW)


def test_the_files_are_found_again_from_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "secret", SECRET)
    written(tmp_path / "key.pem", public_pem(public_key("EdDSA")))
    files = [KeyFiles("secret"), KeyFiles(None, ["key.pem"])]
    monkeypatch.chdir("/")

    for each in files:
        each.reload()


def test_the_keys_of_other_files_can_be_taken(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 32)
    (tmp_path / "b").write_bytes(b"y" * 32)
    files = KeyFiles(str(tmp_path / "a"))
    verifier = files.verifier

    files.take(KeyFiles(str(tmp_path / "b")))

    assert files.verifier is verifier
    (tmp_path / "b").write_bytes(SECRET)
    files.reload()
    assert verifier.verify(by_secret(CLAIMS), NOW)
