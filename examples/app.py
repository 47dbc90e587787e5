"""Speaks to the server as the VI-SLAM project's Android app does: the flat dialect, no `register`.

It knows neither its peer nor who is in the room; the server finds the peer (docs/protocol.md).
"""

import asyncio
import json
import ssl
from argparse import Namespace
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

import websockets

from twisted_signal.client.events import (
    Answer,
    Disconnected,
    Error,
    Event,
    IceCandidate,
    Reconnected,
)
from twisted_signal.messages import IceServer

PAUSE = 0.5
"""Seconds between two tries to connect."""


class App:
    """What calls need of a client (`client.signaling.Signaling`), with one peer without a name.

    Attributes:
        client_id, peers, ice_servers: see there.
    """

    def __init__(self, url: str, client_id: str, context: ssl.SSLContext | None) -> None:
        self.client_id = client_id
        self.peers = {"": "unknown"}
        self.ice_servers: list[IceServer] = []
        self._url = url
        self._context = context
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._calls: asyncio.Queue[Event] = asyncio.Queue()
        self._websocket: websockets.ClientConnection | None = None

    async def open(self) -> websockets.ClientConnection:
        """Connect.

        Raises:
            OSError, websockets.WebSocketException: it does not work now.
        """
        websocket = await websockets.connect(self._url, proxy=None, ssl=self._context)
        self._websocket = websocket
        return websocket

    async def stay(self, websocket: websockets.ClientConnection) -> None:
        """Take what comes, from this connection and those that follow it."""
        while True:
            try:
                async for text in websocket:
                    self._heard(json.loads(text))
            except websockets.WebSocketException:
                pass
            self._websocket = None
            self._happened(Disconnected(f"The connection to {self._url} broke"))
            websocket = await self._come_back()
            self._happened(Reconnected(resumed=False))

    async def _come_back(self) -> websockets.ClientConnection:
        while True:
            await asyncio.sleep(PAUSE)
            with suppress(OSError, websockets.WebSocketException):  # the next try may work
                return await self.open()

    def _happened(self, event: Event) -> None:
        self._events.put_nowait(event)
        self._calls.put_nowait(event)

    def _heard(self, message: dict[str, Any]) -> None:
        match message:
            case {"type": "answer", "sdp": str(sdp)}:
                self._calls.put_nowait(Answer("", sdp))
            case {"type": "ice_candidate", "candidate": str()}:
                self._calls.put_nowait(IceCandidate("", message))
            case {"type": "error", "message": str(sentence)}:
                self._calls.put_nowait(Error("", sentence))

    async def send_offer(self, peer_id: str, sdp: str) -> None:
        """See `signal.Signal`."""
        await self._send({"type": "offer", "sdp": sdp})

    async def send_answer(self, peer_id: str, sdp: str) -> None:
        """See `signal.Signal`."""
        await self._send({"type": "answer", "sdp": sdp})

    async def send_ice_candidate(self, peer_id: str, candidate: Mapping[str, Any] | None) -> None:
        """See `signal.Signal`. The app has no word for the end of candidates."""
        if candidate is not None:
            await self._send({**candidate, "type": "ice_candidate"})

    async def _send(self, message: dict[str, Any]) -> None:
        if self._websocket is not None:
            with suppress(websockets.ConnectionClosed):  # it is said again on the next one
                await self._websocket.send(json.dumps(message))

    def subscribe(self, peer_id: str, first: Iterable[Event] = ()) -> "Calls":
        """See `signal.Signal`."""
        return Calls(self._calls)

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            yield await self._events.get()


class Calls:
    """What the peer says in the only call that there is."""

    def __init__(self, events: asyncio.Queue[Event]) -> None:
        self._events = events

    def close(self, untaken: Iterable[Event] = ()) -> None:
        """There is no other call that could have it."""

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            yield await self._events.get()


@asynccontextmanager
async def app(options: Namespace, context: ssl.SSLContext | None) -> AsyncIterator[App]:
    """Be in the room as the app for as long as the block takes.

    Raises:
        ConnectionError: the server cannot be reached.
    """
    # The app has a path of its own, and registers by the query.
    names = {"room": options.room, "client_id": options.id, "client_type": "android"}
    if options.token is not None:
        names["token"] = options.token
    url = urlsplit(options.url)._replace(path="/signaling", query=urlencode(names)).geturl()
    made = App(url, options.id, context)
    try:
        websocket = await made.open()
    except (OSError, websockets.WebSocketException) as error:
        raise ConnectionError(f"Cannot connect to {options.url}: {error}") from None
    staying = asyncio.create_task(made.stay(websocket))
    try:
        yield made
    finally:
        staying.cancel()
