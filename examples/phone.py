"""A phone for VI-SLAM: streams a camera and an IMU to a PC by WebRTC. Both are synthetic.

    python examples/phone.py --room lab1

It offers to the first peer of its room that is no phone. With --app it speaks to the server as the
VI-SLAM project's Android app does.
"""

import asyncio
import json
import math
import sys
import time
from argparse import ArgumentTypeError, Namespace
from itertools import count

from aiortc import RTCPeerConnection, VideoStreamTrack
from app import app
from av import VideoFrame
from common import argument_parser, client, run, tell_states, told, trusted, until_first

from twisted_signal.client.aiortc import connect_peer, rtc_configuration
from twisted_signal.client.events import PeerJoined
from twisted_signal.client.signal import Signal
from twisted_signal.client.signaling import Signaling

PHONES = ("android", "phone")
"""Client types of those that stream, as this one does."""

IMU_PERIOD_NS = 5_000_000  # 200 samples a second
GRAVITY = 9.81  # m/s²
SWING_HZ = 0.5
SWING_M = 0.1
TURN_RAD = 0.3


class Camera(VideoStreamTrack):
    """A grey checkerboard that moves two pixels a frame down and right, at 30 frames a second.

    Attributes:
        frames: how many were taken.
    """

    def __init__(self, width: int, height: int) -> None:
        """`width` and `height` in pixels."""
        super().__init__()
        self.frames = 0
        self._width, self._height = width, height
        self._line_size = VideoFrame(width, height).planes[0].line_size
        self._texture = texture(self._line_size, height)

    async def recv(self) -> VideoFrame:
        """Return the next frame when its time has come; aiortc encodes and sends it."""
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(self._width, self._height, "yuv420p")
        luma, *chroma = frame.planes
        # One slice a frame: to start a pixel further on moves the picture left, a line, up.
        start = -2 * self.frames * (self._line_size + 1) % (self._line_size * self._height)
        luma.update(self._texture[start : start + luma.buffer_size])
        for plane in chroma:
            plane.update(bytes([128]) * plane.buffer_size)  # no colour
        frame.pts, frame.time_base = pts, time_base
        self.frames += 1
        return frame


def texture(line_size: int, height: int) -> bytes:
    """Return a checkerboard over a gradient, twice as high as a picture.

    Every part of it that is as long as a picture is a picture.
    """
    square = max(height // 12, 1)
    rows = [
        bytes(x * 127 // line_size + 128 * ((x // square + odd) % 2) for x in range(line_size))
        for odd in range(2)
    ]
    return (rows[0] * square + rows[1] * square) * (height // square + 1)


class Imu:
    """An IMU that swings sideways and turns to and fro; 200 samples a second as JSON texts.

    Attributes:
        samples: how many were sent.
    """

    def __init__(self, connection: RTCPeerConnection) -> None:
        self.samples = 0
        self._opened = asyncio.Event()
        self._channel = connection.createDataChannel("imu")
        self._channel.on("open", self._opened.set)

    async def stream(self, seconds: float) -> None:
        """Send samples for so long, from when the data channel opens, or until it closes."""
        await self._opened.wait()
        start_ns = time.monotonic_ns()
        for timestamp_ns in count(start_ns, IMU_PERIOD_NS):
            # Each sample has its own time on the clock: sleeps of one period would add up their
            # delays.
            await asyncio.sleep((timestamp_ns - time.monotonic_ns()) / 1e9)
            if self._channel.readyState != "open" or timestamp_ns - start_ns >= seconds * 1e9:
                return
            self._channel.send(json.dumps(imu_sample(timestamp_ns)))
            self.samples += 1


def imu_sample(timestamp_ns: int) -> dict[str, int | float]:
    """Return a sample in the VI-SLAM project's data model.

    Accelerations are in m/s², with gravity, angular rates in rad/s, in the axes of the phone.
    """
    omega = 2 * math.pi * SWING_HZ
    phase = omega * timestamp_ns / 1e9
    return {
        "timestamp_ns": timestamp_ns,
        "acc_x": -SWING_M * omega**2 * math.sin(phase),
        "acc_y": 0.0,
        "acc_z": GRAVITY,
        "gyro_x": 0.0,
        "gyro_y": 0.0,
        "gyro_z": TURN_RAD * omega * math.cos(phase),
    }


async def meet(signal: Signal, where: str) -> str:
    """Return the id of the room's first peer that is no phone, once there is one."""
    for peer_id, client_type in signal.peers.items():
        if client_type not in PHONES:
            return peer_id
    print("Waiting for a peer", flush=True)
    async for event in told(signal, where):
        match event:
            case PeerJoined(peer_id, client_type) if client_type not in PHONES:
                return peer_id
    raise ConnectionError("The client has left the room")


async def stream(signal: Signaling, peer_id: str, options: Namespace, where: str) -> None:
    """Stream to a peer until it ends the call, or for as long as the options say."""
    pc = RTCPeerConnection(rtc_configuration(signal))
    camera, imu = Camera(*options.size), Imu(pc)
    pc.addTrack(camera)
    tell_states(pc, peer_id or "the peer")

    def tell_offer() -> None:
        if pc.signalingState == "have-local-offer":
            print(f"Offered to {peer_id or 'whoever is in the room'}", flush=True)

    pc.on("signalingstatechange", tell_offer)
    telling = asyncio.create_task(tell(signal, where))
    try:
        call = await connect_peer(signal, pc, peer_id, trickle=options.trickle)
        await until_first(call.ended(), imu.stream(options.seconds))
    finally:
        telling.cancel()
        await pc.close()
    print(f"Sent {camera.frames} frames and {imu.samples} samples")


async def tell(signal: Signaling, where: str) -> None:
    """Print what becomes of the way to the server; a call goes on without."""
    try:
        async for _ in told(signal, where):
            pass
    except ConnectionError as error:
        print(error, file=sys.stderr)


async def main(options: Namespace) -> int:
    """Stream to the first peer."""
    where = f"{options.id} in room {options.room}"
    if options.app:
        async with app(options, await trusted(options)) as flat:
            await stream(flat, "", options, where)
        return 0
    async with await client(options, "android") as signal:
        print(f"Registered as {where}", flush=True)
        await stream(signal, await meet(signal, where), options, where)
    return 0


def size(text: str) -> tuple[int, int]:
    """Return the width and the height that an option names, in pixels."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ArgumentTypeError(f"{text!r} is no size; write it as 640x480")
    return int(width), int(height)


if __name__ == "__main__":
    parser = argument_parser("Streams synthetic camera frames and IMU samples to a PC.", "phone")
    parser.add_argument("--app", action="store_true", help="speak the Android app's dialect")
    parser.add_argument(
        "--size", type=size, default="640x480", help="of the frames, in pixels (default: 640x480)"
    )
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="stream so long, not until the peer leaves"
    )
    sys.exit(run(main(parser.parse_args())))
