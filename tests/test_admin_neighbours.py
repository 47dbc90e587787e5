"""How nodes are asked: at once, late, and those that never answer."""

from collections.abc import Callable

import pytest
from fake_nodes import FakeNodes

from twisted_signal.admin.later import Task
from twisted_signal.admin.neighbours import Round
from twisted_signal.admin.questions import AskStatus, Status


@pytest.fixture
def nodes() -> FakeNodes:
    return FakeNodes("a", "b", "c")


def ask(round_: Round) -> Task[dict[str, Status]]:
    return Task(round_.ask_all(lambda _: AskStatus(())))


def test_answers_come_by_the_names_of_the_nodes_in_order(nodes: FakeNodes) -> None:
    answers = ask(nodes.whole("b").begin()).result()

    assert list(answers) == ["a", "b", "c"]
    assert [status.node.name for status in answers.values()] == ["a", "b", "c"]
    assert [name for name, _ in nodes.asked] == ["a", "c"]  # it need not ask itself


def test_late_answers_are_waited_for(nodes: FakeNodes) -> None:
    nodes.is_late = True
    round_ = nodes.whole("a").begin()

    task = ask(round_)
    assert not task.is_done
    nodes.deliver()

    assert list(task.result()) == ["a", "b", "c"]
    assert round_.missing == []


def test_who_does_not_answer_is_not_asked_again(nodes: FakeNodes) -> None:
    nodes.silent = {"b"}
    round_ = nodes.whole("a").begin()

    assert list(ask(round_).result()) == ["a", "c"]
    assert list(ask(round_).result()) == ["a", "c"]

    assert [name for name, _ in nodes.asked] == ["b", "c", "c"]
    assert (round_.names, round_.missing) == (["a", "c"], ["b"])
    assert round_.earlier("c") == ("a",)


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b'{"node": 7}', b"\xff"])
def test_who_says_what_nobody_understands_has_not_answered(nodes: FakeNodes, said: bytes) -> None:
    def answer(question: bytes) -> bytes:
        return said

    nodes.clusters["b"].answer = answer
    round_ = nodes.whole("a").begin()

    assert list(ask(round_).result()) == ["a", "c"]
    assert round_.missing == ["b"]


def test_what_a_later_release_says_besides_is_passed_over(nodes: FakeNodes) -> None:
    usual: Callable[[bytes], bytes] | None = nodes.clusters["b"].answer
    assert usual is not None

    def answer(question: bytes) -> bytes:
        return usual(question).replace(b'{"node":{', b'{"mood":[1,2],"node":{"size":{},')

    nodes.clusters["b"].answer = answer

    assert list(ask(nodes.whole("a").begin()).result()) == ["a", "b", "c"]


def test_nobody_is_asked_for_a_part_of_this_node_alone(nodes: FakeNodes) -> None:
    assert list(ask(nodes.whole("b").begin(is_alone=True)).result()) == ["b"]
    assert list(ask(nodes.whole("b").begin("b")).result()) == ["b"]
    assert nodes.asked == []
