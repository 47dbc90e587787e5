"""ICE that is restarted, which aiortc 1.16 lacks (RFC 8445, section 9).

An RTCIceTransport of aiortc's has one `aioice.Connection`, with its credentials and sockets, for
life. Here a *generation* of ICE is one such connection, and a transport gets another by a restart,
while DTLS and what is above goes on. As in `aiortc_gaps`, it is done from outside, and `PRIVATE`
has what is touched for it.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aioice import Connection
from aiortc import RTCIceCandidate, RTCIceServer, RTCIceTransport, RTCPeerConnection
from aiortc.rtcicetransport import RTCIceParameters, candidate_to_aioice, connection_kwargs
from aiortc.sdp import MediaDescription

from twisted_signal.client.aiortc_gaps import any_of, start_all

RESTART_TIMEOUT = 30.0
"""Seconds for new ICE to find a way: as long as consent to send lasts (RFC 7675, section 5.1)."""

LINGER = 3.0
"""Seconds that the way of before still hears what is on it (RFC 8445, section 8.3)."""

PRIVATE = {
    "RTCIceTransport": {
        "_connection": "the generation that candidates of the peer's belong to",
        "_recv": "is bound to one generation",
        "_send": "the same",
        "_monitor": "watches one generation",
        "_RTCIceTransport__monitor_task": "does that now",
        "_RTCIceTransport__setState": "says that ICE has failed no longer",
        "_RTCIceTransport__start": "tells when the first generation has succeeded or failed",
    },
    "RTCIceGatherer": {
        "_connection": "the generation that local descriptions tell of",
        "_remote_candidates_end": "a new generation has other candidates",
    },
    "Connection": {
        "_queue": "what has arrived: one queue for all generations, so that DTLS waits on",
        "_query_consent_task": "ends the connection where the way of before is dead",
        "_transport_policy": "is the same for all generations",
        "_use_ipv4": "the same",
        "_use_ipv6": "the same",
    },
}
"""What is touched of which class, and why."""


class IcePath:
    """One ICE transport, and the generations of ICE that it has had.

    Attributes:
        transport: the transport.
    """

    def __init__(self, pc: RTCPeerConnection, transport: RTCIceTransport) -> None:
        self.transport: Any = transport
        self._pc = any_of(pc)
        self._carries: Any = transport._connection  # what DTLS sends by
        self._offered: Any = None  # what is in our offer, until that is answered
        self._dying: set[Any] = set()
        self._tasks: set[asyncio.Future[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        transport.on("statechange", self._state_changed)

    # The negotiation

    async def prepare(self, servers: Sequence[RTCIceServer] | None) -> None:
        """Gather for a new generation, which local descriptions tell of from now on."""
        before = self._carries
        settings = {
            "stun_server": before.stun_server,
            "turn_server": before.turn_server,
            "turn_username": before.turn_username,
            "turn_password": before.turn_password,
            "turn_ssl": before.turn_ssl,
            "turn_transport": before.turn_transport,
        }
        if servers is not None:
            settings = connection_kwargs(list(servers))
        fresh: Any = Connection(
            ice_controlling=self.transport._connection.ice_controlling,
            use_ipv4=before._use_ipv4,
            use_ipv6=before._use_ipv6,
            transport_policy=before._transport_policy,
            **settings,
        )
        fresh._queue = before._queue
        try:
            await fresh.gather_candidates()
        except BaseException:
            self._discard(fresh)
            raise
        if self._is_closed:
            self._discard(fresh)
            return
        self._offered = fresh
        self.transport.iceGatherer._connection = fresh
        self._pause_consent()

    def take_back(self) -> None:
        """The new generation is not wanted."""
        if self._offered is not None:
            fresh, self._offered = self._offered, None
            self.transport.iceGatherer._connection = self.transport._connection
            self._discard(fresh)
            self._resume_consent()

    async def accept(self, remote: RTCIceParameters, candidates: Iterable[RTCIceCandidate]) -> None:
        """The peer has a new generation too: what it says now belongs to that."""
        fresh, self._offered = self._offered, None
        if fresh is None:
            return
        before, self.transport._connection = self.transport._connection, fresh
        if before is not self._carries:
            self._discard(before)
        self.transport.iceGatherer._remote_candidates_end = False
        fresh.remote_is_lite = remote.iceLite
        fresh.remote_username, fresh.remote_password = remote.usernameFragment, remote.password
        for candidate in candidates:
            await fresh.add_remote_candidate(candidate_to_aioice(candidate))

    # The way

    async def connect(self) -> None:
        """Find a way with what was accepted, and take it.

        Raises:
            ConnectionError: there is none.
        """
        fresh = self.transport._connection
        if fresh is self._carries:
            return
        try:
            async with asyncio.timeout(RESTART_TIMEOUT):
                await fresh.connect()
        except (ConnectionError, TimeoutError):
            if self.transport._connection is fresh and not self._is_closed:
                self.transport._connection = self._carries
                self._discard(fresh)
                self._resume_consent()
            raise ConnectionError("The ICE restart found no way from peer to peer") from None
        if self.transport._connection is fresh and not self._is_closed:
            await self._take(fresh)

    async def _take(self, fresh: Any) -> None:
        transport, before = self.transport, self._carries
        self._carries = fresh
        transport._send, transport._recv = fresh.send, fresh.recv
        if transport._RTCIceTransport__monitor_task is not None:
            transport._RTCIceTransport__monitor_task.cancel()
        transport._RTCIceTransport__monitor_task = asyncio.ensure_future(transport._monitor())
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if transport.state == "completed":
            self._discard(before, after=LINGER)
            return
        # The first generation has failed, or found nothing yet: then it ends now.
        self._discard(before)
        if transport._RTCIceTransport__start is not None:
            await transport._RTCIceTransport__start.wait()
        if transport.state == "failed":
            transport._RTCIceTransport__setState("completed")
            await start_all(self._pc)

    # The end

    @property
    def _is_closed(self) -> bool:
        return bool(self.transport.state == "closed")

    def _state_changed(self) -> None:
        if self._is_closed:
            if self._pause is not None:
                self._pause.cancel()
            for task in self._tasks:
                task.cancel()
            others = {self._offered, self._carries, *self._dying}
            for one in others - {None, self.transport._connection}:  # which closes by itself
                self._close(one)

    def _discard(self, connection: Any, after: float = 0) -> None:
        """End a generation, so that nobody above hears of it."""
        self._dying.add(connection)
        if connection._query_consent_task is not None:
            connection._query_consent_task.cancel()

        async def discard() -> None:
            await asyncio.sleep(after)
            connection._queue = asyncio.Queue()  # in which it says that it has ended
            self._close(connection)

        task = asyncio.ensure_future(discard())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _close(self, connection: Any) -> None:
        async def close() -> None:
            await connection.close()
            self._dying.discard(connection)

        closing.add(task := asyncio.ensure_future(close()))
        task.add_done_callback(closing.discard)

    # Consent

    def _pause_consent(self) -> None:
        """Let the way of before live for a while, though nothing comes on it any more."""
        if self._pause is None and self._carries._query_consent_task is not None:
            self._carries._query_consent_task.cancel()
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(RESTART_TIMEOUT, self._resume_consent)

    def _resume_consent(self) -> None:
        if self._pause is not None and not self._is_closed:
            self._pause.cancel()
            self._pause = None
            task = asyncio.ensure_future(self._carries.query_consent())
            self._carries._query_consent_task = task


closing: set[asyncio.Future[None]] = set()
"""Connections that are about to be closed: the event loop alone would forget them."""


class IcePaths:
    """All ICE transports of a connection."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._pc = pc
        self._paths: dict[RTCIceTransport, IcePath] = {}

    def _path(self, transport: RTCIceTransport) -> IcePath:
        if transport not in self._paths:
            self._paths = {one: path for one, path in self._paths.items() if one.state != "closed"}
            self._paths[transport] = IcePath(self._pc, transport)
        return self._paths[transport]

    def negotiated(self) -> dict[str, IcePath]:
        """Return the path of each media section that has been negotiated, by its mid."""
        found = {
            one.mid: one.receiver.transport.transport
            for one in self._pc.getTransceivers()
            if one.mid is not None
        }
        if self._pc.sctp is not None and self._pc.sctp.mid is not None:
            found[self._pc.sctp.mid] = self._pc.sctp.transport.transport
        return {mid: self._path(transport) for mid, transport in found.items()}

    async def prepare(self, servers: Sequence[RTCIceServer] | None = None) -> bool:
        """Gather for new ICE, which the next local description tells of.

        Args:
            servers: STUN and TURN servers; None: those of before.

        Returns:
            Whether there was any ICE before.
        """
        paths = set(self.negotiated().values())
        await asyncio.gather(*(path.prepare(servers) for path in paths))
        return bool(paths)

    def take_back(self) -> None:
        """The description that told of new ICE does not count."""
        for path in self._paths.values():
            path.take_back()

    async def accept(self, remote: Sequence[MediaDescription]) -> list[IcePath]:
        """The peer has new ICE too: return the paths that are to `connect`.

        Args:
            remote: the media sections of its description, before that is set.
        """
        sections: dict[IcePath, list[MediaDescription]] = {}
        by_mid = self.negotiated()
        for media in remote:
            if media.rtp.muxId in by_mid:
                sections.setdefault(by_mid[media.rtp.muxId], []).append(media)
        for path, its_sections in sections.items():
            # aiortc itself takes the candidates of the last section of a transport only.
            candidates = [candidate for one in its_sections for candidate in one.ice_candidates]
            await path.accept(its_sections[0].ice or RTCIceParameters(), candidates)
        return list(sections)
