"""Options in the environment."""

import pytest

from twisted_signal.config.environment import from_environment, variable
from twisted_signal.config.settings import ConfigError, Origin, Setting, Value
from twisted_signal.option_table import OPTIONS


@pytest.mark.parametrize(
    ("name", "text", "option", "value"),
    [
        ("MAX_CLIENTS", "100", "max-clients", "100"),
        ("HOST", "::1", "host", "::1"),
        ("QR", "1", "qr", True),
        ("NO_WEB", "Yes", "no-web", True),
        ("QR", "0", "qr", False),
        ("QR", "off", "qr", False),
        ("STUN_URI", "stun:a.example", "stun-uri", ["stun:a.example"]),
        ("TRUST_PROXY", " unix\n\t10.0.0.0/8 ", "trust-proxy", ["unix", "10.0.0.0/8"]),
        ("ENDPOINT", r"tcp6:1:interface=\: b", "endpoint", [r"tcp6:1:interface=\:", "b"]),
        ("ENDPOINT", "'unix:/run/a b' \"unix:/c d\"", "endpoint", ["unix:/run/a b", "unix:/c d"]),
        ("ENDPOINT", "unix:/a#b,c;d", "endpoint", ["unix:/a#b,c;d"]),
    ],
)  # fmt: skip
def test_a_variable_gives_a_value(name: str, text: str, option: str, value: Value) -> None:
    given = from_environment({f"VISLAM_SIGNAL_{name}": text, "HOME": "/root"})

    assert given == {option: Setting(value, Origin.ENVIRONMENT, f"VISLAM_SIGNAL_{name}")}


def test_every_option_has_a_variable_of_its_own() -> None:
    assert len({variable(option) for option in OPTIONS}) == len(OPTIONS)
    for option in OPTIONS:
        assert set(from_environment({variable(option): "1"})) == {option.name}


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_variable_gives_nothing(text: str) -> None:
    assert from_environment({"VISLAM_SIGNAL_HOST": text, "VISLAM_SIGNAL_ENDPOINT": text}) == {}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("MAX_CLIENT", "1", "_MAX_CLIENT; did you mean VISLAM_SIGNAL_MAX_CLIENTS?"),
        ("ZZZ", "1", "no option has the variable VISLAM_SIGNAL_ZZZ"),
        ("\n", "1", r'no option has the variable "VISLAM_SIGNAL_\n"'),
        ("QR", "maybe", "VISLAM_SIGNAL_QR must be 1 or 0 (or 1, true, yes, on, 0,"),
        ("ENDPOINT", "'unix:/a b", "VISLAM_SIGNAL_ENDPOINT has a quote that is not closed"),
    ],
)  # fmt: skip
def test_a_variable_that_is_wrong_is_one_line(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_environment({f"VISLAM_SIGNAL_{name}": text})

    assert sentence in str(caught.value)
    assert str(caught.value).isprintable()


def test_what_kubernetes_sets_for_services_of_that_name_is_none_of_ours() -> None:
    service = {
        "VISLAM_SIGNAL_SERVICE_HOST": "10.0.0.11",
        "VISLAM_SIGNAL_SERVICE_PORT": "8765",
        "VISLAM_SIGNAL_SERVICE_PORT_HTTP": "8765",
        "VISLAM_SIGNAL_PORT": "tcp://10.0.0.11:8765",
        "VISLAM_SIGNAL_PORT_8765_TCP": "tcp://10.0.0.11:8765",
        "VISLAM_SIGNAL_PORT_8765_TCP_PROTO": "tcp",
        "VISLAM_SIGNAL_PORT_8765_TCP_PORT": "8765",
        "VISLAM_SIGNAL_PORT_8765_TCP_ADDR": "10.0.0.11",
        "VISLAM_SIGNAL_REDIS_SERVICE_HOST": "10.0.0.12",
        "VISLAM_SIGNAL_REDIS_PORT": "tcp://10.0.0.12:6379",
        "VISLAM_SIGNAL_REDIS_PORT_6379_TCP": "tcp://10.0.0.12:6379",
    }

    assert from_environment(service) == {}
    assert set(from_environment(service | {"VISLAM_SIGNAL_PORT": "80"})) == {"port"}
