"""A camera and an IMU for a phone that has none: pictures that move, and a swing."""

import asyncio
import json
import math
import time
from itertools import count

from aiortc import RTCPeerConnection, VideoStreamTrack
from av import VideoFrame

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
