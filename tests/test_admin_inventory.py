"""What an operator sees of rooms and clients, with clients in memory."""

import pytest
from memory import Memory, MemoryClient

from twisted_signal.admin import inventory
from twisted_signal.close_codes import DISMISSED


@pytest.fixture
def memory() -> Memory:
    return Memory()


def resumable(memory: Memory, client_id: str, room_id: str) -> MemoryClient:
    """Return a client in a room, whose place is kept when its connection breaks."""
    client = memory.open()
    client.say(type="register", client_id=client_id, room_id=room_id, resume=True)
    client.hear()
    return client


def test_a_room_tells_how_many_are_in_it(memory: Memory) -> None:
    memory.registered("phone", "lab")
    memory.registered("pc", "lab")

    page = inventory.rooms(memory.factory)

    assert [(room.room_id, room.clients) for room in page.items] == [("lab", 2)]
    assert (page.total, page.offset, page.limit) == (1, 0, 50)


def test_rooms_come_in_parts_the_oldest_first(memory: Memory) -> None:
    for number in range(7):
        memory.registered("phone", f"room{number}")

    page = inventory.rooms(memory.factory, offset=2, limit=3)

    assert [room.room_id for room in page.items] == ["room2", "room3", "room4"]
    assert page.total == 7


def test_rooms_are_found_by_a_part_of_their_id_in_any_case(memory: Memory) -> None:
    for name in ("Lab-1", "hall", "LAB-2"):
        memory.registered("phone", name)

    page = inventory.rooms(memory.factory, search="lAb")

    assert [room.room_id for room in page.items] == ["Lab-1", "LAB-2"]
    assert page.total == 2


def test_a_client_is_seen_from_the_moment_its_websocket_is_open(memory: Memory) -> None:
    memory.connect()  # no WebSocket yet
    client = memory.open()

    (seen,) = inventory.clients(memory.factory).items

    assert (seen.state, seen.client_id, seen.room_id) == ("entering", None, None)
    assert seen.address == client.protocol.address

    client.say(type="register", client_id="phone", client_type="android", room_id="lab")
    (seen,) = inventory.clients(memory.factory).items

    assert (seen.state, seen.client_id, seen.room_id) == ("here", "phone", "lab")
    assert seen.client_type == "android"


def test_one_whose_connection_is_broken_is_away_as_long_as_its_place_is_kept(
    memory: Memory,
) -> None:
    phone = resumable(memory, "phone", "lab")
    memory.registered("pc", "lab")
    phone.transport.end()

    found = inventory.clients(memory.factory).items
    in_room = inventory.clients(memory.factory, room_id="lab").items

    assert [(each.client_id, each.state) for each in found] == [("pc", "here"), ("phone", "away")]
    assert [each.client_id for each in in_room] == ["phone", "pc"]


def test_one_that_closes_is_no_client_any_more(memory: Memory) -> None:
    client = memory.registered("phone")
    client.websocket.send_close(1000)
    client.flush()

    assert inventory.clients(memory.factory).total == 0


@pytest.mark.parametrize("search", ["PHONE", "kitchen", "192.0.2.7:40001"])
def test_clients_are_found_by_id_room_or_address(memory: Memory, search: str) -> None:
    memory.registered("phone", "kitchen")
    memory.registered("pc", "hall")

    page = inventory.clients(memory.factory, search=search)

    assert [each.client_id for each in page.items] == ["phone"]
    assert page.total == 1


def test_clients_of_a_room_that_is_not_there_are_none(memory: Memory) -> None:
    memory.registered("phone", "kitchen")

    assert inventory.clients(memory.factory, room_id="hall").total == 0
    assert inventory.room(memory.factory, "hall") is None


def test_a_client_can_be_sent_away_by_its_key(memory: Memory) -> None:
    phone, pc = memory.registered("phone"), memory.registered("pc")
    phone.hear()
    key = inventory.clients(memory.factory, search="phone").items[0].key

    found = inventory.find(memory.factory, key)
    assert found is not None
    inventory.dismiss(found, memory.factory.now_ns())

    assert phone.close_code == DISMISSED
    assert pc.close_code is None
    assert pc.hear() == [{"type": "peer_left", "client_id": "phone"}]
    assert inventory.find(memory.factory, key) is None


def test_one_that_is_away_loses_its_place_for_good(memory: Memory) -> None:
    phone = resumable(memory, "phone", "lab")
    pc = memory.registered("pc", "lab")
    phone.transport.end()
    key = inventory.clients(memory.factory, search="phone").items[0].key

    found = inventory.find(memory.factory, key)
    assert found is not None
    inventory.dismiss(found, memory.factory.now_ns())

    assert pc.hear() == [{"type": "peer_left", "client_id": "phone"}]
    assert inventory.clients(memory.factory).total == 1
    memory.wait(60)  # nothing is left that would happen to a place that is not there
    assert not list(memory.factory.registry.resumable_members())
