"""Limits that change while clients are connected."""

from dataclasses import replace
from typing import Any

import pytest
from memory import Memory, MemoryClient

from twisted_signal.limits import Limits


def change(memory: Memory, **limits: int) -> None:
    memory.factory.set_limits(replace(memory.factory.limits, **limits))


def taken(client: MemoryClient, count: int) -> int:
    """Return how many of so many messages are taken."""
    for _ in range(count):
        client.say(type="ping")
    return sum(message["type"] == "pong" for message in client.hear())


def test_a_smaller_message_size_holds_for_who_is_connected() -> None:
    memory = Memory()
    client = memory.registered("a")
    change(memory, max_message_size=100)

    client.say_text(b" " * 101)

    assert client.close_code == 1009


def test_a_larger_message_size_does_too() -> None:
    memory = Memory(max_message_size=100)
    client = memory.registered("a")
    change(memory, max_message_size=200)

    client.say_text(b" " * 150)

    assert client.close_code is None
    assert client.hear()[0]["type"] == "error"


RATES: list[tuple[dict[str, Any], dict[str, Any], int]] = [
    ({}, {"message_rate": 3, "message_burst": 5}, 5),
    ({"message_rate": 0, "frame_rate": 0}, {"message_rate": 3, "message_burst": 5}, 5),
    ({"message_rate": 3, "message_burst": 5}, {"message_rate": 7, "message_burst": 9}, 9),
    ({"message_rate": 3, "message_burst": 5}, {"message_rate": 0, "frame_rate": 0}, 2000),
    ({"message_rate": 3, "message_burst": 5}, {"message_burst": 0, "frame_rate": 0}, 2000),
    ({"frame_rate": 2}, {"message_rate": 0, "frame_rate": 0}, 2000),
]


@pytest.mark.parametrize(("before", "after", "most"), RATES)
def test_another_rate_holds_for_who_is_connected_as_soon_as_a_burst_is_over(
    before: dict[str, Any], after: dict[str, Any], most: int
) -> None:
    memory = Memory(**before)
    client = memory.registered("a")
    memory.wait(3)
    change(memory, **after)
    memory.wait(10)
    client.answer()

    assert taken(client, min(most + 3, 2000)) == most


def test_a_rate_of_frames_holds_for_who_is_connected() -> None:
    memory = Memory(frame_rate=0, message_rate=0)
    client = memory.registered("a")
    change(memory, frame_rate=2)
    memory.wait(1)

    for _ in range(5):
        client.websocket.send_ping(b"")
        client.flush()

    assert client.close_code == 1008


def test_who_is_connected_is_pinged_at_the_new_interval() -> None:
    memory = Memory(ping_interval=60)
    client = memory.registered("a")
    change(memory, ping_interval=5, ping_timeout=5)

    memory.wait(8)
    assert not client.transport.ended
    memory.wait(7)

    assert client.transport.ended


def test_who_connected_while_nobody_was_pinged_is_pinged_now_and_not_dropped_at_once() -> None:
    memory = Memory(ping_interval=0)
    client = memory.registered("a")
    fresh = memory.open()  # which must register still
    memory.wait(5)
    change(memory, ping_interval=3, ping_timeout=3, register_timeout=10)

    for _ in range(4):
        memory.wait(1)
        client.answer()

    assert not client.transport.ended
    assert fresh.protocol.is_expected
    memory.wait(10)
    assert client.transport.ended


def test_nobody_is_pinged_any_more_where_that_is_switched_off() -> None:
    memory = Memory(ping_interval=3, ping_timeout=3)
    client = memory.registered("a")
    change(memory, ping_interval=0)

    memory.wait(60)

    assert not client.transport.ended


def test_a_buffer_may_be_smaller_from_now_on() -> None:
    memory = Memory()

    change(memory, max_buffer=0)
    assert (memory.factory.max_buffer, memory.factory.stalls.size) == (0, 0)
    change(memory, max_buffer=1000)

    assert memory.factory.max_buffer == 1000
    assert memory.factory.stalls.size > 0


def test_a_room_may_have_fewer_from_now_on() -> None:
    memory = Memory()
    memory.registered("a")
    memory.registered("b")
    change(memory, max_room_size=2)
    late = memory.open()

    late.say(type="register", client_id="c", room_id="default")

    assert late.hear()[0]["code"] == "room_full"
    assert memory.factory.registry.limits == Limits(max_room_size=2)


def test_fewer_clients_may_come_from_now_on() -> None:
    memory = Memory()
    memory.registered("a")
    change(memory, max_clients=1)
    late = memory.connect()

    late.request()

    assert late.response is not None
    assert late.response.status_code == 503
