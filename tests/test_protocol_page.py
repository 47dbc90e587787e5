"""Plays the examples of docs/protocol.md against a real server."""

import json
import re
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from processes import PATIENCE, ROOT, Server
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

from twisted_signal.errors import SignalError
from twisted_signal.messages import ClientMessage, ServerMessage

PAGE = ROOT / "docs" / "protocol.md"
EXAMPLES = re.findall(r"```signal\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
ACTIONS = {
    "(a binary frame)": (Opcode.BINARY, b"\x00"),
    "(invalid UTF-8)": (Opcode.TEXT, b'{"type": "\xff"}'),
    "(a message of 65537 bytes)": (Opcode.TEXT, b" " * 65537),
}


class Stage:
    """The connections of one example, by the names that stand in front of the lines."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = url
        self._stack = stack
        self._connections: dict[str, ClientConnection] = {}
        self._resume_tokens: dict[str, str] = {}

    def connection(self, name: str, path: str = "/") -> ClientConnection:
        if name not in self._connections:
            opened = connect(self._url + path, close_timeout=PATIENCE)
            self._connections[name] = self._stack.enter_context(opened)
        return self._connections[name]

    def play(self, line: str) -> None:
        name, verb, rest = re.fullmatch(
            r"(\w+) (connects to|closes|loses its connection|→|←)(.*)", line
        ).groups()  # type: ignore[union-attr] # a line of another form fails the test
        rest = rest.strip()
        if verb == "connects to":
            self.connection(name, rest)
        elif verb == "closes":
            self.connection(name).close()
        elif verb == "loses its connection":
            self._connections.pop(name).socket.shutdown(socket.SHUT_RDWR)
        elif verb == "→" and rest in ACTIONS:
            opcode, data = ACTIONS[rest]
            self.connection(name).send(data, text=opcode is Opcode.TEXT)
        elif verb == "→":
            token = self._resume_tokens.get(name, "…")
            self.connection(name).send(
                rest.replace('"resume_token": "…"', f'"resume_token": "{token}"')
            )
        elif rest.startswith("close "):
            with pytest.raises(ConnectionClosed):
                self.connection(name).recv(timeout=PATIENCE)
            assert self.connection(name).close_code == int(rest.removeprefix("close "))
        else:
            told = json.loads(self.connection(name).recv(timeout=PATIENCE))
            shown = json.loads(re.sub(r": …", ': "…"', rest))
            assert matches(shown, told), f"{line}\nbut it was told {told}"
            self._resume_tokens[name] = told.get("resume_token")


def matches(shown: object, told: object) -> bool:
    """Tell whether what a client was told is what the page shows, where `…` is anything."""
    if isinstance(shown, dict) and isinstance(told, dict):
        return list(shown) == list(told) and all(matches(shown[key], told[key]) for key in shown)
    if isinstance(shown, list) and isinstance(told, list):
        return len(shown) == len(told) and all(map(matches, shown, told))
    if isinstance(shown, str) and "…" in shown:
        pattern = ".*".join(re.escape(part) for part in shown.split("…"))
        return re.fullmatch(pattern, str(told)) is not None
    return shown == told


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 7


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[0][:60])
def test_the_example_is_true(signal_server: Server, example: str) -> None:
    with ExitStack() as stack:
        stage = Stage(signal_server.url, stack)
        for line in example.strip().splitlines():
            stage.play(line)


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
