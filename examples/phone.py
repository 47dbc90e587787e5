"""A phone for VI-SLAM: streams a camera and an IMU to a PC by WebRTC. Both are synthetic.

    python examples/phone.py --room lab1

It offers to the first peer of its room. With --app it speaks to the server as the VI-SLAM
project's Android app does.
"""

import asyncio
import json
import math
import sys
import time
from argparse import ArgumentTypeError, Namespace
from itertools import count
from urllib.parse import urlencode, urlsplit

from aiortc import RTCPeerConnection, VideoStreamTrack
from av import VideoFrame
from signaling import Call, Server, argument_parser, connect, run, sentence, until_first

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


async def meet(server: Server) -> str | None:
    """Return the id of the room's first peer, once there is one; the app does not know it."""
    while True:
        match await server.receive():
            case {"type": "registered", "peers": []}:
                print("Waiting for a peer", flush=True)
            case {"type": "registered", "peers": [str() | None as peer_id, *_]}:
                return peer_id
            case {"type": "peer_joined", "client_id": str(peer_id)}:
                return peer_id


async def listen(server: Server, call: Call) -> None:
    """Give the call what its peer says, until the peer leaves.

    Raises:
        ConnectionError: the server refuses something.
    """
    while True:
        message = await server.receive()
        match message["type"]:
            case "answer" | "ice_candidate":
                await call.handle(message)
            case "peer_left" if message["client_id"] == call.peer_id:
                print(f"{call.peer_id} left", flush=True)
                return
            case "registered" if call.peer_id in message["peers"]:
                await call.offer_again()
            case "peer_joined" if message["client_id"] == call.peer_id:
                await call.offer_again()
            case "error":
                raise ConnectionError(sentence(message))


def app_url(options: Namespace) -> str:
    """Return where the app connects to: it has a path of its own, and registers by the query."""
    names = {"room": options.room, "client_id": options.id, "client_type": "android"}
    url: str = options.url
    return urlsplit(url)._replace(path="/signaling", query=urlencode(names)).geturl()


async def main(options: Namespace) -> int:
    """Stream until the peer leaves, or for as long as the options say."""
    names = {"client_id": options.id, "room_id": options.room, "client_type": "android"}
    async with (
        connect(app_url(options), None) if options.app else connect(options.url, names)
    ) as server:
        call = Call(server, await meet(server), trickle=options.trickle)
        camera, imu = Camera(*options.size), Imu(call.connection)
        call.connection.addTrack(camera)
        try:
            await call.offer()
            print(f"Offered to {call.peer_id or 'whoever is in the room'}", flush=True)
            await until_first(listen(server, call), imu.stream(options.seconds), call.ended())
        finally:
            await call.close()
    print(f"Sent {camera.frames} frames and {imu.samples} samples")
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
