"""Rollback and ICE restart from outside, with two connections of aiortc's in one process."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed")

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription
from pairs import Side, negotiate, say, until_connected

from twisted_signal.client import aiortc_gaps
from twisted_signal.client.aiortc_gaps import PRIVATE, IcePaths, LocalOffer, left_out
from twisted_signal.client.descriptions import media_of

Play = Callable[[Side, Side], Awaitable[None]]


def play(script: Play) -> None:
    """Play with two connections, which are closed in the end."""

    async def main() -> None:
        one, other = Side(), Side()
        try:
            async with asyncio.timeout(30):
                await script(one, other)
        finally:
            await asyncio.gather(one.pc.close(), other.pc.close())

    asyncio.run(main())


async def connect(one: Side, other: Side) -> None:
    one.add_channel()
    await negotiate(one.pc, other.pc)
    await say(one, other, "before")
    await say(other, one, "before, back")


async def restart(
    one: Side, other: Side, ours: IcePaths | None = None, theirs: IcePaths | None = None
) -> None:
    """Let one restart ICE, and wait until both have the new way."""
    ours, theirs = ours or IcePaths(one.pc), theirs or IcePaths(other.pc)
    await offer_restart(one, other, ours, theirs)
    connecting = [
        *await ours.accept(media_of(other.pc.localDescription)),
        *set(theirs.negotiated().values()),
    ]
    await one.pc.setRemoteDescription(other.pc.localDescription)
    await asyncio.gather(*(path.connect() for path in connecting))


async def offer_restart(one: Side, other: Side, ours: IcePaths, theirs: IcePaths) -> None:
    """Let one offer new ICE and the other answer, but not hear the answer."""
    assert await ours.prepare()
    await one.pc.setLocalDescription()
    await theirs.prepare()
    await theirs.accept(media_of(one.pc.localDescription))
    await other.pc.setRemoteDescription(one.pc.localDescription)
    await other.pc.setLocalDescription()


def mids(pc: RTCPeerConnection) -> list[str | None]:
    found = [one.mid for one in pc.getTransceivers()]
    return found if pc.sctp is None else [*found, pc.sctp.mid]


def as_of_a_browser(sdp: str) -> str:
    """Return an offer with other numbers than aiortc has, and without retransmissions."""
    description = SessionDescription.parse(sdp)
    for media in description.media:
        media.rtp.codecs = [one for one in media.rtp.codecs if one.name == "VP8"]
        media.rtp.codecs[0].payloadType = 120
        media.fmt = [120]
        for number, extension in enumerate(media.rtp.headerExtensions):
            extension.id = 9 + number
    return str(description)


class TestWhatIsTouched:
    def test_is_all_there(self) -> None:
        async def script(one: Side, other: Side) -> None:
            one.add_video()
            await connect(one, other)
            objects: list[Any] = [
                one.pc,
                one.pc.getTransceivers()[0],
                one.ice,
                one.ice.iceGatherer,
                one.ice._connection,
            ]
            for touched in objects:
                for name in PRIVATE[type(touched).__name__]:
                    assert hasattr(touched, name), f"{type(touched).__name__} has no {name}"
            assert {type(touched).__name__ for touched in objects} == set(PRIVATE)

        play(script)

    def test_is_what_it_was(self) -> None:
        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            transport = one.ice
            connection = transport._connection
            assert transport.iceGatherer._connection is connection
            assert transport._send == connection.send
            assert transport._recv == connection.recv
            assert isinstance(connection._queue, asyncio.Queue)
            assert not connection._query_consent_task.done()
            assert not transport._RTCIceTransport__monitor_task.done()
            assert transport._RTCIceTransport__start.is_set()
            assert transport._role_set

        play(script)

    def test_is_still_needed(self) -> None:
        async def script(one: Side, other: Side) -> None:
            assert not hasattr(one.pc, "restartIce")
            one.add_channel()
            await one.pc.setLocalDescription()
            with suppress(ValueError):
                await one.pc.setLocalDescription(RTCSessionDescription("", "rollback"))
            assert one.pc.signalingState == "have-local-offer"

        play(script)


class TestAnOfferThatIsTakenBack:
    def test_was_never_set(self) -> None:
        async def script(one: Side, other: Side) -> None:
            one.add_channel()
            one.add_video()
            states = []
            one.pc.on("signalingstatechange", lambda: states.append(one.pc.signalingState))

            offer = LocalOffer(one.pc)
            await offer.make()
            offer.take_back()

            assert states == ["have-local-offer", "stable"]
            assert one.pc.localDescription is None
            assert mids(one.pc) == [None, None]
            assert one.pc.getReceivers()[0].transport.transport.role == "controlled"

        play(script)

    @pytest.mark.parametrize("is_alike", [True, False], ids=["alike", "another order"])
    def test_gives_way_to_the_peers(self, is_alike: bool) -> None:
        async def script(one: Side, other: Side) -> None:
            for side in (one, other):
                side.add_channel()
                side.add_video()
            if not is_alike:
                other.pc.addTransceiver("audio")

            offer = LocalOffer(one.pc)
            await offer.make()
            offer.take_back()
            await negotiate(other.pc, one.pc)

            assert (await one.frame()).width == (await other.frame()).width == 640
            await say(one, other, "from who gave way")
            assert mids(one.pc)[0] == mids(other.pc)[0] == "0"

        play(script)

    def test_leaves_what_was_negotiated_before(self) -> None:
        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            before = one.pc.localDescription.sdp
            one.add_video()

            offer = LocalOffer(one.pc)
            await offer.make()
            offer.take_back()

            assert one.pc.localDescription.sdp == before
            assert mids(one.pc) == [None, "0"]
            other.add_video()
            await negotiate(other.pc, one.pc)
            assert (await one.frame()).width == (await other.frame()).width == 640
            await say(one, other, "after")

        play(script)


class TestAnOffer:
    def test_keeps_the_numbers_that_were_agreed_on(self) -> None:
        async def script(one: Side, other: Side) -> None:
            one.add_video()
            await one.pc.setLocalDescription()
            theirs = as_of_a_browser(one.pc.localDescription.sdp)
            await other.pc.setRemoteDescription(RTCSessionDescription(theirs, "offer"))
            await other.pc.setLocalDescription()
            await one.pc.setRemoteDescription(other.pc.localDescription)
            await other.frame()
            (agreed,) = media_of(other.pc.localDescription)

            other.add_channel()
            await LocalOffer(other.pc).make()

            media, _ = media_of(other.pc.localDescription)
            assert media.fmt == agreed.fmt
            assert media.rtp.codecs == agreed.rtp.codecs
            assert agreed.fmt == [120]
            assert media.rtp.headerExtensions == agreed.rtp.headerExtensions
            await one.pc.setRemoteDescription(other.pc.localDescription)
            await one.pc.setLocalDescription()
            await other.pc.setRemoteDescription(one.pc.localDescription)
            await say(other, one, "after")
            assert media_of(one.pc.localDescription)[0].fmt == agreed.fmt

        play(script)


class TestAnAnswer:
    def test_leaves_out_what_the_offer_has_no_place_for(self) -> None:
        async def script(one: Side, other: Side) -> None:
            one.add_channel()
            other.add_video()
            await one.pc.setLocalDescription()
            await other.pc.setRemoteDescription(one.pc.localDescription)
            with pytest.raises(ValueError):  # noqa: PT011 - what aiortc makes of it: drop left_out when it does not
                await other.pc.setLocalDescription()

        play(script)

        async def mended(one: Side, other: Side) -> None:
            one.add_channel()
            other.add_video()
            await one.pc.setLocalDescription()
            await other.pc.setRemoteDescription(one.pc.localDescription)
            with left_out(other.pc):
                await other.pc.setLocalDescription()
            await one.pc.setRemoteDescription(other.pc.localDescription)
            await say(one, other, "without a picture")
            await negotiate(other.pc, one.pc)
            assert (await one.frame()).width == 640

        play(mended)


class TestARestartOfIce:
    def test_finds_a_new_way_for_what_goes_on(self) -> None:
        async def script(one: Side, other: Side) -> None:
            one.add_video()
            await connect(one, other)
            await other.frame()
            before = [side.ice._connection for side in (one, other)]

            await restart(one, other)

            after = [side.ice._connection for side in (one, other)]
            assert not set(before) & set(after)
            assert [side.ice._send for side in (one, other)] == [new.send for new in after]
            assert [side.ice.state for side in (one, other)] == ["completed", "completed"]
            await say(one, other, "after")
            await say(other, one, "after, back")

        play(script)

    def test_does_so_when_nothing_comes_by_the_way_of_before(self) -> None:
        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            for side in (one, other):
                dead = side.ice._connection
                for protocol in dead._protocols:
                    protocol.datagram_received = lambda data, addr: None
                assert dead._nominated

            await restart(one, other)

            await say(one, other, "after")
            await say(other, one, "after, back")

        play(script)

    def test_ends_the_way_of_before_and_nothing_above(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(aiortc_gaps, "LINGER", 0)

        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            before = one.ice._connection
            states = []
            one.pc.on("connectionstatechange", lambda: states.append(one.pc.connectionState))

            await restart(one, other)
            while not before._closed:
                await asyncio.sleep(0.01)

            await say(other, one, "after")
            await say(one, other, "after, back")
            assert states == []

        play(script)

    def test_can_come_after_another_from_either_side(self) -> None:
        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            for caller, callee in ((one, other), (other, one), (other, one)):
                await restart(caller, callee)
                await say(caller, callee, "after")
                await say(callee, caller, "after, back")

        play(script)

    def test_that_is_overtaken_by_another_leaves_nothing_behind(self) -> None:
        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            ours, theirs = IcePaths(one.pc), IcePaths(other.pc)
            await offer_restart(one, other, ours, theirs)
            await ours.accept(media_of(other.pc.localDescription))
            await one.pc.setRemoteDescription(other.pc.localDescription)
            overtaken = one.ice._connection

            await restart(one, other, ours, theirs)

            while not overtaken._closed:
                await asyncio.sleep(0.01)
            await say(one, other, "after")
            await say(other, one, "after, back")

        play(script)

    def test_that_is_taken_back_leaves_the_way_as_it_was(self) -> None:
        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            before = one.ice._connection
            paths, offer = IcePaths(one.pc), LocalOffer(one.pc)
            await paths.prepare()
            await offer.make()
            dropped = one.ice.iceGatherer._connection
            assert before._query_consent_task.cancelling()

            offer.take_back()
            paths.take_back()

            assert one.ice._connection is one.ice.iceGatherer._connection is before
            assert not before._query_consent_task.cancelling()
            while not dropped._closed:
                await asyncio.sleep(0.01)
            await say(other, one, "after")
            await restart(other, one)
            await say(one, other, "after another")

        play(script)

    def test_that_finds_no_way_leaves_the_way_as_it_was(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(aiortc_gaps, "RESTART_TIMEOUT", 0.2)

        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            before = other.ice._connection
            ours, theirs = IcePaths(one.pc), IcePaths(other.pc)
            await offer_restart(one, other, ours, theirs)  # and one never hears the answer
            for protocol in one.ice.iceGatherer._connection._protocols:
                protocol.datagram_received = lambda data, addr: None

            (path,) = theirs.negotiated().values()
            with pytest.raises(ConnectionError, match="no way"):
                await path.connect()

            assert other.ice._connection is before
            assert not before._query_consent_task.done()
            await say(one, other, "after")
            await say(other, one, "after, back")

        play(script)

    def test_ends_with_the_connection(self) -> None:
        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            ours, theirs = IcePaths(one.pc), IcePaths(other.pc)
            await offer_restart(one, other, ours, theirs)
            connections = [
                one.ice._connection,
                one.ice.iceGatherer._connection,
                other.ice._connection,
            ]
            carrying = [one.ice._connection, other.ice._send.__self__]

            await one.pc.close()
            await other.pc.close()

            for connection in connections + carrying:
                while not connection._closed:
                    await asyncio.sleep(0.01)

        play(script)

    def test_heals_a_connection_that_found_no_way_at_first(self) -> None:
        async def script(one: Side, other: Side) -> None:
            one.add_channel()
            for side in (one, other):
                side.pc.on("connectionstatechange", lambda: None)
            await one.pc.setLocalDescription()
            deaf = one.ice._connection
            for protocol in deaf._protocols:
                protocol.datagram_received = lambda data, addr: None
            await other.pc.setRemoteDescription(one.pc.localDescription)
            await other.pc.setLocalDescription()
            await one.pc.setRemoteDescription(other.pc.localDescription)

            await restart(one, other)

            await until_connected(one.pc, other.pc)
            await say(one, other, "after")
            await say(other, one, "after, back")

        play(script)
