"""What is answered at the admin endpoint, with clients in memory."""

from http import HTTPStatus
from urllib.parse import quote

import pytest
from admin_stage import AdminMemory, Reply, request
from fake_nodes import FakeNodes, phone_and_pc

from twisted_signal import __version__
from twisted_signal.admin.questions import AskClients


@pytest.fixture
def memory() -> AdminMemory:
    return AdminMemory()


def test_the_process_is_alive(memory: AdminMemory) -> None:
    reply = memory.ask("/healthz")

    assert (reply.status, reply.body) == (200, b"ok.\n")


def test_a_server_is_ready_until_it_stops(memory: AdminMemory) -> None:
    assert memory.ask("/readyz").json() == {"ready": True, "reasons": {}}

    memory.service.stopService()
    reply = memory.ask("/readyz")

    assert reply.status == 503
    assert reply.json()["ready"] is False
    assert reply.json()["reasons"].keys() == {"draining"}
    assert memory.ask("/healthz").status == 200


def test_a_part_of_the_server_may_have_a_check_of_its_own(memory: AdminMemory) -> None:
    said: list[str | None] = ["The database does not answer"]
    memory.readiness.checks["database"] = lambda: said[0]

    reply = memory.ask("/readyz")
    assert reply.status == 503
    assert reply.json() == {"ready": False, "reasons": {"database": "The database does not answer"}}

    said[0] = None
    assert memory.ask("/readyz").status == 200


def test_the_server_is_described(memory: AdminMemory) -> None:
    memory.registered("phone", "lab")
    memory.open()
    memory.connect()
    memory.wait(3)

    said = memory.ask("/api/v1/server").json()

    assert said["version"] == __version__
    assert (said["connections"], said["clients"], said["rooms"]) == (3, 2, 1)
    assert said["draining"] is False
    assert said["uptime_s"] == 3


def test_what_is_counted_is_told_to_prometheus(memory: AdminMemory) -> None:
    memory.registered("phone", "lab")
    accept = {"Accept": "application/openmetrics-text; version=1.0.0, text/plain;q=0.5"}

    plain, open_metrics = memory.ask("/metrics"), memory.ask("/metrics", headers=accept)

    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"\nvislam_signal_rooms 1.0\n" in plain.body
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text;")
    assert open_metrics.body.endswith(b"# EOF\n")


def test_how_things_went_is_told(memory: AdminMemory) -> None:
    telemetry = memory.service.telemetry
    telemetry.startService()
    memory.registered("phone", "lab")
    memory.wait(12)
    telemetry.stopService()

    said = memory.ask("/api/v1/history").json()

    assert said["step_s"] == 5
    assert said["series"]["rooms"] == [1, 1]
    assert said["series"]["registrations"] == [0.2, 0]


def test_lists_come_in_parts(memory: AdminMemory) -> None:
    for number in range(5):
        memory.registered(f"phone{number}", f"lab{number}")

    rooms = memory.ask("/api/v1/rooms?offset=1&limit=2").json()
    clients = memory.ask("/api/v1/clients?offset=3&limit=500").json()

    assert [room["room_id"] for room in rooms["items"]] == ["lab1", "lab2"]
    assert (rooms["total"], rooms["offset"], rooms["limit"]) == (5, 1, 2)
    assert [client["client_id"] for client in clients["items"]] == ["phone3", "phone4"]


def test_lists_can_be_searched(memory: AdminMemory) -> None:
    memory.registered("phone", "kitchen")
    memory.registered("pc", "hall")

    rooms = memory.ask("/api/v1/rooms?search=HALL").json()
    clients = memory.ask("/api/v1/clients?search=kitch").json()
    of_room = memory.ask("/api/v1/clients?room=hall").json()

    assert [room["room_id"] for room in rooms["items"]] == ["hall"]
    assert [client["client_id"] for client in clients["items"]] == ["phone"]
    assert [client["client_id"] for client in of_room["items"]] == ["pc"]


def test_calls_are_told_with_what_is_wrong(memory: AdminMemory) -> None:
    memory.registered("phone", "lab")
    memory.registered("pc", "lab").say(type="offer", target_id="phone", sdp="v=0")
    memory.wait(20)

    (call,) = memory.ask("/api/v1/calls?problems=1").json()["items"]

    assert [peer["client_id"] for peer in call["peers"]] == ["pc", "phone"]
    assert "offer" in [step["kind"] for step in call["steps"]]
    assert call["diagnosis"]["is_problem"]
    assert memory.ask("/api/v1/calls?search=PHO&room=lab").json()["total"] == 1
    assert memory.ask("/api/v1/calls?room=hall").json()["total"] == 0
    assert memory.ask("/api/v1/calls?search=tablet").json()["total"] == 0
    assert memory.ask("/api/v1/calls?offset=1").json()["items"] == []


@pytest.mark.parametrize("room_id", ["lab", "a/b", "лаб 📷", "%2F", "a?b#c", " ", '"\\', "+"])
def test_a_room_may_have_any_name(memory: AdminMemory, room_id: str) -> None:
    memory.registered("phone", room_id)
    memory.registered("pc", room_id)

    said = memory.ask(f"/api/v1/rooms/{quote(room_id, safe='')}?offset=1").json()

    assert said["room"]["room_id"] == room_id
    assert said["room"]["clients"] == said["clients"]["total"] == 2
    assert [client["client_id"] for client in said["clients"]["items"]] == ["pc"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        (
            "GET",
            "/api/v1/rooms/hall",
            (404, "unknown_room", "There is no room hall; a room exists"),
        ),
        (
            "POST",
            "/api/v1/clients/7/disconnect",
            (404, "unknown_client", "No client has the key 7;"),
        ),
        ("GET", "/api/v1/x", (404, "unknown_path", "There is nothing here.")),
        ("GET", "/api/v1/rooms?limit=x", (400, "bad_query", "limit must be a number from 1 to")),
        ("GET", "/healthz?x=1", (400, "bad_query", "There is no parameter x")),
        ("POST", "/api/v1/drain?now=1", (400, "bad_query", "There is no parameter now")),
        ("POST", "/api/v1/rooms", (405, "wrong_method", "This path is for GET and HEAD.")),
        ("POST", "/", (405, "wrong_method", "This path is for GET and HEAD.")),
        ("GET", "/api/v1/drain", (405, "wrong_method", "This path is for POST.")),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(
    memory: AdminMemory, method: str, path: str, expected: tuple[int, str, str]
) -> None:
    reply = memory.post(path) if method == "POST" else memory.ask(path)

    status, code, sentence = expected
    assert (reply.status, reply.code) == (status, code)
    assert reply.message.startswith(sentence)
    assert reply.headers["Cache-Control"] == "no-store"
    if status == 405:
        assert reply.headers["Allow"] in ("GET, HEAD", "POST")


@pytest.mark.parametrize("body", [b"x", b"[]", b'{"reason": "because"}'])
def test_a_body_that_nobody_would_read_is_refused(memory: AdminMemory, body: bytes) -> None:
    reply = memory.post("/api/v1/drain", body)

    assert (reply.status, reply.code) == (400, "bad_body")
    assert not memory.reactor.is_stopped


def disconnect(memory: AdminMemory, search: str) -> Reply:
    (found,) = memory.ask(f"/api/v1/clients?search={search}").json()["items"]
    return memory.post(f"/api/v1/clients/{found['key']}/disconnect")


def test_a_client_is_disconnected_and_its_peers_are_told(memory: AdminMemory) -> None:
    phone, pc = memory.registered("phone"), memory.registered("pc")

    reply = disconnect(memory, "phone")

    assert reply.status == 200
    assert reply.json()["client"]["client_id"] == "phone"
    assert reply.json()["client"]["state"] == "here"
    assert phone.close_code == 4410
    assert pc.hear()[-1] == {"type": "peer_left", "client_id": "phone"}
    again = memory.post(f"/api/v1/clients/{reply.json()['client']['key']}/disconnect")
    assert again.code == "unknown_client"


def test_one_that_is_disconnected_cannot_resume(memory: AdminMemory) -> None:
    phone = memory.open()
    phone.say(type="register", client_id="phone", room_id="lab", resume=True)
    token = phone.hear()[-1]["resume_token"]

    disconnect(memory, "phone")
    newcomer = memory.open()
    newcomer.say(type="resume", resume_token=token)

    assert newcomer.hear()[-1]["code"] == "resume_expired"


def test_the_place_of_one_that_is_away_is_given_up(memory: AdminMemory) -> None:
    phone, pc = memory.open(), memory.registered("pc", "lab")
    phone.say(type="register", client_id="phone", room_id="lab", resume=True)
    phone.transport.end()
    assert memory.factory.tally.kept == 1

    reply = disconnect(memory, "phone")

    assert reply.json()["client"]["state"] == "away"
    assert pc.hear()[-1] == {"type": "peer_left", "client_id": "phone"}
    assert memory.factory.tally.kept == 0
    memory.wait(60)  # and nothing is left that would happen later
    assert memory.factory.tally.expired == 0


def test_one_that_has_not_registered_is_disconnected_too(memory: AdminMemory) -> None:
    client = memory.open()

    assert disconnect(memory, client.protocol.address).json()["client"]["state"] == "entering"
    assert client.close_code == 4410


def test_to_drain_is_to_stop_the_process_and_twice_is_once(memory: AdminMemory) -> None:
    memory.registered("phone")

    for _ in range(2):
        reply = memory.post("/api/v1/drain")
        assert reply.status == 202
        assert reply.json() == {"draining": True, "clients": 1, "drain_timeout_s": 10}
    assert memory.reactor.is_stopped


def test_a_page_is_sent_and_may_be_kept(memory: AdminMemory) -> None:
    reply = memory.ask("/")

    assert (reply.status, reply.body) == (200, b"<!doctype html>")
    again = memory.ask("/", headers={"If-None-Match": reply.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_without_a_source_there_are_no_events(memory: AdminMemory) -> None:
    assert memory.ask("/api/v1/events").status == HTTPStatus.NOT_FOUND


class TestOfACluster:
    @pytest.fixture
    def nodes(self) -> FakeNodes:
        nodes = phone_and_pc()
        nodes.is_late = True
        return nodes

    def test_an_answer_comes_when_the_other_nodes_have_answered(self, nodes: FakeNodes) -> None:
        line = nodes["a"].dial()
        line.send(request("/api/v1/clients"))
        assert line.transport.take() == b""

        nodes.deliver()

        said = line.reply().json()
        assert [client["client_id"] for client in said["items"]] == ["phone", "pc"]
        assert said["missing_nodes"] == []

    def test_what_is_asked_meanwhile_is_answered_after_it(self, nodes: FakeNodes) -> None:
        line = nodes["a"].dial()
        line.send(request("/api/v1/rooms") + request("/healthz"))
        assert line.transport.take() == b""

        nodes.deliver()

        said = line.transport.take()
        assert said.count(b"HTTP/1.1 200 OK") == 2
        assert said.index(b"hall") < said.index(b"ok.")

    def test_who_does_not_wait_for_it_is_forgotten(self, nodes: FakeNodes) -> None:
        line = nodes["a"].dial()
        line.send(request("/api/v1/rooms"))
        line.transport.end()

        assert nodes.deliver()
        assert line.transport.take() == b""

    def test_an_error_may_come_late(self, nodes: FakeNodes) -> None:
        line = nodes["a"].dial()
        line.send(request("/api/v1/rooms/cellar"))
        nodes.deliver()

        reply = line.reply()
        assert (reply.status, reply.code) == (404, "unknown_room")

    def test_a_mistake_may_come_late(
        self, nodes: FakeNodes, caplog: pytest.LogCaptureFixture
    ) -> None:
        line = nodes["a"].dial()
        line.send(request("/api/v1/clients"))
        nodes["a"].whole.node._says[AskClients] = lambda _: 1 / 0
        nodes.deliver()

        reply = line.reply()
        assert (reply.status, reply.code) == (500, "server_mistake")
        assert "A request to the admin endpoint could not be answered" in caplog.text

    def test_a_client_of_another_node_is_disconnected(self, nodes: FakeNodes) -> None:
        nodes.is_late = False
        client = nodes["b"].registered("tablet")

        reply = disconnect(nodes["a"], "tablet")

        assert reply.json()["client"]["node"] == "b"
        assert client.close_code == 4410
        nodes.silent = {"b"}
        again = nodes["a"].post(f"/api/v1/clients/{reply.json()['client']['key']}/disconnect")
        assert (again.status, again.code) == (504, "node_silent")

    def test_a_node_drains_alone(self, nodes: FakeNodes) -> None:
        nodes.is_late = False
        assert nodes["b"].post("/api/v1/drain").status == 202

        assert [nodes[name].reactor.is_stopped for name in "ab"] == [False, True]
        assert nodes.asked == []

    def test_the_page_is_told_what_the_others_said(self, nodes: FakeNodes) -> None:
        line = nodes["a"].dial()
        line.send(request("/api/v1/events?view=clients"))
        first = line.transport.take()
        assert b'"client_id":"phone"' in first
        assert b'"client_id":"pc"' not in first

        nodes.deliver()
        nodes["a"].wait(1)

        assert b'"client_id":"pc"' in line.transport.take()

    def test_a_node_that_there_is_not_is_named(self, nodes: FakeNodes) -> None:
        reply = nodes["a"].ask("/api/v1/rooms?node=x")

        assert (reply.status, reply.code) == (404, "unknown_node")
