"""What the page is told of a server in memory."""

import json
from typing import Any

import pytest
from admin_stage import AdminMemory

from twisted_signal.admin.live import Live, Look
from twisted_signal.admin.subject import Running
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
