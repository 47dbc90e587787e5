import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest
from certificates import make_certificate
from tokens import SECRET, private_key, private_pem, public_key, public_pem
from twisted.scripts import twistd

from twisted_signal import __version__, cli
from twisted_signal.auth import Claims
from twisted_signal.keys import KeyFiles


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The options of twistd that were run."""
    configurations: list[dict[str, object]] = []
    monkeypatch.setattr(twistd, "runApp", configurations.append)
    monkeypatch.setattr("twisted_signal.logs.start", lambda *_, **__: None)
    return configurations


def test_serve_runs_the_server_in_the_foreground_without_a_pid_file(
    ran: list[dict[str, object]],
) -> None:
    cli.main(["serve", "--port", "0", "--host", "127.0.0.1"])

    (config,) = ran
    assert (config["nodaemon"], config["pidfile"]) == (1, "")
    assert config.subCommand == "vislam-signal"  # type: ignore[attr-defined] # of usage.Options
    assert config.subOptions["port"] == "0"  # type: ignore[attr-defined] # of usage.Options


def test_the_help_of_serve_is_that_of_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", "--help"])

    assert caught.value.code == 0
    assert "--max-message-size" in capsys.readouterr().out


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])

    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "serve" in out
    assert "token" in out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])

    assert caught.value.code == 0
    assert capsys.readouterr().out == f"vislam-signal {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["swerve"]])
def test_what_is_no_command_is_one_line_on_stderr(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)

    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.fixture
def secret(tmp_path: Path) -> str:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return str(path)


@pytest.fixture
def private(tmp_path: Path) -> str:
    path = tmp_path / "private.pem"
    path.write_bytes(private_pem(private_key("ES256")))
    return str(path)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the token that the command prints."""
    cli.main(["token", *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    assert out.endswith("\n")
    assert out.count("\n") == 1
    return out.rstrip("\n")


def test_a_token_says_what_was_asked_for(capsys: pytest.CaptureFixture[str], secret: str) -> None:
    before = int(time.time())
    token = printed(
        capsys,
        "--secret-file",
        secret,
        "--room",
        "lab1",
        "--id",
        "phone1",
        "--type",
        "android",
        "--ttl",
        "90",
    )

    claims = KeyFiles(secret).verifier.verify(token, time.time())
    assert before + 90 <= claims.expires_at <= time.time() + 90
    assert claims == Claims(("lab1",), "phone1", "android", claims.expires_at)


def test_a_token_is_for_anybody_for_an_hour_and_may_be_for_several_rooms(
    capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    token = printed(capsys, "--secret-file", secret, "--room", "lab1", "--room", "hall-*")

    claims = KeyFiles(secret).verifier.verify(token, time.time())
    assert claims == Claims(("lab1", "hall-*"), None, None, claims.expires_at)
    assert claims.expires_at == pytest.approx(time.time() + 3600, abs=30)


def test_a_token_of_now_is_good_for_a_server_whose_clock_is_behind(
    capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    token = printed(capsys, "--secret-file", secret, "--room", "lab1")

    assert KeyFiles(secret).verifier.verify(token, time.time() - 3600)


def test_a_token_by_a_private_key_names_it(
    capsys: pytest.CaptureFixture[str], private: str, tmp_path: Path
) -> None:
    public = tmp_path / "2025-10.pem"
    public.write_bytes(public_pem(public_key("ES256")))
    verifier = KeyFiles(None, [str(public)]).verifier

    for kid in ([], ["--kid", "2025-10"]):
        token = printed(capsys, "--key-file", private, "--room", "lab1", *kid)
        assert verifier.verify(token, time.time())
    assert jwt.get_unverified_header(token)["kid"] == "2025-10"


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [("1", 1), ("90s", 90), ("15m", 900), ("1h", 3600), ("30d", 2_592_000), ("36500d", 3.1536e9)],
)
def test_a_time_may_have_a_unit(
    capsys: pytest.CaptureFixture[str], secret: str, ttl: str, seconds: float
) -> None:
    token = printed(capsys, "--secret-file", secret, "--room", "lab1", "--ttl", ttl)

    exp = jwt.decode(token, options={"verify_signature": False})["exp"]
    assert exp == pytest.approx(time.time() + seconds, abs=30)


GOOD = ["--secret-file", "SECRET", "--room", "lab1"]
TIME_RULE = "argument --ttl: must be a time such as 90s, 15m, 1h or 30d"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--room", "lab1"], "one of the arguments --secret-file --key-file is required"),
        (["--secret-file", "SECRET"], "the following arguments are required: --room"),
        ([*GOOD, "--key-file", "x"], "--key-file: not allowed with argument --secret-file"),
        ([*GOOD, "--kid", "x"], "argument --kid: goes with --key-file only"),
        ([*GOOD, "--room", ""], "argument --room: must be a string of 1 to 128 characters"),
        ([*GOOD, "--id", "a\n"], "argument --id: must be a string of 1 to 128 characters"),
        ([*GOOD, "--id", "\udcff"], "argument --id: must be a string"),
        ([*GOOD, "--type", "a" * 129], "argument --type: must be a string"),
        *(
            ([*GOOD, f"--ttl={ttl}"], TIME_RULE)
            for ttl in ("", "0", "0h", "-1", "1.5h", "1w", "h", "1H", "٣", "9" * 11, "36501d")
        ),
        ([*GOOD, "--nonsense"], "unrecognized arguments: --nonsense"),
        (["--secret-file", "/nowhere/secret", "--room", "a"], "/nowhere/secret cannot be read: No"),
        (["--secret-file", "", "--room", "a"], "cannot be read: Is a directory"),
        (["--key-file", "SECRET", "--room", "a"], "holds no private key in PEM"),
        (["--secret-file", "PRIVATE", "--room", "a"], "holds a key of another kind, no secret"),
    ],
)
def test_what_makes_no_token_is_one_line_on_stderr_and_nothing_else(
    arguments: list[str],
    complaint: str,
    secret: str,
    private: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = {"SECRET": secret, "PRIVATE": private}
    with pytest.raises(SystemExit) as caught:
        cli.main(["token", *(files.get(one, one) for one in arguments)])

    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert err.startswith("vislam-signal token: ")
    assert complaint in err
    assert err.count("\n") == 1


def test_the_help_of_token_names_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["token", "--help"])

    assert caught.value.code == 0
    assert "--ttl" in capsys.readouterr().out


def test_a_command_that_makes_no_token_loads_no_cryptography() -> None:
    code = "import sys, twisted_signal.cli; print('jwt' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_check_config_prints_what_holds(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["check-config", "--max-clients", "7"])

    assert "max-clients = 7  # command line\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "self_signed"), [("", True), ("tls-cert = 'c.pem'", False), ("qr = true", True)]
)
def test_a_demonstration_makes_a_certificate_where_there_is_none(
    line: str, self_signed: bool, ran: list[dict[str, object]], tmp_path: Path
) -> None:
    make_certificate(tmp_path).rename(tmp_path / "c.pem")
    (tmp_path / "x.toml").write_text(f"{line}\nstate-dir = '.'\n")

    cli.main(["demo", "--config", str(tmp_path / "x.toml")])

    (config,) = ran
    options = config.subOptions  # type: ignore[attr-defined] # of usage.Options
    assert (options["qr"], options["self-signed"]) == (True, self_signed)
