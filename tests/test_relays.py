"""STUN and TURN servers as an operator names them."""

import logging
from pathlib import Path

import pytest
from twisted.python import usage

from twisted_signal.messages import IceServer
from twisted_signal.relays import LEAST_SECRET, LEAST_TTL, Relays
from twisted_signal.turn import credentials

SECRET = b"s" * LEAST_SECRET
TURN = ["turn:b.example"]
NOW = 1_795_417_440


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "turn"
    path.write_bytes(SECRET + b"\n")
    return path


def test_the_secret_is_what_the_file_holds_without_its_newline(path: Path) -> None:
    relays = Relays(["stun:a.example"], TURN, str(path), 60)

    assert relays.is_turn
    assert relays.provider.for_client("pc", NOW) == [
        IceServer(["stun:a.example"]),
        IceServer(TURN, *credentials("pc", NOW + 60, SECRET)),
    ]


def test_stun_needs_no_secret() -> None:
    assert not Relays(["stun:a.example"], [], None, 3600).is_turn


@pytest.mark.parametrize(
    ("stun", "turn", "has_secret", "ttl", "complaint"),
    [
        (["a.example"], [], False, 3600, "--stun-uri must be such as stun:.*, not a.example"),
        ([], ["stun:a"], True, 3600, "--turn-uri must be such as turn:.*, not stun:a"),
        ([], TURN, False, 3600, "--turn-uri needs --turn-secret-file"),
        ([], [], True, 3600, "--turn-secret-file is of no use without --turn-uri"),
        ([], TURN, True, LEAST_TTL - 1, f"--turn-ttl must be {LEAST_TTL} seconds or more, not 59"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(  # noqa: PLR0917 - a column of the table each
    stun: list[str], turn: list[str], has_secret: bool, ttl: int, complaint: str, path: Path
) -> None:
    with pytest.raises(usage.UsageError, match=complaint) as caught:
        Relays(stun, turn, str(path) if has_secret else None, ttl)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"short\n", b"x" * (2**20 + 1)])
def test_a_file_without_a_secret_is_refused(content: bytes | None, path: Path) -> None:
    path.unlink() if content is None else path.write_bytes(content)

    with pytest.raises(usage.UsageError, match=r"^--turn-secret-file .*turn"):
        Relays([], TURN, str(path), 3600)


def test_a_new_secret_is_taken_without_a_restart(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    relays = Relays([], TURN, str(path), 60)
    path.write_bytes(b"t" * 32)

    with caplog.at_level(logging.INFO):
        relays.renew()

    assert relays.provider.secret == b"t" * 32
    assert "The secret for TURN was read again" in caplog.text


def test_a_wrong_new_secret_leaves_the_old_one(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    relays = Relays([], TURN, str(path), 60)
    path.unlink()

    relays.renew()

    assert relays.provider.secret == SECRET
    assert "The secret for TURN stays as it was" in caplog.text


def test_the_file_is_found_again_from_elsewhere(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    relays = Relays([], TURN, path.name, 60)
    monkeypatch.chdir("/")

    path.write_bytes(b"t" * 32)
    relays.renew()

    assert relays.provider.secret == b"t" * 32


def test_the_servers_of_others_can_be_taken(path: Path, tmp_path: Path) -> None:
    relays = Relays([], [], None, 60)
    provider = relays.provider

    relays.take(Relays(["stun:a.example"], TURN, str(path), 90))

    assert relays.provider is provider
    assert relays.is_turn
    assert provider.for_client("pc", NOW) == [
        IceServer(["stun:a.example"]),
        IceServer(TURN, *credentials("pc", NOW + 90, SECRET)),
    ]
    path.write_bytes(b"t" * 32)
    relays.renew()
    assert provider.secret == b"t" * 32
