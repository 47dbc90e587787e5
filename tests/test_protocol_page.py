"""Plays the examples of docs/protocol.md against a real server."""

from pathlib import Path

import pytest
from processes import ROOT, Server
from stage import examples_of, matches, play

from twisted_signal.errors import SignalError
from twisted_signal.messages import ClientMessage, ServerMessage

PAGE = ROOT / "docs" / "protocol.md"
EXAMPLES = examples_of(PAGE)


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 7


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[0][:60])
def test_the_example_is_true(signal_server: Server, example: str) -> None:
    play(signal_server.url, example)


@pytest.mark.parametrize(
    ("shown", "told", "same"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": "x…"}, {"a": "xyz"}, True),
        ({"a": "x…"}, {"a": "yz"}, False),
        ([1], [1, 2], False),
    ],
)
def test_the_comparison_can_fail(shown: object, told: object, same: bool) -> None:
    assert matches(shown, told) is same


def test_every_error_code_and_type_is_on_the_page() -> None:
    text = Path(PAGE).read_text(encoding="utf-8")
    for code in {error.code for error in SignalError.__subclasses__()}:
        assert f"| `{code}` |" in text, code
    for message in (*ClientMessage.__args__, *ServerMessage.__args__):
        assert f"`{message.__struct_config__.tag}`" in text
