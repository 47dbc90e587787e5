import gc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import NOW_NS, flat, raw, registered
from timelines import END, Scene, candidate_text, lines

from twisted_signal.calls import (
    AT_ONCE,
    ATTEMPTS_OF_ONE,
    BEGINNINGS,
    MOST_ATTEMPTS,
    MOST_CALLS,
)
from twisted_signal.diagnosis import call_views
from twisted_signal.messages import (
    Answer,
    Arrival,
    IceCandidate,
    Message,
    Offer,
    Register,
    RelayedOffer,
)
from twisted_signal.registry import Member, Registry


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.join("pc", "phone")
    return scene


def peers(scene: Scene) -> list[list[str]]:
    return [[peer.client_id for peer in view.peers] for view in scene.views()]


def test_each_pair_has_a_call_of_its_own(scene: Scene) -> None:
    scene.join("tablet")
    scene.join("pc2", "phone2", room="other")
    scene.offer("phone", "pc")
    scene.at = 1
    scene.offer("tablet", "pc")
    scene.at = 2
    scene.offer("phone2", "pc2")
    scene.at = 3
    scene.answer("pc", "phone")

    assert peers(scene) == [["phone", "pc"], ["phone2", "pc2"], ["tablet", "pc"]]
    assert len({view.number for view in scene.views()}) == 3


def test_who_calls_back_is_in_the_same_call(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.offer("pc", "phone")

    assert peers(scene) == [["phone", "pc"]]


def test_a_peer_is_told_by_its_id_whichever_member_it_is(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.leave("pc")
    scene.join("pc", client_type="desktop")
    scene.offer("phone", "pc")

    view = scene.view()

    assert [(peer.client_type, peer.is_here) for peer in view.peers] == [
        ("test", True),
        ("desktop", True),
    ]
    scene.leave("pc")
    assert [peer.is_here for peer in scene.view().peers] == [True, False]


def test_an_applications_messages_are_no_call(scene: Scene) -> None:
    scene.say("phone", Message(raw("hello"), "pc"))
    scene.say("phone", Message(raw("hello")))

    assert len(scene.registry.calls) == 0


def test_who_has_no_call_leaves_nothing_behind(scene: Scene) -> None:
    scene.leave("phone")

    assert scene.views() == []


# What is not delivered


def test_a_target_that_is_not_there_is_a_step(scene: Scene) -> None:
    scene.offer("phone", "pcc")
    scene.trickle("phone", "pcc", "host", "host", END)

    view = scene.view()

    assert lines(view) == ["phone joined", "phone target_missing (offer, 4 times)"]
    assert [(peer.client_id, peer.client_type, peer.is_here) for peer in view.peers] == [
        ("phone", "test", True),
        ("pcc", None, False),
    ]


def test_an_attempt_becomes_a_call_when_its_target_comes(scene: Scene) -> None:
    scene.offer("phone", "tablet")
    scene.join("tablet")
    scene.offer("phone", "tablet")
    scene.answer("tablet", "phone")

    assert scene.timeline() == [
        "phone joined",
        "phone target_missing (offer)",
        "tablet joined",
        "phone offer",
        "tablet answer",
    ]


def test_a_target_that_has_left_is_missing_in_its_call(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.leave("pc")
    scene.trickle("phone", "pc", "host")
    scene.say("phone", Answer(raw("v=0"), "pc"))

    assert scene.timeline()[3:] == ["pc left", "phone target_missing (candidate, 2 times)"]


def test_what_the_target_cannot_be_told_is_a_step(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.clients["pc"].cannot_hear = RelayedOffer
    scene.offer("phone", "pc")

    assert scene.timeline()[3:] == ["phone not_delivered (offer: invalid_message)"]


def test_an_offer_that_waits_becomes_a_call_when_somebody_comes() -> None:
    scene = Scene()
    scene.join("phone")
    scene.offer("phone", None)
    scene.trickle("phone", None, "host")
    assert scene.timeline() == ["phone joined", "phone waiting"]
    scene.join("pc")
    scene.answer("pc", "phone")

    assert scene.timeline() == [
        "phone joined",
        "phone waiting",
        "pc joined",
        "phone offer",
        "phone first_candidate (host udp)",
        "pc answer",
    ]


def test_an_offer_that_waits_for_the_peer_to_come_back_is_in_their_call() -> None:
    scene = Scene()
    scene.join("phone", "pc")
    scene.offer("phone", None)
    scene.leave("pc")
    scene.offer("phone", None)
    scene.join("pc")

    assert scene.timeline() == [
        "phone joined",
        "pc joined",
        "phone offer",
        "pc left",
        "phone waiting",
        "pc joined",
        "phone offer",
    ]


def test_an_unclear_target_and_nobody_there_are_told_apart(scene: Scene) -> None:
    scene.join("pc2")
    scene.offer("phone", None)
    scene.leave("pc")
    scene.leave("pc2")
    scene.answer("phone", None)

    assert scene.timeline()[1:] == [
        "phone not_delivered (offer: target_unclear)",
        "phone not_delivered (answer: peer_not_found)",
    ]


def test_what_is_told_again_in_another_dialect_is_seen_once() -> None:
    registry = Registry()
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    pc = registered(registry, "pc", "elsewhere")
    pc.say(Arrival("pc", "default", "pc"))
    pc.say(Register("pc", "default", "pc"))

    (view,) = call_views(registry, NOW_NS)

    assert lines(view)[1:] == ["phone waiting", "pc joined", "phone offer"]


def test_what_is_told_again_to_who_took_another_id_is_a_call_with_that() -> None:
    registry = Registry()
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    pc = registered(registry, "pc", "elsewhere")
    pc.say(Arrival("made-up", "default", "pc"))
    pc.say(Register("pc", "default", "pc"))

    first, second = call_views(registry, NOW_NS)

    assert lines(first) == ["phone joined", "pc joined", "phone offer"]
    assert lines(second)[1:] == [
        "phone waiting",
        "made-up joined",
        "phone offer",
        "made-up left",
    ]


def test_who_names_itself_has_no_second_call(scene: Scene) -> None:
    scene.offer("phone", "phone")
    scene.leave("phone")
    scene.join("phone")

    assert scene.timeline() == [
        "phone joined",
        "phone target_missing (offer)",
        "phone left",
        "phone joined",
    ]


# Bounds


def fill(scene: Scene, count: int, room: str = "many") -> None:
    """Make that many calls."""
    for number in range(count):
        scene.registry.calls.tick()
        scene.join(f"a{number}", f"b{number}", room=f"{room}{number}")
        scene.offer(f"a{number}", f"b{number}")


def test_the_calls_with_the_latest_steps_are_kept(scene: Scene) -> None:
    scene.offer("phone", "pc")
    fill(scene, MOST_CALLS - 1)
    scene.answer("pc", "phone")
    assert len(scene.registry.calls) == MOST_CALLS
    scene.join("pc", "phone", room="another")
    scene.offer("phone", "pc")

    views = scene.views()

    assert len(views) == MOST_CALLS
    assert {"lab", "another"} <= {view.room_id for view in views}
    assert "many0" not in {view.room_id for view in views}


def test_a_call_that_is_forgotten_begins_anew_with_an_offer(scene: Scene) -> None:
    scene.offer("phone", "pc")
    first = scene.view().number
    fill(scene, MOST_CALLS)
    scene.answer("pc", "phone")
    scene.trickle("phone", "pc", "host")
    assert "lab" not in {view.room_id for view in scene.views()}
    scene.offer("phone", "pc")

    (view,) = (view for view in scene.views() if view.room_id == "lab")

    assert lines(view) == ["phone joined", "pc joined", "phone offer"]
    assert view.number > first


def test_candidates_of_a_call_that_is_not_kept_are_not_looked_at(scene: Scene) -> None:
    scene.answer("phone", "pc")
    flow = scene.sessions["phone"].member.flow  # type: ignore[union-attr] # it is there
    scene.trickle("phone", "pc", "host")
    scene.answer("phone", "pc")

    assert flow is scene.sessions["phone"].member.flow  # type: ignore[union-attr] # likewise
    assert flow is not None
    assert flow.left == 0
    scene.offer("phone", "pc")
    assert scene.timeline()[-1] == "phone offer"


def test_calls_do_not_push_each_other_out_at_once() -> None:
    scene = Scene()
    names = [f"client{number}" for number in range(24)]
    scene.join(*names)
    for name in names:
        for other in names:
            if name < other:
                scene.offer(name, other)
    assert len(scene.registry.calls) == AT_ONCE < 24 * 23 / 2
    scene.registry.calls.tick()
    scene.join("pc", *names, room="new")
    scene.at = 1
    for name in names:
        scene.offer(name, "pc")

    new = [[name, "pc"] for name in names[:BEGINNINGS]]
    assert peers(scene)[:BEGINNINGS] == new[::-1]
    assert len(scene.registry.calls) == AT_ONCE + BEGINNINGS


def test_a_call_stays_for_ten_seconds_whatever_others_begin() -> None:
    assert AT_ONCE + 10 * BEGINNINGS < MOST_CALLS


def test_attempts_push_no_calls_out(scene: Scene) -> None:
    scene.offer("phone", "pc")
    for number in range(100):
        scene.registry.calls.tick()
        scene.join(f"lost{number}", room=f"room{number}")
        scene.offer(f"lost{number}", "nobody")

    assert len(scene.registry.calls) == MOST_ATTEMPTS + 1
    assert ["phone", "pc"] in peers(scene)


def test_one_member_has_few_attempts(scene: Scene) -> None:
    for number in range(AT_ONCE):
        scene.offer("phone", f"nobody{number}")

    assert len(scene.registry.calls) == ATTEMPTS_OF_ONE
    assert peers(scene)[0] == ["phone", f"nobody{AT_ONCE - 1}"]


def test_who_calls_one_that_is_not_there_after_the_other_keeps_no_call_from_being_seen(
    scene: Scene,
) -> None:
    for number in range(2 * AT_ONCE):
        scene.offer("phone", f"nobody{number}")
    scene.offer("pc", "phone")

    assert peers(scene)[0] == ["pc", "phone"]


def test_what_is_kept_refers_to_no_member_and_goes_without_the_garbage_collector() -> None:
    def members() -> list[object]:
        return [one for one in gc.get_objects() if isinstance(one, Member)]

    scene = Scene()
    gc.collect()
    before = members()
    gc.disable()
    try:
        for number in range(MOST_CALLS + 20):
            scene.registry.calls.tick()
            room = f"room{number}"
            scene.join("pc", "phone", room=room, resume=number % 2 == 0)
            scene.call("phone", "pc", "host", "srflx", END)
            scene.offer("phone", "nobody")
            scene.leave("phone")
            scene.leave("pc")
        scene.clients.clear()
        assert gc.collect() == 0
    finally:
        gc.enable()
    assert not [one for one in members() if one not in before]


# Privacy


octets = st.integers(1, 255)
addresses = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.tuples(octets, octets).map(lambda two: f"192.168.{two[0]}.{two[1]}"),
    st.ip_addresses(v=6).map(str).filter(lambda text: len(text) > 8),
    st.uuids().map(lambda uuid: f"{uuid}.local"),
    st.from_regex(r"\A[g-z]{8,20}\Z"),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(addresses, min_size=1, max_size=8),
    st.sampled_from(["host", "srflx tcp", "relay", "prflx", "none"]),
)
def test_no_address_comes_out_anywhere(texts: list[str], kind: str) -> None:
    scene = Scene()
    scene.join("pc", "phone")
    sdp = "".join(f"a={candidate_text(kind, text)}\r\nc=IN IP4 {text}\r\n" for text in texts)
    scene.offer("phone", "pc", sdp=sdp)
    scene.answer("pc", "phone", sdp=sdp)
    for by, to in (("phone", "pc"), ("pc", "phone"), ("phone", "nobody")):
        for text in texts:
            for value in (text, candidate_text(kind, text), {"candidate": text}, {text: text}):
                scene.say(by, IceCandidate(raw(value), to))
    scene.at = 60
    views = scene.views()
    calls = scene.registry.calls.latest()
    kept = [call.steps for call in calls]
    kept += [flow.candidates for call in calls for flow in call.flows]  # type: ignore[misc] # to look at only

    told = msgspec.json.encode(views).decode() + repr(views) + repr(kept)

    for text in texts:
        assert text not in told
