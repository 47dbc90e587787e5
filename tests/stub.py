"""A stub of a signaling server in a thread: it does with each connection what a test says."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import websockets
from processes import PATIENCE

REGISTERED = {"type": "registered", "client_id": "pc", "room_id": "lab1", "peers": []}


class Peer:
    """A connection of the stub's."""

    def __init__(self, websocket: websockets.ServerConnection) -> None:
        self.websocket = websocket

    async def hear(self) -> dict[str, Any]:
        """Return what the client says next, but for asking who is there."""
        while True:
            message: dict[str, Any] = json.loads(await self.websocket.recv())
            if message["type"] != "peers":
                return message

    async def say(self, **message: object) -> None:
        await self.websocket.send(json.dumps(message))

    async def register(self, **fields: object) -> dict[str, Any]:
        """Let the client enter, and confirm that; return what it said."""
        message = await self.hear()
        await self.say(**REGISTERED, **fields)
        await (await self.websocket.ping())  # so that the client has answered, and sent its own
        return message


Script = Callable[[Peer], Awaitable[None]]
Refusal = tuple[HTTPStatus, dict[str, str]]


class Stub:
    """What listens.

    Attributes:
        url: where.
        came: when connections came, in seconds.
        left: what was not played yet.
    """

    url: str

    def __init__(self, scripts: tuple[Script, ...], refusals: dict[int, Refusal]) -> None:
        self.came: list[float] = []
        self.left = list(scripts)
        self._refusals = refusals
        self._loop = asyncio.new_event_loop()
        self._is_there = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])
        self._thread.start()
        assert self._is_there.wait(PATIENCE)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(PATIENCE)

    async def _run(self) -> None:
        self._over = asyncio.Event()
        async with websockets.serve(
            self._handle, "127.0.0.1", 0, process_request=self._refuse, close_timeout=0.1
        ) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self._is_there.set()
            await self._over.wait()

    async def _handle(self, websocket: websockets.ServerConnection) -> None:
        try:
            await self.left.pop(0)(Peer(websocket))
        finally:
            websocket.transport.abort()

    def _refuse(
        self, websocket: websockets.ServerConnection, _request: websockets.Request
    ) -> websockets.Response | None:
        self.came.append(time.monotonic())
        if len(self.came) not in self._refusals:
            return None
        status, headers = self._refusals[len(self.came)]
        response = websocket.respond(status, "not now\n")
        response.headers.update(headers)
        return response


@contextmanager
def stub(*scripts: Script, refusals: dict[int, Refusal] | None = None) -> Iterator[Stub]:
    """Run a stub.

    Args:
        scripts: what it does with each connection in turn; it ends each without Close.
        refusals: how it answers which handshake, counted from 1.
    """
    made = Stub(scripts, refusals or {})
    try:
        yield made
    finally:
        made.close()
