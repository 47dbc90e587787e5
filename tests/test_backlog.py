from plain import raw

from twisted_signal.backlog import Backlog, Waiting
from twisted_signal.messages import IceCandidate, Offer


def offer(text: str) -> Offer:
    return Offer(raw(text))


def candidate(text: str) -> IceCandidate:
    return IceCandidate(raw(text))


def test_what_waits_is_given_back_in_order_and_once() -> None:
    backlog = Backlog()
    said: list[Waiting] = [candidate("c0"), offer("o"), candidate("c1")]

    assert all(backlog.keep(message) for message in said)

    assert backlog.take() == said
    assert backlog.take() == []


def test_a_new_offer_replaces_an_older_one_with_its_candidates() -> None:
    backlog = Backlog()
    newer: list[Waiting] = [offer("new"), candidate("new 1")]
    for message in [candidate("early"), offer("old"), candidate("old 1"), *newer]:
        backlog.keep(message)

    assert backlog.take() == newer


def test_candidates_that_came_before_their_offer_stay_with_it() -> None:
    backlog = Backlog()
    said: list[Waiting] = [candidate("early"), offer("first")]
    for message in said:
        backlog.keep(message)

    assert backlog.take() == said


def test_no_more_messages_wait_than_may() -> None:
    backlog = Backlog(max_messages=2)

    assert backlog.keep(offer("o"))
    assert backlog.keep(candidate("1"))
    assert not backlog.keep(candidate("2"))

    assert backlog.take() == [offer("o"), candidate("1")]


def test_no_more_bytes_wait_than_may() -> None:
    backlog = Backlog(max_size=10)

    assert backlog.keep(candidate("123456"))  # 8 bytes with its quotes
    assert not backlog.keep(candidate("1"))
    assert backlog.keep(candidate(""))

    assert backlog.take() == [candidate("123456"), candidate("")]


def test_an_offer_that_is_too_large_leaves_the_older_one() -> None:
    backlog = Backlog(max_size=10)
    backlog.keep(offer("old"))

    assert not backlog.keep(offer("much too large"))

    assert backlog.take() == [offer("old")]


def test_room_is_made_when_what_waited_is_taken() -> None:
    backlog = Backlog(max_messages=1, max_size=10)
    backlog.keep(candidate("123456"))
    backlog.take()

    assert backlog.keep(candidate("123456"))


def test_the_limit_in_words_names_both_bounds() -> None:
    assert Backlog().limit == "64 messages or 256 KiB"
