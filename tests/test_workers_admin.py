"""What a parent answers at its admin endpoint, with workers that a test makes up."""

import logging
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast

import pytest
from admin_stage import POST, TOKEN, AdminLine, Reply, request
from memory import Memory, MemoryTransport
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectError
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone

from twisted_signal.admin.api import Api
from twisted_signal.admin.guard import Guard
from twisted_signal.metrics import OPEN_METRICS
from twisted_signal.web.answers import kept
from twisted_signal.workers import admin, asking
from twisted_signal.workers.admin import ParentApi
from twisted_signal.workers.parent import Parent
from twisted_signal.workers.site import ParentSite
from twisted_signal.workers.worker import State

JSON = "application/json"
FILES = {"/": kept("text/html; charset=utf-8", b"<!doctype html>")}
READY = b'{"ready":true,"reasons":{}}'


class FakeResponse:
    """A body that comes when the test says so."""

    def __init__(self) -> None:
        self.passage: Any = None
        self.calls: list[str] = []

    def deliverBody(self, passage: Any) -> None:
        self.passage = passage
        passage.makeConnection(self)

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def loseConnection(self) -> None:
        self.calls.append("lose")


class FakeWorker:
    """A worker that is ready."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.state = State.READY
        self.process_id = 100 + number
        self.restarts = 0


class Stage:
    """A parent with three workers. `said`: what they answer, by number and path."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, token: bytes | None = None) -> None:
        self.memory = Memory()
        self.asked: list[tuple[int, str, str]] = []
        self.said: dict[tuple[int, str], Any] = {}
        self.workers = [FakeWorker(number) for number in (1, 2, 3)]
        self.drained: list[str] = []
        self.parent: Any = SimpleNamespace(
            is_draining=False, stop_timeout=10, drain=self.drained.append, workers=self
        )
        monkeypatch.setattr(admin, "ask", self._ask)
        monkeypatch.setattr(admin, "body_of", lambda _, reply: succeed(reply.response))
        clock = self.memory.clock
        api = ParentApi(cast("Parent", self.parent), clock, FILES)
        guard = Guard(None if token is None else lambda: token, checks_host=True)
        self.site = ParentSite(cast("Api", api), guard, clock, "vislam-signal/1")

    directory = "/run/x"

    @property
    def all(self) -> list[FakeWorker]:
        return self.workers

    @property
    def ready(self) -> list[FakeWorker]:
        return [worker for worker in self.workers if worker.state is State.READY]

    def _ask(
        self, _reactor: object, path: str, method: str, target: str, accept: str = ""
    ) -> "Deferred[asking.Reply]":
        number = int(path.removeprefix("/run/x/").removesuffix(".admin"))
        self.asked.append((number, method, target))
        said = self.said.get((number, target), asking.NoAnswer("Nobody is there"))
        if isinstance(said, Deferred):
            return said
        if isinstance(said, Exception):
            return fail(said)
        return succeed(reply(said))

    def dial(self) -> AdminLine:
        channel = self.site.buildProtocol(None)
        transport = MemoryTransport(channel, 50000)
        transport.peerAddr = IPv4Address("TCP", "127.0.0.1", 50000)
        channel.makeConnection(transport)
        return AdminLine(channel, transport)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        line = self.dial()
        line.send(request(path, method, headers or (POST if method == "POST" else {})))
        return line.reply()


def reply(body: bytes, status: int = 200, content_type: str = JSON) -> asking.Reply:
    response: Any = body
    headers = (("Cache-Control", "no-store"),)
    return asking.Reply(HTTPStatus(status), content_type, headers, response)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def test_a_question_is_passed_on_as_it_came(stage: Stage) -> None:
    stage.said[1, "/api/v1/rooms/a%2Fb?limit=2"] = b'{"items":[]}'

    answer = stage.ask("/api/v1/rooms/a%2Fb?limit=2")

    assert (answer.status, answer.json()) == (200, {"items": []})
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert stage.asked == [(1, "GET", "/api/v1/rooms/a%2Fb?limit=2")]


def test_where_one_does_not_answer_another_is_asked(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.workers[0].state = State.ENDED
    stage.said[3, "/api/v1/server"] = b"{}"

    assert stage.ask("/api/v1/server").status == 200

    assert [number for number, _, _ in stage.asked] == [2, 3]
    assert caplog.messages[0] == "Worker 2 does not answer: Nobody is there"


def test_what_changes_something_is_asked_for_once(stage: Stage) -> None:
    answer = stage.ask("/api/v1/clients/7/disconnect", "POST")

    assert (answer.status, answer.code) == (503, "no_worker")
    assert len(stage.asked) == 1


def test_where_nobody_answers_that_is_said(stage: Stage) -> None:
    assert stage.ask("/api/v1/server").code == "no_worker"
    for worker in stage.workers:
        worker.state = State.STARTING
    stage.asked.clear()

    assert stage.ask("/api/v1/server").code == "no_worker"
    assert stage.asked == []


def test_workers_that_are_stopping_can_still_be_watched(stage: Stage) -> None:
    for worker in stage.workers:
        worker.state = State.STOPPING
    stage.said[1, "/api/v1/server"] = b"{}"

    assert stage.ask("/api/v1/server").status == 200


def test_a_path_that_no_url_has_is_refused(stage: Stage) -> None:
    stage.said[1, "/a|b"] = ValueError("Invalid URI")

    assert stage.ask("/a|b").code == "bad_path"


def test_the_guard_and_the_files_are_the_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, TOKEN)

    assert stage.ask("/").body == b"<!doctype html>"
    assert stage.ask("/healthz").status == 200
    assert stage.ask("/api/v1/server").code == "token_missing"
    assert stage.ask("/", "POST", **POST).code == "wrong_method"
    assert stage.asked == []


@pytest.mark.parametrize(
    ("path", "method", "code"),
    [
        ("/healthz?x=1", "GET", "bad_query"),
        ("/metrics", "POST", "wrong_method"),
        ("/api/v1/drain", "GET", "wrong_method"),
    ],
)
def test_what_the_parent_answers_itself_is_checked_likewise(
    path: str, method: str, code: str, stage: Stage
) -> None:
    assert stage.ask(path, method).code == code


def test_it_is_ready_while_one_worker_is_and_tells_of_the_others(stage: Stage) -> None:
    stage.workers[0].state = State.ENDED
    stage.said[2, "/readyz"] = READY

    answer = stage.ask("/readyz")

    assert answer.status == 200
    assert answer.json() == {
        "ready": True,
        "reasons": {
            "worker_1": "It has ended, and is to be started anew",
            "worker_3": "It does not answer",
        },
    }


def test_it_is_not_ready_where_no_worker_is(stage: Stage) -> None:
    for number in (1, 2, 3):
        said = b'{"ready":false,"reasons":{"redis":"Redis is away","x":"So is x"}}'
        stage.said[number, "/readyz"] = said

    answer = stage.ask("/readyz")

    assert answer.status == 503
    assert answer.json()["reasons"]["worker_2"] == "Redis is away; So is x"


def test_it_is_not_ready_when_it_is_draining(stage: Stage) -> None:
    stage.parent.is_draining = True
    for number in (1, 2, 3):
        stage.said[number, "/readyz"] = READY

    answer = stage.ask("/readyz")

    assert (answer.status, list(answer.json()["reasons"])) == (503, ["draining"])


def count(clients: int) -> bytes:
    lines = ("# TYPE vislam_signal_clients gauge", f"vislam_signal_clients {clients}", "# EOF", "")
    return "\n".join(lines).encode()


def test_metrics_are_the_sum_of_those_who_say_something(stage: Stage) -> None:
    stage.said[1, "/metrics"], stage.said[2, "/metrics"] = count(3), count(4)
    stage.workers[2].state, stage.workers[2].restarts = State.STARTING, 2

    text = stage.ask("/metrics").body.decode()

    for line in ("clients 7.0", "workers 3.0", "workers_ready 2.0", "worker_restarts_total 2.0"):
        assert f"vislam_signal_{line}\n" in text
    assert stage.ask("/metrics", Accept=OPEN_METRICS).headers["Content-Type"] == OPEN_METRICS


def test_a_drain_is_one_of_all_workers(stage: Stage) -> None:
    stage.said[1, "/metrics"], stage.said[2, "/metrics"] = count(3), count(4)

    answer = stage.ask("/api/v1/drain", "POST")

    assert answer.status == 202
    assert answer.json() == {"draining": True, "clients": 7, "drain_timeout_s": 10}
    assert stage.drained == ["Drain asked for at the admin endpoint"]


def test_a_mistake_is_in_the_log_and_no_end_of_the_server(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.said[1, "/readyz"] = b"no JSON"

    assert stage.ask("/readyz").code == "server_mistake"
    assert caplog.records[-1].levelno == logging.ERROR


EVENTS = "/api/v1/events?room=lab1"


def streaming(stage: Stage) -> tuple[AdminLine, FakeResponse]:
    """Return a connection to which events are passed on, and where they come from."""
    response: Any = FakeResponse()
    stage.said[1, EVENTS] = succeed(
        asking.Reply(HTTPStatus.OK, "text/event-stream", (("X-Accel-Buffering", "no"),), response)
    )
    line = stage.dial()
    line.send(request(EVENTS))
    return line, response


def test_events_are_passed_on_and_end_with_the_worker(stage: Stage) -> None:
    line, response = streaming(stage)

    response.passage.dataReceived(b"event: one\n\n")
    sent = line.transport.take()
    assert b"X-Accel-Buffering: no" in sent
    assert b"event: one\n\n" in sent

    response.passage.connectionLost(Failure(ConnectError()))
    assert line.transport.ended


def test_events_that_are_whole_end_as_an_answer_does(stage: Stage) -> None:
    line, response = streaming(stage)

    response.passage.connectionLost(Failure(ResponseDone()))

    assert line.transport.take().endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("end", ["reader", "token"])
def test_events_end_with_their_reader_and_with_the_token(end: str, stage: Stage) -> None:
    line, response = streaming(stage)

    if end == "reader":
        line.transport.end()
    else:
        stage.site.streams.end()

    assert "lose" in response.calls
    response.passage.connectionLost(Failure(ConnectError()))
    response.calls.clear()
    stage.site.streams.end()  # there is none any more
    assert response.calls == []
    assert line.transport.ended


def test_a_reader_that_takes_nothing_is_not_sent_more(stage: Stage) -> None:
    _, response = streaming(stage)

    response.passage.pauseProducing()
    response.passage.resumeProducing()

    assert response.calls == ["pause", "resume"]


def test_an_answer_that_nobody_waits_for_is_not_sent(stage: Stage) -> None:
    for content_type in (JSON, "text/event-stream"):
        later: Deferred[asking.Reply] = Deferred()
        stage.said[1, EVENTS] = later
        line = stage.dial()
        line.send(request(EVENTS))
        line.transport.end()
        response: Any = FakeResponse() if content_type != JSON else b"{}"

        later.callback(asking.Reply(HTTPStatus.OK, content_type, (), response))

        assert line.transport.take() == b""
        if content_type != JSON:
            assert response.calls == ["lose"]
