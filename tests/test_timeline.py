import pytest
from plain import raw
from timelines import ELSEWHERE, END, Scene, candidate_text, description, recorded

from twisted_signal.calls import REFILL
from twisted_signal.messages import Answer, IceCandidate, Offer
from twisted_signal.timeline import CANDIDATE_LOOKS, DESCRIPTION_LOOKS, MOST_STEPS


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.join("pc", "phone")
    return scene


def test_a_call_is_seen_step_by_step(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.trickle("phone", "pc", "host", "srflx", "host")
    scene.answer("pc", "phone")
    scene.trickle("pc", "phone", "relay", END)
    scene.trickle("phone", "pc", "host tcp", END)
    scene.leave("phone")

    assert scene.timeline() == [
        "phone joined",
        "pc joined",
        "phone offer",
        "phone first_candidate (host udp)",
        "phone last_candidate (host tcp, 4 candidates: 3 host, 1 srflx)",
        "pc answer",
        "pc first_candidate (relay udp)",
        "pc end_of_candidates",
        "phone end_of_candidates",
        "phone left",
    ]


def test_steps_have_the_times_at_which_they_happened(scene: Scene) -> None:
    start_ms = scene.now_ns // 1_000_000
    scene.at = 1
    scene.offer("phone", "pc")
    for scene.at in (1.2, 2, 3):
        scene.trickle("phone", "pc", "host")
    scene.at = 2.5
    scene.answer("pc", "phone")

    view = scene.view()

    assert [(step.kind, step.at_ms - start_ms) for step in view.steps] == [
        ("joined", 0),
        ("joined", 0),
        ("offer", 1000),
        ("first_candidate", 1200),
        ("last_candidate", 3000),
        ("answer", 3000),  # the clock was set back meanwhile
    ]
    assert (view.started_at_ms - start_ms, view.last_step_at_ms - start_ms) == (1000, 3000)


def test_the_last_candidate_moves_behind_what_was_before_it(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.trickle("phone", "pc", "host", "host")
    scene.at = 1
    scene.answer("pc", "phone")
    scene.at = 2
    scene.trickle("phone", "pc", "srflx")

    assert scene.timeline()[-2:] == [
        "pc answer",
        "phone last_candidate (srflx udp, 3 candidates: 2 host, 1 srflx)",
    ]


@pytest.mark.parametrize("name", ["aiortc", "aiortc-trickled", "chromium-aiortc-restarts", "pages"])
def test_real_calls_are_understood(name: str) -> None:
    scene = recorded(name)

    lines = scene.timeline()

    assert len([line for line in lines if " offer" in line]) == 1
    assert not any("unreadable" in line or "second_offer" in line for line in lines)
    assert scene.rule() == "ended"


def test_candidates_may_stand_in_the_description() -> None:
    lines = recorded("aiortc").timeline()

    assert lines[2:4] == [
        "pc offer (4 candidates: 4 host, no more)",
        "phone answer (4 candidates: 4 host, no more)",
    ]


def test_an_ice_restart_begins_a_new_generation_of_candidates() -> None:
    lines = recorded("chromium-aiortc-restarts").timeline()

    assert lines[7:12] == [
        "program restart (4 candidates: 4 host, no more)",
        "page answer",
        "page first_candidate (host udp)",
        "page last_candidate (host udp, 4 candidates: 4 host)",
        "page end_of_candidates",
    ]


def test_a_second_offer_keeps_the_candidates(scene: Scene) -> None:
    scene.call("phone", "pc", "host", "host", END)
    scene.offer("phone", "pc", sdp=f"a={candidate_text('host', '192.168.1.4')}\r\n")
    scene.offer("phone", "pc")

    assert scene.timeline()[-2:] == [
        "phone second_offer (2 candidates: 2 host)",
        "phone second_offer (the one before was not answered)",
    ]


def test_a_new_connection_is_told_from_a_restart(scene: Scene) -> None:
    scene.call("phone", "pc", "host", END)
    scene.say("phone", Offer(raw("a=ice-ufrag:other\r\na=fingerprint:sha-256 phone\r\n"), "pc"))
    scene.offer("phone", "pc", "another")

    assert scene.timeline()[-2:] == ["phone restart", "phone restart (of a new connection)"]


def test_who_answers_with_an_open_offer_has_rolled_back(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.offer("pc", "phone")
    scene.answer("phone", "pc")

    assert scene.timeline()[-2:] == ["phone rollback", "phone answer"]
    scene.answer("pc", "phone")
    assert scene.timeline()[-1] == "pc answer (no offer was open)"


def test_the_end_of_candidates_is_told_once(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.trickle("phone", "pc", "host", END, END, END)

    assert scene.timeline()[-2:] == ["phone first_candidate (host udp)", "phone end_of_candidates"]


def test_what_cannot_be_read_is_counted(scene: Scene) -> None:
    scene.offer("phone", "pc")
    values: list[object] = [5, {}, "nonsense"]
    for value in values:
        scene.say("phone", IceCandidate(raw(value), "pc"))

    assert scene.timeline()[-2:] == [
        "phone first_candidate (unreadable)",
        "phone last_candidate (unreadable, 3 candidates: 3 unreadable)",
    ]


def test_candidates_before_the_offer_begin_a_call(scene: Scene) -> None:
    scene.trickle("phone", "pc", "host")
    scene.offer("phone", "pc")

    assert scene.timeline()[2:] == ["phone first_candidate (host udp)", "phone offer"]


def test_an_answer_without_a_call_begins_none(scene: Scene) -> None:
    scene.answer("phone", "pc")
    scene.trickle("phone", "pc", "host")

    assert len(scene.registry.calls) == 0


def test_who_goes_and_comes_back_continues_the_call(scene: Scene) -> None:
    scene.call("phone", "pc", "host", "srflx")
    scene.leave("phone")
    scene.join("phone")
    scene.trickle("pc", "phone", "host")  # a straggler of the call before
    scene.offer("phone", "pc", "afresh")
    scene.answer("pc", "phone", "afresh too")
    scene.trickle("pc", "phone", "host")

    assert scene.timeline()[8:] == [
        "phone left",
        "phone joined",
        "phone offer",
        "pc answer",
        "pc first_candidate (host udp)",
    ]


def test_a_broken_connection_and_its_return_are_steps(scene: Scene) -> None:
    scene.join("tablet", resume=True)
    scene.offer("tablet", "pc")
    scene.lose("tablet")
    scene.resume("tablet")
    scene.answer("pc", "tablet")
    scene.lose("tablet")
    scene.leave("tablet")

    assert scene.timeline()[2:] == [
        "tablet offer",
        "tablet lost",
        "tablet resumed",
        "pc answer",
        "tablet lost",
        "tablet left",
    ]


def test_a_call_may_be_anything_in_place_of_sdp(scene: Scene) -> None:
    values: list[object] = [None, 5, "v=0", {"type": "rollback"}, []]
    for value in values:
        scene.say("phone", Offer(raw(value), "pc"))
        scene.say("pc", Answer(raw(value), "phone"))

    assert [line.split()[1] for line in scene.timeline()[2:]] == [
        "offer",
        "answer",
        *["second_offer", "answer"] * 4,
    ]


def refill(scene: Scene) -> None:
    for _ in range(REFILL):
        scene.registry.calls.tick()


def test_of_a_long_call_the_beginning_and_the_latest_steps_are_kept(scene: Scene) -> None:
    scene.offer("phone", "pc")
    for number in range(40):
        refill(scene)
        scene.offer("phone", "pc", f"restart{number}")
        scene.answer("pc", "phone", f"restart{number}")

    view = scene.view()

    assert (len(view.steps), view.steps_left_out) == (MOST_STEPS, 83 - MOST_STEPS)
    assert [step.kind for step in view.steps[:4]] == ["joined", "joined", "offer", "restart"]


def test_the_last_candidate_is_a_step_again_when_its_step_was_left_out(scene: Scene) -> None:
    scene.offer("phone", "pc")
    for number in range(7):
        refill(scene)
        scene.offer("phone", "pc", f"restart{number}")
        scene.answer("pc", "phone")
    scene.trickle("phone", "pc", "host", "host")
    for _ in range(25):
        refill(scene)
        scene.offer("phone", "pc", "restart6")
        scene.answer("pc", "phone")
    scene.trickle("phone", "pc", "relay")

    assert scene.timeline()[-1] == "phone last_candidate (relay udp, 3 candidates: 2 host, 1 relay)"


def test_what_is_repeated_is_counted(scene: Scene) -> None:
    scene.offer("phone", "pc")
    for _ in range(3):
        scene.answer("pc", "phone")
    scene.say("phone", Offer(description("offer", "phone"), "pc"))

    assert scene.timeline()[3:] == [
        "pc answer",
        "pc answer (no offer was open, 2 times)",
        "phone second_offer",
    ]


def test_a_flood_is_not_looked_at(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.trickle("phone", "pc", *["host"] * 100, address=ELSEWHERE)

    count = CANDIDATE_LOOKS
    assert scene.timeline()[-1] == (
        f"phone last_candidate (host udp, {count} candidates: {count} host)"
    )


def test_offers_and_answers_are_seen_after_many_candidates(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.trickle("phone", "pc", *["host"] * 100)
    scene.offer("phone", "pc", "restart")
    for _ in range(100):
        scene.answer("pc", "phone")

    assert scene.timeline()[-3:] == [
        "phone restart (of a new connection)",
        "pc answer",
        f"pc answer (no offer was open, {DESCRIPTION_LOOKS - 1} times)",
    ]


def test_a_flood_is_not_looked_at_because_its_target_comes_back(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.trickle("phone", "pc", *["host"] * 100)
    scene.leave("pc")
    scene.join("pc")
    scene.trickle("phone", "pc", *["host"] * 100)

    assert scene.timeline()[-2:] == ["pc left", "pc joined"]


def test_they_are_looked_at_again_after_a_while(scene: Scene) -> None:
    scene.offer("phone", "pc")
    scene.trickle("phone", "pc", *["host"] * 100)
    refill(scene)
    scene.trickle("phone", "pc", "relay")

    assert scene.timeline()[-1] == (
        "phone last_candidate (relay udp, 33 candidates: 32 host, 1 relay)"
    )
