import logging
import os
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from caller import Caller
from certificates import issue
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from processes import PATIENCE, server

from twisted_signal import self_signed
from twisted_signal.certificates import CertificateError
from twisted_signal.self_signed import (
    RENEWED_BEFORE,
    VALID,
    Rehearsed,
    SelfSigned,
    default_directory,
)

NOW = datetime.now(UTC)
LAN = "192.0.2.7"
DAY = timedelta(days=1)


class Network:
    """Which addresses this machine has towards others."""

    def __init__(self) -> None:
        self.addresses: dict[int, str | None] = {socket.AF_INET: LAN, socket.AF_INET6: None}

    def lan_address(self, family: int) -> str | None:
        return self.addresses[family]


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    monkeypatch.setattr(self_signed, "lan_address", made.lan_address)
    monkeypatch.setattr(socket, "gethostname", lambda: "Robot7")
    return made


def names(certificate: x509.Certificate) -> set[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(one.value) for one in found}


def test_it_is_for_this_machine(tmp_path: Path) -> None:
    (certificate,) = SelfSigned(tmp_path, "198.51.100.1").read(NOW).chain

    assert names(certificate) == {
        "localhost",
        "robot7",
        "robot7.local",
        "127.0.0.1",
        "::1",
        LAN,
        "198.51.100.1",
    }


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "127.0.0.1"])
def test_an_address_that_says_nothing_new_adds_nothing(address: str, tmp_path: Path) -> None:
    (certificate,) = SelfSigned(tmp_path, address).read(NOW).chain

    assert names(certificate) == {"localhost", "robot7", "robot7.local", "127.0.0.1", "::1", LAN}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("robot.example.org", {"localhost", "robot.example.org"}),
        ("localhost", {"localhost"}),
        ("(none)", {"localhost"}),
        ("möbel", {"localhost"}),
        ("", {"localhost"}),
        ("x" * 64, {"localhost"}),
    ],
)
def test_a_host_name_is_named_where_it_is_one(
    host: str, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)

    (certificate,) = SelfSigned(tmp_path).read(NOW).chain

    assert names(certificate) == expected | {"127.0.0.1", "::1", LAN}


def test_it_is_what_browsers_want(tmp_path: Path) -> None:
    pair = SelfSigned(tmp_path).read(NOW)
    (certificate,) = pair.chain
    extensions = certificate.extensions

    assert isinstance(pair.key, ec.EllipticCurvePrivateKey)
    assert pair.key.curve.name == "secp256r1"
    assert certificate.version == x509.Version.v3
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_before_utc < NOW - timedelta(hours=23)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == VALID
    assert timedelta(days=398) > VALID


def test_nobody_else_reads_the_key(tmp_path: Path) -> None:
    directory = tmp_path / "some" / "where"
    mask = os.umask(0)
    try:
        SelfSigned(directory).read(NOW)
    finally:
        os.umask(mask)

    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert {path.name for path in directory.iterdir()} == {"self-signed.pem", "self-signed.lock"}


def test_a_key_that_was_left_half_written_is_no_obstacle(tmp_path: Path) -> None:
    fresh = tmp_path / "self-signed.new"
    fresh.write_text("half")
    fresh.chmod(0o644)

    SelfSigned(tmp_path).read(NOW)

    assert not fresh.exists()
    assert (tmp_path / "self-signed.pem").stat().st_mode & 0o777 == 0o600


def test_it_is_made_once(tmp_path: Path) -> None:
    first = SelfSigned(tmp_path).read(NOW)
    state = SelfSigned(tmp_path).state()
    second = SelfSigned(tmp_path).read(NOW + VALID - RENEWED_BEFORE - 2 * DAY)

    assert second.fingerprint == first.fingerprint
    assert SelfSigned(tmp_path).state() == state


def test_it_is_kept_where_nothing_can_be_written(tmp_path: Path) -> None:
    first = SelfSigned(tmp_path).read(NOW)
    (tmp_path / "self-signed.lock").unlink()
    (tmp_path / "self-signed.lock").mkdir()  # which nobody can lock, not even root

    assert SelfSigned(tmp_path).read(NOW).fingerprint == first.fingerprint


@pytest.mark.parametrize("later", [VALID - RENEWED_BEFORE, VALID, 2 * VALID])
def test_another_is_made_before_it_expires(later: timedelta, tmp_path: Path) -> None:
    first = SelfSigned(tmp_path).read(NOW)
    second = SelfSigned(tmp_path).read(NOW + later)

    assert second.fingerprint != first.fingerprint
    assert second.expires > NOW + later + RENEWED_BEFORE


def test_another_is_made_for_a_new_address_and_is_good_for_the_old_one_too(
    tmp_path: Path, network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    source = SelfSigned(tmp_path)
    first = source.read(NOW)
    state = source.state()

    network.addresses[socket.AF_INET] = "198.51.100.2"
    assert source.state() != state
    second = source.read(NOW)

    assert second.fingerprint != first.fingerprint
    assert {LAN, "198.51.100.2"} <= names(second.chain[0])
    assert caplog.messages[-1].startswith("Made a certificate for this machine: ")
    network.addresses[socket.AF_INET] = LAN
    assert source.read(NOW).fingerprint == second.fingerprint
    network.addresses[socket.AF_INET] = None
    assert source.read(NOW).fingerprint == second.fingerprint


def test_old_addresses_are_forgotten_before_there_are_too_many(
    tmp_path: Path, network: Network
) -> None:
    source = SelfSigned(tmp_path)
    for number in range(50):
        network.addresses[socket.AF_INET] = f"198.51.100.{number}"
        (certificate,) = source.read(NOW).chain

    assert "198.51.100.49" in names(certificate)
    assert "198.51.100.0" not in names(certificate)
    assert len(names(certificate)) < 40


def test_a_new_ipv6_address_is_no_reason_for_another(tmp_path: Path, network: Network) -> None:
    network.addresses[socket.AF_INET6] = "2001:db8::1"
    source = SelfSigned(tmp_path, "fe80::7%eth0")
    first = source.read(NOW)

    assert {"2001:db8::1", "fe80::7"} <= names(first.chain[0])
    network.addresses[socket.AF_INET6] = "2001:db8::2"
    assert source.read(NOW).fingerprint == first.fingerprint


def test_a_clock_that_is_behind_is_no_reason_for_another(tmp_path: Path) -> None:
    first = SelfSigned(tmp_path).read(NOW)

    begin = datetime(1970, 1, 1, tzinfo=UTC)
    assert SelfSigned(tmp_path).read(begin).fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "there",
    [b"", b"nonsense", issue().chain_pem, issue().both_pem[:-300]],
    ids=["empty", "nonsense", "without a key", "cut off"],
)
def test_a_broken_one_is_made_anew(there: bytes, tmp_path: Path) -> None:
    (tmp_path / "self-signed.pem").write_bytes(there)

    pair = SelfSigned(tmp_path).read(NOW)

    assert SelfSigned(tmp_path).read(NOW).fingerprint == pair.fingerprint


def test_where_nothing_can_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CertificateError, match=r"^cannot write .*file.*: (Not a dir|File exists)"):
        SelfSigned(tmp_path / "file").read(NOW)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/signal"}, "/var/lib/signal"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "XDG_STATE_HOME": "/x"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/x"}, "/x/vislam-signal"),
        ({"XDG_STATE_HOME": "relative"}, "/home/me/.local/state/vislam-signal"),
        ({}, "/home/me/.local/state/vislam-signal"),
    ],
)
def test_state_is_kept_where_the_system_wants_it(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "/home/me"} | environment).items():
        monkeypatch.setenv(name, value)

    assert default_directory() == Path(expected)


def test_without_a_home_there_must_be_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)

    with pytest.raises(CertificateError, match="name a --state-dir"):
        default_directory()


# Real processes


def test_servers_that_start_at_once_make_one(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from twisted_signal.self_signed import SelfSigned\n"
        "sys.stdin.read(1)\n"
        "pair = SelfSigned(Path(sys.argv[1]) / 'state').read(datetime.now(UTC))\n"
        "print(pair.fingerprint)\n"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, tmp_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("!")
        process.stdin.flush()
    said = {process.communicate(timeout=PATIENCE)[0] for process in started}

    assert len(said) == 1
    assert said != {""}


def test_a_client_that_has_the_file_calls_and_a_second_start_shows_the_same(
    tmp_path: Path,
) -> None:
    told = []
    options = ("--self-signed", "--state-dir", "state", "--tls-port", "0", "--port", "none")
    for _ in range(2):
        with server(*options, cwd=tmp_path) as started:
            trusting = ssl.create_default_context(cafile=str(tmp_path / "state/self-signed.pem"))
            with Caller(started.url, trusting) as client:
                client.say(type="register", client_id="a")
                assert client.hear()["type"] == "registered"
            told.append(started.wait_for(r"The certificate is valid until .* SHA-256 (\S+)")[1])

    assert told[0] == told[1]


def test_a_rehearsal_makes_a_certificate_and_keeps_nothing(tmp_path: Path) -> None:
    pair = Rehearsed(tmp_path / "not" / "there").read(datetime.now(UTC))

    assert pair.chain
    assert list(tmp_path.iterdir()) == []


def test_a_rehearsal_shows_the_certificate_that_is_there(tmp_path: Path) -> None:
    kept = SelfSigned(tmp_path).read(datetime.now(UTC))

    assert Rehearsed(tmp_path).read(datetime.now(UTC)).fingerprint == kept.fingerprint


@pytest.mark.parametrize("place", ["/dev/null", "/dev/null/x", "/proc/1/x/y"])
def test_a_rehearsal_tells_where_nothing_could_be_written(place: str) -> None:
    if place.startswith("/proc") and os.geteuid() == 0:
        pytest.skip("nothing is forbidden for root")
    with pytest.raises(CertificateError, match=f"^cannot write {place}$"):
        Rehearsed(Path(place)).read(datetime.now(UTC))
