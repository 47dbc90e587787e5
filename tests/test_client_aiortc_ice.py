"""ICE restart from outside, with two connections of aiortc's in one process."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed")

from aioice import Connection
from aiortc import RTCIceServer
from pairs import Side, check_private, connect, play, say, until_connected

from twisted_signal.client import aiortc_ice
from twisted_signal.client.aiortc_gaps import LocalOffer
from twisted_signal.client.aiortc_ice import PRIVATE, IcePaths
from twisted_signal.client.descriptions import media_of


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


class TestWhatIsTouched:
    def test_is_all_there_and_what_it_was(self) -> None:
        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            transport = one.ice
            connection = transport._connection
            check_private(PRIVATE, transport, transport.iceGatherer, connection)
            assert transport.iceGatherer._connection is connection
            assert transport._send == connection.send
            assert transport._recv == connection.recv
            assert isinstance(connection._queue, asyncio.Queue)
            assert not connection._query_consent_task.done()
            assert not transport._RTCIceTransport__monitor_task.done()
            assert transport._RTCIceTransport__start.is_set()

        play(script)

    def test_is_still_needed(self) -> None:
        async def script(one: Side, other: Side) -> None:
            assert not hasattr(one.pc, "restartIce")

        play(script)


class Deaf(Connection):
    """Gathers nothing, and lets `before` happen instead."""

    before: Callable[[], Awaitable[None]]

    async def gather_candidates(self) -> None:
        await type(self).before()


class TestARestartOfIce:
    def test_asks_the_servers_of_before_or_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(aiortc_ice, "Connection", Deaf)

        async def nothing() -> None:
            pass

        Deaf.before = nothing

        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            paths = IcePaths(one.pc)
            servers = [
                RTCIceServer(["stun:192.0.2.1"]),
                RTCIceServer(["turns:192.0.2.2?transport=tcp"], "user", "secret"),
            ]
            for told in (servers, None):
                if told is None:
                    one.ice._connection.stun_server = ("192.0.2.3", 1)
                await paths.prepare(told)
                made = one.ice.iceGatherer._connection
                if told is None:
                    assert (made.stun_server, made.turn_server) == (("192.0.2.3", 1), None)
                else:
                    assert made.stun_server == ("192.0.2.1", 3478)
                    assert (made.turn_server, made.turn_ssl) == (("192.0.2.2", 5349), True)
                    assert (made.turn_username, made.turn_password) == ("user", "secret")
                paths.take_back()

        play(script)

    @pytest.mark.parametrize("fails", [False, True])
    def test_that_ends_while_it_gathers_leaves_nothing_behind(
        self, monkeypatch: pytest.MonkeyPatch, fails: bool
    ) -> None:
        monkeypatch.setattr(aiortc_ice, "Connection", Deaf)

        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            before = one.ice._connection

            async def end() -> None:
                if fails:
                    raise OSError("no more sockets")
                await one.pc.close()

            Deaf.before = end
            with pytest.raises(OSError, match="no more") if fails else nullcontext():
                await IcePaths(one.pc).prepare()
            assert one.ice.iceGatherer._connection is before
            if fails:
                await say(one, other, "goes on")

        play(script)

    def test_that_was_not_prepared_changes_nothing(self) -> None:
        async def script(one: Side, other: Side) -> None:
            await connect(one, other)
            before = one.ice._connection
            (path,) = await IcePaths(one.pc).accept(media_of(other.pc.localDescription))
            await path.connect()
            assert one.ice._connection is before
            await say(one, other, "goes on")

        play(script)

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
        monkeypatch.setattr(aiortc_ice, "LINGER", 0)

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
        monkeypatch.setattr(aiortc_ice, "RESTART_TIMEOUT", 0.2)

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
