"""A node: its beat, what it hears, and what it does when others are gone."""

import gc
from typing import Any

import msgspec
import pytest
from cluster_people import Person, enters, everybody_reads
from cluster_stage import Stage
from plain import raw

from twisted_signal.cluster.node import RESTORED_AT_ONCE
from twisted_signal.cluster.scripts import REAPED_AT_ONCE
from twisted_signal.cluster.wire import Say, encode
from twisted_signal.messages import RelayedMessage, RelayedOffer


def two(stage: Stage, *, resume: bool = False) -> tuple[Person, Person]:
    """Return two clients of a room, on nodes a and b."""
    x, y = enters(stage, "a", "x", resume=resume), enters(stage, "b", "y", resume=resume)
    x.read()
    return x, y


def test_nodes_know_each_other_after_a_beat() -> None:
    stage = Stage()
    stage.pass_time(3)
    node = stage.nodes["b"].node
    assert node.is_up
    assert node.name == "b"
    assert list(node.others()) == ["a", "c"]


def test_a_node_is_not_up_before_redis_knows_it() -> None:
    stage = Stage(["a"])
    assert not stage.nodes["a"].node.is_up
    stage.settle()
    assert stage.nodes["a"].node.is_up
    stage.nodes["a"].lose()
    assert not stage.nodes["a"].node.is_up
    assert list(stage.nodes["a"].node.others()) == []


def test_a_hello_that_is_lost_is_no_greeting() -> None:
    stage = Stage(["a"])
    stage.until(lambda: stage.nodes["a"].link is not None and stage.nodes["a"].link.commands)
    stage.nodes["a"].lose()
    assert not stage.nodes["a"].node.is_up
    stage.pass_time(1)
    assert stage.nodes["a"].node.is_up


def test_a_dead_node_s_clients_have_left_exactly_once_within_ten_seconds() -> None:
    stage = Stage()
    stage.pass_time(5)
    x, y = two(stage)
    z = enters(stage, "c", "z")
    y.read()
    stage.nodes["a"].kill()
    stage.pass_time(10)
    everybody_reads([y, z])  # which would not hear it twice
    assert y.place is not None
    assert z.place is not None
    assert (y.place.peers, z.place.peers) == ({"z"}, {"y"})
    assert not x.place or not x.line or x.line.node.is_dead


def test_a_node_that_is_gone_is_known_no_more() -> None:
    stage = Stage()
    stage.pass_time(3)
    two(stage)
    stage.nodes["a"].kill()
    stage.pass_time(12)
    gc.collect()
    assert list(stage.nodes["b"].node.others()) == ["c"]
    assert "a" not in stage.nodes["b"].node.neighbours._known


def test_many_members_of_a_dead_node_are_taken_care_of_in_turns() -> None:
    stage = Stage()
    stage.pass_time(5)
    for number in range(REAPED_AT_ONCE * 2 + 1):
        enters(stage, "a", "x", f"room{number}")
    stage.nodes["a"].kill()
    stage.pass_time(10)
    assert stage.redis.execute("KEYS", "vislam:room:*") == []
    assert stage.redis.execute("EXISTS", "vislam:node:a") == 0


def test_many_rooms_are_put_back_in_turns() -> None:
    stage = Stage(["a"])
    for number in range(RESTORED_AT_ONCE * 2 + 1):
        enters(stage, "a", "x", f"room{number}")
    stage.restart_redis()
    stage.pass_time(3)
    assert len(stage.redis.execute("KEYS", "vislam:room:*")) == RESTORED_AT_ONCE * 2 + 1
    assert not stage.nodes["a"].node._replicas.stale


def test_what_breaks_while_rooms_are_put_back_is_begun_anew() -> None:
    stage = Stage(["a"])
    for number in range(RESTORED_AT_ONCE + 1):
        enters(stage, "a", "x", f"room{number}")
    a = stage.nodes["a"]
    stage.restart_redis()
    stage.settle()
    a.connect()
    stage.until(lambda: a.node.is_up)
    a.lose(run=3)
    stage.pass_time(3)
    assert len(stage.redis.execute("KEYS", "vislam:room:*")) == RESTORED_AT_ONCE + 1


def test_what_was_said_before_redis_stood_still_does_no_harm_after_it() -> None:
    stage = Stage()
    x, y = two(stage)
    stage.is_paused = True
    x.leave()
    x.register("x", "lab")
    a = stage.nodes["a"]
    a.lose(late=20)
    stage.is_paused = False
    a.connect()
    stage.pass_time(3)
    everybody_reads([x, y])
    assert stage.late == []
    assert y.place is not None
    assert y.place.peers == {"x"}


def test_a_flushed_redis_is_filled_again() -> None:
    stage = Stage()
    x, y = two(stage)
    stage.redis.empty()
    stage.pass_time(10)
    everybody_reads([x, y])
    assert stage.redis.execute("HLEN", "vislam:room:lab") == 2
    assert x.place is not None
    assert x.place.peers == {"y"}


def test_what_cannot_be_read_is_an_error() -> None:
    stage = Stage(["a"])
    with pytest.raises(msgspec.DecodeError):
        stage.nodes["a"].node.heard(b"not that", 0.0, 0)


# Messages


def test_what_a_peer_on_another_node_cannot_get_the_sender_hears_of() -> None:
    stage = Stage()
    x, y = two(stage)
    assert y.line is not None
    y.line.cannot_hear = RelayedMessage
    x.tell("y")
    stage.settle()
    x.read()
    assert x.errors == ["invalid_message"]
    assert x.unreached == {"y"}


def test_what_did_not_reach_a_node_the_sender_hears_of() -> None:
    stage = Stage()
    x, _ = two(stage)
    assert stage.nodes["b"].link is not None
    stage.nodes["b"].link.unsubscribe()
    x.tell("y")
    x.tell(None)
    stage.redis.execute("PUBLISH", "vislam:to:a", encode([]))
    stage.until(lambda: x.line is not None and x.line.told)
    x.read()
    assert x.errors[0] == "peer_unreachable"
    assert x.unreached == {"y"}
    stage.redis.listen("vislam:to:b", stage.nodes["b"].link.channel.append)


def test_without_redis_a_peer_on_another_node_is_out_of_reach_and_one_here_is_not() -> None:
    stage = Stage()
    x, y = two(stage)
    z = enters(stage, "a", "z")
    everybody_reads([x, y, z])
    stage.nodes["a"].lose()
    x.tell("y")
    said = x.tell("z")
    everybody_reads([x, z])
    assert (x.errors, x.unreached) == (["peer_unreachable"], {"y"})
    assert z.got == [(x.number, said)]


def test_what_comes_for_nobody_is_dropped() -> None:
    stage = Stage()
    x, y = two(stage)
    say = Say(["b.77"], RelayedOffer("x", raw(1)))
    stage.redis.execute("PUBLISH", "vislam:to:b", encode([say]))
    stage.settle()
    everybody_reads([x, y])
    assert (x.errors, y.offers) == ([], set())


def test_what_somebody_said_who_has_left_arrives_and_is_refused_to_nobody() -> None:
    stage = Stage()
    x, y = two(stage)
    assert y.line is not None
    assert y.line.session.member is not None
    place = str(y.line.session.member.place)
    x.leave()
    stage.settle()
    y.read()
    for cannot_hear in (None, RelayedMessage):
        y.line.cannot_hear = cannot_hear
        say = Say([place], RelayedMessage("x", raw([x.number, 9])))
        stage.redis.execute("PUBLISH", "vislam:to:b", encode([say]))
        stage.settle()
    y.read()
    assert y.got == [(x.number, 9)]


# Questions


def asked(stage: Stage, node: str) -> list[bytes | None]:
    answers: list[bytes | None] = []
    a = stage.nodes["a"]
    a.turn(lambda: a.node.ask(node, b"how many?", answers.append))
    return answers


def test_operators_may_ask_each_other() -> None:
    stage = Stage()
    stage.settle()
    stage.nodes["b"].node.answer = lambda question: question + b" two"
    answers = asked(stage, "b")
    stage.settle()
    assert answers == [b"how many? two"]


def test_nobody_answers_where_no_operator_is_or_no_node() -> None:
    stage = Stage()
    stage.settle()
    answers = [asked(stage, "b"), asked(stage, "nobody")]
    stage.settle()
    assert answers == [[None], [None]]


def test_a_place_is_sheltered_where_another_node_can_have_it() -> None:
    stage = Stage()
    x, y = two(stage, resume=True)
    z = enters(stage, "a", "z")
    stage.pass_time(3)
    assert x.line is not None
    assert y.line is not None
    assert z.line is not None
    assert x.line.session.is_sheltered
    assert not z.line.session.is_sheltered
    stage.nodes["b"].lose()
    assert not y.line.session.is_sheltered


def test_a_place_that_is_not_there_is_not_alive() -> None:
    stage = Stage()
    stage.settle()
    answers: list[Any] = []
    a = stage.nodes["a"]
    a.turn(lambda: a.node.neighbours.ask("b", "alive", "b.77", answers.append))
    stage.settle()
    assert answers == [None]


def test_what_was_said_before_the_way_broke_does_not_arrive_after_what_is_said_now() -> None:
    stage = Stage()
    x, y = two(stage)
    stage.is_paused = True
    x.tell("y")
    a = stage.nodes["a"]
    a.lose(late=1)
    x.read()
    assert x.errors == ["peer_unreachable"]
    stage.is_paused = False
    a.connect()
    assert a.link is not None
    [late] = stage.late
    while not a.node.is_up or a.link.commands or a.link.replies:
        next(iter(a.steps()))()
    said = x.tell("y")
    while a.link.commands:
        a.link.run()
    stage.settle()  # and only now what had waited with the connection that broke
    assert not late.commands
    y.read()
    assert y.got == [(x.number, said)]
