"""What the phone and the PC share: options, the way to the server, and what they tell of it."""

import argparse
import asyncio
import ssl
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Coroutine
from typing import Any

from aiortc import RTCPeerConnection

from twisted_signal.client.asyncio import connect
from twisted_signal.client.events import Disconnected, Event, Reconnected
from twisted_signal.client.signal import Signal
from twisted_signal.client.signaling import Signaling
from twisted_signal.client.trust import pinned, unchecked


def argument_parser(description: str, client_id: str) -> argparse.ArgumentParser:
    """Return a parser for the options that both programs have; `client_id`: the default id."""
    parser = argparse.ArgumentParser(description=description)
    for option, default, meaning in (
        ("--url", "ws://127.0.0.1:8765", "the signaling server"),
        ("--room", "default", "where phone and PC meet"),
        ("--id", client_id, "the own id in that room"),
    ):
        parser.add_argument(option, default=default, help=f"{meaning} (default: {default})")
    parser.add_argument("--token", help="a JWT, where the server wants one")
    parser.add_argument(
        "--trickle", action="store_true", help="send ICE candidates one by one, not in the SDP"
    )
    trusted = parser.add_mutually_exclusive_group()
    trusted.add_argument("--ca", metavar="FILE.pem", help="trust this certificate of a wss server")
    trusted.add_argument(
        "--fingerprint", metavar="SHA256", help="trust the certificate that has this fingerprint"
    )
    trusted.add_argument(
        "--insecure", action="store_true", help="trust any certificate, and so anybody on the way"
    )
    return parser


async def trusted(options: Namespace) -> ssl.SSLContext | None:
    """Return what the options say is trusted; None: the authorities that this machine knows."""
    if options.fingerprint is not None:
        return await asyncio.to_thread(pinned, options.url, options.fingerprint)
    if options.ca is not None:
        return ssl.create_default_context(cafile=options.ca)
    return unchecked() if options.insecure else None


async def client(options: Namespace, client_type: str) -> Signal:
    """Return a client as the options say; it connects when it is entered."""
    return connect(
        options.url,
        room=options.room,
        client_id=options.id,
        client_type=client_type,
        token=options.token,
        ice_servers=True,
        ssl=await trusted(options),
    )


async def told(signal: Signaling, where: str) -> AsyncIterator[Event]:
    """Yield what happens, and print what a person should know of the way to the server.

    Args:
        signal: the client.
        where: who it is and where, for sentences.
    """
    async for event in signal:
        match event:
            case Disconnected(reason):
                print(reason, flush=True)
            case Reconnected(resumed):
                print(f"{'Resumed' if resumed else 'Registered'} as {where}", flush=True)
        yield event


def tell_states(pc: RTCPeerConnection, peer: str) -> None:
    """Print how a connection gets on."""

    def changed() -> None:
        print(f"Call with {peer}: {pc.connectionState}", flush=True)

    pc.on("connectionstatechange", changed)


async def until_first(*work: Awaitable[None]) -> None:
    """Do all of this at once until the first ends or fails, and cancel the others."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run(program: Coroutine[Any, Any, int]) -> int:
    """Run a program to its end; return its exit status."""
    try:
        return asyncio.run(program)
    except (OSError, ValueError) as error:  # what the network, or an option, makes impossible
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as shells have it: 128 and the number of the signal
