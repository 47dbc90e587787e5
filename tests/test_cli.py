import pytest
from twisted.scripts import twistd

from twisted_signal import __version__, cli


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The options of twistd that were run."""
    configurations: list[dict[str, object]] = []
    monkeypatch.setattr(twistd, "runApp", configurations.append)
    monkeypatch.setattr("twisted_signal.logs.start", lambda *_: None)
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
    assert "serve" in capsys.readouterr().out


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
