"""A PC for VI-SLAM on GStreamer: receives a phone's camera and IMU by WebRTC.

    python3 examples/gstreamer_pc.py --room lab1

It answers every offer that a peer of its room sends. Needs Debian's python3-gst-1.0
gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good
gstreamer1.0-plugins-bad gstreamer1.0-nice python3-websockets.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time
from functools import partial
from typing import Any
from urllib.parse import quote

import gi
import websockets

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC  # noqa: E402 - their versions come first

Message = dict[str, Any]

PIPELINE = """
    webrtcbin name=webrtc bundle-policy=max-bundle
    webrtc. ! application/x-rtp,media=video ! decodebin ! videoconvert ! video/x-raw,format=GRAY8
    ! appsink name=frames emit-signals=true sync=false max-buffers=2 drop=true"""
COMING_BACK_HELPS = (1001, 1006, 1011, 1012, 1013, 1014)  # close codes of what passes


class Call:
    """One WebRTC connection that a peer has offered. GStreamer calls it from threads of its own.

    Attributes:
        offer: what the peer sent for it.
        frames, samples: how many arrived.
        connected: whether media can flow.
        left: whether the peer is out of the room. The call may go on: media need no signaling.
    """

    def __init__(self, pc: "Pc", offer: Message) -> None:
        self.pc, self.peer_id, self.offer = pc, offer["sender_id"], offer
        self.frames = self.samples = 0
        self.connected = self.left = False
        self.mids: list[str] = []
        self.loop = asyncio.get_running_loop()
        self.pipeline = Gst.parse_launch(PIPELINE)
        self.webrtc = self.pipeline.get_by_name("webrtc")
        for server in pc.ice_servers:
            self._use(server)
        self.pipeline.get_by_name("frames").connect("new-sample", self._receive_frame)
        self.webrtc.connect("on-data-channel", self._listen)
        self.webrtc.connect("on-ice-candidate", self._send_candidate)
        self.webrtc.connect("notify::ice-gathering-state", self._gathering_changed)
        self.webrtc.connect("notify::connection-state", self._state_changed)
        self.pipeline.set_state(Gst.State.PLAYING)

    def _use(self, server: Message) -> None:
        """Take a STUN or TURN server, in the form of RTCConfiguration.iceServers."""
        urls = server["urls"]
        for url in [urls] if isinstance(urls, str) else urls:
            scheme, _, place = url.partition(":")
            if scheme == "stun":
                self.webrtc.set_property("stun-server", f"stun://{place}")
            else:
                name, password = quote(server["username"], ""), quote(server["credential"], "")
                self.webrtc.emit("add-turn-server", f"{scheme}://{name}:{password}@{place}")

    def handle(self, message: Message) -> None:
        """Do what the peer's offer or candidate asks for."""
        if message["type"] == "offer":
            sdp = message["sdp"]
            text = sdp["sdp"] if isinstance(sdp, dict) else sdp
            parsed = GstSdp.SDPMessage.new_from_text(text)[1]
            offer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.OFFER, parsed)
            taken = Gst.Promise.new_with_change_func(self._create_answer)
            self.webrtc.emit("set-remote-description", offer, taken)
        elif init := message["candidate"]:  # null is their end
            self.webrtc.emit("add-ice-candidate", init.get("sdpMLineIndex") or 0, init["candidate"])

    def _create_answer(self, _taken: Any) -> None:
        self.webrtc.emit("create-answer", None, Gst.Promise.new_with_change_func(self._answer))

    def _answer(self, promise: Any) -> None:
        reply = promise.get_reply()  # what comes out of it is gone with it
        answer = reply.get_value("answer")
        text = answer.sdp.as_text()
        self.mids = re.findall(r"a=mid:(\S+)", text)
        self._send({"type": "answer", "sdp": {"type": "answer", "sdp": text}})
        self.webrtc.emit("set-local-description", answer, Gst.Promise.new())  # then candidates come

    def _send_candidate(self, _webrtc: Any, index: int, candidate: str) -> None:
        init = {"candidate": candidate, "sdpMid": self.mids[index], "sdpMLineIndex": index}
        self._send({"type": "ice_candidate", "candidate": init})

    def _gathering_changed(self, webrtc: Any, _property: Any) -> None:
        if webrtc.props.ice_gathering_state == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            self._send({"type": "ice_candidate", "candidate": None})

    def _send(self, message: Message) -> None:
        message["target_id"] = self.peer_id
        self.loop.call_soon_threadsafe(self.pc.say_of, self, message)

    def _state_changed(self, webrtc: Any, _property: Any) -> None:
        state = webrtc.props.connection_state.value_nick
        self.loop.call_soon_threadsafe(self.pc.follow, self, state)

    def _receive_frame(self, sink: Any) -> Any:
        """This is where a SLAM system would take the frame: `buffer.map(Gst.MapFlags.READ)`."""
        buffer = sink.emit("pull-sample").get_buffer()
        self.frames += buffer is not None
        return Gst.FlowReturn.OK

    def _listen(self, _webrtc: Any, channel: Any) -> None:
        if channel.props.label == "imu":
            channel.connect("on-message-string", self._receive_sample)

    def _receive_sample(self, _channel: Any, text: str) -> None:
        """This is where a SLAM system would take the sample."""
        self.samples += "timestamp_ns" in json.loads(text)

    def close(self) -> None:
        """End the call."""
        self.pipeline.set_state(Gst.State.NULL)


class Pc:
    """A client of the signaling server, which comes back when its connection breaks."""

    def __init__(self, url: str, registration: Message) -> None:
        self.url = url
        self.registration = {"type": "register", "resume": True, "ice_servers": True}
        self.registration |= registration
        self.resume_token: str | None = None
        self.received = 0  # since it came into the room, or back
        self.not_before = 0.0  # the server asks not to be spoken to until then
        self.waits = 0  # how often it has asked for that
        self.ice_servers: list[Message] = []
        self.asking = asyncio.get_running_loop().call_later(0, lambda: None)  # for fresh ones
        self.calls: dict[str, Call] = {}
        self.outbox: asyncio.Queue[Message] = asyncio.Queue()
        self.unsure: Message | None = None  # sent, and perhaps not arrived

    async def run(self) -> None:
        """Stay in the room. Come back when the connection breaks, unless that does not help."""
        pause = 0.0
        while True:
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
            await self._until_allowed()
            try:
                async with websockets.connect(self.url) as websocket:
                    pause = 0
                    await self._stay(websocket)
                if websocket.close_code not in COMING_BACK_HELPS:
                    sys.exit(f"The connection ended: {websocket.close_code}")
            except (OSError, websockets.WebSocketException) as error:
                print(f"{self.url}: {error}", flush=True)
            pause = min(2 * pause or 1, 10)

    async def _stay(self, websocket: Any) -> None:
        """Enter the room, or come back to it, and do what comes, until the connection ends."""
        await self._enter(websocket)
        writing: asyncio.Task[None] | None = None
        try:
            while True:
                message = json.loads(await websocket.recv())
                self.received += 1
                self._wait(message)
                if message["type"] in ("registered", "resumed"):
                    self._entered(message)
                    writing = asyncio.create_task(self._write(websocket))
                elif message["type"] == "error" and writing is None:
                    if message.get("code") == "resume_expired":  # or the server was started anew
                        self.resume_token = None
                    elif "retry_after_ms" not in message:
                        sys.exit(f"The server says: {message['message']}")
                    await self._until_allowed()
                    await self._enter(websocket)
                else:
                    self._handle(message)
        except websockets.ConnectionClosed as closed:
            print(f"The connection broke: {closed}", flush=True)
        finally:
            if writing is not None:
                writing.cancel()

    async def _enter(self, websocket: Any) -> None:
        resume = {"type": "resume", "resume_token": self.resume_token, "received": self.received}
        await websocket.send(json.dumps(resume if self.resume_token else self.registration))

    def _entered(self, message: Message) -> None:
        """Take the place in the room. After a `resumed` what was missed follows."""
        print(f"{message['type']}, peers: {message['peers']}", flush=True)
        self.received, self.resume_token = 0, message.get("resume_token")
        self._take_ice_servers(message)
        if message["type"] == "registered":  # a call that was being made is offered again
            self.outbox, self.unsure = asyncio.Queue(), None
            for call in [call for call in self.calls.values() if not call.connected]:
                self.hang_up(call.peer_id)

    def _take_ice_servers(self, message: Message) -> None:
        """Use them from now on, and ask for fresh credentials before these expire."""
        self.ice_servers = message.get("ice_servers", self.ice_servers)
        if milliseconds := message.get("ice_servers_expire_in_ms"):
            ask = partial(self.say, {"type": "ice_servers"})
            self.asking.cancel()
            self.asking = asyncio.get_running_loop().call_later(0.75e-3 * milliseconds, ask)

    def say(self, message: Message) -> None:
        """Send a message once the server can be reached and allows it."""
        self.outbox.put_nowait(message)

    async def _write(self, websocket: Any) -> None:
        """Send what waits, and once more what may have been lost with the connection before."""
        while True:
            self.unsure = self.unsure or await self.outbox.get()
            await self._until_allowed()
            waits = self.waits
            try:
                await websocket.send(json.dumps(self.unsure))
                await (await websocket.ping())  # which the server answers when it has the message
            except websockets.ConnectionClosed:
                return
            if waits == self.waits:  # or it was refused
                self.unsure = None

    def _handle(self, message: Message) -> None:
        """Do what a message in the room asks for."""
        peer_id = str(message.get("sender_id") or message.get("client_id"))
        match message["type"]:
            case "offer" if peer_id in self.calls and self.calls[peer_id].offer == message:
                pass  # the phone did not know whether it had arrived
            case "offer":  # another one while there is a call: the phone starts anew
                self.hang_up(peer_id)
                self.calls[peer_id] = Call(self, message)
                self.calls[peer_id].handle(message)
            case "ice_candidate" if peer_id in self.calls:
                self.calls[peer_id].handle(message)
            case "peer_left" | "peer_joined" if peer_id in self.calls:
                self.calls[peer_id].left = message["type"] == "peer_left"
            case "ice_servers":
                self._take_ice_servers(message)
            case "error":
                print(f"The server says: {message['message']}", flush=True)

    def say_of(self, call: Call, message: Message) -> None:
        """Send a message of a call, unless that is over."""
        if self.calls.get(call.peer_id) is call:
            self.say(message)

    def follow(self, call: Call, state: str) -> None:
        """End a call that has ended."""
        print(f"Call with {call.peer_id}: {state}", flush=True)
        call.connected = state == "connected"
        if state in ("failed", "closed") and self.calls.get(call.peer_id) is call:
            self.hang_up(call.peer_id)

    def hang_up(self, peer_id: str) -> None:
        """End the call with a peer, if there is one, and say no more of it."""
        if call := self.calls.pop(peer_id, None):
            call.close()
            for message in [self.outbox.get_nowait() for _ in range(self.outbox.qsize())]:
                if message.get("target_id") != peer_id:
                    self.outbox.put_nowait(message)

    async def report(self) -> None:
        """Print once a second what has arrived, and end calls of which nothing is left."""
        while True:
            before = {call: call.frames + call.samples for call in self.calls.values()}
            await asyncio.sleep(1)
            for call in list(self.calls.values()):
                print(f"{call.peer_id}: {call.frames} frames, {call.samples} samples", flush=True)
                if call.left and call.frames + call.samples == before.get(call):
                    self.hang_up(call.peer_id)

    def _wait(self, message: Message) -> None:
        """Say nothing for so long as the server asks for."""
        for field in {"retry_after_ms", "reconnect_in_ms"} & set(message):
            self.not_before = max(self.not_before, time.monotonic() + message[field] / 1000)
            self.waits += 1

    async def _until_allowed(self) -> None:
        await asyncio.sleep(self.not_before - time.monotonic())


async def main(options: argparse.Namespace) -> None:
    """Receive until it is stopped."""
    names = {"client_id": options.id, "room_id": options.room, "client_type": "pc"}
    pc = Pc(options.url, names | ({"token": options.token} if options.token else {}))
    try:
        await asyncio.gather(pc.run(), pc.report())
    finally:
        for peer_id in list(pc.calls):
            pc.hang_up(peer_id)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Receives phones' cameras and IMUs by WebRTC.")
    parser.add_argument("--url", default="ws://127.0.0.1:8765", help="the signaling server")
    parser.add_argument("--room", default="default", help="where phone and PC meet")
    parser.add_argument("--id", default="pc", help="the own id in that room")
    parser.add_argument("--token", help="where the server wants one")
    Gst.init(None)
    try:
        asyncio.run(main(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)
