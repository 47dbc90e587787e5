"""Two connections of aiortc's, and what comes out at either end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    VideoStreamTrack,
)

NO_SERVERS = RTCConfiguration(iceServers=[])


class Side:
    """A connection that counts what arrives.

    Attributes:
        pc: the connection.
        heard: messages of all data channels.
    """

    def __init__(self) -> None:
        self.pc = RTCPeerConnection(NO_SERVERS)
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.tracks: asyncio.Queue[MediaStreamTrack] = asyncio.Queue()
        self.channel: RTCDataChannel | None = None
        self.pc.on("datachannel", self._opened)
        self.pc.on("track", self.tracks.put_nowait)

    def _opened(self, channel: RTCDataChannel) -> None:
        channel.on("message", self.heard.put_nowait)
        self.channel = channel

    def add_channel(self) -> None:
        """Add a data channel, of which each end can say something."""
        self.channel = self.pc.createDataChannel("talk")
        self.channel.on("message", self.heard.put_nowait)

    def add_video(self) -> None:
        """Add a picture."""
        self.pc.addTrack(VideoStreamTrack())

    async def frame(self) -> Any:
        """Return a frame of the next track that comes."""
        return await (await self.tracks.get()).recv()

    @property
    def ice(self) -> Any:
        """The ICE transport, of which there is one once all is bundled."""
        (found,) = {one.receiver.transport.transport for one in self.pc.getTransceivers()} | (
            {self.pc.sctp.transport.transport} if self.pc.sctp else set()
        )
        return found


async def say(one: Side, other: Side, text: str) -> None:
    """Let something come from one side to the other, which has heard all before."""
    channel = one.channel
    while channel is None:
        await asyncio.sleep(0.01)
        channel = one.channel
    if channel.readyState == "connecting":
        opened = asyncio.Event()
        channel.on("open", opened.set)
        await opened.wait()
    channel.send(text)
    assert await other.heard.get() == text


async def negotiate(caller: RTCPeerConnection, callee: RTCPeerConnection) -> None:
    """Let one offer and the other answer."""
    await caller.setLocalDescription()
    await callee.setRemoteDescription(caller.localDescription)
    await callee.setLocalDescription()
    await caller.setRemoteDescription(callee.localDescription)


async def until_connected(*pcs: RTCPeerConnection) -> None:
    """Wait until all are connected."""
    for pc in pcs:
        while pc.connectionState != "connected":
            assert pc.connectionState in ("new", "connecting")
            await asyncio.sleep(0.01)


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
    """Connect two, each of which has heard the other then."""
    one.add_channel()
    await negotiate(one.pc, other.pc)
    await say(one, other, "before")
    await say(other, one, "before, back")


def check_private(touched: Mapping[str, Mapping[str, str]], *objects: Any) -> None:
    """Check that objects have what is touched of their classes, and that it is these classes."""
    for one in objects:
        for name in touched[type(one).__name__]:
            assert hasattr(one, name), f"{type(one).__name__} has no {name}"
    assert {type(one).__name__ for one in objects} == set(touched)
