"""The peer that calls are with."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from fake_signal import FakeSignal

from twisted_signal.client.errors import SignalingError
from twisted_signal.client.events import Message, Offer, PeerJoined, PeerLeft
from twisted_signal.client.signaling import first_peer

OFFER = Offer("late", "v=0")


def play(script: Callable[[FakeSignal], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(script(FakeSignal()))


def test_the_first_peer_is_there() -> None:
    async def script(signal: FakeSignal) -> None:
        assert await first_peer(signal) == ("phone", [])
        assert await first_peer(signal, "test") == ("phone", [])

    play(script)


def test_or_it_comes() -> None:
    async def script(signal: FakeSignal) -> None:
        signal.peers.clear()
        signal.tell(PeerLeft("phone"), Message("phone", "hello"), PeerJoined("late", "other"))
        assert await first_peer(signal) == ("late", [])

    play(script)


def test_or_it_offers() -> None:
    async def script(signal: FakeSignal) -> None:
        signal.peers.clear()
        signal.tell(OFFER)
        assert await first_peer(signal) == ("late", [OFFER])

    play(script)


def test_one_of_another_type_is_passed_over() -> None:
    async def script(signal: FakeSignal) -> None:
        signal.tell(PeerJoined("early", "other"), Offer("early", "v=0"), OFFER)
        waiting = asyncio.create_task(first_peer(signal, "wanted"))
        await asyncio.sleep(0)
        signal.peers["late"] = "wanted"
        signal.tell(PeerJoined("late", "wanted"))
        assert await waiting == ("late", [])
        signal.peers["late"] = "changed"
        signal.tell(PeerJoined("last", "wanted"))
        assert await first_peer(signal, "wanted") == ("last", [])

    play(script)


def test_there_is_none_when_the_client_has_left() -> None:
    async def script(signal: FakeSignal) -> None:
        signal.tell(None)
        with pytest.raises(SignalingError):
            await first_peer(signal, "none")

    play(script)
