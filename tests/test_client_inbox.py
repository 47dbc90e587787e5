"""Who gets which event."""

import pytest

from twisted_signal.client.events import (
    Answer,
    Disconnected,
    Error,
    Event,
    IceCandidate,
    Message,
    Offer,
    PeerJoined,
    PeerLeft,
    Reconnected,
)
from twisted_signal.client.inbox import MOST_WAITING, Inbox

END = IceCandidate("phone", None)
OFFER, ANSWER = Offer("phone", "v=0"), Answer("phone", "v=0")


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def put(inbox: Inbox, *events: Event) -> None:
    for event in events:
        inbox.put(event)


def test_without_subscriptions_the_application_gets_all(inbox: Inbox) -> None:
    put(inbox, OFFER, END, Message("phone", 1))
    assert list(inbox.events) == [OFFER, END, Message("phone", 1)]


def test_a_subscription_takes_the_calls_of_one_peer(inbox: Inbox) -> None:
    calls = inbox.subscribe("phone", [])
    other = Offer("tablet", "v=0")
    put(inbox, OFFER, other, Message("phone", 1), ANSWER, END)
    assert list(calls) == [OFFER, ANSWER, END]
    assert list(inbox.events) == [other, Message("phone", 1)]


def test_both_are_told_what_concerns_both(inbox: Inbox) -> None:
    calls = inbox.subscribe("phone", [])
    both: list[Event] = [
        PeerJoined("phone", "android"),
        Error("peer_not_found", "No such peer.", "phone"),
        PeerLeft("phone"),
        Disconnected("It broke."),
        Reconnected(resumed=True),
    ]
    others: list[Event] = [
        PeerJoined("tablet", "android"),
        Error("peer_not_found", "No such peer.", "tablet"),
        Error("invalid_message", "No target."),
        PeerLeft("tablet"),
    ]
    put(inbox, *both, *others)
    assert list(calls) == both
    assert list(inbox.events) == both + others


def test_what_waits_already_goes_to_a_new_subscription(inbox: Inbox) -> None:
    put(inbox, PeerJoined("phone", "android"), END, Message("phone", 1), ANSWER)
    calls = inbox.subscribe("phone", [OFFER])
    assert list(calls) == [OFFER, END, ANSWER]
    assert list(inbox.events) == [PeerJoined("phone", "android"), Message("phone", 1)]


def test_there_is_one_subscription_to_a_peer(inbox: Inbox) -> None:
    inbox.subscribe("phone", [])
    inbox.subscribe("tablet", [])
    with pytest.raises(ValueError, match="'phone' already"):
        inbox.subscribe("phone", [])


def test_the_application_gets_the_last_offer_that_a_subscription_leaves(inbox: Inbox) -> None:
    calls = inbox.subscribe("phone", [])
    again = Offer("phone", "v=1")
    put(inbox, OFFER, END, PeerLeft("phone"), again, END, Message("phone", 1))
    inbox.unsubscribe("phone", calls)
    assert not calls
    assert list(inbox.events) == [again, END, PeerLeft("phone"), Message("phone", 1)]
    inbox.unsubscribe("phone", calls)
    inbox.put(ANSWER)
    assert inbox.events[-1] == ANSWER


def test_answers_and_candidates_that_nobody_waits_for_are_dropped(inbox: Inbox) -> None:
    calls = inbox.subscribe("phone", [])
    put(inbox, ANSWER, END)
    inbox.unsubscribe("phone", calls)
    assert not inbox.events


def test_an_old_subscription_does_not_end_a_new_one(inbox: Inbox) -> None:
    old = inbox.subscribe("phone", [])
    inbox.unsubscribe("phone", old)
    new = inbox.subscribe("phone", [])
    inbox.unsubscribe("phone", old)
    inbox.put(OFFER)
    assert list(new) == [OFFER]


def test_it_is_full_when_the_application_takes_nothing(inbox: Inbox) -> None:
    put(inbox, *[Message("phone", 1)] * MOST_WAITING)
    assert inbox.is_full
    inbox.events.popleft()
    assert not inbox.is_full


def test_it_is_full_when_a_subscription_takes_nothing(inbox: Inbox) -> None:
    calls = inbox.subscribe("phone", [])
    put(inbox, *[END] * MOST_WAITING)
    assert inbox.is_full
    calls.popleft()
    assert not inbox.is_full


def test_calls_go_on_where_the_application_looks_at_nothing_else(inbox: Inbox) -> None:
    put(inbox, *[Message("phone", number) for number in range(MOST_WAITING)])
    calls = inbox.subscribe("phone", [])
    put(inbox, Message("phone", MOST_WAITING), OFFER)
    assert not inbox.is_full
    assert list(calls) == [OFFER]
    assert len(inbox.events) == MOST_WAITING
    assert inbox.events[0] == Message("phone", 1)
