"""A call between aiortc and a browser: each by its own client, and each may look for a new way."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from browser import Browser, Visitor, visitor
from processes import PATIENCE, Server
from test_client_js import blank, run

pytest.importorskip("aiortc", reason="aiortc is not installed")

from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection

from twisted_signal.client.aiortc import PeerCall, rtc_configuration
from twisted_signal.client.asyncio import connect
from twisted_signal.client.events import Offer

FRAMES = 15
"""How many pictures must come before, and again after, each new way."""

CALL = """
    const signal = await enter("page");
    const pc = window.pc = new RTCPeerConnection();
    const canvas = document.body.appendChild(document.createElement("canvas"));
    setInterval(() => canvas.getContext("2d").fillRect(0, 0, Math.random() * 300, 150), 30);
    const stream = canvas.captureStream(30);
    pc.addTrack(stream.getTracks()[0], stream);
    const channel = pc.createDataChannel("orders");
    channel.onmessage = () => pc.restartIce();
    const ufrag = () => /a=ice-ufrag:(.*)/.exec(pc.localDescription.sdp)[1];
    window.call = connectPeer(signal, pc, { peerId: "program" });
    await until(() => pc.connectionState === "connected");
    window.ufrags = [ufrag()];
    pc.onsignalingstatechange = () => {
        if (pc.signalingState === "stable" && !ufrags.includes(ufrag())) ufrags.push(ufrag());
    };
"""


@pytest.fixture
def user(browser: Browser) -> Iterator[Visitor]:
    with visitor(browser) as made:
        yield made
        assert made.complaints == []


async def receive(url: str, room: str, who_restarts: str) -> tuple[int, set[str]]:
    """Receive from a page, find two new ways to it, and receive by each.

    Args:
        who_restarts: "program": this one; "page": it is told to.

    Returns:
        How many pictures came, and the ICE user names of the page that were in use.
    """
    async with connect(url, room=room, client_id="program", client_type="pc") as signal:
        async for event in signal:
            if isinstance(event, Offer):
                break
        assert isinstance(event, Offer)
        pc = RTCPeerConnection(rtc_configuration(signal))
        tracks: asyncio.Queue[MediaStreamTrack] = asyncio.Queue()
        channels: asyncio.Queue[RTCDataChannel] = asyncio.Queue()
        pc.on("track", tracks.put_nowait)
        pc.on("datachannel", channels.put_nowait)
        call = PeerCall(signal, pc, event.peer_id, offer=False, first=[event])
        try:
            await call.connected()
            track, channel = await tracks.get(), await channels.get()
            names = {remote_name(pc)}
            count = 0
            for _ in range(2):
                count += await pictures(track)
                if who_restarts == "program":
                    await call.restart_ice()
                else:
                    channel.send("restart")
                    while remote_name(pc) in names:
                        await track.recv()
                names.add(remote_name(pc))
            count += await pictures(track)
        finally:
            call.close()
            await pc.close()
        return count, names


async def pictures(track: MediaStreamTrack) -> int:
    for _ in range(FRAMES):
        await track.recv()
    return FRAMES


def remote_name(pc: RTCPeerConnection) -> str:
    (name, *_) = (
        line.partition(":")[2]
        for line in pc.remoteDescription.sdp.splitlines()
        if line.startswith("a=ice-ufrag:")
    )
    return str(name)


@pytest.mark.parametrize("who_restarts", ["program", "page"])
def test_video_goes_on_by_each_new_way(
    signal_server: Server, user: Visitor, who_restarts: str
) -> None:
    room = f"browser-{who_restarts}"
    page = blank(user, signal_server.url)
    with ThreadPoolExecutor() as threads:
        received: Future[tuple[int, set[str]]] = threads.submit(
            asyncio.run,
            asyncio.wait_for(receive(signal_server.url, room, who_restarts), PATIENCE),
        )
        signal_server.wait_for(rf"Client registered: program \(pc\) in room {room}")
        run(page, CALL, room=room)
        count, names = received.result()
        ufrags = run(page, "return ufrags;")

    assert count == 3 * FRAMES
    assert len(names) == 3
    assert set(ufrags) == names
