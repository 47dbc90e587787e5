"""What the page is told of a server in memory."""

import json
from typing import Any

import pytest
from admin_stage import AdminMemory
from fake_nodes import FakeNodes, phone_and_pc

from twisted_signal.admin.live import Live, Look
from twisted_signal.admin.questions import AskClients
from twisted_signal.admin.subject import FORGOTTEN, MOST_VIEWS, Running
from twisted_signal.history import STEP


@pytest.fixture
def memory() -> AdminMemory:
    return AdminMemory()


@pytest.fixture
def subject(memory: AdminMemory) -> Running:
    return Running(memory.whole)


def offer(memory: AdminMemory, sender: str, room: str, target: str) -> None:
    memory.registered(sender, room).say(
        type="offer", target_id=target, sdp={"type": "offer", "sdp": "v=0"}
    )


def test_rooms_are_told_by_their_ids_and_in_part(memory: AdminMemory, subject: Running) -> None:
    for number in range(5):
        memory.registered("phone", f"room{number}")
    (listing,) = subject.look(Look(offset=1, limit=2)).listings.values()

    assert listing.total == 5
    assert list(listing.rows) == ["room1", "room2"]
    assert listing.rows["room1"] == {
        "room_id": "room1",
        "clients": 1,
        "opened_at_ms": memory.now_ns() // 1_000_000,
        "nodes": [],
    }


def test_clients_are_told_by_what_they_are_disconnected_by(
    memory: AdminMemory, subject: Running
) -> None:
    memory.registered("phone", "lab1")
    memory.registered("pc", "lab2")
    listing = subject.look(Look(view="clients", search="LAB2")).listings["clients"]

    ((key, row),) = listing.rows.items()
    assert (row["key"], row["client_id"]) == (key, "pc")


def test_a_room_is_its_clients_and_its_calls(memory: AdminMemory, subject: Running) -> None:
    memory.registered("phone", "lab1")
    offer(memory, "pc", "lab1", "phone")
    memory.registered("phone", "lab2")
    offer(memory, "pc", "lab2", "phone")
    told = subject.look(Look(view="room", room="lab2")).listings

    assert {row["room_id"] for listing in told.values() for row in listing.rows.values()} == {
        "lab2"
    }
    assert {name: listing.total for name, listing in told.items()} == {"clients": 2, "calls": 1}


def test_a_list_of_calls_has_problems_first_and_no_steps(
    memory: AdminMemory, subject: Running
) -> None:
    offer(memory, "lost", "lab1", "nobody")
    memory.wait(1)
    memory.registered("phone", "lab2")
    offer(memory, "pc", "lab2", "phone")
    calls = subject.look(Look(view="calls")).listings["calls"]

    assert [row["room_id"] for row in calls.rows.values()] == ["lab1", "lab2"]
    assert [row["step_count"] for row in calls.rows.values()] == [2, 3]
    assert not any("steps" in row for row in calls.rows.values())
    assert subject.look(Look()).server["problems"] == 1
    assert subject.look(Look(view="calls", problems=True)).listings["calls"].total == 1


def test_one_call_has_its_steps(memory: AdminMemory, subject: Running) -> None:
    memory.registered("phone", "lab2")
    offer(memory, "pc", "lab2", "phone")
    (number,) = subject.look(Look(view="calls")).listings["calls"].rows
    call = subject.look(Look(view="call", call=number)).listings["call"].rows[number]

    assert [step["kind"] for step in call["steps"]] == ["joined", "joined", "offer"]
    assert subject.look(Look(view="call", call="4711")).listings["call"] == (0, {})


def test_the_plots_are_those_of_the_history(memory: AdminMemory, subject: Running) -> None:
    memory.service.telemetry.startService()
    memory.registered("phone", "lab1")
    memory.wait(2 * STEP)
    memory.service.telemetry.stopService()
    rates = subject.look(Look()).rates

    assert (rates.end, rates.step_s) == (2, STEP)
    assert rates.series["rooms"] == [1, 1]
    assert set(rates.series) >= {"clients", "messages", "bytes_in", "bytes_out", "connections"}
    assert {len(points) for points in rates.series.values()} == {2}


@pytest.mark.parametrize("view", ["rooms", "clients", "calls", "room", "call"])
def test_all_of_it_is_fit_for_json(memory: AdminMemory, view: str) -> None:
    offer(memory, "lost", "lab1", "nobody")
    viewer = Live(Running(memory.whole), memory.clock.seconds).viewer()
    said = viewer.begin({"view": view, "room": "lab1", "call": "1"}, 0.0).decode()
    events: dict[str, Any] = {}
    for block in said.split("\n\n")[:-1]:
        name, data = block.split("\n")
        events[name.removeprefix("event: ")] = json.loads(data.removeprefix("data: "))

    assert events["server"]["rooms"] == 1
    assert list(events)[-1] == {"room": "calls"}.get(view, view)
    assert events[list(events)[-1]]["total"] == 1


class TestOfACluster:
    @pytest.fixture
    def nodes(self) -> FakeNodes:
        return phone_and_pc()

    def test_what_the_others_say_at_once_is_seen_at_once(self, nodes: FakeNodes) -> None:
        seen = Running(nodes.whole("a")).look(Look())

        assert list(seen.listings["rooms"].rows) == ["hall", "lab"]
        assert (seen.server["clients"], len(seen.server["nodes"])) == (2, 2)

    def test_at_first_this_nodes_part_is_seen_then_what_the_others_said(
        self, nodes: FakeNodes
    ) -> None:
        nodes.is_late = True
        subject = Running(nodes.whole("a"))

        assert list(subject.look(Look()).listings["rooms"].rows) == ["hall"]
        assert list(subject.look(Look()).listings["rooms"].rows) == ["hall"]
        nodes.deliver()
        nodes["b"].registered("pc", "cellar")
        for name in "ab":
            nodes[name].wait(1)

        assert list(subject.look(Look()).listings["rooms"].rows) == ["hall", "lab"]
        nodes.deliver()
        assert list(subject.look(Look()).listings["rooms"].rows) == ["hall", "lab", "cellar"]

    def test_nobody_is_asked_twice_at_a_time(self, nodes: FakeNodes) -> None:
        nodes.is_late = True
        subject = Running(nodes.whole("a"))
        for _ in range(5):
            subject.look(Look())

        assert len(nodes.asked) == 1

    def test_nothing_is_asked_when_nobody_looks(self, nodes: FakeNodes) -> None:
        subject = Running(nodes.whole("a"))
        subject.look(Look())
        asked = len(nodes.asked)
        for name in "ab":
            nodes[name].wait(30)

        assert len(nodes.asked) == asked

    @pytest.mark.parametrize("view", ["rooms", "clients", "calls", "room", "call"])
    def test_each_view_is_that_of_all_nodes(self, nodes: FakeNodes, view: Any) -> None:
        nodes["b"].registered("phone", "lab")
        offer(nodes["b"], "tablet", "lab", "phone")
        (call,) = Running(nodes.whole("a")).look(Look(view="calls")).listings["calls"].rows

        seen = Running(nodes.whole("a")).look(Look(view=view, room="lab", call=call))

        assert call.startswith("b:")
        for name, listing in seen.listings.items():
            assert {row.get("node", "b") for row in listing.rows.values()} >= {"b"}, name
            assert all(row.get("key", key) == key for key, row in listing.rows.items())

    def test_the_lists_of_one_node_are_seen_and_the_rest_stays_that_of_all(
        self, nodes: FakeNodes
    ) -> None:
        seen = Running(nodes.whole("a")).look(Look(view="clients", node="b"))

        assert [row["client_id"] for row in seen.listings["clients"].rows.values()] == ["pc"]
        assert seen.server["clients"] == 2

    def test_a_node_that_is_gone_has_nothing(self, nodes: FakeNodes) -> None:
        seen = Running(nodes.whole("a")).look(Look(view="room", room="lab", node="z"))

        assert seen.listings == {"clients": (0, {}), "calls": (0, {})}

    def test_one_that_is_silent_is_named_and_left_out(self, nodes: FakeNodes) -> None:
        nodes.silent = {"b"}

        seen = Running(nodes.whole("a")).look(Look())

        assert list(seen.listings["rooms"].rows) == ["hall"]
        assert [node["reachable"] for node in seen.server["nodes"]] == [True, False]
        assert [name for name, _ in nodes.asked] == ["b"]

    def test_a_problem_that_two_nodes_know_of_is_one(self, nodes: FakeNodes) -> None:
        phone = nodes["a"].registered("phone", "lab")
        nodes.share("lab")
        phone.say(type="offer", target_id="pc", sdp="v=0")
        for name in "ab":
            nodes[name].wait(60)

        seen = Running(nodes.whole("a")).look(Look(view="calls", problems=True))

        assert [row["room_id"] for row in seen.listings["calls"].rows.values()] == ["lab"]
        assert seen.server["problems"] == 1

    def test_a_call_that_two_nodes_know_is_looked_at_as_its_key_says(
        self, nodes: FakeNodes
    ) -> None:
        nodes["a"].registered("phone", "lab")
        nodes.share("lab")
        for name in "ab":
            nodes[name].wait(20)

        def rows(**look: Any) -> list[str]:
            seen = Running(nodes.whole("b")).look(Look(search="lab", **look))
            return list(next(iter(seen.listings.values())).rows)

        (by_a,), (by_b,) = (rows(view="calls", node=name) for name in "ab")
        assert by_a != by_b
        assert rows(view="calls") == [by_a]
        for key in (by_a, by_b):
            assert rows(view="call", call=key) == [key]

    def test_plots_begin_anew_with_other_nodes(self, nodes: FakeNodes) -> None:
        for name in "ab":
            nodes[name].service.telemetry.startService()
            nodes[name].wait(2 * STEP)
            nodes[name].service.telemetry.stopService()
        nodes.is_late = True
        subject = Running(nodes.whole("a"))

        alone = subject.look(Look()).rates
        nodes.deliver()
        together = subject.look(Look()).rates

        assert (alone.nodes, alone.series["clients"]) == (("a",), [1, 1])
        assert (together.nodes, together.series["clients"]) == (("a", "b"), [2, 2])

    def test_a_mistake_is_told_to_whoever_looks_next(self, nodes: FakeNodes) -> None:
        nodes.is_late = True
        subject = Running(nodes.whole("a"))
        subject.look(Look(view="clients"))
        nodes["a"].whole.node._says[AskClients] = lambda _: 1 / 0
        nodes.deliver()

        with pytest.raises(ZeroDivisionError):
            subject.look(Look(view="clients"))

    def test_what_was_seen_long_ago_is_nothing_any_more(self, nodes: FakeNodes) -> None:
        subject = Running(nodes.whole("a"))
        subject.look(Look())
        nodes.is_late = True
        nodes["a"].wait(FORGOTTEN + 1)

        assert "lab" not in subject.look(Look()).listings["rooms"].rows

    def test_few_views_are_kept(self, nodes: FakeNodes) -> None:
        subject = Running(nodes.whole("a"))
        for number in range(MOST_VIEWS + 5):
            subject.look(Look(search=f"{number}"))

        assert len(subject._views) == MOST_VIEWS
