"""Places that change their node, with their client or without it."""

from typing import Any

import pytest
from cluster_people import Person, enters, everybody_reads
from cluster_stage import LIMITS, Stage
from plain import raw

from twisted_signal.cluster.moves import PASSED_ON_S, Absent
from twisted_signal.cluster.node import MOST_HOPS
from twisted_signal.cluster.wire import Say, encode
from twisted_signal.messages import PeerJoined, RelayedMessage
from twisted_signal.tally import Tally


def place_of(person: Person) -> str:
    assert person.line is not None
    assert person.line.session.member is not None
    return str(person.line.session.member.place)


def absent(stage: Stage, name: str) -> Absent:
    """Return the owner of the one place at a node that has no client."""
    [owner] = stage.nodes[name].node._moves._absent
    return owner


def handed_to_b(stage: Stage) -> tuple[Person, Person]:
    """Return a client whose place went to b without it, and its peer at c."""
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "c", "y")
    assert x.line is not None
    assert x.line.session.member is not None
    x.read()
    member = x.line.session.member
    x.lose()
    with stage.nodes["a"].outbox:
        stage.nodes["a"].node._moves.hand_over(member, "b")
    stage.settle()
    return x, y


def test_nobody_notices_that_a_place_moves() -> None:
    stage = Stage()
    _, y = handed_to_b(stage)
    assert y.line is not None
    assert y.line.told == []
    assert stage.nodes["a"].registry.rooms == {}
    assert stage.nodes["a"].registry.tally.members == 0
    assert stage.nodes["b"].registry.tally.members == 1


def test_a_place_that_nobody_comes_back_for_is_given_up_after_its_time() -> None:
    stage = Stage()
    _, y = handed_to_b(stage)
    stage.pass_time(LIMITS.resume_window - 1)
    y.read()
    assert y.place is not None
    assert y.place.peers == {"x"}
    stage.pass_time(2)
    y.read()
    assert y.place.peers == set()
    assert stage.nodes["b"].registry.tally.expired == 1
    assert stage.nodes["b"].registry.rooms == {}


def test_a_place_whose_client_is_back_is_not_given_up() -> None:
    stage = Stage()
    x, y = handed_to_b(stage)
    x.resume("b")
    stage.pass_time(LIMITS.resume_window + 1)
    everybody_reads([x, y])
    assert y.place is not None
    assert y.place.peers == {"x"}
    assert stage.nodes["b"].node._moves._absent == {}


def test_what_comes_for_a_place_after_it_has_gone_is_passed_on() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "c", "y")
    x.read()
    place = place_of(x)
    x.resume("b")
    stage.settle()
    late = encode([Say([place], RelayedMessage("y", raw([121, 1])))])
    stage.redis.execute("PUBLISH", "vislam:to:a", late)
    stage.settle()
    x.read()
    assert x.got == [(121, 1)]
    stage.pass_time(PASSED_ON_S + 1)
    stage.redis.execute("PUBLISH", "vislam:to:a", late)
    stage.settle()
    assert x.line is not None
    assert x.line.told == []
    assert y.errors == []


def test_a_message_is_passed_on_so_many_times_and_no_more() -> None:
    stage = Stage()
    stage.settle()
    for name, other in ("ab", "ba"):
        stage.nodes[name].node._state.passed_on["lost.1"] = (other, stage.now + 10)
    heard: list[bytes] = []
    stage.redis.listen("vislam:to:a", heard.append)
    stage.redis.execute(
        "PUBLISH",
        "vislam:to:a",
        encode([Say(["lost.1"], RelayedMessage("y", raw(1)))]),
    )
    stage.settle()
    assert len(heard) == MOST_HOPS // 2 + 1


def test_what_was_said_before_a_move_arrives_before_what_is_said_after_it() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "c", "y")
    x.read()
    numbers = [y.tell("x")]
    x.resume("b")
    for choice in [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, 2, 6, 4, 3]:
        steps = stage.steps()
        if steps:
            steps[choice % len(steps)]()
        numbers.append(y.tell("x"))
    stage.settle()
    everybody_reads([x, y])
    assert [number for _, number in x.got] == numbers


def test_a_client_hears_who_came_and_went_while_its_place_was_on_its_way() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "c", "y")
    x.read()
    x.is_strict = True
    x.resume("b")
    assert stage.nodes["b"].link is not None
    for _ in range(12):  # the place is handed over, and its new node does not hear it yet
        node_steps = list(stage.nodes["a"].steps()) + list(stage.nodes["c"].steps())
        if node_steps:
            node_steps[0]()
        elif stage.nodes["b"].link.commands:
            stage.nodes["b"].link.run()
            stage.nodes["b"].turn(stage.nodes["b"].link.replies.popleft())
    y.leave()
    enters(stage, "c", "z")
    x.read()
    assert x.place is not None
    assert (x.place.peers, x.place.told) == ({"z"}, {"z"})


def test_a_place_is_kept_where_it_is_if_its_new_node_is_gone() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "c", "y")
    x.read()
    assert x.line is not None
    assert x.line.session.member is not None
    member = x.line.session.member
    x.lose()
    y.tell("x")
    stage.settle()
    stage.nodes["a"].turn(lambda: stage.nodes["a"].node._moves.hand_over(member, "nobody"))
    stage.settle()
    x.resume("b")
    stage.settle()
    everybody_reads([x, y])
    assert [number for _, number in x.got] == [1]
    assert y.place is not None
    assert y.place.peers == {"x"}


def test_a_place_is_kept_where_it_is_if_it_was_being_given_up() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "c", "y")
    enters(stage, "a", "w")
    everybody_reads([x, y])
    x.resume("b")
    a = stage.nodes["a"]
    stage.until(lambda: a.link is not None and a.link.channel)  # b asks for the place
    redis = stage.redis
    redis.run(
        "join",
        ["vislam:epochs", "vislam:leases", "vislam:beats", "vislam:room:lab", "vislam:nodes:lab"],
        ["a", a.node._state.scripts.epoch, "lab", "z", "a.9", "pc", 0, "", 0, "", "x", "a.1"],
    )
    stage.settle()
    assert redis.execute("HEXISTS", "vislam:room:lab", "x") == 1
    stage.pass_time(6)
    everybody_reads([x, y])
    assert x.errors == []
    assert x.place is not None
    assert y.place is not None
    assert (x.place.line, y.place.peers) == (x.line, {"x", "w"})


def test_a_place_that_was_to_go_when_redis_broke_is_kept() -> None:
    stage = Stage()
    x, _ = enters(stage, "a", "x", resume=True), enters(stage, "c", "y")
    x.read()
    x.resume("b")
    stage.until(lambda: stage.nodes["a"].node._state.passed_on)
    stage.nodes["a"].lose()
    stage.pass_time(4)
    x.read()
    assert x.place is not None
    assert x.place.line is x.line


def test_the_places_of_a_node_that_stops_go_to_the_others() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "c", "y")
    x.read()
    stage.pass_time(3)
    x.lose()
    stage.nodes["a"].stop()
    stage.pass_time(1)
    assert stage.nodes["a"].is_dead
    x.resume("c")
    stage.settle()
    everybody_reads([x, y])
    assert x.errors == []
    assert x.place is not None
    assert y.place is not None
    assert (x.place.line, y.place.peers) == (x.line, {"x"})


def test_who_cannot_come_back_has_left_with_its_node() -> None:
    stage = Stage()
    enters(stage, "a", "x")
    y = enters(stage, "c", "y")
    stage.pass_time(3)
    stage.nodes["a"].stop()
    stage.pass_time(1)
    y.read()
    assert y.place is not None
    assert y.place.peers == set()


@pytest.mark.parametrize("is_up", [True, False])
def test_a_node_that_stops_alone_has_nobody_to_hand_anything_to(is_up: bool) -> None:
    stage = Stage(["a"])
    enters(stage, "a", "x", resume=True)
    if not is_up:
        stage.nodes["a"].lose()
    stage.nodes["a"].stop()
    stage.pass_time(1)
    assert stage.nodes["a"].is_dead


def test_a_node_that_loses_redis_while_it_stops_is_done() -> None:
    stage = Stage()
    enters(stage, "a", "x")
    stage.nodes["a"].stop()
    stage.nodes["a"].lose()
    assert stage.nodes["a"].is_dead


def test_what_waits_for_a_peer_goes_with_the_place() -> None:
    stage = Stage()
    x = enters(stage, "a", "x", resume=True)
    x.offer()
    x.resume("b")
    stage.settle()
    y = enters(stage, "c", "y")
    stage.settle()
    everybody_reads([x, y])
    assert y.offers == {(x.number, 1)}


def test_what_waits_reaches_who_came_while_the_place_was_on_its_way() -> None:
    stage = Stage()
    x = enters(stage, "a", "x", resume=True)
    x.offer()
    y = Person(121, stage)
    y.connect("c")
    y.register("y", "lab")
    x.resume("b")
    stage.settle()
    everybody_reads([x, y])
    assert y.offers == {(x.number, 1)}


# Nodes that are gone, and come back


def frozen_and_taken_over(stage: Stage, *, resume: bool = True) -> tuple[Person, Person]:
    """Return a client of a node that stood still for long, and its peer."""
    stage.pass_time(5)
    x, y = enters(stage, "a", "x", resume=resume), enters(stage, "c", "y")
    x.read()
    stage.nodes["a"].is_frozen = True
    stage.pass_time(9)
    return x, y


def test_a_client_whose_node_stood_still_is_still_there() -> None:
    stage = Stage()
    x, y = frozen_and_taken_over(stage)
    y.tell("x")
    stage.settle()
    stage.nodes["a"].is_frozen = False
    stage.pass_time(3)
    everybody_reads([x, y])
    assert x.place is not None
    assert y.place is not None
    assert (x.place.peers, y.place.peers) == ({"y"}, {"x"})
    assert [number for _, number in x.got] == [1]
    assert y.errors == []


def test_a_client_that_cannot_come_back_comes_again_with_its_node() -> None:
    stage = Stage()
    x, y = frozen_and_taken_over(stage, resume=False)
    y.read()
    assert y.place is not None
    assert y.place.peers == set()
    stage.nodes["a"].is_frozen = False
    stage.pass_time(3)
    everybody_reads([x, y])
    assert y.place.peers == {"x"}


def test_a_client_that_went_on_elsewhere_loses_its_old_connection() -> None:
    stage = Stage()
    x, _ = frozen_and_taken_over(stage)
    line = x.line
    x.resume("b")
    stage.pass_time(1)
    stage.nodes["a"].is_frozen = False
    stage.pass_time(3)
    x.read()
    assert line is not None
    assert line.closed is not None
    assert x.place is not None
    assert x.place.line is x.line


def test_an_operator_can_send_away_who_is_not_there() -> None:
    stage = Stage()
    _, y = handed_to_b(stage)
    owner = absent(stage, "b")
    assert owner.log_fields() == {"client": "x", "room": "lab"}
    stage.nodes["b"].turn(lambda: owner.dismiss(stage.now_ns))
    stage.settle()
    y.read()
    assert y.place is not None
    assert y.place.peers == set()
    owner.dismiss(stage.now_ns)
    assert owner.log_fields() == {}


def test_who_is_not_there_says_so_and_takes_nothing() -> None:
    given_up: list[Any] = []
    owner = Absent(3, Tally(), given_up.append)
    alive: list[bool] = []
    owner.ask_if_alive(alive.append)
    owner.deliver(PeerJoined("y", "pc"))
    owner.close(1000, "")
    owner.admit(None)
    assert alive == [False]
    assert owner.lost_of([]) == 3
    assert given_up == []


# What crosses on the way


def test_two_places_that_cross_on_their_way_keep_seeing_each_other() -> None:
    stage = Stage()
    z, y = enters(stage, "c", "z", resume=True), enters(stage, "a", "y", resume=True)
    z.read()
    z.resume("a")
    y.resume("c")
    a, c = stage.nodes["a"].link, stage.nodes["c"].link
    assert a is not None
    assert c is not None
    stage.until(lambda: a.channel and c.channel)  # each is asked for its place
    stage.nodes["c"].turn(c.hear)
    stage.nodes["a"].turn(a.hear)
    stage.settle()
    everybody_reads([z, y])
    assert z.place is not None
    assert y.place is not None
    assert (z.place.line, y.place.line) == (z.line, y.line)
    assert (z.place.peers, y.place.peers) == ({"y"}, {"z"})


def test_a_place_that_comes_while_a_node_says_hello_is_not_given_up() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "c", "y")
    x.read()
    stage.nodes["b"].lose()
    b = stage.nodes["b"]
    b.connect()
    assert b.link is not None
    while b.link is not None and not b.link.commands:
        next(iter(b.steps()))()  # hello is on its way
    b.link.run()
    member = next(iter(stage.nodes["a"].node._state.places.values()))
    x.lose()
    a = stage.nodes["a"]
    a.turn(lambda: a.node._moves.hand_over(member, "b"))
    assert a.link is not None
    a.link.run()
    while b.link.replies or b.link.commands:
        if b.link.replies:
            b.turn(b.link.replies.popleft())
        else:
            b.link.run()
    stage.settle()
    x.resume("b")
    stage.settle()
    everybody_reads([x, y])
    assert x.errors == []
    assert y.place is not None
    assert y.place.peers == {"x"}


def test_who_had_never_gone_keeps_its_place_from_who_took_it_over_and_was_away() -> None:
    stage = Stage()
    x, y = frozen_and_taken_over(stage)
    holder = "b" if stage.nodes["b"].node._moves._absent else "c"
    other = stage.nodes[holder]
    other.lose()
    other._try_at = stage.now + 2
    stage.nodes["a"].is_frozen = False
    stage.pass_time(12)
    everybody_reads([x, y])
    assert x.place is not None
    assert y.place is not None
    assert x.line is not None
    assert x.line.session.member is not None
    assert (x.place.peers, y.place.peers) == ({"y"}, {"x"})


def test_a_place_that_is_handed_to_a_node_that_was_cut_off_is_given_up_for_all() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "b", "y")
    x.read()
    b = stage.nodes["b"]
    assert b.link is not None
    b.link.is_cut = True  # and Redis takes it for connected
    member = next(iter(stage.nodes["a"].node._state.places.values()))
    x.lose()
    a = stage.nodes["a"]
    a.turn(lambda: a.node._moves.hand_over(member, "b"))
    stage.pass_time(4)
    everybody_reads([x, y])
    assert y.place is not None
    assert y.place.peers == set()
    assert stage.redis.execute("HKEYS", "vislam:room:lab") == [b"y"]
