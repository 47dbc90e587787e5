"""Values of options, and how they are spoken of."""

from pathlib import Path

import pytest

from twisted_signal.config.settings import Origin, Setting, absolute, suggestion, with_places
from twisted_signal.option_table import BY_NAME

SETTINGS = {
    "port": Setting("x", Origin.COMMAND_LINE),
    "tls-cert": Setting("x", Origin.ENVIRONMENT, "VISLAM_SIGNAL_TLS_CERT"),
    "max-clients": Setting("x", Origin.FILE, "/etc/vislam.toml:3"),
    "qr": Setting(value=True, origin=Origin.DEMO),
}


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("--port must be a number", "--port must be a number"),
        ("--tls-cert: no file", "VISLAM_SIGNAL_TLS_CERT: no file"),
        ("--max-clients must be a number", "/etc/vislam.toml:3: max-clients must be a number"),
        (
            "--port goes not with --max-clients",
            "--port goes not with max-clients in /etc/vislam.toml:3",
        ),
        ("--qr and --unknown, --", "--qr and --unknown, --"),
        ("--pidfile= none", "--pidfile= none"),
    ],
)
def test_a_sentence_names_options_by_where_their_values_stand(sentence: str, told: str) -> None:
    assert with_places(sentence, SETTINGS) == told


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("max_clients", "; did you mean max-clients?"),
        ("MAX-CLIENT", "; did you mean max-clients?"),
        ("prot", "; did you mean port?"),
        ("something-else-altogether", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_told_if_one_is_near(name: str, end: str) -> None:
    assert suggestion(name, BY_NAME) == end


def test_a_beginning_that_all_names_have_makes_none_of_them_near() -> None:
    names = ["VISLAM_SIGNAL_PORT", "VISLAM_SIGNAL_HOST"]

    assert suggestion("VISLAM_SIGNAL_PRT", names, "VISLAM_SIGNAL_") == (
        "; did you mean VISLAM_SIGNAL_PORT?"
    )
    assert suggestion("VISLAM_SIGNAL_XYZ", names, "VISLAM_SIGNAL_") == ""


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("tls-cert", "a.pem", "/etc/a.pem"),
        ("tls-cert", "/b/a.pem", "/b/a.pem"),
        ("auth-public-key-file", ["a", "/b"], ["/etc/a", "/b"]),
        ("host", "a.example", "a.example"),
    ],
)
def test_relative_paths_are_taken_from_a_directory(
    name: str, value: str | list[str], expected: str | list[str]
) -> None:
    setting = Setting(value, Origin.FILE, "x:1")

    assert absolute(BY_NAME[name], setting, Path("/etc")) == setting._replace(value=expected)
