import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificates import DAY, Issued, issue
from twisted.internet.task import Clock

from twisted_signal.certificates import CertificateError, Files
from twisted_signal.renewal import CHECK_INTERVAL, Renewal


class Place:
    """Files with a certificate, and what looks after them."""

    def __init__(self, directory: Path, issued: Issued) -> None:
        self.certificate = directory / "certificate.pem"
        self.key = directory / "key.pem"
        self.put(issued)
        self.clock = Clock()
        self.now = datetime.now(UTC)
        source = Files(self.certificate, self.key)
        self.renewal = Renewal(source, self.clock, lambda: self.now)
        self.renewal.startService()

    def put(self, issued: Issued) -> None:
        self.certificate.write_bytes(issued.chain_pem)
        self.key.write_bytes(issued.key_pem())

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(CHECK_INTERVAL)


@pytest.fixture
def place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Place:
    caplog.set_level(logging.INFO)
    made = Place(tmp_path, issue(ends=90 * DAY))
    caplog.clear()
    return made


def test_the_certificate_is_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    issued = issue(ends=90 * DAY)

    Place(tmp_path, issued)

    until = f"{issued.certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    assert caplog.messages == [
        f"The certificate is valid until {until}, SHA-256 {issued.fingerprint}"
    ]


def test_a_certificate_that_expires_soon_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Place(tmp_path, issue(ends=13 * DAY))

    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert warning.getMessage() == "The certificate expires in 13.0 days"


def test_a_certificate_that_cannot_be_used_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="expired"):
        Place(tmp_path, issue(ends=-timedelta(hours=1)))


def test_nothing_is_said_or_done_while_nothing_changes(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.look(10)

    assert caplog.messages == []


def test_looking_is_done_within_a_minute() -> None:
    assert CHECK_INTERVAL * 2 <= 60  # twice, where the key was written a little later


def test_changed_files_are_taken(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    new = issue(ends=90 * DAY)
    place.put(new)

    place.look()
    place.look()

    (message,) = caplog.messages
    assert message.startswith("The certificate is now valid until ")
    assert message.endswith(new.fingerprint)


def test_a_file_that_is_written_again_with_the_same_certificate_is_nothing_new(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.certificate.write_bytes(place.certificate.read_bytes())

    place.look()

    assert caplog.messages == []


def test_a_swapped_link_is_a_change(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: Place
) -> None:
    # As Kubernetes does: certificate.pem -> data/certificate.pem, data -> the newest directory.
    old, new = issue(ends=90 * DAY), issue(ends=90 * DAY)
    for name, one in (("one", old), ("two", new)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "both.pem").write_bytes(one.both_pem)
    data, link = tmp_path / "data", tmp_path / "both.pem"
    data.symlink_to("one")
    link.symlink_to("data/both.pem")
    renewal = Renewal(Files(link, link), place.clock)
    renewal.startService()
    caplog.clear()

    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(data)
    place.look()

    assert [message.rpartition(" ")[2] for message in caplog.messages] == [new.fingerprint]


def test_a_broken_certificate_is_told_once_and_mended_by_the_next(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    new = issue(ends=90 * DAY)
    place.certificate.write_bytes(new.chain_pem)

    place.look(10)

    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("The certificate stays as it was: the key in ")
    caplog.clear()
    place.key.write_bytes(new.key_pem())
    place.look(3)
    assert [message.rpartition(" ")[2] for message in caplog.messages] == [new.fingerprint]


def test_a_certificate_that_is_not_valid_yet_is_taken_when_it_is(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.put(issue(begins=timedelta(hours=1), ends=90 * DAY))
    place.look()
    caplog.clear()

    place.now += timedelta(hours=2)
    place.look(2)

    (message,) = caplog.messages
    assert message.startswith("The certificate is now valid until ")


def test_another_mistake_is_told_too(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.key.write_bytes(b"")
    place.look(3)
    place.key.unlink()
    place.look(3)

    assert [message.rpartition(": ")[2] for message in caplog.messages] == [
        f"{place.key} holds no PEM private key",
        "No such file or directory",
    ]


def test_a_reload_tells_what_became_of_it(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.renewal.reload()
    assert caplog.messages == ["The certificate is the one from before"]
    caplog.clear()

    place.key.write_bytes(b"")
    for _ in range(2):  # somebody asked for it, so it is told each time
        place.renewal.reload()
    assert len(caplog.messages) == 2
    caplog.clear()

    place.put(issue(ends=90 * DAY))
    place.renewal.reload()
    assert caplog.messages[0].startswith("The certificate is now valid until ")


def test_what_openssl_does_not_take_leaves_the_old_one(
    place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise CertificateError("OpenSSL does not take the certificate: ee key too small")

    monkeypatch.setattr(place.renewal.context, "use", refuse)
    place.put(issue(ends=90 * DAY))

    place.look(3)

    (message,) = caplog.messages
    assert message.endswith(
        "stays as it was: OpenSSL does not take the certificate: ee key too small"
    )


def test_a_mistake_of_ours_is_logged_and_the_looking_goes_on(
    place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Files, "state", lambda _: 1 / 0)
        place.look()
    assert caplog.messages == ["The certificate could not be looked after"]
    caplog.clear()

    place.put(issue(ends=90 * DAY))
    place.look()

    assert len(caplog.messages) == 1


def test_the_key_of_session_tickets_lives_a_day_and_expiry_is_warned_of_daily(
    place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[object] = []
    monkeypatch.setattr(place.renewal.context, "use", used.append)
    place.now += 80 * DAY

    place.clock.pump([CHECK_INTERVAL] * int(3.5 * 86_400 / CHECK_INTERVAL))

    assert len(used) == 3
    assert len(caplog.messages) == 3
    assert all(message.startswith("The certificate expires in ") for message in caplog.messages)
    place.now += 80 * DAY
    place.clock.pump([CHECK_INTERVAL] * int(86_400 / CHECK_INTERVAL))
    assert caplog.messages[-1] == "The certificate has expired: clients will not connect"


def test_nothing_is_looked_at_after_the_end(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.renewal.stopService()
    place.put(issue())

    place.look()

    assert caplog.messages == []
    assert place.clock.getDelayedCalls() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
def test_a_file_that_becomes_readable_is_taken(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.put(issue(ends=90 * DAY))
    place.key.chmod(0)
    place.look()
    caplog.clear()

    place.key.chmod(0o600)
    place.look()

    assert caplog.messages[0].startswith("The certificate is now valid until ")


def test_another_source_can_be_taken(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    there = Place(other, issue(ends=90 * DAY))

    place.renewal.take(there.renewal)

    assert place.renewal.fingerprint == there.renewal.fingerprint
    there.put(issued := issue(ends=90 * DAY))
    place.look()
    assert place.renewal.fingerprint == issued.fingerprint


def test_another_source_of_the_same_certificate_is_told(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    context = place.renewal.context
    shown = context._context
    other = Renewal(Files(place.certificate, place.key), place.clock, lambda: place.now)

    place.renewal.take(other)

    assert caplog.messages == ["The certificate is the one from before"]
    assert context._context is shown
