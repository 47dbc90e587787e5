"""What the examples' connection does when a server, which is a stub here, sends it away."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import websockets
from processes import ROOT
from processes import server as a_server

pytest.importorskip("aiortc", reason="aiortc is not installed")
sys.path.append(str(ROOT / "examples"))

from signaling import Refused, Server, connect, pauses

NAMES = {"client_id": "pc", "room_id": "lab1", "client_type": "pc"}
REGISTERED = {"type": "registered", "client_id": "pc", "room_id": "lab1", "peers": []}


class Peer:
    """A connection of the stub's."""

    def __init__(self, websocket: websockets.ServerConnection) -> None:
        self.websocket = websocket

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.websocket.recv())
        return message

    async def say(self, **message: object) -> None:
        await self.websocket.send(json.dumps(message))

    async def register(self, **fields: object) -> dict[str, Any]:
        """Let the client enter; return what it said."""
        message = await self.hear()
        await self.say(**REGISTERED, **fields)
        return message


Script = Callable[[Peer], Awaitable[None]]


def play(
    client: Callable[[Server], Awaitable[None]],
    *scripts: Script,
    refusals: list[tuple[HTTPStatus, dict[str, str]]] | None = None,
) -> list[float]:
    """Let a client talk to a stub.

    Args:
        client: what the program does with its connection.
        scripts: what the stub does with each connection in turn; it ends each without Close.
        refusals: how it answers handshakes after the first.

    Returns:
        When connections came, in seconds.
    """
    came: list[float] = []
    left = list(scripts)
    refused = list(refusals or [])

    async def handle(websocket: websockets.ServerConnection) -> None:
        await left.pop(0)(Peer(websocket))
        websocket.transport.abort()

    def refuse(
        websocket: websockets.ServerConnection, _request: websockets.Request
    ) -> websockets.Response | None:
        came.append(time.monotonic())
        if len(came) == 1 or not refused:
            return None
        status, headers = refused.pop(0)
        response = websocket.respond(status, "no")
        response.headers.update(headers)
        return response

    async def main() -> None:
        async with websockets.serve(handle, "127.0.0.1", 0, process_request=refuse) as stub:
            (listener,) = stub.sockets
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
            async with asyncio.timeout(20), connect(url, NAMES) as server:
                await client(server)
        assert not left

    asyncio.run(main())
    return came


async def until_twice_registered(server: Server) -> None:
    for _ in range(2):
        assert (await server.receive())["type"] == "registered"


async def register(peer: Peer) -> None:
    await peer.register()


async def register_and_stay(peer: Peer) -> None:
    await peer.register()
    await peer.websocket.wait_closed()


def test_the_first_try_is_at_once_and_later_ones_are_further_apart_and_random() -> None:
    tries = [list(islice(pauses(), 20)) for _ in range(50)]
    assert all(waits[0] == 0 for waits in tries)
    assert all(0.5 <= wait <= 1 for waits in tries for wait in waits[1:7])
    assert all(5 <= wait <= 10 for waits in tries for wait in waits[10:])
    assert len({waits[1] for waits in tries}) > 40
    assert all(max(waits) <= 10 for waits in tries)


def test_it_comes_back_when_a_server_that_goes_down_wants_it() -> None:
    async def go_down(peer: Peer) -> None:
        await peer.register()
        await peer.say(type="server_shutdown", reconnect_in_ms=700)
        await peer.websocket.close(1001)

    first, second = play(until_twice_registered, go_down, register_and_stay)
    assert second - first >= 0.7


def test_it_waits_as_long_as_a_refusal_of_its_handshake_says() -> None:
    first, second, third = play(
        until_twice_registered,
        register,
        register_and_stay,
        refusals=[(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"})],
    )
    assert second - first < 0.5
    assert third - second >= 1


def test_it_tells_how_much_it_got_and_registers_afresh_when_that_is_too_late() -> None:
    said: list[dict[str, Any]] = []

    async def first(peer: Peer) -> None:
        said.append(await peer.register(resume_token="one", resume_within_ms=30000))
        await peer.say(type="peer_joined", client_id="phone", client_type="android")
        await peer.say(type="peer_left", client_id="phone")
        await (await peer.websocket.ping())  # all has arrived

    async def second(peer: Peer) -> None:
        said.append(await peer.hear())
        await peer.say(type="resumed", room_id="lab1", peers=[], resume_token="two")
        await (await peer.websocket.ping())

    async def third(peer: Peer) -> None:
        said.append(await peer.hear())
        await peer.say(type="error", code="resume_expired", message="Too late.")
        said.append(await peer.register())
        await peer.websocket.wait_closed()

    async def client(server: Server) -> None:
        heard = [(await server.receive())["type"] for _ in range(4)]
        assert heard == ["registered", "peer_joined", "peer_left", "registered"]

    play(client, first, second, third)
    registration = {"type": "register", **NAMES, "resume": True}
    assert said == [
        registration,
        {"type": "resume", "resume_token": "one", "received": 2},
        {"type": "resume", "resume_token": "two", "received": 0},
        registration,
    ]


@pytest.mark.parametrize("is_slow", [False, True])
def test_what_is_over_the_rate_is_said_again_when_it_is_allowed(
    is_slow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = Server._wait

    def wait_and_be_late(server: Server, seconds: float) -> None:
        """Do nothing else until the wait is over, as on a machine with much to do."""
        wait(server, seconds)
        time.sleep(seconds)

    if is_slow:
        monkeypatch.setattr(Server, "_wait", wait_and_be_late)

    async def client(url: str) -> None:
        async with asyncio.timeout(20), connect(url, NAMES) as server:
            await server.receive()
            for _ in range(4):
                await server.send({"type": "peers"})
                assert (await server.receive())["type"] == "peers"

    with a_server("--message-rate=4", "--message-burst=2", cwd=tmp_path) as limited:
        asyncio.run(client(limited.url))
        limited.wait_for("Refused a message from pc: rate_limited")


@pytest.mark.parametrize(
    ("code", "reason"), [(4409, "You have resumed"), (1002, "wrong"), (1000, "")]
)
def test_it_does_not_come_back_where_that_is_of_no_use(code: int, reason: str) -> None:
    async def send_away(peer: Peer) -> None:
        await peer.register()
        await peer.websocket.close(code, reason)

    async def client(server: Server) -> None:
        await server.receive()
        with pytest.raises(Refused, match=str(code)):
            await server.receive()
        with pytest.raises(Refused, match=str(code)):
            await server.send({"type": "hello"})

    play(client, send_away)


def test_a_handshake_that_is_refused_for_good_ends_it() -> None:
    async def client(server: Server) -> None:
        await server.receive()
        with pytest.raises(Refused, match="403"):
            await server.receive()

    play(client, register, refusals=[(HTTPStatus.FORBIDDEN, {})])
