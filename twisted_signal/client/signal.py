"""The calls that an application makes, whichever the shell."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from twisted_signal.client.driver import Driver
from twisted_signal.client.errors import SignalingError
from twisted_signal.client.events import Event
from twisted_signal.client.outgoing import Kind
from twisted_signal.client.state import State
from twisted_signal.messages import IceServer

LEAVE_TIMEOUT = 2
"""Seconds in which what was sent before should go out."""


class Signal:
    """A client in a room: a context manager, and an iterator of events. `connect` makes it.

    `async with` connects and enters the room, and leaves it at the end. When the connection breaks,
    the client comes back by itself; the events `Disconnected` and `Reconnected` tell. Iteration
    yields what happens (`events`), ends when the client has left, and raises a `SignalingError`
    when the server does not want it any more.

    What is sent while the connection is away waits, and is sent when it is there again. After a
    fresh registration (`Reconnected` with `resumed` False) offers, answers and candidates of before
    are left out, since they belong to a call of before. What was on its way when the connection
    broke may reach a peer twice; this client tells an offer, answer or candidate once, but not a
    `Message`.
    """

    def __init__(self, driver: Driver) -> None:
        """`driver`: the shell."""
        self._driver = driver

    @property
    def client_id(self) -> str:
        """The own id."""
        return self._driver.registration.client_id

    @property
    def room(self) -> str:
        """The room's id."""
        return self._driver.registration.room_id

    @property
    def peers(self) -> dict[str, str]:
        """Who else is in the room now: the `client_type` of each id, "unknown" if it has none."""
        return dict(self._driver.core.room.peers)

    @property
    def ice_servers(self) -> list[IceServer]:
        """STUN and TURN servers, if the client asked for them and the server knows some.

        Their credentials are fresh: the client asks for others before they expire.
        """
        return list(self._driver.core.place.ice_servers)

    @property
    def is_connected(self) -> bool:
        """Whether the client is in the room now, and not about to come back."""
        return self._driver.core.state is State.IN_ROOM

    async def send_offer(self, peer_id: str, sdp: str | Mapping[str, Any]) -> None:
        """Send an SDP offer: its text, or an RTCSessionDescriptionInit.

        This and the other calls that send return when the message is on its way, or waits for the
        connection; they wait themselves while too much does. If the server refuses it, there is an
        event `Error`, but for one that came too fast: that is sent again.

        Raises:
            SignalingError: the client has ended.
        """
        await self._send_description("offer", peer_id, sdp)

    async def send_answer(self, peer_id: str, sdp: str | Mapping[str, Any]) -> None:
        """Send an SDP answer; see `send_offer`."""
        await self._send_description("answer", peer_id, sdp)

    async def send_ice_candidate(self, peer_id: str, candidate: Mapping[str, Any] | None) -> None:
        """Send an RTCIceCandidateInit, or None at their end; see `send_offer`."""
        fields = {"target_id": peer_id, "candidate": candidate}
        await self._send({"type": "ice_candidate", **fields}, Kind.CALL)

    async def send_message(self, data: Any, peer_id: str | None = None) -> None:
        """Send any JSON value to a peer, or to all in the room; see `send_offer`."""
        target = {} if peer_id is None else {"target_id": peer_id}
        await self._send({"type": "message", "data": data, **target}, Kind.MESSAGE)

    def renew_token(self, token: str) -> None:
        """Show a fresh token, before the one that was shown expires; also on connections to come.

        A client whose token is a function does that by itself.
        """
        self._driver.renew_token(token)

    def subscribe(self, peer_id: str, first: Iterable[Event] = ()) -> "Subscription":
        """Take the calls with one peer out of the application's hands.

        From now on the offers, answers and candidates of that peer are not yielded by the iteration
        over this object but by the one over what is returned, with those that wait already and were
        not taken. So who subscribes when it is told of a peer, or of its offer, loses no candidate.
        Both iterations yield `PeerJoined` and `PeerLeft` of that peer, an `Error` about what was
        sent to it, and `Disconnected` and `Reconnected`. `close` it for the application to get the
        peer's next offer. As long as there is a subscription, an application that does not iterate
        is not waited for: of more than 1024 events it loses the oldest.

        `with signal.subscribe("phone1") as calls:` and `async for event in calls:` go through them.

        Args:
            peer_id: the peer, which need not be there yet.
            first: what was taken from the iteration already, such as the offer that is to be
                answered; it comes first.

        Raises:
            ValueError: somebody has subscribed to that peer already.
        """
        subscription = Subscription(self._driver, peer_id, first)
        self._driver.step()
        return subscription

    async def leave(self) -> None:
        """Leave the room, and end. `async with` does that at its end.

        What was sent goes out before, so far as that takes no longer than 2 s.
        """
        if self.is_connected and self._driver.core.outgoing.is_waiting:
            await self._send_the_rest()
        self._driver.core.leave()
        self._driver.step()
        while not self._driver.has_ended:
            await self._driver.changed()

    async def __aenter__(self) -> Self:
        """Connect, and enter the room.

        Raises:
            CannotConnect: the server cannot be reached.
            Refused: it does not want this client.
        """
        self._driver.step()
        try:
            while not self._driver.core.has_entered:
                _raise_if_ended(self._driver)
                await self._driver.changed()
        except SignalingError:
            await self.leave()
            raise
        except BaseException:  # it is cancelled, and should not wait
            self._driver.core.leave()
            self._driver.step()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Return the next event.

        Raises:
            SignalingError: the client has ended for good.
        """
        return await _next(self._driver, self._driver.inbox.events, lambda: False)

    async def _send_the_rest(self) -> None:
        driver = self._driver
        give_up = driver.now() + LEAVE_TIMEOUT
        timer = driver.call_later(LEAVE_TIMEOUT, driver.step)
        try:
            while self.is_connected and driver.core.outgoing.is_waiting and driver.now() < give_up:
                await driver.changed()
        finally:
            if driver.now() < give_up:
                timer.cancel()

    async def _send_description(
        self, type_: str, peer_id: str, sdp: str | Mapping[str, Any]
    ) -> None:
        init = {"type": type_, "sdp": sdp} if isinstance(sdp, str) else sdp
        await self._send({"type": type_, "target_id": peer_id, "sdp": init}, Kind.CALL)

    async def _send(self, message: Mapping[str, Any], kind: Kind) -> None:
        core = self._driver.core
        while core.outgoing.is_full and core.state is not State.ENDED:
            await self._driver.changed()
        core.send(message, self._driver.now(), kind)
        self._driver.step()


class Subscription:
    """The events of one peer's calls; see `Signal.subscribe`.

    Attributes:
        peer_id: the peer.
    """

    def __init__(self, driver: Driver, peer_id: str, first: Iterable[Event]) -> None:
        """See `Signal.subscribe`."""
        self.peer_id = peer_id
        self._driver = driver
        self._events = driver.inbox.subscribe(peer_id, first)
        self._is_closed = False

    def close(self, untaken: Iterable[Event] = ()) -> None:
        """Let the application have what the peer says from now on; iteration ends.

        Of what was not taken, it gets the last offer and what followed: a peer that begins anew.

        Args:
            untaken: what was taken from the iteration last, and was not for this call.
        """
        self._events.extendleft(reversed(list(untaken)))
        self._is_closed = True
        self._driver.inbox.unsubscribe(self.peer_id, self._events)
        self._driver.step()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Return the next event.

        Raises:
            SignalingError: the client has ended for good.
        """
        return await _next(self._driver, self._events, lambda: self._is_closed)


async def _next(driver: Driver, events: deque[Event], is_closed: Callable[[], bool]) -> Event:
    while not events:
        if is_closed() or (driver.core.has_left and driver.core.failure is None):
            raise StopAsyncIteration
        _raise_if_ended(driver)
        await driver.changed()
    event = events.popleft()
    driver.pace()
    return event


def _raise_if_ended(driver: Driver) -> None:
    core = driver.core
    if core.state is State.ENDED:
        failure = core.failure or SignalingError("left", "The client has left the room")
        raise failure.with_traceback(None)
