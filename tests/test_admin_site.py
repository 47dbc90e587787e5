"""The admin endpoint's HTTP and its limits, on an in-memory transport."""

import logging

import pytest
from admin_stage import POST, TOKEN, AdminMemory, request

from twisted_signal.admin.site import (
    AT_ONCE,
    IDLE,
    MAX_BODY,
    MAX_UNREAD,
    MOST,
    MOST_OF_ONE,
    PUBLIC_RATE,
    SLOW,
)
from twisted_signal.admission import BURST
from twisted_signal.refusals import LINES

GET = request("/healthz")
AUTHORIZED = {"Authorization": f"Bearer {TOKEN.decode()}"}


@pytest.fixture
def memory() -> AdminMemory:
    return AdminMemory()


@pytest.fixture
def guarded() -> AdminMemory:
    return AdminMemory(TOKEN)


def test_answers_tell_browsers_to_need_nothing_from_outside(memory: AdminMemory) -> None:
    headers = memory.ask("/").headers

    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"].startswith("vislam-signal/")
    assert not [name for name in headers if name.startswith("Access-Control-")]


def test_a_connection_brings_several_requests(memory: AdminMemory) -> None:
    line = memory.dial()
    line.send(GET + request("/api/v1/nothing") + GET)

    assert line.transport.take().count(b"HTTP/1.1 ") == 3
    assert not line.transport.ended


def test_a_request_may_come_in_pieces(memory: AdminMemory) -> None:
    line = memory.dial()
    for byte in request("/api/v1/drain", "POST", POST, b" {} "):
        line.send(bytes([byte]))

    assert line.reply().status == 202


def test_a_body_may_come_in_chunks(memory: AdminMemory) -> None:
    head = b"POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    line = memory.dial()
    line.send(head + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")

    assert line.reply().status == 202


def test_a_body_that_is_too_large_is_not_kept(memory: AdminMemory) -> None:
    line = memory.dial()
    line.send(request("/api/v1/drain", "POST", POST, b" " * (MAX_BODY + 1)))

    reply = line.reply()
    assert (reply.status, reply.code) == (413, "body_too_large")
    assert not memory.reactor.is_stopped


@pytest.mark.parametrize("length", ["Content-Length: 99999999", "Transfer-Encoding: chunked"])
def test_a_body_without_end_ends_the_connection(memory: AdminMemory, length: str) -> None:
    line = memory.dial()
    line.send(f"POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
    line.send(b"99999999\r\n")
    for _ in range(MAX_UNREAD // 1024 + 1):
        line.send(b"x" * 1024)

    assert line.transport.aborted
    assert line.transport.take() == b""


@pytest.mark.parametrize("header", [b"X: " + b"x" * 20_000, b"X: x\r\n" * 4000])
def test_a_header_that_is_too_large_is_refused(memory: AdminMemory, header: bytes) -> None:
    line = memory.dial()
    line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n")

    assert line.transport.ended
    assert b"200 OK" not in line.transport.take()


def test_a_request_that_does_not_end_in_time_ends_the_connection(memory: AdminMemory) -> None:
    line = memory.dial()
    for _ in range(IDLE - 1):
        line.send(b"G" if not line.transport.ended else b"")
        memory.wait(1)
    assert not line.transport.ended

    memory.wait(1)
    assert line.transport.ended


def test_the_time_begins_anew_with_each_answer(memory: AdminMemory) -> None:
    line = memory.dial()
    for _ in range(3):
        memory.wait(IDLE - 1)
        line.send(GET)
        assert line.reply().status == 200
    memory.wait(IDLE)
    assert line.transport.ended


def test_one_that_does_not_read_the_last_answer_is_not_waited_for(
    memory: AdminMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = memory.dial()
    monkeypatch.setattr(line.transport, "loseConnection", lambda: None)  # something is unread
    line.send(request("/healthz", headers={"Connection": "close"}))

    memory.wait(SLOW - 1)
    assert not line.transport.ended
    memory.wait(1)
    assert line.transport.aborted
    assert not memory.clock.getDelayedCalls()


def test_one_that_reads_no_answer_is_asked_no_more(memory: AdminMemory) -> None:
    line = memory.dial()
    line.channel.pauseProducing()
    assert line.transport.producerState == "paused"
    memory.wait(IDLE + SLOW)
    assert line.transport.ended


def test_two_hosts_are_one_too_many(memory: AdminMemory) -> None:
    line = memory.dial()
    line.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: rebound.example\r\n\r\n")

    assert line.reply().code == "bad_host"


def test_another_name_is_refused_and_the_connection_ends(
    memory: AdminMemory, caplog: pytest.LogCaptureFixture
) -> None:
    line = memory.dial()
    line.send(request("/api/v1/rooms", headers={"Host": "rebound.example"}))

    reply = line.reply()
    assert (reply.status, reply.code) == (403, "wrong_host")
    assert reply.headers["Connection"] == "close"
    assert line.transport.ended
    assert "Refused a request to the admin endpoint from 127.0.0.1:50000: The" in caplog.text


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_what_is_for_everybody_needs_no_token(guarded: AdminMemory, path: str) -> None:
    assert guarded.ask(path, headers={"Host": "signal.example"}).status == 200


@pytest.mark.parametrize("path", ["/api/v1/rooms", "/api/v1/openapi.json", "/metrics", "/nothing"])
def test_nothing_else_is_told_without_the_token(
    guarded: AdminMemory, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert guarded.ask(path).code == "token_missing"
    wrong = guarded.ask(path, headers={"Authorization": "Bearer wrong-wrong-wrong"})

    assert wrong.code == "token_wrong"
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer ")
    guarded.ask(path, headers=AUTHORIZED)
    assert TOKEN.decode() not in caplog.text
    assert "wrong-wrong-wrong" not in caplog.text


def test_with_the_token_all_is_told(guarded: AdminMemory) -> None:
    assert guarded.ask("/api/v1/rooms", headers=AUTHORIZED).status == 200
    assert guarded.ask("/api/v1/drain", "POST", {**POST, **AUTHORIZED}).status == 202


def test_nothing_is_done_without_the_token(guarded: AdminMemory) -> None:
    assert guarded.post("/api/v1/drain").status == 401
    assert not guarded.reactor.is_stopped


def test_a_mistake_is_in_the_log_and_told_in_words(
    memory: AdminMemory, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise RuntimeError("a mistake")

    memory.readiness.checks["mistake"] = fail
    reply = memory.ask("/readyz")

    assert (reply.status, reply.code) == (500, "server_mistake")
    assert "a mistake" in caplog.text


def test_there_are_only_so_many_connections(memory: AdminMemory) -> None:
    lines = [memory.dial(f"192.0.2.{number}") for number in range(MOST)]
    assert not [line for line in lines if line.transport.ended]

    assert memory.dial("192.0.2.200").transport.aborted
    lines[0].transport.end()
    assert not memory.dial("192.0.2.200").transport.ended


def test_one_address_has_only_so_many(memory: AdminMemory) -> None:
    lines = [memory.dial("192.0.2.7") for _ in range(2 * MOST_OF_ONE)]
    assert not [line for line in lines if line.transport.ended]

    assert memory.dial("192.0.2.7").transport.aborted
    assert not memory.dial("192.0.2.8").transport.ended


def test_one_address_may_connect_only_so_often(
    memory: AdminMemory, caplog: pytest.LogCaptureFixture
) -> None:
    refused = 0
    for _ in range(1000):
        line = memory.dial("192.0.2.7")
        refused += line.transport.aborted
        line.transport.end()
    assert 0 < refused < 1000
    assert len(caplog.messages) == LINES
    assert "Too many connections at once come from your address" in caplog.text

    memory.wait(1)
    assert f"Refused {refused - LINES} more of these" in caplog.messages[-1]
    assert not memory.dial("192.0.2.7").transport.ended


def test_requests_that_do_not_wait_for_answers_are_answered_in_bounds(memory: AdminMemory) -> None:
    line = memory.dial()
    line.send(GET * (AT_ONCE + 1))

    assert line.transport.take().count(b"HTTP/1.1 200 OK") == AT_ONCE
    assert line.transport.ended


def test_one_address_may_ask_only_so_often(memory: AdminMemory) -> None:
    replies = [memory.ask("/api/v1/server") for _ in range(BURST + 1)]
    assert {reply.status for reply in replies[:-1]} == {200}

    assert (replies[-1].status, replies[-1].code) == (429, "too_many_requests")
    assert replies[-1].headers["Retry-After"] == "1"
    assert replies[-1].headers["Connection"] == "close"
    memory.wait(1)
    assert memory.ask("/api/v1/server").status == 200


def test_strangers_ask_so_often_together_and_do_not_keep_out_who_has_the_token(
    guarded: AdminMemory,
) -> None:
    statuses = []
    for number in range(PUBLIC_RATE + 1):
        line = guarded.dial(f"192.0.2.{number % 250}")
        line.send(request("/api/v1/rooms", headers={"Authorization": "Bearer wrong"}))
        statuses.append(line.reply().status)
    assert statuses == [401] * PUBLIC_RATE + [429]

    assert guarded.ask("/healthz").status == 429
    assert guarded.ask("/api/v1/rooms", headers=AUTHORIZED).status == 200


def test_all_ends_with_the_endpoint(memory: AdminMemory) -> None:
    lines = [memory.dial() for _ in range(3)]
    lines[1].send(b"GET")
    memory.site.end()

    assert all(line.transport.ended for line in lines)
    assert not memory.clock.getDelayedCalls()


def test_what_is_asked_stands_in_the_log_without_what_was_searched_for(
    memory: AdminMemory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "twisted_signal.admin.site")
    memory.ask("/api/v1/rooms?search=secret")
    memory.ask("/api/v1/rooms/%0Aforged")

    assert caplog.messages == [
        "Admin GET /api/v1/rooms: 200",
        'Admin GET "/api/v1/rooms/%0Aforged": 404',
    ]


def test_only_the_headers_are_sent_for_head(memory: AdminMemory) -> None:
    reply = memory.ask("/api/v1/server", "HEAD")

    assert (reply.status, reply.body) == (200, b"")
