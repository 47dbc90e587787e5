"""Clients do anything in any order; what is kept of their calls stays bounded and consistent."""

import json

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from plain import raw
from timelines import END, Scene, description

from twisted_signal import calls
from twisted_signal.messages import Answer, IceCandidate, Leave, Message, Offer, RelayedOffer
from twisted_signal.timeline import MOST_STEPS

names = st.sampled_from("abcd")
targets = st.sampled_from(["a", "b", "c", "d", "nobody", "nobody else", None])
rooms = st.sampled_from(["lab", "Lab"])
kinds = st.sampled_from(["host", "srflx tcp", "relay", END, "nonsense"])


class Anything(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for limit, few in (("MOST_CALLS", 4), ("MOST_ATTEMPTS", 3), ("ATTEMPTS_OF_ONE", 2)):
            self.patch.setattr(calls, limit, few)
        self.scene = Scene()

    @initialize()
    def some_are_there(self) -> None:
        self.scene.join(*"abc", resume=True)

    def teardown(self) -> None:
        self.patch.undo()

    @rule(seconds=st.sampled_from([0.001, 1, 11, -3]))
    def wait(self, seconds: float) -> None:
        self.scene.at += seconds
        self.scene.registry.calls.tick()

    @rule(name=names, room=rooms, resume=st.booleans())
    def register(self, name: str, room: str, resume: bool) -> None:
        session = self.scene.sessions.get(name)
        if session is None or session.is_away:
            self.scene.join(name, room=room, resume=resume)
        else:
            self.scene.register(name, room=room, resume=resume)

    @rule(name=names, to=targets, ufrag=names, is_offer=st.booleans())
    def describe(self, name: str, to: str | None, ufrag: str, is_offer: bool) -> None:
        kind = Offer if is_offer else Answer
        self.say(name, kind(description("offer", ufrag), to))

    @rule(name=names, to=targets, kind=kinds)
    def trickle(self, name: str, to: str | None, kind: str | None) -> None:
        if name in self.scene.sessions:
            self.scene.trickle(name, to, kind)

    @rule(name=names, to=targets)
    def flood(self, name: str, to: str | None) -> None:
        for _ in range(40):
            self.say(name, IceCandidate(raw("nonsense"), to))

    @rule(name=names, to=targets)
    def talk(self, name: str, to: str | None) -> None:
        self.say(name, Message(raw(1), to))

    @rule(name=names)
    def understand_no_offers(self, name: str) -> None:
        if name in self.scene.clients:
            self.scene.clients[name].cannot_hear = RelayedOffer

    @rule(name=names)
    def leave(self, name: str) -> None:
        self.say(name, Leave())

    @rule(name=names)
    def end(self, name: str) -> None:
        if name in self.scene.sessions:
            self.scene.leave(name)

    @rule(name=names)
    def lose(self, name: str) -> None:
        session = self.scene.sessions.get(name)
        if session is not None and not session.is_away and not session.lose(self.scene.now_ns):
            del self.scene.sessions[name]

    @rule(name=names)
    def come_back(self, name: str) -> None:
        if name in self.scene.sessions and self.scene.sessions[name].is_away:
            self.scene.resume(name)

    def say(self, name: str, message: Offer | Answer | IceCandidate | Message | Leave) -> None:
        session = self.scene.sessions.get(name)
        if session is not None and not session.is_away:
            self.scene.say(name, message)

    @invariant()
    def what_is_kept_is_bounded_and_each_peer_has_its_calls(self) -> None:
        kept = self.scene.registry.calls
        found = kept.latest()
        indexed = [
            (room_id, client_id, call)
            for room_id, of_room in kept.of_rooms.items()
            for client_id, of_client in of_room.items()
            for call in of_client.values()
        ]

        assert len(found) == len(kept) <= 4 + 3
        assert {id(call) for _, _, call in indexed} == {id(call) for call in found}
        for room_id, client_id, call in indexed:
            assert call.room_id == room_id
            assert client_id in [flow.client_id for flow in call.flows]
        for call in found:
            assert len(call.steps) <= MOST_STEPS
            assert all(flow.call is call for flow in call.flows)

    @invariant()
    def what_is_seen_of_it_is_json_and_right_about_who_is_there(self) -> None:
        views = self.scene.views()
        json.loads(msgspec.json.encode(views))

        assert len({view.number for view in views}) == len(views)
        for view in views:
            times = [step.at_ms for step in view.steps]
            assert times == sorted(times)
            assert times[0] <= view.started_at_ms <= times[-1] <= view.last_step_at_ms
            for peer in view.peers:
                holder = self.scene.registry.holder(view.room_id, peer.client_id)
                assert peer.is_here is (holder is not None)


Anything.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestAnything = Anything.TestCase
