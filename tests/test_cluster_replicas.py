"""Rooms with members on other nodes: who is there, after all that can happen to Redis."""

from cluster_people import Person, enters, everybody_reads
from cluster_stage import Stage

from twisted_signal.registry import DuplicateId

LEASE_S = 6


def pair(stage: Stage, *, resume: bool = False) -> tuple[Person, Person]:
    """Return two clients of a room, on nodes a and b."""
    x, y = enters(stage, "a", "x", resume=resume), enters(stage, "b", "y", resume=resume)
    x.read()
    return x, y


def peers(*people: Person) -> list[set[str]]:
    everybody_reads(people)
    return [person.place.peers for person in people if person.place is not None]


def test_a_node_knows_a_room_only_while_it_has_a_client_there() -> None:
    stage = Stage()
    x, _ = pair(stage)
    assert "lab" not in stage.nodes["c"].registry.rooms
    x.leave()
    stage.settle()
    assert "lab" not in stage.nodes["a"].registry.rooms
    assert not stage.nodes["a"].node._state.places
    assert "lab" in stage.nodes["b"].registry.rooms


def test_nobody_notices_that_redis_lost_everything() -> None:
    stage = Stage()
    x, y = pair(stage, resume=True)
    stage.restart_redis()
    stage.pass_time(10)
    assert x.line is not None
    assert y.line is not None
    assert (x.line.told, y.line.told) == ([], [])
    assert peers(x, y) == [{"y"}, {"x"}]
    assert stage.redis.execute("HLEN", "vislam:room:lab") == 2
    x.resume("c")
    stage.settle()
    x.read()
    assert x.errors == []


def test_who_left_while_redis_was_away_has_left_when_it_is_back() -> None:
    stage = Stage()
    x, y = pair(stage)
    stage.nodes["a"].lose()
    x.leave()
    assert "lab" not in stage.nodes["a"].registry.rooms
    stage.pass_time(2)
    assert peers(y) == [set()]


def test_who_came_and_went_meanwhile_is_told_when_redis_is_back() -> None:
    stage = Stage()
    x, y = pair(stage)
    stage.nodes["a"].lose()
    y.leave()
    z = enters(stage, "b", "z")
    assert z.place is not None
    stage.pass_time(LEASE_S + 2)
    assert peers(x, z) == [{"z"}, {"x"}]


def test_who_is_missing_in_an_empty_redis_is_given_time_to_be_back() -> None:
    stage = Stage()
    x, y = pair(stage)
    stage.nodes["b"].lose()
    stage.redis.empty()
    stage.nodes["a"].lose()
    stage.nodes["b"]._try_at = stage.now + 3
    stage.pass_time(2)
    assert stage.redis.execute("HLEN", "vislam:room:lab") == 1
    assert peers(x) == [{"y"}]
    stage.pass_time(3)
    assert stage.redis.execute("HLEN", "vislam:room:lab") == 2
    stage.pass_time(LEASE_S)
    assert peers(x, y) == [{"y"}, {"x"}]


def test_who_does_not_come_back_has_left() -> None:
    stage = Stage()
    x, _ = pair(stage)
    stage.nodes["b"].kill()
    stage.restart_redis()
    stage.pass_time(LEASE_S - 1)
    assert peers(x) == [{"y"}]
    stage.pass_time(4)
    assert peers(x) == [set()]


def test_a_client_whose_id_was_taken_while_its_node_was_away_is_replaced() -> None:
    stage = Stage()
    stage.pass_time(5)
    x, y = pair(stage)
    a = stage.nodes["a"]
    a.lose()
    a._try_at = stage.now + 20
    stage.pass_time(LEASE_S + 4)
    assert peers(y) == [set()]
    newcomer = enters(stage, "c", "x", number=7)
    peer = enters(stage, "c", "z")
    line = x.line
    stage.pass_time(15)
    assert line is not None
    assert line.closed == (4409, "Another connection has taken your client_id")
    assert peers(y, newcomer, peer) == [{"x", "z"}, {"y", "z"}, {"x", "y"}]
    assert x.place is not None
    everybody_reads([x])
    assert x.place is None


def test_a_type_that_changes_is_known_to_all_nodes() -> None:
    stage = Stage()
    x, y = pair(stage)
    assert x.line is not None
    x.line.say(x.registration(client_type="phone"))
    stage.settle()
    member = stage.nodes["b"].registry.holder("lab", "x")
    assert member is not None
    assert member.client_type == "phone"
    assert y.line is not None
    assert y.line.told == []


def test_two_who_have_one_id_for_two_nodes_are_told_apart_by_their_places() -> None:
    stage = Stage(duplicate_id=DuplicateId.REPLACE)
    x, y = pair(stage)
    for number, name in enumerate("cbc", 10):
        newcomer = enters(stage, name, "x", number=number)
    assert peers(y, newcomer) == [{"x"}, {"y"}]
    x.read()
    assert x.place is None


def test_messages_that_wait_are_given_to_who_comes_on_another_node() -> None:
    stage = Stage()
    x = enters(stage, "a", "x")
    x.offer()
    y = enters(stage, "b", "y")
    stage.settle()
    y.read()
    assert y.offers == {(x.number, 1)}


def test_what_waits_while_a_place_moves_is_bounded_and_refused() -> None:
    stage = Stage()
    x, y = pair(stage, resume=True)
    place = stage.nodes["b"].registry.holder("lab", "x")
    assert place is not None
    client = stage.nodes["b"].node._replicas.hold(str(place.place))
    assert client is not None
    for _ in range(257):
        y.tell("x")
    y.read()
    assert y.errors == ["peer_unreachable"]
    stage.nodes["b"].node._state.neighbours.link, link = (
        None,
        stage.nodes["b"].node._state.neighbours.link,
    )
    stage.nodes["b"].turn(lambda: stage.nodes["b"].node._replicas.release(client))
    stage.nodes["b"].node._state.neighbours.link = link
    y.read()
    assert y.errors == ["peer_unreachable"] * 257
    assert x.got == []


def test_nothing_is_held_for_who_is_not_there_or_here() -> None:
    stage = Stage()
    x, _ = pair(stage)
    assert x.line is not None
    assert x.line.session.member is not None
    replicas = stage.nodes["a"].node._replicas
    assert replicas.hold("nobody") is None
    assert replicas.hold(str(x.line.session.member.place)) is None


def test_a_room_is_forgotten_with_the_last_of_ours_whose_id_was_taken() -> None:
    stage = Stage()
    stage.pass_time(5)
    x = enters(stage, "a", "x")
    a = stage.nodes["a"]
    a.lose()
    a._try_at = stage.now + 20
    stage.pass_time(10)
    newcomer = enters(stage, "c", "x", number=7)
    stage.pass_time(15)
    x.read()
    assert x.place is None
    assert newcomer.place is not None
    assert a.registry.rooms == {}
    assert a.node._state.places == {}


def test_an_id_that_is_given_up_in_vain_and_taken_is_lost_to_who_had_it() -> None:
    stage = Stage(duplicate_id=DuplicateId.REPLACE)
    x = enters(stage, "a", "x")
    peer = enters(stage, "a", "y")
    line = x.line
    assert line is not None
    x.register("w", "lab")
    a = stage.nodes["a"]
    assert a.link is not None
    a.link.run()  # x is given up for w
    thief = Person(3, stage)
    thief.connect("b")
    thief.register("x", "lab")
    x.lose()
    stage.settle()
    everybody_reads([thief, peer])
    assert thief.place is not None
    assert peers(thief, peer) == [{"y"}, {"x"}]
    assert line.session.member is None
