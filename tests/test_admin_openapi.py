"""The OpenAPI document of the admin endpoint, held against what is really answered."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from admin_stage import AdminMemory, Counter, Reply
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from twisted_signal.admission import BURST

PATH = "/api/v1/openapi.json"


class Party(AdminMemory):
    """A server with clients of all kinds."""

    def __init__(self, token: bytes | None = None) -> None:
        super().__init__(token, events=Counter)
        self.registered("phone", "lab")
        away = self.open()
        away.say(type="register", client_id="away", room_id="lab", resume=True)
        away.transport.end()
        self.open()
        pc = self.registered("pc", "lab")
        pc.say(type="offer", target_id="phone", sdp="v=0")
        pc.say(type="offer", target_id="nobody", sdp="v=0")
        self.wait(20)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    document: dict[str, Any] = Party().ask(PATH).json()
    return document


def strict(schema: Any) -> Any:
    """Return a schema that allows nothing that it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(value) for name, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        found["additionalProperties"] = False
    return found


def hold(document: dict[str, Any], operation: dict[str, Any], reply: Reply) -> None:
    """Hold an answer against what the document says of it."""
    described = operation["responses"][str(reply.status)]
    content_type = reply.headers["Content-Type"].partition(";")[0]
    assert list(described["content"]) == [content_type]
    schema = described["content"][content_type].get("schema")
    if schema is not None:
        assert mistakes(document, schema, reply.json()) == []


def mistakes(document: dict[str, Any], schema: dict[str, Any], said: object) -> list[str]:
    """Return what is wrong with an answer, by a schema of the document."""
    whole = {**schema, "components": strict(document["components"])}
    return [str(error) for error in OAS31Validator(whole).iter_errors(said)]


def test_the_document_is_one(document: dict[str, Any]) -> None:
    validate(document)


def test_it_names_each_operation_once(document: dict[str, Any]) -> None:
    operations = [each for path in document["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names) >= 9


def test_it_is_known_by_whoever_had_it(document: dict[str, Any]) -> None:
    memory = Party()
    tag = memory.ask(PATH).headers["ETag"]
    assert memory.ask(PATH, headers={"If-None-Match": tag}).status == 304


def key(memory: AdminMemory, search: str) -> str:
    found: str = memory.ask(f"/api/v1/clients?search={search}").json()["items"][0]["key"]
    return found


def refused_stream(memory: AdminMemory) -> Reply:
    for _ in range(16):
        memory.dial().send(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return memory.ask("/api/v1/events")


def not_ready(memory: AdminMemory) -> Reply:
    memory.service.stopService()
    return memory.ask("/readyz")


def impatient(memory: AdminMemory) -> Reply:
    for _ in range(BURST):
        memory.ask("/healthz")
    return memory.ask("/healthz")


ANSWERS: dict[tuple[str, str, int], Callable[[AdminMemory], Reply]] = {
    ("get", "/healthz", 200): lambda memory: memory.ask("/healthz"),
    ("get", "/healthz", 429): impatient,
    ("get", "/readyz", 200): lambda memory: memory.ask("/readyz"),
    ("get", "/readyz", 503): not_ready,
    ("get", "/metrics", 200): lambda memory: memory.ask("/metrics"),
    ("get", "/api/v1/history", 200): lambda memory: memory.ask("/api/v1/history"),
    ("get", "/api/v1/server", 200): lambda memory: memory.ask("/api/v1/server"),
    ("get", "/api/v1/rooms", 200): lambda memory: memory.ask("/api/v1/rooms?limit=1"),
    ("get", "/api/v1/rooms", 400): lambda memory: memory.ask("/api/v1/rooms?limit=0"),
    ("get", "/api/v1/rooms/{room_id}", 200): lambda memory: memory.ask("/api/v1/rooms/lab"),
    ("get", "/api/v1/rooms/{room_id}", 404): lambda memory: memory.ask("/api/v1/rooms/x"),
    ("get", "/api/v1/clients", 200): lambda memory: memory.ask("/api/v1/clients"),
    ("get", "/api/v1/clients", 403): lambda memory: memory.ask(
        "/api/v1/clients", headers={"Host": "rebound.example"}
    ),
    ("get", "/api/v1/calls", 200): lambda memory: memory.ask("/api/v1/calls"),
    ("get", "/api/v1/calls", 400): lambda memory: memory.ask("/api/v1/calls?problems=2"),
    ("post", "/api/v1/clients/{key}/disconnect", 200): lambda memory: memory.post(
        f"/api/v1/clients/{key(memory, 'away')}/disconnect"
    ),
    ("post", "/api/v1/clients/{key}/disconnect", 404): lambda memory: memory.post(
        f"/api/v1/clients/{quote('no such/key', safe='')}/disconnect"
    ),
    ("post", "/api/v1/drain", 202): lambda memory: memory.post("/api/v1/drain"),
    ("post", "/api/v1/drain", 400): lambda memory: memory.post("/api/v1/drain", b"[]"),
    ("post", "/api/v1/drain", 413): lambda memory: memory.post("/api/v1/drain", b" " * 2000),
    ("post", "/api/v1/drain", 403): lambda memory: memory.post(
        "/api/v1/drain", Origin="https://example.com"
    ),
    ("post", "/api/v1/drain", 415): lambda memory: memory.ask("/api/v1/drain", "POST"),
    ("get", "/api/v1/events", 503): refused_stream,
    ("get", PATH, 200): lambda memory: memory.ask(PATH),
}


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: " ".join(map(str, case)))
def test_an_answer_is_as_the_document_says(
    document: dict[str, Any], case: tuple[str, str, int]
) -> None:
    method, path, status = case
    reply = ANSWERS[case](Party())

    assert reply.status == status
    hold(document, document["paths"][path][method], reply)


def test_each_operation_has_a_case_where_all_goes_well(document: dict[str, Any]) -> None:
    described = {(method, path) for path, item in document["paths"].items() for method in item}
    tried = {(method, path) for method, path, status in ANSWERS if status < 300}
    assert described - tried == {("get", "/api/v1/events")}  # which goes on


def test_who_shows_no_token_is_answered_as_the_document_says(document: dict[str, Any]) -> None:
    memory = Party(token=b"0123456789abcdef")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            reply = memory.post(path) if method == "post" else memory.ask(path)
            if operation["security"]:
                assert reply.status == 401
                hold(document, operation, reply)
            else:
                assert reply.status == 200


@pytest.mark.parametrize("said", [{}, {"error": {"code": "x", "message": "x", "more": 1}}])
def test_the_comparison_can_fail(document: dict[str, Any], said: object) -> None:
    assert mistakes(document, {"$ref": "#/components/schemas/ErrorView"}, said)
