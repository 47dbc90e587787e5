"""docs/asyncapi.json: what the server says and understands, in a form that tools take."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from processes import ROOT, Server
from stage import examples_of, play

from twisted_signal import __version__, close_codes
from twisted_signal.dialects.android import AndroidDialect, FlatMessage
from twisted_signal.dialects.base import Dialect, OpeningRequest
from twisted_signal.dialects.readme import ReadmeDialect, ReadmeMessage
from twisted_signal.errors import SignalError
from twisted_signal.messages import ServerMessage

sys.path.append(str(ROOT / "docs"))

import asyncapi

DOCUMENT = json.loads(asyncapi.DOCUMENT.read_text(encoding="utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
MESSAGES = DOCUMENT["components"]["messages"]
NODE_MODULES = Path(sys.prefix) / "node_modules"
PARSE = """
const { Parser } = require("@asyncapi/parser");
const text = require("fs").readFileSync(0, "utf8");
new Parser().validate(text).then((found) => console.log(JSON.stringify(found)));
"""
NEWER = "asyncapi-latest-version"
"""The parser says so of 3.0.0, which more tools read than what came after."""


def names_of(union: Any) -> set[str]:
    return {struct.__name__ for struct in union.__args__}


def operations(channel: str, action: str) -> Iterator[str]:
    """Yield the names of the messages that the server receives or sends."""
    for operation in DOCUMENT["operations"].values():
        if operation["action"] == action and operation["channel"]["$ref"].endswith(f"/{channel}"):
            (message,) = operation["messages"]
            yield message["$ref"].rpartition("/")[2]


def is_valid(name: str, message: object) -> bool:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return bool(jsonschema.Draft7Validator(schema).is_valid(message))


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, message in MESSAGES.items():
        for example in message["examples"]:
            yield name, example["payload"]


def parser_says(document: str) -> list[dict[str, Any]]:
    found = subprocess.run(
        ["node", "-e", PARSE],
        input=document,
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [complaint for complaint in json.loads(found) if complaint["code"] != NEWER]


def test_the_document_is_written_anew_after_each_change_of_the_protocol() -> None:
    assert asyncapi.DOCUMENT.read_text(encoding="utf-8") == asyncapi.text(), "make asyncapi"


def test_the_document_has_the_packages_version() -> None:
    assert DOCUMENT["info"]["version"] == __version__


@pytest.mark.skipif(
    not (NODE_MODULES / "@asyncapi" / "parser").exists() or not shutil.which("node"),
    reason="AsyncAPI's parser is not installed",
)
def test_asyncapis_own_parser_takes_the_document() -> None:
    broken = json.dumps(DOCUMENT | {"servers": {"plain": {}}})

    assert parser_says(asyncapi.DOCUMENT.read_text(encoding="utf-8")) == []
    assert parser_says(broken) != []


def test_every_message_is_there_in_its_direction() -> None:
    assert set(operations("signaling", "receive")) == names_of(ReadmeMessage)
    assert set(operations("signaling", "send")) == names_of(ServerMessage)
    assert set(operations("flat", "receive")) == names_of(FlatMessage)
    assert {MESSAGES[name]["name"] for name in operations("flat", "send")} == {
        "offer",
        "answer",
        "ice_candidate",
        "candidate",
        "connected",
        "error",
    }


def test_every_message_and_field_is_described() -> None:
    for schema in SCHEMAS.values():
        assert schema["description"]
        assert all(field["description"] for field in schema["properties"].values())


def test_every_message_has_an_example_of_its_shape() -> None:
    assert {name for name, _ in examples()} == set(MESSAGES)
    for name, payload in examples():
        assert is_valid(name, payload), payload


@pytest.mark.parametrize(
    ("channel", "dialect"),
    [("signaling", ReadmeDialect()), ("flat", AndroidDialect(OpeningRequest()))],
    ids=["signaling", "flat"],
)
def test_the_server_takes_what_the_document_allows_and_refuses_what_it_does_not(
    channel: str, dialect: Dialect
) -> None:
    received = set(operations(channel, "receive"))
    tried = 0
    for name, payload in examples():
        if name not in received:
            continue
        for message in variants(payload, SCHEMAS[name]):
            try:
                dialect.decode(msgspec.json.encode(message), 0)
            except SignalError:
                taken = False
            else:
                taken = True
            assert taken is is_valid(name, message), message
            tried += 1
    assert tried > 50


def variants(payload: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a message, and with each field left out and with other values."""
    values: tuple[object, ...] = (
        *(None, True, 5, -5, 0.5, [], {}),
        *("", "a", "x" * 129, "a\x1fb"),
    )
    yield payload
    for field in schema["properties"].keys() - {"type"}:
        yield {name: value for name, value in payload.items() if name != field}
        for value in values:
            yield payload | {field: value}


def test_what_a_real_server_tells_has_the_shapes_of_the_document(signal_server: Server) -> None:
    shapes = {*operations("signaling", "send"), *operations("flat", "send")}
    seen = set()

    for example in examples_of(ROOT / "docs" / "protocol.md"):
        for message in play(signal_server.url, example):
            fitting = {name for name in shapes if is_valid(name, message)}
            assert any(message.keys() <= SCHEMAS[name]["properties"].keys() for name in fitting)
            seen |= fitting

    assert shapes - seen == {"ServerShutdown", "FlatAnswer"}  # which no example shows


def test_every_error_code_is_there() -> None:
    codes = SCHEMAS["Error"]["properties"]["code"]["enum"]

    assert set(codes) == {error.code for error in SignalError.__subclasses__()}


def test_the_close_codes_of_the_server_are_there() -> None:
    errors = {error.close_code for error in SignalError.__subclasses__()} - {None}
    named = {code for code in vars(close_codes).values() if isinstance(code, int)}
    named.remove(close_codes.ABNORMAL_CLOSURE)  # that there was none

    for channel in DOCUMENT["channels"].values():
        codes = {int(code) for code in channel["x-close-codes"]}
        assert codes == errors | named | {1002, 1007, 1009}  # the last are Autobahn's
