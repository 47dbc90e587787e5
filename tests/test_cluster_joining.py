"""Clients that want a place in a room of several nodes, or their own place back."""

import pytest
from cluster_people import Person, enters, everybody_reads
from cluster_stage import Stage

from twisted_signal.messages import Error, Message, Register, Resume
from twisted_signal.registry import DuplicateId


def entering(stage: Stage, name: str, client_id: str, *, resume: bool = False) -> Person:
    """Return a client of which it is not decided yet whether it enters."""
    person = Person(ord(client_id), stage)
    person.connect(name)
    person.register(client_id, "lab", resume=resume)
    return person


def member_of(person: Person) -> object:
    assert person.line is not None
    return person.line.session.member


def records(stage: Stage, room_id: str = "lab") -> set[str]:
    """Return who is in a room, as Redis has it."""
    return {field.decode() for field in stage.redis.execute("HKEYS", f"vislam:room:{room_id}")}


def test_clients_of_several_nodes_see_each_other() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x"), enters(stage, "b", "y")
    x.read()
    assert x.place is not None
    assert y.place is not None
    assert (x.place.peers, y.place.peers) == ({"y"}, {"x"})
    y.leave()
    stage.settle()
    x.read()
    assert x.place.peers == set()


def test_an_id_is_given_to_one_of_those_who_want_it_at_once() -> None:
    stage = Stage(duplicate_id=DuplicateId.REJECT)
    both = [entering(stage, name, "x") for name in "ab"]
    stage.settle()
    everybody_reads(both)
    assert sorted(len(person.errors) for person in both) == [0, 1]
    assert records(stage) == {"x"}


def test_a_room_has_as_many_members_on_all_nodes_as_it_may() -> None:
    stage = Stage()
    for name, client_id in zip("abc", "xyz", strict=True):
        enters(stage, name, client_id)
    late = entering(stage, "a", "w")
    stage.settle()
    late.read()
    assert late.errors == ["room_full"]


@pytest.mark.parametrize("is_alive", [True, False])
def test_the_holder_of_an_id_is_asked_wherever_it_is(is_alive: bool) -> None:
    stage = Stage()
    holder = enters(stage, "a", "x")
    if not is_alive:
        holder.line = None
    claimant = entering(stage, "b", "x")
    stage.pass_time(3)
    everybody_reads([holder, claimant])
    assert claimant.errors == (["id_taken"] if is_alive else [])
    assert (claimant.place is None) == is_alive


def test_who_gives_way_on_another_node_is_closed_and_told_why() -> None:
    stage = Stage(duplicate_id=DuplicateId.REPLACE)
    holder, peer = enters(stage, "a", "x"), enters(stage, "c", "y")
    line = holder.line
    enters(stage, "b", "x", number=7)
    peer.read()
    assert line is not None
    assert line.closed == (4409, "Another connection has taken your client_id")
    assert peer.place is not None
    assert peer.place.peers == {"x"}


def test_an_id_that_was_made_up_and_is_taken_is_made_up_anew() -> None:
    stage = Stage()
    taken = iter(["x", "z"])
    stage.nodes["b"].registry.unused_id = lambda room_id, client_type: next(taken)  # type: ignore[method-assign] # for this test alone
    enters(stage, "a", "x")
    person = Person(1, stage)
    person.connect("b")
    assert person.line is not None
    person.line.say(Register(None, "lab", "pc"))
    stage.settle()
    person.read()
    assert person.place is not None
    assert person.place.client_id == "z"


def test_who_wants_a_place_waits_for_redis_as_long_as_it_may() -> None:
    stage = Stage(["a"])
    stage.settle()
    stage.is_paused = True
    person = entering(stage, "a", "x")
    stage.pass_time(4.75)
    assert person.line is not None
    assert person.line.told == []
    stage.pass_time(0.5)
    [error] = person.line.told
    assert isinstance(error, Error)
    assert (error.code, error.retry_after_ms) == ("unavailable", 2000)
    stage.is_paused = False
    stage.pass_time(5)
    person.read()
    assert records(stage) == set()


def test_who_asks_while_redis_is_away_enters_when_it_is_back() -> None:
    stage = Stage(["a"])
    stage.settle()
    stage.restart_redis()
    stage.settle()
    person = entering(stage, "a", "x")
    assert stage.nodes["a"].link is None
    stage.pass_time(1)
    person.read()
    assert person.place is not None


def test_a_join_whose_answer_was_lost_is_asked_again_and_made_once() -> None:
    stage = Stage(["a", "b"])
    peer = enters(stage, "b", "y")
    person = entering(stage, "a", "x")
    stage.nodes["a"].lose(run=1)
    stage.pass_time(2)
    everybody_reads([person, peer])
    assert person.place is not None
    assert peer.place is not None
    assert (person.place.peers, peer.place.peers) == ({"y"}, {"x"})


def test_what_a_client_says_meanwhile_is_heard_when_it_has_entered() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x"), entering(stage, "b", "y")
    said = y.tell("x")
    stage.settle()
    everybody_reads([x, y])
    assert x.got == [(y.number, said)]


def test_who_leaves_before_it_has_entered_is_nowhere() -> None:
    stage = Stage()
    person = entering(stage, "a", "x")
    person.leave()
    stage.settle()
    person.read()
    assert person.place is None
    assert records(stage) == set()
    assert not stage.nodes["a"].node._state.places


def test_who_is_gone_before_it_has_entered_is_nowhere() -> None:
    stage = Stage()
    person = entering(stage, "a", "x")
    person.lose()
    stage.settle()
    assert records(stage) == set()
    assert not stage.nodes["a"].registry.rooms


def test_what_a_client_asks_for_last_is_what_all_nodes_know() -> None:
    stage = Stage()
    person = entering(stage, "a", "x", resume=False)
    person.register("x", "lab", resume=True)
    stage.settle()
    person.read()
    assert person.place is not None
    assert person.place.token is not None
    person.resume("b")
    stage.settle()
    person.read()
    assert person.place.line is person.line
    assert person.errors == []


def test_who_does_not_wait_for_another_id_keeps_the_one_that_it_has() -> None:
    stage = Stage()
    x, peer = enters(stage, "a", "x"), enters(stage, "b", "y")
    x.register("z", "lab")
    stage.pass_time(6, settles=False)  # it is too late when the node hears of it
    stage.settle()
    everybody_reads([x, peer])
    assert "unavailable" in x.errors
    assert records(stage) == {"x", "y"}
    assert peer.place is not None
    assert peer.place.peers == {"x"}


def test_who_comes_back_meanwhile_does_not_enter_by_its_old_connection() -> None:
    stage = Stage()
    person = enters(stage, "a", "x", resume=True)
    person.register("z", "lab", resume=True)
    person.resume("a")
    stage.settle()
    person.read()
    assert person.place is not None
    assert (person.place.client_id, person.place.line) == ("x", person.line)
    assert records(stage) == {"x"}


def test_who_enters_as_the_last_one_of_its_node_leaves_knows_who_is_there() -> None:
    stage = Stage()
    enters(stage, "b", "z")
    last = enters(stage, "a", "x")
    person = entering(stage, "a", "y")
    last.leave()
    stage.settle()
    person.read()
    assert person.place is not None
    assert person.place.peers == {"z"}


def test_a_client_that_does_not_wait_for_its_id_gives_way_to_who_has_it_meanwhile() -> None:
    stage = Stage(duplicate_id=DuplicateId.REPLACE)
    x = enters(stage, "b", "y", resume=True)
    claimant = entering(stage, "b", "y", resume=True)
    x.register("z", "lab")
    x.lose()
    stage.settle()
    stage.pass_time(1)
    claimant.read()
    assert claimant.place is not None
    assert claimant.place.peers == set()
    assert records(stage) == {"y"}
    assert len(stage.nodes["b"].node._state.places) == 1


def test_who_gave_up_an_id_for_another_one_in_vain_may_find_it_taken() -> None:
    stage = Stage(duplicate_id=DuplicateId.REPLACE)
    x = enters(stage, "a", "x")
    x.register("w", "lab")
    x.register("x", "hall")
    thief = entering(stage, "b", "x")
    stage.settle()
    everybody_reads([x, thief])
    assert thief.place is not None
    assert records(stage) == {"x"}
    assert x.place is None or x.place.room_id == "hall"


# Back to a place


def test_a_place_is_taken_up_on_another_node_with_what_waited() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "b", "y")
    x.read()
    x.lose()
    said = y.tell("x")
    x.is_strict = True
    stage.settle()
    x.resume("c")
    stage.settle()
    everybody_reads([x, y])
    assert x.got == [(y.number, said)]
    assert x.place is not None
    assert y.place is not None
    assert (x.place.peers, y.place.peers) == ({"y"}, {"x"})
    back = x.tell("y")
    stage.settle()
    y.read()
    assert y.got == [(x.number, back)]


def test_a_token_that_nobody_knows_is_no_use() -> None:
    stage = Stage()
    person = Person(1, stage)
    person.connect("a")
    assert person.line is not None
    person.line.say(Resume("f" * 48))
    stage.settle()
    [error] = person.line.told
    assert isinstance(error, Error)
    assert error.code == "resume_expired"


def test_a_token_works_once_on_whichever_node() -> None:
    stage = Stage()
    person = enters(stage, "a", "x", resume=True)
    assert person.place is not None
    assert person.place.token is not None
    token = person.place.token
    for name in "bc":
        person.resume(name)
        stage.settle()
        person.read()
        again = Person(2, stage)
        again.connect("a")
        assert again.line is not None
        again.line.say(Resume(token))
        stage.settle()
        [error] = again.line.told
        assert isinstance(error, Error)
        assert error.code == "resume_expired"


def test_a_place_that_is_on_its_way_here_is_waited_for() -> None:
    stage = Stage()
    person = enters(stage, "a", "x", resume=True)
    person.lose()
    a, b = stage.nodes["a"], stage.nodes["b"]
    member = next(iter(a.node._state.places.values()))
    a.turn(lambda: a.node._moves.hand_over(member, "b"))
    assert a.link is not None
    assert b.link is not None
    a.link.run()
    person.resume("b")
    b.link.run()
    b.turn(b.link.replies.popleft())  # it is known where the place is before it is here
    person.read()
    assert person.waits
    stage.pass_time(1)
    person.read()
    assert person.place is not None
    assert person.place.line is person.line


def test_a_wrong_token_for_a_place_that_is_here_is_no_use() -> None:
    stage = Stage()
    person = enters(stage, "a", "x", resume=True)
    assert person.place is not None
    assert person.place.token is not None
    thief = Person(2, stage)
    thief.connect("a")
    assert thief.line is not None
    thief.line.say(Resume(person.place.token[:16] + "f" * 32))
    stage.settle()
    [error] = thief.line.told
    assert isinstance(error, Error)
    assert error.code == "resume_expired"


def test_two_who_look_for_one_place_at_one_node_do_not_both_get_it() -> None:
    stage = Stage()
    person = enters(stage, "a", "x", resume=True)
    assert person.place is not None
    assert person.place.token is not None
    first = Person(2, stage)
    first.connect("b")
    assert first.line is not None
    first.line.say(Resume(person.place.token))
    person.resume("b")
    stage.settle()
    person.read()
    [error] = first.line.told
    assert isinstance(error, Error)
    assert error.code == "resume_expired"
    assert person.place.line is person.line


def test_who_looks_for_its_place_waits_as_long_as_it_may() -> None:
    stage = Stage()
    person = enters(stage, "a", "x", resume=True)
    stage.nodes["a"].is_frozen = True
    person.resume("b")
    stage.pass_time(5.5)
    person.read()
    assert person.errors == ["unavailable"]
    stage.nodes["a"].is_frozen = False
    stage.pass_time(3)


def test_a_place_is_found_after_its_node_is_gone() -> None:
    stage = Stage()
    person = enters(stage, "a", "x", resume=True)
    stage.pass_time(5)
    stage.nodes["a"].kill()
    person.break_off()
    stage.pass_time(4.5)
    person.resume("b")
    stage.pass_time(4.5)
    person.read()
    assert person.errors == []
    assert person.place is not None
    assert person.place.line is person.line


def test_who_is_gone_while_it_looks_for_its_place_does_not_get_it() -> None:
    stage = Stage()
    person = enters(stage, "a", "x", resume=True)
    assert person.place is not None
    person.resume("b")
    line = person.line
    person.lose()
    stage.settle()
    assert line is not None
    assert line.session.member is None
    person.resume("c")
    stage.settle()
    person.read()
    assert person.place.line is person.line


def test_what_is_said_to_a_place_that_is_looked_for_keeps_its_order() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "b", "y")
    x.read()
    x.resume("b")
    numbers = [y.tell("x")]
    for _ in range(40):
        steps = stage.steps()
        if steps:
            steps[-1]()
            numbers.append(y.tell("x"))
    stage.settle()
    everybody_reads([x, y])
    assert x.got == [(y.number, number) for number in numbers]


def test_the_last_word_of_who_leaves_arrives_where_its_peer_comes_back() -> None:
    stage = Stage()
    x, y = enters(stage, "a", "x", resume=True), enters(stage, "b", "y")
    x.read()
    x.resume("b")
    b = stage.nodes["b"].node
    stage.until(lambda: any(search.client for search in b._joining._searches.values()))
    said = y.tell("x")
    y.leave()
    stage.settle()
    x.read()
    assert x.got == [(y.number, said)]


def test_a_search_goes_on_when_the_way_to_redis_is_back() -> None:
    stage = Stage()
    x, _ = enters(stage, "a", "x", resume=True), enters(stage, "b", "y")
    x.resume("b")
    stage.nodes["b"].lose()
    stage.pass_time(2)
    x.read()
    assert x.place is not None
    assert x.place.line is x.line


def test_a_message_is_refused_where_too_much_waits() -> None:
    stage = Stage()
    person = entering(stage, "a", "x")
    assert person.line is not None
    for _ in range(65):
        person.line.say(Message(b"1", None))  # type: ignore[arg-type] # it is raw JSON
    [error] = person.line.told
    assert isinstance(error, Error)
    assert error.code == "not_registered"
