"""A signaling client without a server, for those who are told of events and send."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from twisted_signal.client.errors import SignalingError
from twisted_signal.client.events import Event
from twisted_signal.messages import IceServer

FAILURE = SignalingError("closed", "the server does not want it any more")


class FakeSignal:
    """A signaling client whose events the test makes, and whose words it hears.

    Attributes:
        said: what the call sent, each with its kind.
        untaken: what the call gave back in the end.
    """

    def __init__(self) -> None:
        self.client_id = "pc"
        self.peers = {"phone": "test"}
        self.ice_servers: list[IceServer] = []
        self.said: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.untaken: list[Event] | None = None
        self._events: asyncio.Queue[Event | SignalingError | None] = asyncio.Queue()

    def tell(self, *events: Event | SignalingError | None) -> None:
        """Let this happen; None: the client has left."""
        for event in events:
            self._events.put_nowait(event)

    def subscribe(self, peer_id: str, first: Iterable[Event] = ()) -> "FakeSignal":
        self.tell(*first)
        return self

    def close(self, untaken: Iterable[Event] = ()) -> None:
        self.untaken = list(untaken)

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self._events.get()) is not None:
            if isinstance(event, SignalingError):
                raise event
            yield event

    async def send_offer(self, peer_id: str, sdp: str) -> None:
        self.said.put_nowait(("offer", sdp))

    async def send_answer(self, peer_id: str, sdp: str) -> None:
        self.said.put_nowait(("answer", sdp))

    async def send_ice_candidate(self, peer_id: str, candidate: Mapping[str, Any] | None) -> None:
        self.said.put_nowait(("candidate", candidate))

    async def hear(self, kind: str) -> Any:
        """Return what is said next, which is of that kind."""
        said, what = await self.said.get()
        assert said == kind
        return what
