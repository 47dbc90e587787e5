"""What the phone and the PC share: the connection to the server, and a call that it sets up.

Needs `pip install aiortc websockets`.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import websockets
from aiortc import RTCConfiguration, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription, candidate_from_sdp, candidate_to_sdp

Message = dict[str, Any]
"""A message of the server's protocol: one JSON object, one WebSocket text frame."""


class Server:
    """The connection to the signaling server."""

    def __init__(self, websocket: websockets.ClientConnection) -> None:
        self._websocket = websocket

    async def send(self, message: Message) -> None:
        """Send a message."""
        await self._websocket.send(json.dumps(message))

    async def receive(self) -> Message:
        """Wait for the next message."""
        message: Message = json.loads(await self._websocket.recv())
        return message

    async def register(self, client_id: str, room_id: str, client_type: str) -> list[str]:
        """Enter a room; return the ids of the others, in the order they joined.

        Raises:
            ConnectionError: the server refuses.
        """
        await self.send(
            {
                "type": "register",
                "client_id": client_id,
                "room_id": room_id,
                "client_type": client_type,
            }
        )
        answer = await self.receive()
        if answer["type"] == "error":
            raise ConnectionError(sentence(answer))
        print(f"Registered as {client_id} in room {room_id}", flush=True)
        peers: list[str] = answer["peers"]
        return peers


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Server]:
    """Connect to the server for as long as the block takes.

    Raises:
        ConnectionError: it cannot be reached, or ended the connection.
    """
    try:
        # No proxy: phone, PC and server are on one network more often than not.
        websocket = await websockets.connect(url, proxy=None)
    except ConnectionRefusedError:
        raise ConnectionError(
            f"Cannot connect to {url}: connection refused. Is the server running there?"
        ) from None
    except (OSError, websockets.WebSocketException) as error:
        raise ConnectionError(f"Cannot connect to {url}: {error}") from None
    try:
        async with websocket:
            yield Server(websocket)
    except websockets.ConnectionClosed as error:
        raise ConnectionError(f"The connection to {url} ended: {error}") from None


class Call:
    """One WebRTC connection to a peer, and what the two say through the server to set it up.

    Attributes:
        connection: tracks and data channels are added here before `offer`, or come from here.
        peer_id: who the peer is. None: say everything as the shipped Android app does, which
            names no peer; the server finds it.
    """

    def __init__(self, server: Server, peer_id: str | None, *, trickle: bool) -> None:
        """`trickle`: send the ICE candidates one by one (RFC 8838), not within the SDP."""
        # aiortc asks a STUN server on the Internet by default. Peers of one network need none.
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peer_id = peer_id
        self._server = server
        self._trickle = trickle
        self._ended = asyncio.Event()
        self.connection.on("connectionstatechange", self._state_changed)

    async def offer(self) -> None:
        """Send an offer to the peer; give its answer and its candidates to `handle`."""
        await self.connection.setLocalDescription()
        await self._send_local_description()

    async def handle(self, message: Message) -> None:
        """Do what the peer's `offer`, `answer` or `ice_candidate` asks for."""
        if message["type"] == "ice_candidate":
            await self.connection.addIceCandidate(candidate_of(message))
            return
        await self.connection.setRemoteDescription(description_of(message))
        if message["type"] == "offer":
            await self.connection.setLocalDescription()
            await self._send_local_description()

    async def ended(self) -> None:
        """Wait until the peer ends the call.

        Raises:
            ConnectionError: it was not ended but lost, or never came about.
        """
        await self._ended.wait()
        if self.connection.connectionState == "failed":
            raise ConnectionError("The WebRTC connection failed: no way from peer to peer works")

    async def close(self) -> None:
        """End the call."""
        await self.connection.close()

    def _state_changed(self) -> None:
        state = self.connection.connectionState
        print(f"Call with {self.peer_id or 'the peer'}: {state}", flush=True)
        if state in ("closed", "failed"):
            self._ended.set()

    async def _send_local_description(self) -> None:
        # aiortc has gathered all candidates by now, and they are in the SDP.
        type_, sdp = self.connection.localDescription.type, self.connection.localDescription.sdp
        bare, candidates = split_candidates(sdp)
        if self._trickle:
            sdp = bare
        if self.peer_id is None:
            await self._server.send({"type": type_, "sdp": sdp})
        else:
            await self._server.send(
                {
                    "type": type_,
                    "target_id": self.peer_id,
                    "sdp": {"type": type_, "sdp": sdp},
                }
            )
        if self._trickle:
            for candidate in candidates:
                await self._send_candidate(candidate)
            await self._send_candidate(None)

    async def _send_candidate(self, candidate: Message | None) -> None:
        """Send an RTCIceCandidateInit, or None for the end of candidates."""
        if self.peer_id is not None:
            await self._server.send(
                {"type": "ice_candidate", "target_id": self.peer_id, "candidate": candidate}
            )
        elif candidate is not None:  # the app has no word for their end
            await self._server.send({"type": "ice_candidate", **candidate})


def description_of(message: Message) -> RTCSessionDescription:
    """Return the session description in an `offer` or `answer`: an object, or the SDP alone."""
    sdp = message["sdp"]
    return RTCSessionDescription(sdp["sdp"] if isinstance(sdp, dict) else sdp, message["type"])


def candidate_of(message: Message) -> RTCIceCandidate | None:
    """Return the candidate in an `ice_candidate`, or None at their end.

    It is an RTCIceCandidateInit; the app's dialect has that object's fields in the message itself.
    """
    init = message["candidate"]
    if isinstance(init, str):
        init = message
    if init is None or not init["candidate"]:
        return None
    candidate = candidate_from_sdp(init["candidate"].removeprefix("candidate:"))
    candidate.sdpMid = init.get("sdpMid")
    candidate.sdpMLineIndex = init.get("sdpMLineIndex")
    return candidate


def split_candidates(sdp: str) -> tuple[str, list[Message]]:
    """Return an SDP without its candidates, and them, each as an RTCIceCandidateInit."""
    description = SessionDescription.parse(sdp)
    candidates = list(_candidates(description))
    for media in description.media:
        media.ice_candidates = []
        media.ice_candidates_complete = False
        media.host, media.port = "0.0.0.0", 9  # noqa: S104 # nowhere yet: RFC 8840, section 4.1.1
    return str(description), candidates


def _candidates(description: SessionDescription) -> Iterator[Message]:
    for index, media in enumerate(description.media):
        for candidate in media.ice_candidates:
            yield {
                "candidate": f"candidate:{candidate_to_sdp(candidate)}",
                "sdpMid": media.rtp.muxId,
                "sdpMLineIndex": index,
            }


def sentence(error: Message) -> str:
    """Return what an `error` of the server says; the app's dialect has no code."""
    code = f" ({error['code']})" if "code" in error else ""
    return f"The server says: {error['message']}{code}"


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


def argument_parser(description: str, client_id: str) -> argparse.ArgumentParser:
    """Return a parser for the options that both programs have; `client_id`: the default id."""
    parser = argparse.ArgumentParser(description=description)
    for option, default, meaning in (
        ("--url", "ws://127.0.0.1:8765", "the signaling server"),
        ("--room", "default", "where phone and PC meet"),
        ("--id", client_id, "the own id in that room"),
    ):
        parser.add_argument(option, default=default, help=f"{meaning} (default: {default})")
    parser.add_argument(
        "--trickle", action="store_true", help="send ICE candidates one by one, not in the SDP"
    )
    return parser


def run(program: Coroutine[Any, Any, int]) -> int:
    """Run a program to its end; return its exit status."""
    try:
        return asyncio.run(program)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as shells have it: 128 and the number of the signal
