"""All that gives values to options, and which of them wins."""

from pathlib import Path

import pytest

from twisted_signal.config.settings import ConfigError, Origin, Setting
from twisted_signal.config.sources import Sources
from twisted_signal.option_table import OPTIONS


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "vislam.toml"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_without_anything_all_have_their_defaults() -> None:
    settings = Sources({}, {}).read()

    assert list(settings) == [option.name for option in OPTIONS]
    assert {setting.origin for setting in settings.values()} == {Origin.DEFAULT}
    assert settings["max-clients"].value == "50000"
    assert settings["qr"].value is False
    assert settings["endpoint"].value == []
    assert settings["tls-cert"].value is None


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(config: Path) -> None:
    write(config, "max-clients = 1\nmessage-rate = 1\nframe-rate = 1\nqr = true\nno-web = true")
    environment = {
        "VISLAM_SIGNAL_CONFIG": str(config),
        "VISLAM_SIGNAL_MAX_CLIENTS": "2",
        "VISLAM_SIGNAL_MESSAGE_RATE": "2",
        "VISLAM_SIGNAL_QR": "0",
    }

    settings = Sources({"max-clients": "3", "no-web": False}, environment).read()

    assert settings["max-clients"] == Setting("3", Origin.COMMAND_LINE)
    assert settings["message-rate"] == Setting(
        "2", Origin.ENVIRONMENT, "VISLAM_SIGNAL_MESSAGE_RATE"
    )
    assert settings["frame-rate"] == Setting("1", Origin.FILE, f"{config}:3")
    assert settings["max-room-size"] == Setting("64")
    assert settings["qr"].value is False
    assert settings["no-web"].value is False


def test_the_file_on_the_command_line_is_the_one_that_counts(config: Path) -> None:
    write(config, "max-clients = 1")

    sources = Sources({"config": str(config)}, {"VISLAM_SIGNAL_CONFIG": "/nowhere"})

    assert sources.read()["max-clients"].value == "1"


def test_relative_paths_are_of_the_file_or_of_where_the_server_was_started(
    config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(config, 'tls-cert = "cert.pem"')
    monkeypatch.chdir(tmp_path)
    sources = Sources(
        {"config": "etc/vislam.toml", "auth-public-key-file": ["a.pem"]},
        {"VISLAM_SIGNAL_TLS_KEY": "key.pem"},
    )
    monkeypatch.chdir("/")  # as a daemon does

    settings = sources.read()

    assert settings["tls-cert"].value == str(config.parent / "cert.pem")
    assert settings["tls-key"].value == str(tmp_path / "key.pem")
    assert settings["auth-public-key-file"].value == [str(tmp_path / "a.pem")]


def test_the_file_can_be_read_again(config: Path) -> None:
    write(config, "max-clients = 1")
    sources = Sources({"config": str(config)}, {})
    sources.read()
    write(config, "max-clients = 2")

    assert sources.read()["max-clients"].value == "2"


def test_a_file_that_is_gone_is_no_empty_file(config: Path) -> None:
    write(config, "max-clients = 1")
    sources = Sources({"config": str(config)}, {})
    sources.read()
    config.unlink()

    with pytest.raises(ConfigError, match=r"vislam\.toml cannot be read again: there is no such"):
        sources.read()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/nowhere.toml", "/nowhere.toml cannot be read: No such file or directory"),
        ("/", "/ cannot be read: Is a directory"),
        ("", "cannot be read: Is a directory"),
        ("/dev/zero", "/dev/zero is longer than any file of options"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(path: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Sources({"config": path}, {}).read()

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("given", "qr", "self_signed"),
    [
        ({}, True, True),
        ({"tls-cert": "a"}, True, False),
        ({"qr": False, "self-signed": False}, False, False),
    ],
)
def test_a_demonstration_has_defaults_of_its_own(
    given: dict[str, str | bool], qr: bool, self_signed: bool
) -> None:
    settings = Sources({"demo": True, **given}, {}).read()

    assert (settings["qr"].value, settings["self-signed"].value) == (qr, self_signed)
    assert (settings["qr"].origin is Origin.DEMO) == qr
