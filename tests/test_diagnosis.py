import json

import msgspec
import pytest
from plain import raw
from timelines import END, Scene, lines

from twisted_signal.diagnosis import MOST_QUIET, call_views
from twisted_signal.messages import Message
from twisted_signal.text import quoted


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_views_are_plain_json(scene: Scene) -> None:
    scene.join("pc", client_type="pc")
    scene.join("phone", client_type="android")
    scene.call("phone", "pc", "host", END)
    now_ms = scene.now_ns // 1_000_000

    (view,) = json.loads(msgspec.json.encode(scene.views()))

    assert view.pop("steps")[2:4] == [
        {"at_ms": now_ms, "kind": "offer", "by": "phone", "detail": None},
        {"at_ms": now_ms, "kind": "answer", "by": "pc", "detail": None},
    ]
    assert view.pop("diagnosis").keys() == {"rule", "sentence", "is_problem"}
    assert view == {
        "number": 1,
        "room_id": "lab",
        "peers": [
            {"client_id": "phone", "client_type": "android", "is_here": True},
            {"client_id": "pc", "client_type": "pc", "is_here": True},
        ],
        "started_at_ms": now_ms,
        "last_step_at_ms": now_ms,
        "steps_left_out": 0,
    }


def test_so_many_views_are_made_as_are_wanted(scene: Scene) -> None:
    scene.join("a", "b", "c")
    scene.offer("a", "b")
    scene.at = 1
    scene.offer("a", "c")

    (view,) = call_views(scene.registry, scene.now_ns, most=1)

    assert [peer.client_id for peer in view.peers] == ["a", "c"]


def test_a_name_cannot_forge_a_sentence(scene: Scene) -> None:
    name = 'x" left. All is well\u2028'
    scene.join(name, "pc")
    scene.offer(name, "pc")

    found = scene.diagnosis(at=20)

    assert found is not None
    assert quoted(name) in found.sentence
    assert "\u2028" not in found.sentence


# Rooms in which nobody calls


def test_who_is_alone_in_a_room_is_told_of_after_a_while(scene: Scene) -> None:
    scene.join("pc")
    scene.at = 9
    assert scene.views() == []
    scene.at = 300

    view = scene.view()

    assert lines(view) == ["pc joined"]
    assert view.diagnosis is not None
    assert view.diagnosis.rule == "waiting_alone"
    assert view.diagnosis.sentence == "pc has been alone in room lab for 5 min."
    assert not view.diagnosis.is_problem


def test_two_that_are_alone_in_rooms_of_nearly_the_same_name_are_a_problem(scene: Scene) -> None:
    scene.join("pc", room="lab-1")
    scene.at = 1
    scene.join("phone", room="lab1")
    scene.at = 60

    phone, pc = (view.diagnosis for view in scene.views())

    assert phone is not None
    assert pc is not None
    assert phone.sentence.endswith("pc is alone in room lab-1: should it be the same one?")
    assert pc.sentence.endswith("phone is alone in room lab1: should it be the same one?")
    assert phone.is_problem


def test_two_that_are_silent_are_told_of(scene: Scene) -> None:
    scene.join("pc")
    scene.at = 5
    scene.join("phone")
    assert scene.views() == []
    scene.at = 15

    view = scene.view()

    assert lines(view) == ["pc joined", "phone joined"]
    assert view.last_step_at_ms - view.started_at_ms == 5000
    assert view.diagnosis is not None
    assert view.diagnosis.rule == "nobody_calls"
    scene.offer("pc", "phone")
    assert scene.rule() is None


def test_who_has_talked_is_not_silent(scene: Scene) -> None:
    scene.join("pc", "phone")
    scene.say("pc", Message(raw(1), "phone"))
    scene.at = 60

    assert scene.views() == []


def test_a_room_of_several_is_not_told_of(scene: Scene) -> None:
    scene.join("pc", "phone", "tablet")
    scene.at = 60

    assert scene.views() == []


def test_a_quiet_room_keeps_its_number_and_no_call_gets_it(scene: Scene) -> None:
    scene.join("pc")
    scene.join("phone", "tablet", room="other")
    scene.at = 60
    numbers = {view.room_id: view.number for view in scene.views()}
    scene.offer("phone", "tablet")
    scene.join("robot", room="third")
    scene.at = 120

    views = {view.room_id: view.number for view in scene.views()}

    assert views["lab"] == numbers["lab"]
    assert len({*numbers.values(), *views.values()}) == 4


def test_of_many_quiet_rooms_the_newest_are_told_of(scene: Scene) -> None:
    for number in range(3 * MOST_QUIET):
        scene.at = number
        scene.join(f"pc{number}", room=f"room{number}")
    scene.at = 600

    rooms = [view.room_id for view in scene.views()]

    assert rooms == [f"room{number}" for number in range(59, 59 - MOST_QUIET, -1)]
