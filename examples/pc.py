"""A PC for VI-SLAM: receives a phone's camera and IMU by WebRTC, and prints what arrives.

    python examples/pc.py --room lab1 --save-frame first.png

It answers every offer that a peer of its room sends.
"""

import asyncio
import json
import sys
import time
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame
from signaling import Call, Message, Server, argument_parser, connect, run, sentence, until_first


class Receiver:
    """Counts what all phones send.

    Attributes:
        offers, frames, samples: how many arrived.
        resolution: of the last frame, in pixels.
        sample: the last one, in the VI-SLAM project's data model.
        complete: done when as many frames and samples as wanted are there.
    """

    def __init__(self, frames: int | None, samples: int | None, save_frame: Path | None) -> None:
        """
        Args:
            frames, samples: how many are wanted. None: there is no end to it, or the other counts.
            save_frame: where the first frame goes, a PNG.
        """
        self.offers = 0
        self.frames = 0
        self.samples = 0
        self.resolution = "no frame"
        self.sample: Message | None = None
        self.complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wanted_frames = frames
        self._wanted_samples = samples
        self._save_frame = save_frame

    def receive_from(self, connection: RTCPeerConnection) -> None:
        """Count what comes by a connection."""
        self.offers += 1
        connection.on("track", self._receive_frames)
        connection.on("datachannel", self._receive_samples)

    async def _receive_frames(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                if isinstance(frame, VideoFrame):  # not sound
                    await self._receive_frame(frame)
        except MediaStreamError:
            pass  # the phone ended the track
        except Exception as error:  # or nobody would hear of it: this runs in a task of aiortc's
            if not self.complete.done():
                self.complete.set_exception(error)

    async def _receive_frame(self, frame: VideoFrame) -> None:
        """This is where a SLAM system would take the frame: `frame.to_ndarray(format="gray")`."""
        if self._save_frame is not None:
            path, self._save_frame = self._save_frame, None
            await asyncio.to_thread(frame.save, str(path))
        self.frames += 1
        self.resolution = f"{frame.width}x{frame.height}"
        self._check_complete()

    def _receive_samples(self, channel: RTCDataChannel) -> None:
        if channel.label == "imu":
            channel.on("message", self._receive_sample)

    def _receive_sample(self, text: str) -> None:
        """This is where a SLAM system would take the sample."""
        self.sample = json.loads(text)
        self.samples += 1
        self._check_complete()

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


async def answer(server: Server, receiver: Receiver, *, trickle: bool) -> None:
    """Answer the offers of all phones, for as long as the server is there."""
    calls: dict[str, Call] = {}
    try:
        while True:
            message = await server.receive()
            match message["type"]:
                case "offer":
                    peer_id = message["sender_id"]
                    if peer_id in calls:  # the phone starts anew
                        await calls[peer_id].close()
                    call = calls[peer_id] = Call(server, peer_id, trickle=trickle)
                    receiver.receive_from(call.connection)
                    await call.handle(message)
                case "ice_candidate" if message["sender_id"] in calls:
                    await calls[message["sender_id"]].handle(message)
                case "peer_left" if message["client_id"] in calls:
                    await calls.pop(message["client_id"]).close()
                case "error":
                    print(sentence(message), file=sys.stderr, flush=True)
    finally:
        for call in calls.values():
            await call.close()


async def main(options: Namespace) -> int:
    """Receive for as long as the options say."""
    receiver = Receiver(options.frames, options.samples, options.save_frame)
    try:
        names = {"client_id": options.id, "room_id": options.room, "client_type": "pc"}
        async with asyncio.timeout(options.timeout), connect(options.url, names) as server:
            await until_first(
                answer(server, receiver, trickle=options.trickle),
                receiver.report(),
                receiver.complete,
            )
    except TimeoutError:
        print(
            f"Gave up after {options.timeout:g} s; arrived: {receiver.summary()}", file=sys.stderr
        )
        return 1
    print(f"Last sample: {json.dumps(receiver.sample)}")
    print(f"Complete; arrived: {receiver.summary()}")
    return 0


def png(text: str) -> Path:
    """Return the path that an option names; PyAV tells the format from its end."""
    if not text.endswith(".png"):
        raise ArgumentTypeError(f"{text!r} must end in .png")
    return Path(text)


if __name__ == "__main__":
    parser = argument_parser("Receives camera frames and IMU samples from phones.", "pc")
    parser.add_argument("--save-frame", type=png, metavar="FILE.png", help="save the first frame")
    parser.add_argument("--frames", type=int, metavar="N", help="end when N frames are there")
    parser.add_argument("--samples", type=int, metavar="N", help="end when N samples are there")
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="fail when they are not there by then"
    )
    sys.exit(run(main(parser.parse_args())))
