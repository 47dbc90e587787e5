"""Options in a TOML file."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_signal.config.settings import ConfigError, Origin, Value
from twisted_signal.config.toml_file import from_toml, key_lines
from twisted_signal.option_table import BY_NAME, OPTIONS, Kind

PATH = Path("/etc/vislam.toml")


def values(text: str) -> dict[str, Value]:
    return {name: one.value for name, one in from_toml(text.encode(), PATH).items()}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("max-clients = 1_000", "1000"),
        ("max-clients = 0x10", "16"),
        ("max-clients = -1", "-1"),  # what it must be is checked as on the command line
        ('port = "none"', "none"),
        ("port = 80", "80"),
        ("qr = true", True),
        ("no-web = false", False),
        ('host = "::1"', "::1"),
        ('stun-uri = "stun:a.example"', ["stun:a.example"]),
        ('stun-uri = ["stun:a.example", "stun:b.example"]', ["stun:a.example", "stun:b.example"]),
        ("stun-uri = []", []),
        ('tls-cert = "cert.pem"', "/etc/cert.pem"),
        ('auth-public-key-file = ["a.pem", "/b.pem"]', ["/etc/a.pem", "/b.pem"]),
        ('"max-clients" = 5 # a comment', "5"),
    ],
)
def test_a_key_gives_a_value(line: str, value: Value) -> None:
    assert list(values(line).values()) == [value]


def test_an_empty_file_gives_nothing() -> None:
    assert values("") == values("\n# only this\n") == {}


def test_a_file_may_begin_and_end_its_lines_as_on_windows() -> None:
    assert from_toml(b"\xef\xbb\xbfmax-clients = 5\r\nqr = true\r\n", PATH)["qr"].place == (
        "/etc/vislam.toml:2"
    )


WRONG = [
    (b"max-client = 1", ":1: there is no option max-client; did you mean max-clients?"),
    (b"max_clients = 1", ":1: there is no option max_clients; did you mean max-clients?"),
    (b"\n\n'web' = true", ":3: there is no option web; did you mean no-web?"),
    (b'"" = 1', ':1: there is no option ""'),
    (b'"a\\nb" = 1', r':1: there is no option "a\nb"'),
    (b'config = "x"', ":1: config names this file, and cannot stand in it"),
    (b"[limits]\nmax-clients = 1", ":1: there is no table limits: options stand by themselves"),
    (b"max.clients = 1", ":1: there is no table max: options stand by themselves"),
    (b"host.a = 1", ":1: host must be a string, not a table"),
    (b'max-clients = "100"', "an integer, not a string: max-clients = 100, without"),
    (b'max-clients = "many"', ":1: max-clients must be an integer, not a string"),
    (b"max-clients = 1.5", ":1: max-clients must be an integer, not a fraction"),
    (b"max-clients = true", ":1: max-clients must be an integer, not true or false"),
    (b"max-clients = nan", "an integer, not a fraction"),
    (b"max-clients = 2026-01-01", "an integer, not a date or a time"),
    (b"max-clients = 9223372036854775808", "an integer, not such a large one"),
    (b"max-clients = " + b"9" * 5000, "this is no TOML: Exceeds the limit"),
    (b"max-clients = [1]", "an integer, not an array"),
    (b'port = "http"', ':1: port must be an integer or "none", not a string'),
    (b'qr = "true"', ":1: qr must be true or false, not a string: qr = true, without quotes"),
    (b"qr = 1", ":1: qr must be true or false, not an integer"),
    (b"host = 5", ":1: host must be a string, not an integer"),
    (b"endpoint = 5", ":1: endpoint must be a string or an array of strings, not an integer"),
    (b'endpoint = [\n"a", 5]', ":1: endpoint must be an array of strings, and an integer is in it"),
    (b'endpoint = [["a"]]', "an array of strings, and an array is in it"),
    (b"# \nqr = yes", ":2: this is no TOML: Invalid value (column 6)"),
    (b"qr = true\nqr = true", ":2: this is no TOML: Cannot overwrite a value"),
    (b"host = '", "this is no TOML: "),
    (b"max-clients", "this is no TOML: "),
    (b"a = " + b"[" * 100_000, "this is no TOML: "),
    (b"# \nhost = '\xff'", ":2: the file is not UTF-8"),
    (b"host = '\x00'", ":1: this is no TOML: "),
    (b"\xff\xfeh\0o\0", ":1: the file is not UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "sentence"), WRONG, ids=lambda data: repr(data)[:40])
def test_a_file_that_is_wrong_is_one_line_with_its_place(data: bytes, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_toml(data, PATH)

    told = str(caught.value)
    assert told.startswith("/etc/vislam.toml:")
    assert sentence in told
    assert told.isprintable()


def test_the_line_of_each_key_is_known() -> None:
    text = (
        '# first\n\nhost = "a"\n"port" = 1 # x\nendpoint = [ # [not = "this"]\n  "a",\n'
        '  "b = c",\n]\nqr=true\n\nlog-level = """\nqr = 5\nmax-clients = 7"""\nmax-clients = 7'
    )

    assert key_lines(text) == {
        "host": 3,
        "port": 4,
        "endpoint": 5,
        "qr": 9,
        "log-level": 11,
        "max-clients": 14,
    }


def test_a_long_array_takes_no_long_time() -> None:
    many = "endpoint = [\n" + '"tcp:1",\n' * 20_000 + "]\nqr = true"

    assert key_lines(many)["qr"] == 20_003


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """What any file may hold, most of it by keys that there are."""
    scalars = (
        st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.sampled_from(["none"])
    )
    keys = st.sampled_from([option.name for option in OPTIONS]) | st.text(max_size=8)
    return st.dictionaries(keys, scalars | st.lists(scalars, max_size=3), max_size=6)


def written(document: dict[str, Any]) -> str:
    """Return a document as TOML, with a space where JSON has none."""

    def toml(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in document.items())


def fits(name: str, value: Any) -> bool:
    option = BY_NAME.get(name)
    if option is None or name == "config":
        return False
    if option.is_repeatable and isinstance(value, list):
        return all(isinstance(each, str) for each in value)
    match option.kind:
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.NUMBER:
            return type(value) is int
        case Kind.PORT:
            return type(value) is int or value == "none"
    return isinstance(value, str)


@given(documents())
def test_what_fits_is_taken_and_all_else_is_one_line(document: dict[str, Any]) -> None:
    text = written(document)
    assert tomllib.loads(text) == document
    wrong = [name for name, value in document.items() if not fits(name, value)]

    try:
        taken = from_toml(text.encode(), PATH)
    except ConfigError as error:
        assert wrong
        line = list(document).index(wrong[0]) + 1
        assert str(error).startswith(f"/etc/vislam.toml:{line}: ")  # noqa: PT017 - or it is none
        assert str(error).isprintable()  # noqa: PT017 - or it is none
    else:
        assert not wrong
        assert list(taken) == list(document)
        for number, setting in enumerate(taken.values(), 1):
            assert (setting.origin, setting.place) == (Origin.FILE, f"/etc/vislam.toml:{number}")


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_a_traceback(data: bytes) -> None:
    try:
        from_toml(data, PATH)
    except ConfigError as error:
        assert str(error).isprintable()  # noqa: PT017 - or it is none
