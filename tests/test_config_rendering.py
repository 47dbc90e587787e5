"""Settings as TOML again."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_signal.config.rendering import rendered, shown, without_secrets
from twisted_signal.config.settings import Origin, Setting, Value
from twisted_signal.config.sources import Sources
from twisted_signal.config.toml_file import from_toml
from twisted_signal.option_table import OPTIONS, Kind, Option

DEFAULTS = Sources({}, {}).read()


def line(name: str, setting: Setting) -> str:
    (found,) = (line for line in rendered(DEFAULTS | {name: setting}) if f"{name} =" in line)
    return found


@pytest.mark.parametrize(
    ("name", "setting", "expected"),
    [
        ("host", Setting("::1", Origin.COMMAND_LINE), 'host = "::1"  # command line'),
        ("port", Setting("080", Origin.ENVIRONMENT, "VAR"), "port = 80  # VAR"),
        ("port", Setting("none"), 'port = "none"  # default'),
        ("qr", Setting(True, Origin.DEMO), "qr = true  # demo"),  # noqa: FBT003 - the value
        ("max-clients", Setting("5", Origin.FILE, "/a:3"), "max-clients = 5  # /a:3"),
        ("endpoint", Setting(["tcp:1", 'a"b\\']), r'endpoint = ["tcp:1", "a\"b\\"]  # default'),
        (
            "endpoint",
            Setting(["x://me:pass@word/"], Origin.FILE, "/a:3"),
            'endpoint = ["x://me:…@word/"]  # /a:3, with a secret that is not shown',
        ),
    ],
)
def test_an_option_stands_with_its_value_and_where_that_is_from(
    name: str, setting: Setting, expected: str
) -> None:
    assert line(name, setting) == expected


def test_what_is_not_set_is_a_comment_and_the_file_itself_is_left_out() -> None:
    lines = list(rendered(DEFAULTS | {"config": Setting("/a")}))

    assert "# tls-cert: not set" in lines
    assert "# endpoint: not set" in lines
    assert "# tls-port: default, 8766" in lines
    assert not any("config" in line for line in lines)
    assert len(lines) == len(OPTIONS) - 1


def test_a_name_that_is_not_unicode_is_told_of_and_left_out() -> None:
    lines = list(rendered(DEFAULTS | {"tls-cert": Setting("/a\udcff", Origin.COMMAND_LINE)}))

    assert r"# tls-cert: /a\udcff, which TOML cannot say  # command line" in lines


def values(option: Option) -> st.SearchStrategy[Value]:
    text = st.text(st.characters(exclude_categories=["Cs"]))
    numbers = st.integers(0, option.largest).map(str)
    match option.kind:
        case Kind.FLAG:
            return st.booleans()
        case Kind.NUMBER:
            return numbers
        case Kind.PORT:
            return numbers | st.just("none")
    if option.is_path:
        text = text.map(lambda name: f"/{name}")
    return st.lists(text, min_size=1, max_size=3) if option.is_repeatable else text


@given(
    st.fixed_dictionaries({}, optional={o.name: values(o) for o in OPTIONS if o.name != "config"})
)
def test_what_is_printed_means_the_same_when_it_is_read(chosen: dict[str, Any]) -> None:
    settings = DEFAULTS | {
        name: Setting(value, Origin.FILE, "/a b:1") for name, value in chosen.items()
    }

    text = "\n".join(rendered(settings))

    assert without_secrets(text) == text or "…" in text
    if "…" not in text:
        read = from_toml(text.encode(), Path("/x"))
        assert {name: read[name].value for name in chosen} == chosen


def test_the_defaults_are_toml() -> None:
    assert tomllib.loads("\n".join(rendered(DEFAULTS)))["max-message-size"] == 65536


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("redis://:hunter2@db:6379/0", "redis://:…@db:6379/0"),
        ("redis://me:hunter2@db", "redis://me:…@db"),
        ("x:8000:password=hunter2:y=1", "x:8000:password=…:y=1"),
        ("a?Token=hunter2&b=1", "a?Token=…&b=1"),
        ("client_secret=hunter2", "client_secret=…"),
        ("ssl:443:privateKey=/etc/key.pem", "ssl:443:privateKey=/etc/key.pem"),
        ("turn:turn.example.com:3478?transport=udp", "turn:turn.example.com:3478?transport=udp"),
        ("tcp6:1:interface=[::]", "tcp6:1:interface=[::]"),
        ("/etc/secret", "/etc/secret"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, told: str) -> None:
    assert without_secrets(text) == told


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        ([], "nothing"),
        (True, "on"),
        (False, "off"),
        ("5", "5"),
        ("", '""'),
        ("a\nb", r"a\nb"),
        (["a", "x://:secret@b"], "a, x://:…@b"),
    ],
)
def test_the_log_has_values_in_words(value: Value, words: str) -> None:
    assert shown(value) == words
