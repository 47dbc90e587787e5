"""Calls of aiortc's connections: `pip install vislam-signal[aiortc]`.

    pc = RTCPeerConnection(rtc_configuration(signal))
    pc.addTrack(camera)
    call = await connect_peer(signal, pc)
    await call.ended()

`docs/clients.md` says what the application sees to, and what is seen to.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)

from twisted_signal.client.aiortc_hands import CallAction, Hands, ice_servers
from twisted_signal.client.descriptions import (
    Init,
    belongs_to,
    is_of_another,
    media_of,
    needs_negotiation,
    restarts_ice,
)
from twisted_signal.client.errors import SignalingError
from twisted_signal.client.events import (
    Answer,
    Error,
    Event,
    IceCandidate,
    Offer,
    PeerJoined,
    PeerLeft,
    Reconnected,
)
from twisted_signal.client.negotiation import Negotiation, State, is_polite
from twisted_signal.client.signaling import Signaling, first_peer

log = logging.getLogger(__name__)

GRACE = 10.0
"""Seconds in which a peer that left may come back, while it is not connected."""

COMES_BACK = frozenset(("peer_not_found", "peer_unreachable"))
"""Errors about a peer that is away: what it should have got is sent again when it is back."""


def rtc_configuration(signal: Signaling) -> RTCConfiguration:
    """Return a configuration with the STUN and TURN servers that the signaling server told.

    Without any, as on a network of one's own, there are none: aiortc's default asks a STUN server
    on the Internet. The client must have connected with `ice_servers=True`.
    """
    return RTCConfiguration(iceServers=ice_servers(signal))


async def connect_peer(
    signal: Signaling,
    pc: RTCPeerConnection,
    peer_id: str | None = None,
    *,
    client_type: str | None = None,
    offer: bool | None = None,
    trickle: bool = False,
    first: Iterable[Event] = (),
) -> "PeerCall":
    """Connect to a peer, and return when the connection is up.

    Offers, answers and candidates go to and fro by themselves from then on, until the call has
    ended: if both offer at once the one with the greater id prevails, and what was said while
    signaling was away is said again. `pc` is the application's own: it adds tracks and data
    channels and sets handlers before this call, and closes `pc` in the end, also when this raises.

    Args:
        signal: the client, in the room.
        pc: a connection that was not negotiated yet.
        peer_id: the peer, which need not be there yet. None: the first one that is in the room,
            comes or offers; what other events `signal` has until then are passed over.
        client_type: what the peer must be if `peer_id` is None, such as "pc".
        offer: whether to call. None: if `pc` has tracks, transceivers or channels. Who does not
            call waits for the other.
        trickle: send candidates one by one (RFC 8838), not within the SDP. Since aiortc gathers
            them all before it has an SDP, that is no faster. Those of the peer may come either way.
        first: events of the peer that were taken from `signal` already, such as its `Offer`.

    Raises:
        ConnectionError: no way works, the peer left and does not come back, the server refuses
            something, or the client has ended (`SignalingError`).
        ValueError: there is a call with that peer already.
    """
    if peer_id is None:
        peer_id, first = await first_peer(signal, client_type)
    call = PeerCall(signal, pc, peer_id, offer=offer, trickle=trickle, first=first)
    try:
        await call.connected()
    except BaseException:
        call.close()
        raise
    return call


@dataclass(frozen=True, slots=True)
class Wish:
    """What the application wants to have negotiated.

    Attributes:
        restart_ice: a new way to the peer.
        is_first: the call, which needs no wish where the peer has called already.
    """

    restart_ice: bool = False
    is_first: bool = False


class PeerCall:
    """A call with one peer: what `connect_peer` returns.

    A program that takes calls while it iterates over `signal` makes this itself, when it is told of
    an `Offer`, and waits for `connected` in a task, so that it loses no candidate.

    Attributes:
        pc: the connection.
        peer_id: the peer.
    """

    def __init__(
        self,
        signal: Signaling,
        pc: RTCPeerConnection,
        peer_id: str,
        *,
        offer: bool | None = None,
        trickle: bool = False,
        first: Iterable[Event] = (),
    ) -> None:
        """Begin it; see `connect_peer`."""
        self.pc = pc
        self.peer_id = peer_id
        self._machine: Negotiation[RTCSessionDescription, Init | None] = Negotiation(
            polite=is_polite(signal.client_id, peer_id)
        )
        self._hands = Hands(signal, pc, peer_id, trickle=trickle, is_stale=self._is_stale)
        self._hands.on_restart = self._restart_is_over
        self._peer_is_there = peer_id in signal.peers
        self._deferred: Wish | None = None
        self._grace: asyncio.TimerHandle | None = None

        loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._negotiated: list[asyncio.Future[None]] = []
        self._restarted: list[asyncio.Future[None]] = []

        self._inputs: deque[Event | Wish] = deque()
        self._has_input = asyncio.Event()
        self._subscription = signal.subscribe(peer_id, first)
        pc.on("connectionstatechange", self._state_changed)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._work())]
        if needs_negotiation(pc) if offer is None else offer:
            # After what the peer has said already, which the first task takes at once.
            loop.call_soon(self._put, Wish(is_first=True))

    # For the application

    async def connected(self) -> None:
        """Wait until the connection is up.

        Raises:
            ConnectionError: it will not be; see `connect_peer`.
        """
        await asyncio.wait({self._connected, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        if not self._connected.done():
            self._ended.result()
            raise ConnectionError(f"The call with {self.peer_id} ended before it was connected")

    async def ended(self) -> None:
        """Wait until the call is over: one of the two closed it, or the peer begins another one.

        It is WebRTC's own state that decides. That signaling broke, or that the peer left the
        room, ends no call. `pc` stays the application's to close. When the peer begins anew, its
        offer is among the events of `signal`.

        Raises:
            ConnectionError: the connection was lost.
        """
        await asyncio.shield(self._ended)

    async def renegotiate(self) -> None:
        """Offer anew, with what was added to the connection; return when that is negotiated.

        Raises:
            ConnectionError: the call has ended.
        """
        await self._wish(Wish(restart_ice=False), self._negotiated)

    async def restart_ice(self) -> None:
        """Look for a new way to the peer, such as after a change of network (RFC 8445, section 9).

        Media and data go on, on the way of before as long as that works. Returns when the new way
        is taken. STUN and TURN servers are those that the signaling server told last, if it told
        any. Consent to send must not have expired: aiortc ends a connection 30 s after it heard
        from the peer last.

        Raises:
            ConnectionError: there is no new way, or the call has ended.
        """
        await self._wish(Wish(restart_ice=True), self._restarted)

    def close(self) -> None:
        """Let go of the call: what the peer says is among the events of `signal` again.

        The connection goes on; `pc` is the application's to close.
        """
        self._end(None)

    async def _wish(self, wish: Wish, waiting: list[asyncio.Future[None]]) -> None:
        if self._ended.done():
            raise ConnectionError(f"The call with {self.peer_id} has ended")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(done)
        self._put(wish)
        await done

    # What happens

    async def _listen(self) -> None:
        try:
            async for event in self._subscription:
                self._put(event)
            failure: ConnectionError = ConnectionError("The client has left the room")
        except SignalingError as error:
            failure = error
        if not self._connected.done():
            self._end(failure)

    def _put(self, what: Event | Wish) -> None:
        self._inputs.append(what)
        self._has_input.set()

    def _state_changed(self) -> None:
        state = self.pc.connectionState
        log.info("Call with %s: %s", self.peer_id, state)
        if state == "connected":
            self._hands.connected()
            if not self._connected.done():
                self._connected.set_result(None)
        elif state == "closed":
            self._end(None)
        elif state == "failed" and not self._hands.is_restarting:
            self._end(
                ConnectionError("The WebRTC connection failed: no way from peer to peer works")
            )

    def _end(self, error: Exception | None, untaken: Iterable[Event] = ()) -> None:
        if self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)
            self._ended.exception()  # or asyncio complains where nobody waits for it
        if self._grace is not None:
            self._grace.cancel()
        if self._state_changed in self.pc.listeners("connectionstatechange"):
            self.pc.remove_listener("connectionstatechange", self._state_changed)
        self._hands.close()
        self._settle(self._negotiated + self._restarted, ConnectionError("The call has ended"))
        self._subscription.close(untaken)
        current = asyncio.current_task()
        for task in self._tasks:
            if task is not current:
                task.cancel()

    def _settle(self, waiting: list[asyncio.Future[None]], error: Exception | None = None) -> None:
        for one in waiting:
            if not one.done():
                if error is None:
                    one.set_result(None)
                else:
                    one.set_exception(error)

    # One thing after another

    async def _work(self) -> None:
        try:
            while not self._ended.done():
                while not self._inputs:
                    self._has_input.clear()
                    await self._has_input.wait()
                actions = self._handle(self._inputs.popleft())
                if await self._hands.do(actions):
                    await self._hands.do(self._machine.need())
                if self._machine.state is State.STABLE:
                    negotiated, self._negotiated = self._negotiated, []
                    self._settle(negotiated)
        except Exception as error:  # whatever aiortc makes of what the peer says
            log.debug("The negotiation with %s failed", self.peer_id, exc_info=True)
            failure = ConnectionError(f"The negotiation with {self.peer_id} failed: {error!r}")
            failure.__cause__ = error
            self._end(failure)

    def _handle(self, what: Event | Wish) -> list[CallAction]:
        match what:
            case Offer() | Answer():
                return self._described(what)
            case IceCandidate(_, init) if belongs_to(self.pc, init):
                return self._machine.candidate(init)
            case PeerJoined() | Reconnected(resumed=False):
                return self._began_anew(joined=isinstance(what, PeerJoined))
            case PeerLeft():
                self._left()
            case Error(code, sentence) if code not in COMES_BACK:
                self._end(ConnectionError(f"The server says: {sentence}"))
            case Wish():
                return self._need(what)
        return []

    def _described(self, event: Offer | Answer) -> list[CallAction]:
        self._peer_is_there = True
        is_offer = isinstance(event, Offer)
        description = RTCSessionDescription(event.sdp, "offer" if is_offer else "answer")
        if not media_of(description):
            raise ValueError("it has no media section")
        if is_of_another(self.pc, description):
            log.info("%s begins another call", self.peer_id)
            self._end(None, [event, *(one for one in self._inputs if not isinstance(one, Wish))])
            return []
        if is_offer:
            restarts = restarts_ice(self.pc, description)
            return self._machine.offer(description, restarts_ice=restarts)
        return self._machine.answer(description)

    def _began_anew(self, *, joined: bool) -> list[CallAction]:
        if any(isinstance(one, PeerLeft) for one in self._inputs) or self._is_stale():
            return []  # what comes later tells more
        self._peer_is_there |= joined
        if not self._peer_is_there:
            return []
        if self._grace is not None:
            self._grace.cancel()
        deferred, self._deferred = self._deferred, None
        actions = self._machine.afresh()
        if deferred is not None:
            actions += self._machine.need(restart_ice=deferred.restart_ice)
        return actions

    def _need(self, wish: Wish) -> list[CallAction]:
        if wish.is_first and self._machine.state is not State.NEW:
            return []
        if self._peer_is_there:
            return self._machine.need(restart_ice=wish.restart_ice)
        before = self._deferred is not None and self._deferred.restart_ice
        self._deferred = Wish(restart_ice=wish.restart_ice or before)
        return []

    def _left(self) -> None:
        self._peer_is_there = False
        if not self._connected.done() and self._machine.state is not State.NEW:
            loop = asyncio.get_running_loop()
            self._grace = loop.call_later(GRACE, self._stayed_away)

    def _stayed_away(self) -> None:
        if not self._connected.done():
            self._end(ConnectionError(f"{self.peer_id} left before the call was connected"))

    def _is_stale(self) -> bool:
        """Return whether what is said now would be said again: one of us came anew meanwhile."""
        return any(
            isinstance(one, PeerJoined) or one == Reconnected(resumed=False) for one in self._inputs
        )

    def _restart_is_over(self, error: Exception | None) -> None:
        restarted, self._restarted = self._restarted, []
        self._settle(restarted, error)
        if self.pc.connectionState == "failed":
            self._state_changed()
