import re

import pytest
from plain import raw
from processes import ROOT
from timelines import ELSEWHERE, END, Scene, candidate_text, recorded

from twisted_signal.mailbox import MAX_MESSAGES
from twisted_signal.messages import IceCandidate, RelayedOffer
from twisted_signal.timeline import StepKind

PAGE = ROOT / "docs" / "diagnosis.md"


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.join("pc", "phone")
    return scene


def sentence(scene: Scene, at: float | None = None) -> str:
    found = scene.diagnosis(at)
    assert found is not None
    return found.sentence


def is_problem(scene: Scene) -> bool:
    found = scene.diagnosis()
    assert found is not None
    return found.is_problem


# A target that is not there


def test_a_target_that_never_was_there(scene: Scene) -> None:
    scene.offer("pc", "fridge")

    assert scene.rule() == "target_missing"
    assert sentence(scene).endswith(
        "pc calls fridge, and nobody of that id has been in room lab. Who is there: phone."
    )


def test_a_target_that_is_in_another_room(scene: Scene) -> None:
    scene.join("phone1", room="lab2")
    scene.offer("pc", "phone1")

    assert sentence(scene).endswith("has been in room lab. It is in room lab2.")


@pytest.mark.parametrize(
    ("room", "hint"),
    [
        ("lab", "Did you mean phone1? It is there."),
        ("lab2", "Did you mean phone1? It is in room lab2."),
    ],
)
def test_a_target_that_is_misspelt(room: str, hint: str) -> None:
    scene = Scene()
    scene.join("pc")
    scene.join("phone1", room=room)
    scene.offer("pc", "phnoe1")

    assert sentence(scene).endswith(hint)


def test_a_target_in_a_room_with_nobody_and_with_many(scene: Scene) -> None:
    scene.leave("phone")
    scene.offer("pc", "fridge")
    assert sentence(scene).endswith("Nobody else is there.")

    scene.join(*"uvwxyz")
    assert sentence(scene).endswith("Who is there: u, v, w, x, y ….")
    for name in [*"uvwxyz", "pc"]:
        scene.leave(name)
    assert sentence(scene).endswith("Nobody else is there.")


def test_a_target_that_has_left(scene: Scene) -> None:
    scene.offer("pc", "phone")
    scene.leave("phone")
    scene.offer("pc", "phone")

    assert sentence(scene) == "pc calls phone, which was in room lab and has left."
    assert scene.rule() == "target_left"


def test_who_goes_on_after_the_end_is_no_problem(scene: Scene) -> None:
    scene.call("pc", "phone", "host", END)
    scene.leave("phone")
    scene.trickle("pc", "phone", "host")

    assert scene.rule() == "ended"


def test_who_calls_itself(scene: Scene) -> None:
    scene.offer("pc", "pc")

    assert scene.rule() == "calls_itself"


def test_who_called_too_early_must_call_again(scene: Scene) -> None:
    scene.offer("pc", "tablet")
    scene.at = 20
    scene.join("tablet")

    assert scene.rule(21) is None
    assert scene.rule(24) == "called_too_early"
    scene.offer("pc", "tablet")
    assert scene.rule() is None


# Coming and going


def test_who_comes_and_goes(scene: Scene) -> None:
    for scene.at in (10, 20, 30):
        scene.offer("pc", "phone")
        scene.answer("phone", "pc")
        scene.leave("phone")
        scene.join("phone")
    assert scene.rule() != "comes_and_goes"
    scene.leave("phone")
    scene.join("phone")

    assert scene.rule() == "comes_and_goes"
    assert "phone has come and gone 4 times in the last minute" in sentence(scene)
    assert scene.rule(80) != "comes_and_goes"


def test_whose_connection_breaks_again_and_again_comes_and_goes_too(scene: Scene) -> None:
    scene.join("tablet", resume=True)
    scene.call("pc", "tablet", "host", END)
    for _ in range(4):
        scene.lose("tablet")
        scene.resume("tablet")

    assert scene.rule() == "comes_and_goes"


# Not delivered


def test_what_the_peer_cannot_be_told(scene: Scene) -> None:
    scene.clients["phone"].cannot_hear = RelayedOffer
    scene.offer("pc", "phone")

    assert scene.rule() == "not_delivered"
    assert "phone cannot be told the offer of pc" in sentence(scene)


def test_what_waits_for_a_broken_connection_has_a_bound(scene: Scene) -> None:
    scene.join("tablet", resume=True)
    scene.lose("tablet")
    scene.offer("pc", "tablet")
    for _ in range(MAX_MESSAGES):
        scene.say("pc", IceCandidate(raw("x"), "tablet"))

    assert scene.refused == ["peer_unreachable"]
    assert scene.rule() == "not_delivered"
    assert "connection of tablet is broken" in sentence(scene)


def test_who_names_nobody_where_several_could_be_meant(scene: Scene) -> None:
    scene.join("tablet")
    scene.offer("pc", None)

    assert scene.rule() == "not_delivered"
    assert "several are in room lab" in sentence(scene)


def test_an_answer_for_which_nobody_is_there(scene: Scene) -> None:
    scene.leave("phone")
    scene.answer("pc", None)

    assert scene.rule() == "not_delivered"
    assert "nobody else is in room lab" in sentence(scene)


# Offers


def test_an_offer_without_an_answer(scene: Scene) -> None:
    scene.offer("pc", "phone")

    assert scene.rule(9) is None
    assert scene.rule(12) == "no_answer"
    assert sentence(scene).startswith(
        "phone has had the offer of pc for 12 s, and has not answered"
    )
    scene.answer("phone", "pc")
    assert scene.rule() is None


def test_a_second_offer_without_an_answer(scene: Scene) -> None:
    scene.call("pc", "phone", "host", END)
    scene.at = 100
    scene.offer("phone", "pc")

    assert scene.rule(300) == "no_answer"
    assert "for 3 min" in sentence(scene)
    assert "for 2 h" in sentence(scene, 2 * 3600 + 200)


def test_offers_from_both_sides_at_once(scene: Scene) -> None:
    scene.offer("pc", "phone")
    scene.offer("phone", "pc")

    assert scene.rule(2) is None
    assert scene.rule(4) == "glare"
    scene.answer("phone", "pc")
    assert scene.rule() is None


def test_an_offer_to_a_peer_whose_connection_is_broken(scene: Scene) -> None:
    scene.join("tablet", resume=True)
    scene.lose("tablet")
    scene.offer("pc", "tablet")
    assert scene.rule(30) == "no_answer"  # it was gone before the call began
    scene.resume("tablet")
    scene.lose("tablet")

    assert scene.rule(33) == "peer_away"
    assert "tablet lost its connection 3 s ago" in sentence(scene)


@pytest.mark.parametrize("who", ["pc", "phone"])
def test_who_leaves_before_the_answer(scene: Scene, who: str) -> None:
    scene.offer("pc", "phone")
    scene.at = 3
    scene.leave(who)

    assert scene.rule(60) == "left_early"
    assert sentence(scene) == f"{who} left 3 s after pc had offered, and phone had not answered."


def test_who_leaves_before_there_are_candidates(scene: Scene) -> None:
    scene.offer("pc", "phone")
    scene.answer("phone", "pc")
    scene.at = 3
    scene.leave("pc")

    assert scene.rule(60) == "left_early"
    scene.leave("phone")
    assert sentence(scene) == "pc and phone left before the call came about."


def test_nobody_calls_again_who_comes_back(scene: Scene) -> None:
    scene.call("pc", "phone", "host", END)
    scene.leave("phone")
    scene.at = 5
    scene.join("phone")

    assert scene.rule(14) is None
    assert scene.rule(15) == "nobody_calls"
    scene.offer("phone", "pc")
    assert scene.rule() is None


# Candidates


def test_candidates_before_the_offer(scene: Scene) -> None:
    scene.trickle("pc", "phone", "host", "host", "host")
    assert scene.rule(9) is None
    scene.offer("pc", "phone")

    assert scene.rule() == "early_candidates"
    assert "pc sent 3 candidates before its offer" in sentence(scene)


def test_a_candidate_before_the_answer(scene: Scene) -> None:
    scene.offer("pc", "phone")
    scene.trickle("phone", "pc", "host")
    scene.answer("phone", "pc")

    assert "phone sent 1 candidate before" in sentence(scene)


def test_candidates_without_an_offer(scene: Scene) -> None:
    scene.trickle("pc", "phone", "host", "host", "host")

    assert scene.rule(10) == "no_offer"


def test_candidates_without_an_answer(scene: Scene) -> None:
    scene.offer("pc", "phone")
    scene.trickle("phone", "pc", "host", "host", "host")

    assert scene.rule(10) == "no_answer"


def test_no_candidates_from_one_side(scene: Scene) -> None:
    scene.offer("pc", "phone")
    scene.answer("phone", "pc")
    scene.trickle("pc", "phone", "host", END)

    assert scene.rule(9) is None
    assert scene.rule(10) == "no_candidates"
    assert sentence(scene).startswith("phone has sent no candidates, so pc knows no way to it.")
    scene.offer("pc", "phone", "restart")
    assert scene.rule() is None


def test_a_side_that_has_found_no_candidates(scene: Scene) -> None:
    scene.call("pc", "phone", END)

    assert scene.rule() == "no_candidates"
    assert "pc has found no candidate at all" in sentence(scene)


def trickle_from_both(scene: Scene, kind: str, pc: str, phone: str) -> None:
    scene.offer("pc", "phone")
    scene.answer("phone", "pc")
    scene.trickle("pc", "phone", kind, kind, address=pc)
    scene.trickle("phone", "pc", kind, address=phone)


def test_local_addresses_of_different_networks_need_a_turn_server(scene: Scene) -> None:
    trickle_from_both(scene, "host", "192.168.1.{}", ELSEWHERE)
    assert scene.rule(9) is None
    scene.trickle("pc", "phone", END)
    scene.trickle("phone", "pc", END)

    assert scene.rule() == "needs_turn"
    assert is_problem(scene)


def test_they_need_it_also_where_nobody_says_that_there_are_no_more(scene: Scene) -> None:
    trickle_from_both(scene, "host", "192.168.1.{}", ELSEWHERE)

    assert scene.rule(10) == "needs_turn"


def test_candidates_in_the_sdp_tell_the_same(scene: Scene) -> None:
    for say, by, to, address in (
        (scene.offer, "pc", "phone", "192.168.1.4"),
        (scene.answer, "phone", "pc", "10.1.1.4"),
    ):
        say(by, to, sdp=f"a={candidate_text('host', address)}\r\na=end-of-candidates\r\n")

    assert scene.rule() == "needs_turn"


@pytest.mark.parametrize(
    ("kind", "pc", "phone"),
    [
        ("host", "192.168.1.{}", "192.168.1.4{}"),
        ("host", "203.0.113.{}", "192.168.1.4{}"),
        ("host", "2001:db8::{}", "2001:db8:9::{}"),
        ("srflx", "203.0.113.{}", "198.51.100.{}"),
        ("relay", "203.0.113.{}", "198.51.100.{}"),
        ("host", "127.0.0.{}", "192.168.1.{}"),
    ],
)
def test_where_a_way_is_possible_the_signaling_is_complete(
    scene: Scene, kind: str, pc: str, phone: str
) -> None:
    trickle_from_both(scene, kind, pc, phone)

    assert scene.rule(10) == "complete"
    assert not is_problem(scene)
    assert ("no relay candidates" in sentence(scene)) is (kind != "relay")


def test_names_of_mdns_are_pointed_out(scene: Scene) -> None:
    trickle_from_both(scene, "host", "b0a1{}.local", ELSEWHERE)

    assert scene.rule(10) == "complete"
    assert "mDNS names" in sentence(scene)
    assert not is_problem(scene)


def test_a_call_that_was_complete_has_ended(scene: Scene) -> None:
    scene.call("pc", "phone", "host", "host", END)
    assert scene.rule() == "complete"
    scene.leave("phone")

    assert scene.rule() == "ended"
    assert sentence(scene).startswith("phone left. pc and phone have told each other all")
    assert not is_problem(scene)


def test_a_real_call_is_complete() -> None:
    assert recorded("pages").rule() == "ended"


# Waiting


def test_who_offers_to_nobody_in_particular_and_waits() -> None:
    scene = Scene()
    scene.join("phone", room="lab-1")
    scene.offer("phone", None)
    assert scene.rule(9) is None
    assert scene.rule(10) == "waiting_alone"
    assert sentence(scene) == "phone has offered, and waits in room lab-1 for somebody to come."
    scene.join("pc", room="Lab1")
    (view,) = (view for view in scene.views() if view.room_id == "lab-1")
    assert view.diagnosis is not None

    assert view.diagnosis.sentence.endswith("pc is alone in room Lab1: should it be the same one?")
    scene.leave("phone")
    (view,) = (view for view in scene.views() if view.room_id == "lab-1")
    assert view.diagnosis is not None
    assert view.diagnosis.rule == "left_early"


# The page


def test_the_page_tells_of_every_step() -> None:
    table, _, _ = PAGE.read_text(encoding="utf-8").partition("## The rules")
    rows = " ".join(re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE))

    assert set(re.findall(r"`(\w+)`", rows)) == set(StepKind)


def test_the_page_tells_of_every_rule_and_of_no_other() -> None:
    source = "".join(
        (ROOT / "twisted_signal" / name).read_text(encoding="utf-8")
        for name in ("rules.py", "diagnosis.py")
    )
    rules = set(re.findall(r'Diagnosis\(\s*"(\w+)"', source))

    _, _, table = PAGE.read_text(encoding="utf-8").partition("## The rules")
    explained = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)

    assert len(rules) > 15
    assert sorted(explained) == sorted(rules)
