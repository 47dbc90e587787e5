"""A call of aiortc's with a peer that is played by the test: what is wrong, late or strange."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed")

from aiortc import RTCSessionDescription
from fake_signal import FAILURE, FakeSignal
from pairs import Side, say

from twisted_signal.client import aiortc as calls
from twisted_signal.client.aiortc import PeerCall, rtc_configuration
from twisted_signal.client.descriptions import split_candidates
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
from twisted_signal.messages import IceServer

Script = Callable[[FakeSignal, Side, Side], Awaitable[None]]


def play(script: Script) -> None:
    """Play with a signaling client, a side for the call, and one for the peer."""

    async def main() -> None:
        ours, theirs = Side(), Side()
        try:
            async with asyncio.timeout(30):
                await script(FakeSignal(), ours, theirs)
        finally:
            await asyncio.gather(ours.pc.close(), theirs.pc.close())

    asyncio.run(main())


async def answer(theirs: Side, offer: str) -> str:
    """Return how the peer answers an offer."""
    await theirs.pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await theirs.pc.setLocalDescription()
    return theirs.pc.localDescription.sdp


async def called(signal: FakeSignal, ours: Side, theirs: Side, **options: Any) -> PeerCall:
    """Return a call that we made, and that is connected."""
    ours.add_channel()
    call = PeerCall(signal, ours.pc, "phone", **options)
    signal.tell(Answer("phone", await answer(theirs, await signal.hear("offer"))))
    await call.connected()
    return call


def test_what_a_server_refuses_ends_it() -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        ours.add_channel()
        call = PeerCall(signal, ours.pc, "phone")
        signal.tell(Error("invalid_message", "No such thing.", "phone"))
        with pytest.raises(ConnectionError, match=r"^The server says: No such thing"):
            await call.connected()
        assert signal.untaken == []

    play(script)


def test_a_peer_that_is_away_is_waited_for() -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        ours.add_channel()
        call = PeerCall(signal, ours.pc, "phone")
        first = await signal.hear("offer")
        signal.tell(Error("peer_not_found", "It is not there.", "phone"))
        signal.tell(PeerLeft("phone"), PeerJoined("phone", "test"))

        assert await signal.hear("offer") == first
        signal.tell(Answer("phone", await answer(theirs, first)))
        await call.connected()
        await say(ours, theirs, "there")

    play(script)


@pytest.mark.parametrize("is_left", [True, False])
def test_signaling_that_ends_before_the_connection_is_up_ends_it(is_left: bool) -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        call = PeerCall(signal, ours.pc, "phone")
        signal.tell(None if is_left else FAILURE)
        with pytest.raises(ConnectionError, match="has left the room" if is_left else "not want"):
            await call.connected()

    play(script)


def test_signaling_that_ends_later_does_not() -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        call = await called(signal, ours, theirs)
        signal.tell(FAILURE)
        await say(ours, theirs, "goes on")
        await theirs.pc.close()
        await call.ended()

    play(script)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"candidate": "nonsense", "sdpMid": "0"},
        {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "7"},
        {"candidate": "candidate:1 1 udp 1 never-there.local 9 typ host", "sdpMid": "0"},
        {"candidate": "candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active", "sdpMid": "0"},
        {"candidate": "candidate:1 1 udp 1 no address 9 typ host", "sdpMid": "0"},
        {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "usernameFragment": "other"},
        {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": 5},
    ],
    ids=lambda init: str(init["candidate"])[10:40] + str(init.get("sdpMid")),
)
def test_candidates_that_are_of_no_use_do_no_harm(nonsense: dict[str, Any]) -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        ours.add_channel()
        call = PeerCall(signal, ours.pc, "phone")
        sdp, candidates = split_candidates(await answer(theirs, await signal.hear("offer")))
        signal.tell(IceCandidate("phone", nonsense), Answer("phone", sdp))
        signal.tell(IceCandidate("phone", nonsense))
        signal.tell(*(IceCandidate("phone", one) for one in candidates))
        signal.tell(IceCandidate("phone", None), IceCandidate("phone", nonsense))
        await call.connected()
        await say(ours, theirs, "there")

    play(script)


@pytest.mark.parametrize("kind", [Offer, Answer])
@pytest.mark.parametrize("sdp", ["", "nonsense", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"])
def test_a_description_that_makes_no_sense_ends_it_with_one_sentence(
    kind: type[Offer | Answer], sdp: str
) -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        if kind is Answer:
            ours.add_channel()
        call = PeerCall(signal, ours.pc, "phone")
        if kind is Answer:
            await signal.hear("offer")
        signal.tell(kind("phone", sdp))
        with pytest.raises(ConnectionError, match=r"^The negotiation with phone failed: "):
            await call.connected()

    play(script)


def test_a_second_answer_is_ignored() -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        call = await called(signal, ours, theirs)
        signal.tell(Answer("phone", theirs.pc.localDescription.sdp))
        await call_is_idle(call)
        await say(ours, theirs, "goes on")

    play(script)


async def call_is_idle(call: PeerCall) -> None:
    while call._inputs:
        await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_an_answer_of_another_connection_ends_the_call() -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        call = await called(signal, ours, theirs)
        renegotiating = asyncio.create_task(call.renegotiate())
        another = Side()
        signal.tell(Answer("phone", await answer(another, await signal.hear("offer"))))
        await call.ended()
        with pytest.raises(ConnectionError):
            await renegotiating
        await another.pc.close()

    play(script)


def test_what_the_peer_says_anew_is_given_back_with_all_that_follows() -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        call = await called(signal, ours, theirs)
        another = Side()
        another.add_channel()
        await another.pc.setLocalDescription()
        anew: list[Event] = [
            Offer("phone", another.pc.localDescription.sdp),
            IceCandidate("phone", None),
        ]
        signal.tell(*anew)
        await call.ended()
        assert signal.untaken == anew
        await another.pc.close()

    play(script)


def test_a_peer_that_answers_a_restart_with_its_old_ice_cannot_restart() -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        call = await called(signal, ours, theirs)
        before = ours.ice._connection
        restarting = asyncio.create_task(call.restart_ice())
        signal.tell(Answer("phone", await answer(theirs, await signal.hear("offer"))))
        with pytest.raises(ConnectionError, match="phone cannot restart ICE"):
            await restarting
        assert ours.ice._connection is before
        await say(ours, theirs, "goes on")

    play(script)


def test_what_is_said_while_we_come_anew_is_said_once() -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        ours.add_channel()
        PeerCall(signal, ours.pc, "phone", trickle=True)
        while ours.pc.signalingState != "have-local-offer":
            await asyncio.sleep(0)
        signal.tell(Disconnected("…"), Reconnected(resumed=False))

        await signal.hear("offer")
        while await signal.hear("candidate") is not None:
            pass
        await asyncio.sleep(0)
        assert signal.said.empty()

    play(script)


def test_a_resumed_connection_needs_nothing_said_again() -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        ours.add_channel()
        call = PeerCall(signal, ours.pc, "phone")
        await signal.hear("offer")
        signal.tell(Disconnected("…"), Reconnected(resumed=True), Message("phone", "hello"))
        await call_is_idle(call)
        assert signal.said.empty()

    play(script)


def test_candidates_are_said_again_while_the_peers_are_not_connected() -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        theirs.add_channel()
        await theirs.pc.setLocalDescription()
        bare, candidates = split_candidates(theirs.pc.localDescription.sdp)
        call = PeerCall(signal, ours.pc, "phone", first=[Offer("phone", bare)])
        answered = await signal.hear("answer")
        signal.tell(PeerLeft("phone"), PeerJoined("phone", "test"))

        said = []
        while (one := await signal.hear("candidate")) is not None:
            said.append(one)
        assert said == split_candidates(answered)[1]

        signal.tell(*(IceCandidate("phone", one) for one in candidates))
        await theirs.pc.setRemoteDescription(RTCSessionDescription(answered, "answer"))
        await call.connected()
        signal.tell(PeerLeft("phone"), PeerJoined("phone", "test"))
        await call_is_idle(call)
        assert signal.said.empty()

    play(script)


def test_a_connection_without_a_way_fails_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        ours.add_channel()
        call = PeerCall(signal, ours.pc, "phone")
        sdp, _ = split_candidates(await answer(theirs, await signal.hear("offer")))
        await theirs.pc.close()
        signal.tell(Answer("phone", sdp), IceCandidate("phone", None))
        with pytest.raises(ConnectionError, match="no way from peer to peer"):
            await call.connected()

    play(script)


def test_a_restart_heals_a_call_before_it_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        ours.add_channel()
        call = PeerCall(signal, ours.pc, "phone")
        other = FakeSignal()
        other.client_id, other.peers = "phone", {"pc": "test"}
        offer = await signal.hear("offer")
        for protocol in ours.ice._connection._protocols:
            protocol.datagram_received = lambda data, addr: None
        answering = PeerCall(other, theirs.pc, "pc", first=[Offer("pc", offer)])
        signal.tell(Answer("phone", await other.hear("answer")))

        restarting = asyncio.create_task(call.restart_ice())
        other.tell(Offer("pc", await signal.hear("offer")))
        signal.tell(Answer("phone", await other.hear("answer")))
        await restarting

        await call.connected()
        await answering.connected()
        await say(ours, theirs, "there")

    play(script)


def test_the_grace_of_a_peer_ends_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "GRACE", 0.1)

    async def script(signal: FakeSignal, ours: Side, theirs: Side) -> None:
        ours.add_channel()
        call = PeerCall(signal, ours.pc, "phone")
        offer = await signal.hear("offer")
        signal.tell(PeerLeft("phone"))
        await call_is_idle(call)
        signal.tell(PeerJoined("phone", "test"))
        assert await signal.hear("offer") == offer
        await asyncio.sleep(0.2)
        signal.tell(Answer("phone", await answer(theirs, offer)))
        await call.connected()

    play(script)


def test_the_servers_of_a_configuration_are_those_that_were_told() -> None:
    async def main() -> None:
        signal = FakeSignal()
        assert rtc_configuration(signal).iceServers == []
        signal.ice_servers = [
            IceServer(["stun:192.0.2.1"]),
            IceServer(["turn:192.0.2.1:3478"], "user", "secret"),
        ]
        stun, turn = rtc_configuration(signal).iceServers or []
        assert (stun.urls, stun.username) == (["stun:192.0.2.1"], None)
        assert (turn.urls, turn.username, turn.credential) == (
            ["turn:192.0.2.1:3478"],
            "user",
            "secret",
        )

    asyncio.run(main())
