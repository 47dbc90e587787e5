"""What comes from phones, counted, shown and written: here a SLAM system would take it."""

import asyncio
import json
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame
from recording import Euroc, Pictures, Writer, free_folder


class Receiver:
    """Counts what all phones send, and has it written.

    Attributes:
        offers, frames, samples: how many arrived.
        resolution: of the last frame, in pixels.
        sample: the last one, in the VI-SLAM project's data model.
        complete: done when as many frames and samples as wanted are there.
    """

    def __init__(self, options: Namespace) -> None:
        """`options`: of the command line. Wanted frames or samples None: the other counts."""
        self.offers = 0
        self.frames = 0
        self.samples = 0
        self.resolution = "no frame"
        self.sample: dict[str, Any] | None = None
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wanted_frames: int | None = options.frames
        self._wanted_samples: int | None = options.samples
        self._save_frame: Path | None = options.save_frame
        self._writer = Writer()
        self._pictures: Pictures | None = None
        if options.save_frames is not None:
            self._pictures = Pictures(self._writer, options.save_frames)
        self._euroc: Path | None = options.euroc

    def receive_from(self, pc: RTCPeerConnection) -> "Stream":
        """Count what comes by a connection."""
        self.offers += 1
        euroc = None
        if self._euroc is not None:
            try:
                euroc = Euroc(self._writer, free_folder(self._euroc))
            except OSError as error:
                self.fail(error)
        return Stream(self, pc, euroc)

    async def frame_came(self, frame: VideoFrame) -> None:
        """Count a frame."""
        if self._save_frame is not None:
            path, self._save_frame = self._save_frame, None
            await asyncio.to_thread(frame.save, str(path))
        if self._pictures is not None:
            self._pictures.add(frame)
        self.frames += 1
        self.resolution = f"{frame.width}x{frame.height}"
        self._check_complete()

    def sample_came(self, sample: dict[str, Any]) -> None:
        """Count a sample."""
        self.sample = sample
        self.samples += 1
        self._check_complete()

    def fail(self, error: Exception) -> None:
        """Something is wrong that more frames or samples do not mend."""
        if not self.complete.done():
            self.complete.set_exception(error)

    def _check_complete(self) -> None:
        endless = self._wanted_frames is None and self._wanted_samples is None
        if (
            not endless
            and self.frames >= (self._wanted_frames or 0)
            and self.samples >= (self._wanted_samples or 0)
            and not self.complete.done()
        ):
            self.complete.set_result(None)

    async def report(self) -> None:
        """Print the rates once a second, from when something arrives."""
        while True:
            frames, samples, start = self.frames, self.samples, time.monotonic()
            await asyncio.sleep(1)
            seconds = time.monotonic() - start
            if self.frames or self.samples:
                print(
                    f"{(self.frames - frames) / seconds:.1f} frames/s ({self.resolution}),"
                    f" {(self.samples - samples) / seconds:.1f} samples/s",
                    flush=True,
                )

    def summary(self) -> str:
        """Return what arrived, and how much was wanted, in words."""
        return ", ".join(
            f"{name} {arrived}{'' if wanted is None else f' of {wanted}'}"
            for arrived, wanted, name in (
                (self.offers, None, "offers"),
                (self.frames, self._wanted_frames, "frames"),
                (self.samples, self._wanted_samples, "samples"),
            )
        )

    async def close(self) -> None:
        """Have all written that came."""
        await asyncio.to_thread(self._writer.close)
        if self._writer.dropped:
            print(f"{self._writer.dropped} frames were not written: the disk is too slow")


class Stream:
    """What one phone sends. This is where a SLAM system would take it."""

    def __init__(self, receiver: Receiver, pc: RTCPeerConnection, euroc: Euroc | None) -> None:
        self._receiver = receiver
        self._euroc = euroc
        pc.on("track", self._receive_frames)
        pc.on("datachannel", self._receive_samples)

    async def _receive_frames(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                if isinstance(frame, VideoFrame):  # not sound
                    await self._receive_frame(frame)  # frame.to_ndarray(format="gray")
        except MediaStreamError:
            pass  # the phone ended the track
        except Exception as error:  # or nobody would hear of it: this runs in a task of aiortc's
            self._receiver.fail(error)

    async def _receive_frame(self, frame: VideoFrame) -> None:
        if self._euroc is not None:
            self._euroc.add_frame(frame, time.monotonic_ns())
        await self._receiver.frame_came(frame)

    def _receive_samples(self, channel: RTCDataChannel) -> None:
        if channel.label == "imu":
            channel.on("message", self._receive_sample)

    def _receive_sample(self, text: str) -> None:
        try:
            sample = json.loads(text)
            if self._euroc is not None:
                self._euroc.add_sample(sample, time.monotonic_ns())
            self._receiver.sample_came(sample)
        except OSError as error:
            self._receiver.fail(error)
        except (ValueError, KeyError, TypeError) as error:
            print(f"Ignored a sample: {error!r}", file=sys.stderr, flush=True)

    async def close(self) -> None:
        """Nothing more comes."""
        if self._euroc is not None:
            try:
                await asyncio.to_thread(self._euroc.close)  # which waits for the disk
                print(f"Recorded {self._euroc.summary()}", flush=True)
            except OSError as error:
                self._receiver.fail(error)
