"""What is said to other nodes in a turn, and what becomes of it where it does not arrive."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from plain import raw

from twisted_signal.cluster.neighbours import PATIENCE, Neighbours
from twisted_signal.cluster.wire import From, Question, Say
from twisted_signal.errors import NodeUnreachable
from twisted_signal.messages import RelayedIceCandidate, RelayedMessage, RelayedToAll
from twisted_signal.outbox import Outbox


class Published:
    """A Link that remembers what was published."""

    def __init__(self) -> None:
        self.payloads: list[tuple[str, Any]] = []
        self.answers: list[Any] = []

    def call(self, script: str, keys: Any, arguments: Sequence[Any], answered: Any) -> None: ...

    def publish(self, node: str, payload: bytes, answered: Any) -> None:
        self.payloads.append((node, msgspec.json.decode(payload)))
        self.answers.append(answered)

    def restart(self, why: str) -> None: ...


class Made:
    def __init__(self) -> None:
        self.outbox = Outbox()
        self.failed: list[Say] = []
        self.neighbours = Neighbours("me", self.outbox, self.failed.append)
        self.link = self.neighbours.link = Published()
        self.answers: list[str | None] = []
        self.neighbours.epoch = 7


def message(text: str) -> RelayedMessage:
    return RelayedMessage("x", raw(text))


def test_all_of_a_turn_goes_out_at_once_to_each_node() -> None:
    made = Made()
    with made.outbox:
        for name in ("b", "c", "b"):
            made.neighbours.of(name).say("p.1", "y", RelayedIceCandidate("x", raw(name)))
        assert made.link.payloads == []
    assert [name for name, _ in made.link.payloads] == ["b", "c"]
    assert [len(items) for _, items in made.link.payloads] == [3, 2]
    assert (made.neighbours.batches, made.neighbours.messages) == (2, 3)


def test_what_is_said_outside_of_a_turn_goes_out_at_once() -> None:
    made = Made()
    made.neighbours.of("b").say("p.1", "y", message("hi"))
    assert made.link.payloads == [
        (
            "b",
            [
                ["from", "me", 7],
                ["say", ["p.1"], {"type": "message", "sender_id": "x", "data": "hi"}, 0, False],
            ],
        )
    ]


def test_what_is_for_a_whole_room_goes_to_a_node_once() -> None:
    made = Made()
    to_all, other = message("to all"), message("to all")
    with made.outbox:
        for place in ("p.1", "p.2"):
            made.neighbours.of("b").say(place, "y", RelayedToAll("x", to_all.data))
        made.neighbours.of("b").say("p.3", "y", other)
        made.neighbours.of("b").say("p.4", "y", RelayedToAll("x", other.data))
        made.neighbours.of("b").say("p.5", "y", RelayedToAll("x", other.data), hops=1)
    [[_, [_, *items]]] = made.link.payloads
    assert [item[1] for item in items] == [["p.1", "p.2"], ["p.3"], ["p.4"], ["p.5"]]
    assert [item[4] for item in items] == [True, False, True, True]


def test_without_a_way_nothing_is_said() -> None:
    made = Made()
    made.neighbours.link = None
    with pytest.raises(NodeUnreachable, match="y"):
        made.neighbours.of("b").say("p.1", "y", message("hi"))


def test_what_was_gathered_as_the_way_broke_has_failed() -> None:
    made = Made()
    with made.outbox:
        made.neighbours.of("b").say("p.1", "y", message("hi"))
        made.neighbours.link = None
    assert [say.places for say in made.failed] == [["p.1"]]


@pytest.mark.parametrize("receivers", [0, None])
def test_what_nobody_heard_has_failed(receivers: int | None) -> None:
    made = Made()
    made.neighbours.of("b").say("p.1", "y", message("hi"))
    made.link.answers[0](1)
    assert made.failed == []
    made.neighbours.of("b").say("p.2", "y", message("hi"))
    made.link.answers[1](receivers)
    assert [say.places for say in made.failed] == [["p.2"]]


def test_a_question_is_answered_once() -> None:
    made = Made()
    made.neighbours.ask("b", "alive", "p.1", made.answers.append)
    [[name, [[kind, asker, number, *what]]]] = made.link.payloads
    assert (name, kind, asker, what) == ("b", "question", "me", ["alive", "p.1"])
    made.neighbours.answered(number, "yes")
    made.neighbours.answered(number, "no")
    made.link.answers[0](0)
    assert made.answers == ["yes"]


def test_a_question_that_nobody_heard_is_not_waited_for() -> None:
    made = Made()
    made.neighbours.ask("b", "alive", "p.1", made.answers.append)
    made.link.answers[0](0)
    assert made.answers == [None]


def test_an_answer_is_waited_for_as_long_as_it_may_take() -> None:
    made = Made()
    made.neighbours.tick(100.0)
    made.neighbours.ask("b", "alive", "p.1", made.answers.append)
    made.neighbours.ask("b", "alive", "p.2", made.answers.append, 5.0)
    made.neighbours.tick(100.0 + PATIENCE - 0.1)
    assert made.answers == []
    made.neighbours.tick(100.0 + PATIENCE)
    assert made.answers == [None]
    made.neighbours.lose_all()
    assert made.answers == [None, None]


def test_an_answer_goes_to_who_asked() -> None:
    made = Made()
    made.neighbours.answer(Question("b", 7, "alive", "p.1"), None)
    assert made.link.payloads == [("b", [["answer", 7, None]])]


def test_the_other_nodes_are_those_that_were_seen_last() -> None:
    made = Made()
    made.neighbours.see(["c", "me", "b"])
    assert made.neighbours.names == ("b", "c")
    made.neighbours.lose_all()
    assert list(made.neighbours.names) == []


def test_what_is_gathered_can_be_sent_before_something_else() -> None:
    made = Made()
    with made.outbox:
        neighbour = made.neighbours.of("b")
        neighbour.say("p.1", "y", message("hi"))
        made.neighbours.flush()
        assert len(made.link.payloads) == 1
    assert len(made.link.payloads) == 1


def test_what_a_node_said_before_it_was_away_is_late_until_it_is_forgotten() -> None:
    neighbours = Made().neighbours
    assert not neighbours.is_late(From("b", 5))
    assert not neighbours.is_late(From("b", 6))
    assert neighbours.is_late(From("b", 5))
    assert not neighbours.is_late(From("c", 5))
    neighbours.see(["c"])
    assert neighbours._epochs == {"c": 5}
