import pytest
from plain import registered

from twisted_signal.nearest import MOST_COMPARISONS, Nearest
from twisted_signal.registry import Registry


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_an_id_is_found_in_another_room(registry: Registry) -> None:
    registered(registry, "pc", "lab1")
    registered(registry, "phone1", "lab2")
    registered(registry, "phone1", "lab1")
    nearest = Nearest(registry, ["phone1", "nobody"])

    assert nearest.room_of("phone1", but="lab1") == "lab2"
    assert nearest.room_of("phone1", but="lab2") == "lab1"
    assert nearest.room_of("nobody", but="lab1") is None


@pytest.mark.parametrize("wrong", ["phnoe1", "Phone-1", "phone_1", "phone12", "phone", "fone1"])
def test_a_misspelt_id_is_found_in_the_room(registry: Registry, wrong: str) -> None:
    for client_id in ("pc", "phone1", "tablet"):
        registered(registry, client_id, "lab")

    assert Nearest(registry, [wrong]).misspelt(wrong, "lab", but="pc") == ("phone1", "lab")


def test_a_misspelt_id_is_found_in_other_rooms(registry: Registry) -> None:
    registered(registry, "pc", "lab")
    registered(registry, "phone1", "attic")

    assert Nearest(registry, []).misspelt("phnoe1", "lab", but="pc") == ("phone1", "attic")
    assert Nearest(registry, []).misspelt("phnoe1", "closed", but="pc") == ("phone1", "attic")


def test_the_nearest_of_several_is_found(registry: Registry) -> None:
    for client_id in ("phone2", "phone11", "phone1x", "phones1x"):
        registered(registry, client_id, "lab")

    assert Nearest(registry, []).misspelt("phone1y", "lab", but="") == ("phone11", "lab")


def test_nobody_is_meant_who_has_another_name(registry: Registry) -> None:
    registered(registry, "robot-arm", "lab")
    registered(registry, "phone1", "lab")

    assert Nearest(registry, []).misspelt("phone2", "lab", but="phone1") is None


def test_who_is_alone_in_a_room_of_nearly_the_same_name_is_found(registry: Registry) -> None:
    registered(registry, "pc", "lab-1")
    phone = registered(registry, "phone", "Lab1")
    registered(registry, "tablet", "lab2")
    registered(registry, "robot", "labs 1")
    registered(registry, "arm", "labs 1")
    nearest = Nearest(registry, [])

    assert nearest.alone_in_room_like("lab-1") is phone.session.member
    assert nearest.alone_in_room_like("lab3") is None
    assert nearest.alone_in_room_like("kitchen") is None


def test_so_many_names_are_compared_and_no_more(registry: Registry) -> None:
    registered(registry, "phone1", "oldest")
    for number in range(MOST_COMPARISONS):
        registered(registry, f"x{number}", f"room{number}")
    registered(registry, "pc", "lab")

    assert Nearest(registry, []).misspelt("phnoe1", "lab", but="pc") is None
    spent = Nearest(registry, [])
    for _ in range(2):
        assert spent.misspelt("nobody", "lab", but="pc") is None
    assert spent.misspelt("x1", "room1", but="") is None
    assert Nearest(registry, ["phone1"]).room_of("phone1", but="lab") == "oldest"
