"""Does to aiortc's connection what a `negotiation.Negotiation` says."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from aiortc import RTCIceServer, RTCPeerConnection, RTCSessionDescription

from twisted_signal.client.aiortc_gaps import LocalOffer, left_out, start_all
from twisted_signal.client.aiortc_ice import IcePath, IcePaths
from twisted_signal.client.descriptions import (
    Init,
    Versions,
    media_of,
    needs_negotiation,
    read_candidate,
    restarts_ice,
    split_candidates,
)
from twisted_signal.client.negotiation import (
    Action,
    AddCandidate,
    LookForNeeds,
    MakeAnswer,
    MakeOffer,
    Rollback,
    SendCandidatesAgain,
    SendOfferAgain,
    SetRemote,
)
from twisted_signal.client.signaling import Signaling

log = logging.getLogger(__name__)


CallAction: TypeAlias = Action[RTCSessionDescription, Init | None]


def ice_servers(signal: Signaling) -> list[RTCIceServer]:
    """Return the STUN and TURN servers that the signaling server told, as aiortc has them."""
    return [
        RTCIceServer(urls=one.urls, username=one.username, credential=one.credential)
        for one in signal.ice_servers
    ]


def _ignore(_: Exception | None) -> None:
    pass


class Hands:
    """What one call does to its connection, and says to its peer.

    Attributes:
        on_restart: is called when a restart of ICE is over, with what went wrong, or None.
    """

    def __init__(
        self,
        signal: Signaling,
        pc: RTCPeerConnection,
        peer_id: str,
        *,
        trickle: bool,
        is_stale: Callable[[], bool],
    ) -> None:
        """
        Args:
            signal: the client.
            pc: the connection.
            peer_id: the peer.
            trickle: say candidates one by one.
            is_stale: tells whether what is said now will be said again anyway.
        """
        self.on_restart: Callable[[Exception | None], None] = _ignore
        self._signal = signal
        self._pc = pc
        self._peer_id = peer_id
        self._trickle = trickle
        self._is_stale = is_stale
        self._ice = IcePaths(pc)
        self._offer: LocalOffer | None = None
        self._restart_offered = False
        self._restarting: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._versions = Versions()
        self._said: tuple[str, str, list[Init]] = ("", "", [])

    @property
    def is_restarting(self) -> bool:
        """Whether new ICE looks for a way."""
        return self._restarting is not None and not self._restarting.done()

    def close(self) -> None:
        """Leave the connection as it is."""
        self._ice.take_back()
        for task in self._background:
            task.cancel()

    def connected(self) -> None:
        """The connection is up."""
        self._in_background(start_all(self._pc))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def do(self, actions: list[CallAction]) -> bool:
        """Do all of this; return whether the connection turned out to need another offer."""
        needs = False
        for action in actions:
            if isinstance(action, LookForNeeds):
                needs = needs_negotiation(self._pc)
            else:
                await self._do(action)
        return needs

    async def _do(self, action: CallAction) -> None:
        match action:
            case MakeOffer(restart_ice):
                await self._make_offer(restart_ice=restart_ice)
            case MakeAnswer():
                with left_out(self._pc):
                    await self._pc.setLocalDescription()
                await self._say_anew()
            case Rollback():
                assert self._offer is not None, "there was an offer"
                self._offer.take_back()
                self._ice.take_back()
                self._restart_offered = False
            case SetRemote(description):
                await self._set_remote(description)
            case AddCandidate(init):
                self._add_candidate(init)
            case SendOfferAgain():
                await self._say()
            case SendCandidatesAgain():
                if self._pc.connectionState != "connected":
                    await self._say_candidates()

    async def _make_offer(self, *, restart_ice: bool) -> None:
        if restart_ice:
            self._restart_offered = await self._ice.prepare(ice_servers(self._signal) or None)
        self._offer = LocalOffer(self._pc)
        await self._offer.make()
        await self._say_anew()

    async def _set_remote(self, description: RTCSessionDescription) -> None:
        restarts = restarts_ice(self._pc, description)
        if description.type == "offer" and restarts:
            await self._ice.prepare(ice_servers(self._signal) or None)
        offered, self._restart_offered = self._restart_offered, False
        paths: list[IcePath] = []
        if restarts:
            paths = await self._ice.accept(media_of(description))
        else:
            self._ice.take_back()
        await self._pc.setRemoteDescription(description)
        if paths:
            if self._restarting is not None:
                self._restarting.cancel()
            self._restarting = asyncio.create_task(self._connect(paths))
        elif offered:
            self.on_restart(ConnectionError(f"{self._peer_id} cannot restart ICE"))
        elif description.type == "answer":
            self.on_restart(None)  # there was no ICE before: it is new anyway

    async def _connect(self, paths: list[IcePath]) -> None:
        results = await asyncio.gather(*(path.connect() for path in paths), return_exceptions=True)
        errors = [one for one in results if isinstance(one, Exception)]
        self._restarting = None
        self.on_restart(errors[0] if errors else None)

    # The peer's candidates

    def _add_candidate(self, init: Init | None) -> None:
        # In a task, for a name of mDNS takes a while to be resolved.
        self._in_background(self._use_candidate(init))

    async def _use_candidate(self, init: Init | None) -> None:
        try:
            await self._pc.addIceCandidate(read_candidate(init))
        except Exception as error:  # aiortc's and aioice's are many; others may do
            log.warning("A candidate of %s is of no use: %r", self._peer_id, error)

    # What is said

    async def _say_anew(self) -> None:
        local = self._pc.localDescription
        sdp = self._versions.number(local.sdp)
        bare, candidates = split_candidates(sdp)
        self._said = (local.type, bare if self._trickle else sdp, candidates)
        await self._say()

    async def _say(self) -> None:
        if self._is_stale():
            return
        type_, sdp, _ = self._said
        if type_ == "offer":
            await self._signal.send_offer(self._peer_id, sdp)
        else:
            await self._signal.send_answer(self._peer_id, sdp)
        log.info("Sent an %s to %s", type_, self._peer_id)
        if self._trickle:
            await self._say_candidates()

    async def _say_candidates(self) -> None:
        for candidate in [*self._said[2], None]:
            await self._signal.send_ice_candidate(self._peer_id, candidate)
