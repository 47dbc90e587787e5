"""What the phone and the PC share: the connection to the server, and a call that it sets up.

Needs `pip install aiortc websockets`.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import chain, repeat
from typing import Any

import websockets
from aiortc import RTCConfiguration, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import SessionDescription, candidate_from_sdp, candidate_to_sdp

Message = dict[str, Any]
"""A message of the server's protocol: one JSON object, one WebSocket text frame."""


COMING_BACK_HELPS = (1001, 1006, 1011, 1012, 1013, 1014)
"""Close codes (RFC 6455, section 7.4.1) of what passes. 1006: there was no Close frame."""


class Refused(ConnectionError):
    """The server does not want this client, now or later."""


class Server:
    """The connection to the signaling server, which comes back by itself when it breaks."""

    def __init__(self, url: str, registration: Message | None) -> None:
        """See `connect`."""
        self._url = url
        self._registration = registration
        self._registrations = 0
        self._resume_token: str | None = None
        self._received = 0
        self._not_before = 0.0
        self._waits = 0  # how often the server has asked for one
        self._last_of: dict[str, Message] = {}
        self._inbox: asyncio.Queue[Message | ConnectionError] = asyncio.Queue()
        self._websocket: asyncio.Future[websockets.ClientConnection] = asyncio.Future()

    async def send(self, message: Message) -> None:
        """Send a message, once more if the connection breaks before the server has it.

        What has not arrived before a new registration is left out: it belongs to a call of before.
        """
        registrations = self._registrations
        while registrations == self._registrations:
            await self._until_allowed()
            websocket = await asyncio.shield(self._websocket)
            waits = self._waits
            try:
                await websocket.send(json.dumps(message))
                await (await websocket.ping())  # which the server answers when it has the message
            except websockets.ConnectionClosed:
                await websocket.wait_closed()
                await asyncio.sleep(0)
            else:
                if waits == self._waits:  # or it was refused, even if the wait is over by now
                    return

    async def receive(self) -> Message:
        """Wait for the next message. A `registered` tells of each registration, the first too.

        Raises:
            ConnectionError: the connection has ended for good.
        """
        message = await self._inbox.get()
        if isinstance(message, ConnectionError):
            raise message
        return message

    async def open(self) -> websockets.ClientConnection:
        """Connect, and take the place in the room again or enter it.

        Raises:
            Refused: the server does not want it.
            OSError, websockets.WebSocketException: it does not work now.
        """
        # No proxy: phone, PC and server are on one network more often than not.
        websocket = await websockets.connect(self._url, proxy=None, open_timeout=5)
        try:
            await self._enter(websocket)
        except BaseException:
            await websocket.close()
            raise
        self._websocket.set_result(websocket)
        return websocket

    async def stay(self, websocket: websockets.ClientConnection) -> None:
        """Put what comes into the inbox, from this connection and those that follow it."""
        try:
            while True:
                await self._receive_all(websocket)
                self._websocket = asyncio.Future()
                websocket = await self._come_back()
        except ConnectionError as error:
            self._inbox.put_nowait(error)
            if self._websocket.done():
                self._websocket = asyncio.Future()
            self._websocket.set_exception(error)
            self._websocket.exception()  # or asyncio complains where nobody sends any more

    async def _receive_all(self, websocket: websockets.ClientConnection) -> None:
        try:
            async with websocket:
                while True:
                    message = await self._next(websocket)
                    if "retry_after_ms" in message or message["type"] == "server_shutdown":
                        continue
                    # A peer sends again what it had sent when its connection broke.
                    peer_id = str(message.get("sender_id") or message.get("client_id"))
                    if message == self._last_of.get(peer_id):
                        continue
                    if "sender_id" in message:
                        self._last_of[peer_id] = message
                    else:
                        self._last_of.pop(peer_id, None)
                    self._inbox.put_nowait(message)
        except websockets.ConnectionClosed as error:
            if (error.rcvd.code if error.rcvd else 1006) not in COMING_BACK_HELPS:
                raise Refused(f"The connection to {self._url} ended: {error}") from None
            print(f"The connection to {self._url} broke: {error}", flush=True)

    async def _come_back(self) -> websockets.ClientConnection:
        for pause in pauses():
            await asyncio.sleep(pause)
            await self._until_allowed()
            try:
                return await self.open()
            except Refused:
                raise
            except websockets.InvalidStatus as error:
                status, headers = error.response.status_code, error.response.headers
                if status < 500 and status != 429:
                    raise Refused(f"Cannot connect to {self._url}: {error}") from None
                self._wait(float(headers.get("Retry-After", 0)))
            except (OSError, websockets.WebSocketException):
                pass  # the server may be there at the next try
        raise AssertionError("there is no last pause")

    async def _enter(self, websocket: websockets.ClientConnection) -> None:
        if self._registration is None:
            # The app is in the room when it connects, and does not know its peer.
            self._begin({"type": "registered", "peers": [None]})
            return
        answer = None
        if self._resume_token is not None:
            resume = {"resume_token": self._resume_token, "received": self._received}
            answer = await self._ask(websocket, {"type": "resume", **resume})
        if (
            answer is None or answer["type"] == "error"
        ):  # the server was started anew, or it is late
            register = {"type": "register", **self._registration, "resume": True}
            answer = await self._ask(websocket, register)
        if answer["type"] == "error":
            raise Refused(sentence(answer))
        self._received = 0
        self._resume_token = answer.get("resume_token")
        client_id, room_id = self._registration["client_id"], self._registration["room_id"]
        print(f"{answer['type'].title()} as {client_id} in room {room_id}", flush=True)
        if answer["type"] == "registered":
            self._begin(answer)

    def _begin(self, registered: Message) -> None:
        self._registrations += 1
        self._last_of.clear()
        self._inbox.put_nowait(registered)

    async def _ask(self, websocket: websockets.ClientConnection, message: Message) -> Message:
        """Return the server's answer to a `register` or `resume`."""
        while True:
            await websocket.send(json.dumps(message))
            while (answer := await self._next(websocket))["type"] == "server_shutdown":
                pass  # and the connection breaks
            if "retry_after_ms" not in answer:
                return answer
            await self._until_allowed()

    async def _next(self, websocket: websockets.ClientConnection) -> Message:
        message: Message = json.loads(await websocket.recv())
        self._received += 1
        for field in ("reconnect_in_ms", "retry_after_ms"):
            if field in message:
                self._wait(message[field] / 1000)
        return message

    def _wait(self, seconds: float) -> None:
        """Say nothing to the server for so long: it asks for that."""
        self._not_before = max(self._not_before, time.monotonic() + seconds)
        self._waits += 1

    async def _until_allowed(self) -> None:
        await asyncio.sleep(self._not_before - time.monotonic())


def pauses() -> Iterator[float]:
    """Yield how long to wait before each try to come back, in seconds.

    They are random, so that not all clients of a server that was restarted come at once.
    """
    yield 0
    for longest in chain([1] * 6, [2, 4, 8], repeat(10)):
        yield random.uniform(longest / 2, longest)  # noqa: S311 - no secret


@asynccontextmanager
async def connect(url: str, registration: Message | None) -> AsyncIterator[Server]:
    """Connect to the server for as long as the block takes, and come back when that breaks.

    Args:
        url: the server.
        registration: `client_id`, `room_id` and `client_type`; None for what speaks as the app.

    Raises:
        ConnectionError: the server cannot be reached, or refuses.
    """
    server = Server(url, registration)
    try:
        websocket = await server.open()
    except Refused:
        raise
    except ConnectionRefusedError:
        raise ConnectionError(
            f"Cannot connect to {url}: connection refused. Is the server running there?"
        ) from None
    except (OSError, websockets.WebSocketException) as error:
        raise ConnectionError(f"Cannot connect to {url}: {error}") from None
    staying = asyncio.create_task(server.stay(websocket))
    try:
        yield server
    finally:
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)


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

    async def offer_again(self) -> None:
        """Send an offer once more, if it was not answered yet."""
        if self.connection.signalingState == "have-local-offer":
            await self.offer()

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
