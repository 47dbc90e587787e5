"""A PC for VI-SLAM: receives phones' cameras and IMUs by WebRTC, and prints what arrives.

    python examples/pc.py --room lab1 --euroc recording

It answers every offer of a peer of its room: of one phone after another, or of several at once.
What comes can be written to disk; `recording` says what the times in there are worth.
"""

import asyncio
import json
import sys
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

from aiortc import RTCPeerConnection
from common import argument_parser, client, run, tell_states, told, until_first
from receiver import Receiver, Stream

from twisted_signal.client.aiortc import PeerCall, rtc_configuration
from twisted_signal.client.events import Offer
from twisted_signal.client.signal import Signal


async def answer(signal: Signal, receiver: Receiver, options: Namespace) -> None:
    """Answer the offers of all phones, for as long as the server is there."""
    calls: set[asyncio.Task[None]] = set()
    try:
        async for event in told(signal, where(options)):
            if isinstance(event, Offer):
                pc = RTCPeerConnection(rtc_configuration(signal))
                tell_states(pc, event.peer_id)
                call = PeerCall(
                    signal, pc, event.peer_id, offer=False, trickle=options.trickle, first=[event]
                )
                task = asyncio.create_task(receive(call, receiver.receive_from(pc)))
                calls.add(task)
                task.add_done_callback(calls.discard)
    finally:
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def receive(call: PeerCall, stream: Stream) -> None:
    """Receive from a phone until the call has ended."""
    try:
        await call.connected()
        await call.ended()
    except ConnectionError as error:
        print(f"Call with {call.peer_id}: {error}", file=sys.stderr, flush=True)
    finally:
        call.close()
        await call.pc.close()
        await stream.close()


def where(options: Namespace) -> str:
    """Return who this is, for sentences."""
    return f"{options.id} in room {options.room}"


async def main(options: Namespace) -> int:
    """Receive for as long as the options say."""
    receiver = Receiver(options)
    try:
        async with asyncio.timeout(options.timeout), await client(options, "pc") as signal:
            print(f"Registered as {where(options)}", flush=True)
            await until_first(
                answer(signal, receiver, options), receiver.report(), receiver.complete
            )
    except TimeoutError:
        print(
            f"Gave up after {options.timeout:g} s; arrived: {receiver.summary()}", file=sys.stderr
        )
        return 1
    finally:
        await receiver.close()
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
    parser.add_argument("--save-frames", type=Path, metavar="DIR", help="save all frames, as PNG")
    parser.add_argument(
        "--euroc",
        type=Path,
        metavar="DIR",
        help="record in the form of the EuRoC MAV data set; a second phone's goes to DIR-2",
    )
    parser.add_argument("--frames", type=int, metavar="N", help="end when N frames are there")
    parser.add_argument("--samples", type=int, metavar="N", help="end when N samples are there")
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="fail when they are not there by then"
    )
    sys.exit(run(main(parser.parse_args())))
