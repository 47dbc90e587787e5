import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_signal.text import (
    QUOTED_LENGTH,
    printable,
    quoted,
    raw,
    without_sdp,
    without_tokens,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("phone1", "phone1"),
        ("Küche in 東京", "Küche in 東京"),
        ("a\nb", r"a\nb"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\u2028b", r"a\u2028b"),
        ("a\u202eb", r"a\u202eb"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_what_a_terminal_could_act_on_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_printable_text_is_one_line_of_visible_characters(text: str) -> None:
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") for c in printable(text))


@pytest.mark.parametrize("name", ["phone1", "android-7f3a", "lab/2.b", "a@b", "/signaling", "东京"])
def test_a_plain_name_stands_as_it_is(name: str) -> None:
    assert quoted(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", '""'),
        ("two words", '"two words"'),
        ('quo"te', r'"quo\"te"'),
        ("x (pc) in room y", '"x (pc) in room y"'),
        ("a\nb", r'"a\nb"'),
        ("a\x9bb", r'"a\x9bb"'),
    ],
)
def test_any_other_name_stands_in_quotes(name: str, shown: str) -> None:
    assert quoted(name) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no camera", "no camera"),
        ("Failed to parse: v=0\r\no=- 1", "Failed to parse: …"),
        ("a=candidate:1", "…"),
        ("x\na=ice-pwd:secret", "x\n…"),
        ("size=3", "size=3"),
    ],
)
def test_a_text_is_shown_up_to_where_it_quotes_an_sdp(text: str, shown: str) -> None:
    assert without_sdp(text) == shown


def test_a_long_text_is_cut() -> None:
    assert quoted("x" * 1000) == '"' + "x" * QUOTED_LENGTH + '…"'


TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.MEUCIQ_-x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/signaling", "/signaling"),
        (f"/signaling?token={TOKEN}", "/signaling?token=…"),
        (f"/signaling?token={TOKEN}&room=lab1#x", "/signaling?token=…&room=lab1#x"),
        (f"/?room=lab1;TOKEN={TOKEN}", "/?room=lab1;TOKEN=…"),
        ("wss://h:1/?token=no-jwt%20at.all&a=b", "wss://h:1/?token=…&a=b"),
        ("/?token=", "/?token=…"),
        ("/?broken=1&tokens=2", "/?broken=1&tokens=2"),
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer …"),
        (f'{{"type":"register","token":"{TOKEN}"}}', '{"type":"register","token":"…"}'),
        (f"two: {TOKEN}, {TOKEN}.", "two: …, …"),
        (TOKEN[:30], "…"),
        ("eyJ", "…"),
        ("keyJar", "keyJar"),
        ("Eyjafjallajökull", "Eyjafjallajökull"),
    ],
)
def test_a_token_is_not_shown(text: str, shown: str) -> None:
    assert without_tokens(text) == shown


def test_no_text_takes_long_to_be_searched_for_tokens() -> None:
    begin = time.perf_counter()
    for text in ("eyJ" * 100_000, "eyJ." * 100_000, "eyJ-eyJ" * 50_000, "token=" * 50_000):
        without_tokens(text)
    assert time.perf_counter() - begin < 2  # some 20 ms


def test_what_is_shown_in_quotes_is_known_as_it_is() -> None:
    assert raw(quoted("a b")) == "a b"
    assert raw(quoted("plain")) == "plain"
    assert raw(quoted("x" * (QUOTED_LENGTH + 1))) == "x" * QUOTED_LENGTH + "…"
    assert raw(7) == 7
