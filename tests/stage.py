"""Plays the examples of a page against a real server, and compares what it says with the page."""

import json
import re
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from processes import PATIENCE
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

ACTIONS = {
    "(a binary frame)": (Opcode.BINARY, b"\x00"),
    "(invalid UTF-8)": (Opcode.TEXT, b'{"type": "\xff"}'),
    "(a message of 65537 bytes)": (Opcode.TEXT, b" " * 65537),
}


def examples_of(page: Path) -> list[str]:
    """Return the examples of a page: what is fenced as `signal`."""
    return re.findall(r"```signal\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def play(url: str, example: str) -> list[dict[str, Any]]:
    """Play an example against the server at a URL; return what it told."""
    with ExitStack() as stack:
        stage = Stage(url, stack)
        for line in example.strip().splitlines():
            stage.play(line)
    return stage.told


class Stage:
    """The connections of one example, by the names that stand in front of the lines."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url = url
        self._stack = stack
        self._connections: dict[str, ClientConnection] = {}
        self._resume_tokens: dict[str, str] = {}
        self.told: list[dict[str, Any]] = []

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
            self.told.append(told)


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
