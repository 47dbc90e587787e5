"""Perfect negotiation on plain objects: two of them over two pipes, in every order of things."""

from collections import deque
from collections.abc import Hashable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_signal.client.negotiation import (
    AddCandidate,
    LookForNeeds,
    MakeAnswer,
    MakeOffer,
    Negotiation,
    Rollback,
    SendCandidatesAgain,
    SendOfferAgain,
    SetRemote,
    State,
    is_polite,
)

OFFER, ANSWER = "an offer", "an answer"


def negotiation(*, polite: bool = True) -> Negotiation[str, str]:
    return Negotiation(polite=polite)


class TestASingleOne:
    def test_offers_when_something_is_needed(self) -> None:
        assert negotiation().need() == [MakeOffer(restart_ice=False)]

    def test_answers_an_offer_and_then_looks_whether_it_needs_more(self) -> None:
        assert negotiation().offer(OFFER) == [SetRemote(OFFER), MakeAnswer(), LookForNeeds()]

    def test_takes_the_answer_to_its_offer_once(self) -> None:
        one = negotiation()
        one.need()

        assert one.answer(ANSWER) == [SetRemote(ANSWER), LookForNeeds()]
        assert one.answer(ANSWER) == []

    def test_ignores_an_answer_to_nothing(self) -> None:
        assert negotiation().answer(ANSWER) == []

    def test_offers_again_as_soon_as_the_offer_before_is_answered(self) -> None:
        one = negotiation()
        one.need()

        assert one.need(restart_ice=True) == []
        assert one.answer(ANSWER) == [SetRemote(ANSWER), MakeOffer(restart_ice=True)]
        assert one.answer(ANSWER) == [SetRemote(ANSWER), LookForNeeds()]

    def test_gives_way_when_it_is_polite(self) -> None:
        one = negotiation(polite=True)
        one.need()

        assert one.offer(OFFER) == [Rollback(), SetRemote(OFFER), MakeAnswer(), LookForNeeds()]
        assert one.state is State.STABLE

    def test_does_not_give_way_when_it_is_not(self) -> None:
        one = negotiation(polite=False)
        one.need()

        assert one.offer(OFFER) == []
        assert one.state is State.OFFERED

    def test_ignores_the_candidates_of_an_offer_that_it_ignores_until_the_next_description(
        self,
    ) -> None:
        one = negotiation(polite=False)
        one.need()
        one.offer(OFFER)

        assert one.candidate("of the offer") == []
        one.answer(ANSWER)
        assert one.candidate("of the answer") == [AddCandidate("of the answer")]

    def test_keeps_candidates_that_come_before_a_description(self) -> None:
        one = negotiation()
        assert one.candidate("a") == []
        assert one.candidate("b") == []

        assert one.offer(OFFER)[:3] == [SetRemote(OFFER), AddCandidate("a"), AddCandidate("b")]
        assert one.candidate("c") == [AddCandidate("c")]

    def test_restarts_ice_once_more_when_its_restart_gave_way_to_another_offer(self) -> None:
        one = negotiation(polite=True)
        one.need(restart_ice=True)

        assert one.offer(OFFER)[-1] == MakeOffer(restart_ice=True)

    def test_is_content_with_the_peers_restart(self) -> None:
        one = negotiation(polite=True)
        one.need(restart_ice=True)

        assert one.offer(OFFER, restarts_ice=True)[-1] == LookForNeeds()

    def test_has_nothing_to_say_afresh_before_it_said_anything(self) -> None:
        assert negotiation().afresh() == []

    def test_sends_an_unanswered_offer_again(self) -> None:
        one = negotiation()
        one.need()

        assert one.afresh() == [SendOfferAgain()]
        assert one.answer(ANSWER) == [SetRemote(ANSWER), LookForNeeds()]

    def test_sends_its_candidates_again_when_all_is_answered(self) -> None:
        one = negotiation()
        one.offer(OFFER)

        assert one.afresh() == [SendCandidatesAgain()]


def test_the_smaller_id_is_the_polite_one() -> None:
    assert is_polite("pc", "phone")
    assert not is_polite("phone", "pc")
    assert is_polite("Z", "a")  # by code points, not as a dictionary has it
    assert is_polite("\uffff", "\U00010000")  # nor by UTF-16, as a browser compares


@dataclass
class Peer:
    """One of two who negotiate, and a connection that takes nothing that it must not take.

    A description is who offers, the number of the offer, and whether it restarts ICE; an answer is
    the offer it answers.
    """

    name: str
    machine: Negotiation[Any, Any]
    is_stable: bool = True
    local_offer: Any = None
    agreed: Any = None
    remote: Any = None  # whose candidates it expects
    needs: int = 0  # what is not negotiated
    offered_needs: int = 0
    restarts: int = 0
    offers: int = 0
    sent: list[Any] = field(default_factory=list)

    def do(self, actions: list[Any]) -> None:
        for action in actions:
            match action:
                case MakeOffer(restart_ice):
                    self._make_offer(restart_ice)
                case Rollback():
                    self._take_back()
                case SetRemote(description):
                    self._set_remote(description)
                case MakeAnswer():
                    self._make_answer()
                case AddCandidate(candidate):
                    assert candidate == self.remote
                case _:
                    self._look_after(action)

    def _look_after(self, action: Any) -> None:
        match action:
            case SendOfferAgain():
                assert self.local_offer is not None
                self._say("offer", self.local_offer)
            case SendCandidatesAgain():
                assert self.is_stable
                self.sent.append(("candidate again", self.agreed))
            case LookForNeeds():
                assert self.is_stable
                if self.needs:
                    self.do(self.machine.need())
            case _:
                raise AssertionError(action)

    def _make_offer(self, restart_ice: bool) -> None:
        assert self.is_stable
        self.is_stable = False
        self.offers += 1
        self.local_offer = (self.name, self.offers, restart_ice)
        self.offered_needs, self.needs = self.needs, 0
        self._say("offer", self.local_offer)

    def _take_back(self) -> None:
        assert not self.is_stable
        self.is_stable = True
        self.local_offer = None
        self.needs += self.offered_needs

    def _set_remote(self, description: Any) -> None:
        self.remote = description
        if self.local_offer is None:
            assert self.is_stable
            self.is_stable = False
        else:
            assert description == self.local_offer, "it answers another offer"
            self._agree(description)

    def _make_answer(self) -> None:
        assert not self.is_stable
        assert self.local_offer is None
        self._agree(self.remote)
        self._say("answer", self.remote)

    def _agree(self, description: Any) -> None:
        self.is_stable = True
        self.agreed, self.local_offer = description, None
        self.restarts += description[2]

    def _say(self, kind: str, description: Any) -> None:
        self.sent += [(kind, description), ("candidate", description)]

    def hear(self, kind: str, description: Any) -> None:
        match kind:
            case "offer":
                self.do(self.machine.offer(description, restarts_ice=description[2]))
            case "answer":
                self.do(self.machine.answer(description))
            case "candidate again" if description != self.remote:
                pass  # its ufrag tells that it belongs to a description that was lost
            case "candidate" | "candidate again":
                self.do(self.machine.candidate(description))
            case "afresh":
                self.do(self.machine.afresh())


@dataclass
class World:
    """Two peers, two pipes, and what they will still want on their own."""

    peers: list[Peer]
    wishes: list[list[str]]  # for each peer, in order
    breaks: int  # how often the server still loses all that is on its way
    pipes: list[deque[tuple[str, Any]]] = field(default_factory=lambda: [deque(), deque()])

    def moves(self) -> list[tuple[str, int]]:
        """All that can happen next."""
        found = [("wish", i) for i in (0, 1) if self.wishes[i]]
        found += [("deliver", i) for i in (0, 1) if self.pipes[i]]
        if self.breaks:
            found.append(("break", 0))
        return found

    def move(self, what: str, i: int) -> None:
        match what:
            case "wish":
                self._wish(self.peers[i], self.wishes[i].pop(0))
            case "deliver":
                self.peers[i].hear(*self.pipes[i].popleft())
            case "break":
                self.breaks -= 1
                self.pipes = [deque([("afresh", None)]), deque([("afresh", None)])]
        for sender, receiver in ((0, 1), (1, 0)):
            # What is said before the break is known is lost, as all before it.
            if ("afresh", None) not in self.pipes[sender]:
                self.pipes[receiver] += self.peers[sender].sent
            self.peers[sender].sent.clear()

    def _wish(self, peer: Peer, wish: str) -> None:
        if wish == "restart":
            peer.do(peer.machine.need(restart_ice=True))
        else:
            peer.needs += 1
            peer.do(peer.machine.need())

    def copy(self) -> "World":
        peers = [copy(peer) for peer in self.peers]
        for peer in peers:
            peer.machine, peer.sent = copy(peer.machine), []
            peer.machine._early = list(peer.machine._early)
        return World(peers, [*map(list, self.wishes)], self.breaks, [*map(deque, self.pipes)])

    def state(self) -> Hashable:
        """What tells this world from others."""
        return (
            *(
                tuple(map(str, (vars(peer) | vars(peer.machine) | {"machine": 0}).values()))
                for peer in self.peers
            ),
            *(tuple(wishes) for wishes in self.wishes),
            *(tuple(pipe) for pipe in self.pipes),
            self.breaks,
        )

    def check_end(self) -> None:
        one, other = self.peers
        assert one.is_stable
        assert other.is_stable
        assert one.machine.state is other.machine.state is State.STABLE
        assert one.agreed == other.agreed
        assert one.agreed is not None
        assert one.needs == other.needs == 0, "something was never negotiated"
        assert one.remote == other.remote


def ends(world: World) -> Iterator[World]:
    """Play a world on in every way; yield how it ends in each."""
    seen = set()
    left = [world]
    while left:
        one = left.pop()
        if not one.moves():
            yield one
        for move in one.moves():
            another = one.copy()
            another.move(*move)
            if (state := another.state()) not in seen:
                seen.add(state)
                left.append(another)


def world(one: list[str], other: list[str], breaks: int) -> World:
    peers = [Peer("pc", Negotiation(polite=True)), Peer("phone", Negotiation(polite=False))]
    return World(peers, [list(one), list(other)], breaks)


WISHES = [[], ["need"], ["restart"], ["need", "need"], ["need", "restart"]]


def check_end(end: World, wished: list[str]) -> None:
    end.check_end()
    if "restart" in wished:
        assert all(peer.restarts for peer in end.peers), "ICE was not restarted"


@pytest.mark.parametrize("breaks", [0, 1, 2])
@pytest.mark.parametrize("other", WISHES, ids=" ".join)
@pytest.mark.parametrize("one", WISHES[1:], ids=" ".join)
def test_two_agree_in_the_end_in_whatever_order_things_happen(
    one: list[str], other: list[str], breaks: int
) -> None:
    for end in ends(world(one, other, breaks)):
        check_end(end, one + other)


wishes = st.lists(st.sampled_from(["need", "restart"]), max_size=4)


@given(wishes.filter(bool), wishes, st.integers(0, 3), st.data())
def test_two_agree_in_the_end_however_much_they_want(
    one: list[str], other: list[str], breaks: int, data: st.DataObject
) -> None:
    played = world(one, other, breaks)
    while moves := played.moves():
        played.move(*data.draw(st.sampled_from(moves)))
    check_end(played, one + other)


def test_two_who_call_at_once_agree_on_the_offer_of_the_one_who_is_not_polite() -> None:
    both = world(["need"], ["need"], 0)
    both.move("wish", 0)
    both.move("wish", 1)
    for end in ends(both):
        assert end.peers[0].offers == 2, "what it took back, it offers again"
        assert end.peers[1].offers == 1
