"""`vislam-signal check-config`."""

import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from certificates import make_certificate
from processes import BIN, PATIENCE
from typed import parse

from twisted_signal import check_command
from twisted_signal.options import Options

pytestmark = pytest.mark.usefixtures("started_logs")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def listeners(options: Options) -> list[tuple[str, bool]]:
    return [(one.name, one.secure) for one in options.listeners]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--port", "0", "--host", "127.0.0.1"],
        ["--endpoint", "tcp:1"],
        ["--endpoint", "tcp:1", "--host", "127.0.0.1"],
        ["--endpoint", "tcp:1", "--port", "none", "--stun-uri", "stun:a.example"],
        ["--tls-cert", "CERT"],
        ["--tls-cert", "CERT", "--port", "none", "--endpoint", "tcp:1", "--host", "::1"],
        ["--self-signed", "--state-dir", "STATE", "--tls-port", "9"],
        ["--demo", "--state-dir", "STATE"],
        ["--max-clients", "7", "--no-web", "--trust-proxy", "unix", "--log-level", "debug"],
    ],
)
def test_what_is_printed_makes_the_same_server(
    arguments: Sequence[str], tmp_path: Path, certificate: Path
) -> None:
    places = {"CERT": str(certificate), "STATE": str(tmp_path / "state")}
    given = [places.get(argument, argument) for argument in arguments]
    path = tmp_path / "printed.toml"

    path.write_text(check_command.run(given))

    before, after = parse(*given), parse("--config", str(path))
    assert listeners(before) == listeners(after)
    assert before.limits == after.limits
    assert before["no-web"] == after["no-web"]
    printed = check_command.run(["--config", str(path)])
    assert tomllib.loads(printed) == tomllib.loads(path.read_text())


def test_each_value_stands_with_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.toml"
    path.write_text("# limits\nmax-clients = 5\nmax-room-size = 5\n")
    monkeypatch.setenv("VISLAM_SIGNAL_MAX_ROOM_SIZE", "6")

    lines = check_command.run(["--config", str(path), "--port", "80"]).splitlines()

    assert "port = 80  # command line" in lines
    assert "max-room-size = 6  # VISLAM_SIGNAL_MAX_ROOM_SIZE" in lines
    assert f"max-clients = 5  # {path}:2" in lines
    assert 'host = "0.0.0.0"  # default' in lines


def test_nothing_is_written_by_a_check(tmp_path: Path) -> None:
    check_command.run(["--self-signed", "--state-dir", str(tmp_path / "state")])

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("max-clients = -1", ":2: max-clients must be a number from 0 to 2147483648, not -1"),
        ("port = 70000", ":2: port must be a number from 0 to 65535, not 70000"),
        ('log-level = "LOUD"', ":2: log-level must be one of DEBUG, INFO, WARNING, ERROR"),
        ('tls-cert = "no.pem"', "no.pem: No such file or directory"),
        ('auth-secret-file = "no"', "/no cannot be read: No such file or directory"),
        ('endpoint = "nonsense"', ":2: endpoint nonsense: Twisted cannot use it"),
        ('host = "no such host"', ":2: host must be an address of this machine"),
        ('turn-uri = "turn:a.example"', ":2: turn-uri needs --turn-secret-file"),
        ("tls-port = 9", ":2: tls-port is of no use without --tls-cert or --self-signed"),
        ('trust-proxy = ["unix", "x"]', ":2: trust-proxy must be an address"),
        ("max-client = 1", ":2: there is no option max-client; did you mean max-clients?"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(line: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f"\n{line}\n")

    with pytest.raises(SystemExit) as caught:
        check_command.run(["--config", str(path)])

    told = str(caught.value.code)
    assert told.startswith("vislam-signal: ")
    assert str(path) in told or "/no" in told
    assert sentence in told
    assert told.isprintable()


def test_an_operator_reads_it_on_stdout_and_what_is_wrong_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("max-clients = 5\n")
    runs = []
    for limit in ("7", "many"):
        environment = {"VISLAM_SIGNAL_CONFIG": "x.toml", "VISLAM_SIGNAL_MESSAGE_RATE": limit}
        runs.append(
            subprocess.run(
                [BIN / "vislam-signal", "check-config", "--port", "0"],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                cwd=tmp_path,
                env=environment,
                check=False,
            )
        )

    right, wrong = runs
    assert (right.returncode, right.stderr) == (0, "")
    assert tomllib.loads(right.stdout)["max-clients"] == 5
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == (
        "vislam-signal: VISLAM_SIGNAL_MESSAGE_RATE must be a number from 0 to 2147483648,"
        " not many\n"
    )


def test_a_password_of_redis_is_not_shown() -> None:
    printed = check_command.run(["--redis-url", "redis://lab:s3cret@h:7/1"])

    assert 'redis-url = "redis://lab:…@h:7/1"' in printed
    assert "s3cret" not in printed
