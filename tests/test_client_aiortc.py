"""connect_peer: real connections of aiortc's that meet through a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from processes import Restarted, Server

pytest.importorskip("aiortc", reason="aiortc is not installed")

from pairs import Side, say

from twisted_signal.client import aiortc as calls
from twisted_signal.client.aiortc import PeerCall, connect_peer
from twisted_signal.client.asyncio import connect
from twisted_signal.client.events import Disconnected, Event, Offer, PeerLeft
from twisted_signal.client.signal import Signal

ROOMS = (f"room{number}" for number in range(1000))


class Client(Side):
    """A connection of aiortc's, and who signals for it."""

    def __init__(self, signal: Signal) -> None:
        super().__init__()
        self.signal = signal

    async def call(self, peer: "Client | str | None", **options: object) -> PeerCall:
        peer_id = peer.signal.client_id if isinstance(peer, Client) else peer
        return await connect_peer(self.signal, self.pc, peer_id, **options)  # type: ignore[arg-type] # what tests want

    async def wait_for(self, wanted: type[Event] | Event) -> Event:
        async for event in self.signal:
            if event == wanted or (isinstance(wanted, type) and isinstance(event, wanted)):
                return event
        raise AssertionError("signaling has ended")


@asynccontextmanager
async def client(url: str, client_id: str, room: str) -> AsyncIterator[Client]:
    async with connect(url, room=room, client_id=client_id, client_type="test") as signal:
        made = Client(signal)
        try:
            yield made
        finally:
            await made.pc.close()


def play(url: str, script: Callable[[Client, Client], Awaitable[None]]) -> None:
    """Let two clients play, of which the first is the polite one."""

    async def main() -> None:
        room = next(ROOMS)
        async with (
            asyncio.timeout(60),
            client(url, "pc", room) as one,
            client(url, "phone", room) as other,
        ):
            await script(one, other)

    asyncio.run(main())


async def both(one: Client, other: Client, **options: object) -> tuple[PeerCall, PeerCall]:
    return await asyncio.gather(one.call(other, **options), other.call(one, **options))


async def talk(one: Side, other: Side) -> None:
    await say(one, other, "there")
    await say(other, one, "and back")


@pytest.mark.parametrize("trickle", [False, True], ids=["bundled", "trickled"])
@pytest.mark.parametrize("caller", ["pc", "phone"])
def test_who_has_something_to_send_calls(signal_server: Server, caller: str, trickle: bool) -> None:
    async def script(one: Client, other: Client) -> None:
        sender, receiver = (one, other) if caller == "pc" else (other, one)
        sender.add_channel()
        sender.add_video()

        await both(one, other, trickle=trickle)

        await talk(sender, receiver)
        assert (await receiver.frame()).width == 640

    play(signal_server.url, script)


def test_the_other_may_send_as_well(signal_server: Server) -> None:
    async def script(one: Client, other: Client) -> None:
        one.add_channel()
        one.add_video()
        other.add_video()

        await asyncio.gather(one.call(other, offer=True), other.call(one, offer=False))

        assert (await one.frame()).width == (await other.frame()).width == 640
        await talk(one, other)

    play(signal_server.url, script)


def test_one_trickles_and_the_other_does_not(signal_server: Server) -> None:
    async def script(one: Client, other: Client) -> None:
        one.add_channel()
        await asyncio.gather(one.call(other, trickle=True), other.call(one))
        await talk(one, other)

    play(signal_server.url, script)


@pytest.mark.parametrize("number", range(20))
def test_both_call_at_once(signal_server: Server, number: int) -> None:
    async def script(one: Client, other: Client) -> None:
        for side in (one, other):
            side.add_channel()
            side.add_video()

        ours, theirs = await both(one, other, trickle=bool(number % 2))

        assert (await one.frame()).width == (await other.frame()).width == 640
        await talk(one, other)
        assert ours.pc.signalingState == theirs.pc.signalingState == "stable"

    play(signal_server.url, script)


def test_what_gave_way_is_offered_later_if_it_was_not_in_the_others_offer(
    signal_server: Server,
) -> None:
    async def script(one: Client, other: Client) -> None:
        one.add_video()
        one.add_channel()
        other.add_channel()

        await both(one, other)

        assert (await other.frame()).width == 640
        await talk(one, other)

    play(signal_server.url, script)


def test_the_first_peer_is_called_whether_it_is_there_or_comes(signal_server: Server) -> None:
    async def main() -> None:
        room = next(ROOMS)
        async with asyncio.timeout(30), client(signal_server.url, "pc", room) as one:
            waiting = asyncio.create_task(one.call(None))
            async with client(signal_server.url, "phone", room) as other:
                other.add_channel()
                call = await other.call(None)
                assert call.peer_id == "pc"
                assert (await waiting).peer_id == "phone"
                await talk(one, other)

    asyncio.run(main())


def test_a_peer_of_another_type_is_passed_over(signal_server: Server) -> None:
    async def script(one: Client, other: Client) -> None:
        one.add_channel()
        waiting = asyncio.create_task(one.call(None, client_type="late"))
        async with connect(
            signal_server.url, room=one.signal.room, client_id="late", client_type="late"
        ) as signal:
            late = Client(signal)
            await late.call(None, client_type="test")
            assert (await waiting).peer_id == "late"
            await late.pc.close()

    play(signal_server.url, script)


def test_a_named_peer_need_not_be_there_yet(signal_server: Server) -> None:
    async def main() -> None:
        room = next(ROOMS)
        async with asyncio.timeout(30), client(signal_server.url, "pc", room) as one:
            one.add_channel()
            waiting = asyncio.create_task(one.call("phone"))
            async with client(signal_server.url, "phone", room) as other:
                await other.call("pc")
                await waiting
                await talk(one, other)

    asyncio.run(main())


def test_an_offer_that_was_taken_from_the_events_is_answered(signal_server: Server) -> None:
    async def script(one: Client, other: Client) -> None:
        other.add_channel()
        waiting = asyncio.create_task(other.call(one, trickle=True))
        offer = await one.wait_for(Offer)

        await one.call(other, first=[offer])

        await waiting
        await talk(one, other)

    play(signal_server.url, script)


@pytest.mark.parametrize("who", ["the caller", "the other", "both at once"])
def test_ice_is_restarted_while_data_flows(signal_server: Server, who: str) -> None:
    async def script(one: Client, other: Client) -> None:
        one.add_channel()
        other.add_video()
        ours, theirs = await both(one, other)
        await talk(one, other)
        before = {side.ice._connection for side in (one, other)}
        restarted = {"the caller": [ours], "the other": [theirs], "both at once": [ours, theirs]}

        await asyncio.gather(*(call.restart_ice() for call in restarted[who]))

        await talk(one, other)
        assert (await one.frame()).width == 640
        assert not before & {side.ice._connection for side in (one, other)}

    play(signal_server.url, script)


def test_what_is_added_later_is_negotiated_when_asked_for(signal_server: Server) -> None:
    async def script(one: Client, other: Client) -> None:
        one.add_channel()
        ours, theirs = await both(one, other)

        one.add_video()
        await ours.renegotiate()
        assert (await other.frame()).width == 640
        other.add_video()  # takes the other direction of what is there
        await theirs.renegotiate()
        assert (await one.frame()).width == 640
        await asyncio.gather(ours.renegotiate(), theirs.renegotiate(), ours.renegotiate())
        await talk(one, other)

    play(signal_server.url, script)


def test_a_call_ends_for_both_when_one_closes_it(signal_server: Server) -> None:
    async def script(one: Client, other: Client) -> None:
        one.add_channel()
        ours, theirs = await both(one, other)

        await one.pc.close()

        await ours.ended()
        await theirs.ended()
        with pytest.raises(ConnectionError, match="ended"):
            await theirs.restart_ice()

    play(signal_server.url, script)


def test_a_call_goes_on_when_the_peer_leaves_the_room_and_when_it_comes_back(
    signal_server: Server,
) -> None:
    async def script(one: Client, other: Client) -> None:
        one.add_channel()
        ours, theirs = await both(one, other)
        await talk(one, other)

        await other.signal.leave()
        await one.wait_for(PeerLeft)
        await talk(one, other)
        renegotiated = asyncio.create_task(ours.renegotiate())
        with pytest.raises(ConnectionError):
            await theirs.renegotiate()

        async with connect(signal_server.url, room=one.signal.room, client_id="phone") as signal:
            theirs.close()
            again = PeerCall(signal, other.pc, "pc", offer=False, trickle=False, first=[])
            await renegotiated
            await talk(one, other)
            again.close()

    play(signal_server.url, script)


def test_a_peer_that_begins_anew_ends_the_call_and_has_its_offer_among_the_events(
    signal_server: Server,
) -> None:
    async def script(one: Client, other: Client) -> None:
        other.add_channel()
        ours, theirs = await both(one, other)
        await talk(other, one)
        theirs.close()  # as when the app is killed: nothing is said to the peer
        another, answering = Client(other.signal), Client(one.signal)
        another.add_channel()
        waiting = asyncio.create_task(another.call(one, trickle=True))

        await ours.ended()
        offer = await one.wait_for(Offer)
        await answering.call(other, first=[offer])

        await waiting
        await talk(another, answering)
        await asyncio.gather(another.pc.close(), answering.pc.close())

    play(signal_server.url, script)


def test_a_peer_that_goes_before_it_is_connected_is_waited_for_in_bounds(
    signal_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "GRACE", 0.05)

    async def script(one: Client, other: Client) -> None:
        one.add_channel()
        waiting = asyncio.create_task(one.call(other))
        await other.wait_for(Offer)
        await other.signal.leave()
        with pytest.raises(ConnectionError, match="phone left before"):
            await waiting

    play(signal_server.url, script)


def test_who_gives_up_leaves_the_peers_calls_to_the_application(signal_server: Server) -> None:
    async def script(one: Client, other: Client) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await one.call(other)
        other.add_channel()
        waiting = asyncio.create_task(other.call(one))

        offer = await one.wait_for(Offer)
        await one.call(other, first=[offer])
        await waiting

    play(signal_server.url, script)


def test_there_is_one_call_with_a_peer(signal_server: Server) -> None:
    async def script(one: Client, other: Client) -> None:
        waiting = asyncio.create_task(one.call(other))
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="already"):
            await one.call(other)
        other.add_channel()
        await other.call(one)
        await waiting

    play(signal_server.url, script)


async def restart(server: Restarted) -> None:
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


@pytest.mark.parametrize("caller", ["pc", "phone"])
def test_an_offer_that_a_server_took_with_it_is_made_again(
    restarted: Restarted, caller: str
) -> None:
    async def script(one: Client, other: Client) -> None:
        sender, receiver = (one, other) if caller == "pc" else (other, one)
        sender.add_channel()
        waiting = asyncio.create_task(sender.call(receiver))
        await receiver.wait_for(Offer)  # and it is not answered

        await restart(restarted)

        await receiver.call(sender)
        await waiting
        await talk(one, other)

    play(restarted.url, script)


def test_who_calls_while_the_server_is_away_is_connected_when_it_is_back(
    restarted: Restarted,
) -> None:
    async def script(one: Client, other: Client) -> None:
        for side in (one, other):
            side.add_channel()
        await asyncio.to_thread(restarted.kill)
        for side in (one, other):
            await side.wait_for(Disconnected)
        calling = asyncio.create_task(both(one, other, trickle=True))
        for side in (one, other):
            while side.pc.signalingState != "have-local-offer":
                await asyncio.sleep(0.01)

        await asyncio.to_thread(restarted.start)

        await calling
        await talk(one, other)

    play(restarted.url, script)


def test_a_call_goes_on_while_the_server_restarts_and_is_negotiated_anew_after_that(
    restarted: Restarted,
) -> None:
    async def script(one: Client, other: Client) -> None:
        one.add_channel()
        ours, theirs = await both(one, other)
        await asyncio.to_thread(restarted.kill)
        await talk(one, other)
        restarting = asyncio.create_task(theirs.restart_ice())
        await asyncio.to_thread(restarted.start)

        await restarting
        await talk(one, other)
        one.add_video()
        await ours.renegotiate()
        assert (await other.frame()).width == 640

    play(restarted.url, script)
