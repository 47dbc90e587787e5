from twisted.internet.task import Clock

from twisted_signal.inquiry import Inquiry


def test_all_who_ask_are_told_once() -> None:
    clock = Clock()
    inquiry = Inquiry(0, clock.callLater(2, lambda: None))
    answers: list[tuple[str, bool]] = []
    inquiry.add(lambda alive: answers.append(("a", alive)))
    inquiry.add(lambda alive: answers.append(("b", alive)))

    inquiry.end(alive=True)
    inquiry.end(alive=False)

    assert answers == [("a", True), ("b", True)]
    assert clock.getDelayedCalls() == []


def test_who_asks_while_others_are_told_is_not_told_too_early() -> None:
    clock = Clock()
    inquiry = Inquiry(0, clock.callLater(2, lambda: None))
    answers: list[bool] = []
    inquiry.add(lambda _: inquiry.add(answers.append))

    inquiry.end(alive=True)

    assert answers == []


def test_the_end_of_its_time_may_end_an_inquiry() -> None:
    clock = Clock()
    answers: list[bool] = []
    inquiry: Inquiry
    timer = clock.callLater(2, lambda: inquiry.end(alive=False))
    inquiry = Inquiry(0, timer)
    inquiry.add(answers.append)

    clock.advance(2)

    assert answers == [False]
