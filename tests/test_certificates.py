from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificates import DAY, Issued, issue

from twisted_signal.certificates import CertificateError, Pair, read_pair

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


def write(directory: Path, certificate: bytes, key: bytes) -> tuple[Path, Path]:
    paths = directory / "certificate.pem", directory / "key.pem"
    for path, data in zip(paths, (certificate, key), strict=True):
        path.write_bytes(data)
    return paths


@pytest.fixture(scope="module")
def issued() -> Issued:
    root = issue("root", is_authority=True)
    return issue(by=issue("between", root, is_authority=True))


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_a_certificate_its_chain_and_its_key_are_read(
    form: str, issued: Issued, tmp_path: Path
) -> None:
    pair = read_pair(*write(tmp_path, issued.chain_pem, issued.key_pem(form=form)), NOW)

    assert pair.chain == (issued.certificate, *issued.above)
    assert len(pair.chain) == 2
    assert pair.key.public_key() == issued.key.public_key()
    assert pair.expires == issued.certificate.not_valid_after_utc
    assert pair.fingerprint == issued.fingerprint


@pytest.mark.parametrize("key_first", [True, False])
def test_one_file_may_hold_both(key_first: bool, issued: Issued, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    parts = [issued.key_pem(), b"a comment\n", issued.chain_pem]
    both.write_bytes(b"".join(parts if key_first else parts[::-1]))

    assert read_pair(both, both, NOW).fingerprint == issued.fingerprint


def test_a_certificate_is_compared_with_what_was_read_before(
    issued: Issued, tmp_path: Path
) -> None:
    def read() -> Pair:
        return read_pair(*write(tmp_path, issued.chain_pem, issued.key_pem()), NOW)

    assert read().chain == read().chain


BROKEN_PEM = b"-----BEGIN %s-----\nTm9uc2Vuc2UK\n-----END %s-----\n"


@pytest.mark.parametrize(
    ("certificate", "key", "sentence"),
    [
        (lambda _: b"", Issued.key_pem, "certificate.pem holds no PEM certificate"),
        (Issued.key_pem, Issued.key_pem, "certificate.pem holds no PEM certificate"),
        (
            lambda _: BROKEN_PEM % (b"CERTIFICATE", b"CERTIFICATE"),
            Issued.key_pem,
            "a certificate in .*certificate.pem is broken",
        ),
        (lambda one: one.chain_pem, lambda _: b"\xff\0", "key.pem holds no PEM private key"),
        (
            lambda one: one.chain_pem,
            lambda _: BROKEN_PEM % (b"PRIVATE KEY", b"PRIVATE KEY"),
            "the key in .*key.pem is broken",
        ),
        (
            lambda one: one.chain_pem,
            lambda one: one.key_pem(b"secret"),
            "the key in .*key.pem is encrypted: store it without a passphrase",
        ),
        (
            lambda one: one.chain_pem,
            lambda one: one.key_pem(b"secret", "TraditionalOpenSSL"),
            "the key in .*key.pem is encrypted",
        ),
        (
            lambda one: one.chain_pem,
            lambda _: issue().key_pem(),
            "the key in .*key.pem is not that of the certificate in .*certificate.pem$",
        ),
        (
            lambda one: issue().chain_pem + one.chain_pem,
            Issued.key_pem,
            "certificate.pem: the server's own certificate must stand first",
        ),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    certificate: Callable[[Issued], bytes],
    key: Callable[[Issued], bytes],
    sentence: str,
    issued: Issued,
    tmp_path: Path,
) -> None:
    with pytest.raises(CertificateError, match=sentence) as caught:
        read_pair(*write(tmp_path, certificate(issued), key(issued)), NOW)

    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("begins", "ends", "sentence"),
    [
        (-2 * DAY, -HOUR, r"expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC"),
        (HOUR, 2 * DAY, r"is not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC"),
    ],
)
def test_a_certificate_is_used_in_its_time_only(
    begins: timedelta, ends: timedelta, sentence: str, tmp_path: Path
) -> None:
    made = issue(begins=begins, ends=ends)
    paths = write(tmp_path, made.chain_pem, made.key_pem())

    with pytest.raises(CertificateError, match=sentence):
        read_pair(*paths, NOW)
    assert read_pair(*paths, NOW + (begins + ends) / 2)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.pem", "cannot read .*missing.pem: No such file or directory"),
        (".", "cannot read .*: Is a directory"),
        ("a\0b", 'cannot read ".*a.*b": no such name is possible'),
        ("a\nb", r'cannot read ".*a\\\\?nb": No such file'),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    name: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(CertificateError, match=sentence) as caught:
        read_pair(tmp_path / name, tmp_path / name, NOW)

    assert str(caught.value).isprintable()
