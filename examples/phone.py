"""A phone for VI-SLAM: streams a camera and an IMU to a PC by WebRTC. Both are synthetic.

    python examples/phone.py --room lab1

It offers to the first peer of its room that is no phone. With --app it speaks to the server as the
VI-SLAM project's Android app does.
"""

import asyncio
import math
import sys
from argparse import ArgumentTypeError, Namespace

from aiortc import RTCPeerConnection
from app import app
from common import argument_parser, client, run, tell_states, told, trusted, until_first
from sensors import Camera, Imu

from twisted_signal.client.aiortc import connect_peer, rtc_configuration
from twisted_signal.client.events import PeerJoined
from twisted_signal.client.signal import Signal
from twisted_signal.client.signaling import Signaling

PHONES = ("android", "phone")
"""Client types of those that stream, as this one does."""


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
