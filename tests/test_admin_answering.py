"""What a node answers to others."""

import logging

import msgspec
import pytest
from admin_stage import AdminMemory

from twisted_signal.admin import answering
from twisted_signal.admin.answering import ThisNode
from twisted_signal.admin.questions import (
    ANSWERS,
    AnyQuestion,
    AskCalls,
    AskClients,
    Asked,
    AskOutlines,
    AskRates,
    AskRoom,
    AskRooms,
    AskStatus,
    Disconnect,
    Part,
)


@pytest.fixture
def memory() -> AdminMemory:
    return AdminMemory()


QUESTIONS: list[AnyQuestion] = [
    AskRooms(Part(0, 5), "", ()),
    AskClients(Part(0, 5), "", None),
    AskRoom("lab"),
    AskRoom("hall"),
    AskOutlines(exactly=True),
    AskCalls((1, 2), with_steps=True),
    AskStatus(()),
    AskRates(),
    Disconnect("7"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: type(question).__name__)
def test_what_goes_over_the_network_is_what_is_said_here(
    memory: AdminMemory, question: AnyQuestion
) -> None:
    memory.registered("phone", "lab")
    memory.registered("pc", "lab").say(type="offer", target_id="phone", sdp="v=0")
    node = memory.whole.node
    asked = Asked(question)
    node.say(Asked(AskOutlines(exactly=True)))

    said = ANSWERS[type(question)].decode(node.answer(msgspec.json.encode(asked)))

    assert said == node.say(asked)


def test_there_is_a_reader_for_the_answer_to_each_question() -> None:
    assert {type(question) for question in QUESTIONS} == set(ANSWERS)


@pytest.mark.parametrize(
    "question",
    [
        b"",
        b"[",
        b'{"question": {"type": "AskTheOracle"}}',
        b'{"question": {"type": "AskRooms", "part": {"offset": "first", "limit": 1}}}',
        b"\xff",
    ],
)
def test_nothing_is_said_to_what_makes_no_sense(memory: AdminMemory, question: bytes) -> None:
    assert memory.whole.node.answer(question) == b""


def test_a_mistake_is_in_the_log_and_not_the_matter_of_who_asked(
    memory: AdminMemory, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    node = memory.whole.node
    node._says[AskRates] = fail

    with caplog.at_level(logging.ERROR):
        assert node.answer(msgspec.json.encode(Asked(AskRates()))) == b""
    assert "A question of another node's admin endpoint could not be answered" in caplog.text


def test_no_more_is_sent_than_a_page_may_have(
    memory: AdminMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "MOST_ITEMS", 2)
    for number in range(3):
        memory.registered("phone", f"lab{number}")
        memory.registered("pc", f"lab{number}").say(type="offer", target_id="phone", sdp="v=0")
    node = memory.whole.node

    rooms = node.say(Asked(AskRooms(Part(0, 2**31), "", ())))
    clients = node.say(Asked(AskClients(Part(0, 2**31), "", None)))
    calls = node.say(Asked(AskOutlines(exactly=True)))
    told = node.say(Asked(AskCalls(tuple(call.number for call in calls), with_steps=True)))

    assert (len(rooms.items), rooms.total) == (2, 3)
    assert (len(clients.items), clients.total) == (2, 6)
    assert (len(calls), len(told)) == (3, 2)


def test_what_is_being_gathered_when_a_client_is_sent_away_goes_on_being_gathered(
    memory: AdminMemory,
) -> None:
    phone = memory.registered("phone")
    outbox = memory.factory.outbox
    asked = msgspec.json.encode(Asked(Disconnect(str(phone.protocol.number))))

    with outbox:
        assert memory.whole.node.answer(asked)
        assert outbox.open

    assert phone.close_code == 4410


def test_what_is_asked_again_and_again_is_found_once_in_a_while(memory: AdminMemory) -> None:
    node = ThisNode(memory.service, memory.clock.seconds)
    live = msgspec.json.encode(Asked(AskStatus(()), is_live=True))
    once = msgspec.json.encode(Asked(AskStatus(())))
    before = node.answer(live)
    memory.open()

    assert node.answer(live) == before
    assert node.answer(once) != before
    memory.wait(1)
    assert node.answer(live) == node.answer(once)
