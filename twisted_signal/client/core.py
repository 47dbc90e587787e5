"""The client without network and clock: what to say to the server, and what its words mean.

A shell opens connections when `wants_connection`, tells what becomes of them, and calls `wake` at
`wake_at`. All times are seconds of a clock that only goes forward.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted_signal import messages
from twisted_signal.client.backoff import Patience
from twisted_signal.client.errors import (
    UNAUTHORIZED,
    CannotConnect,
    Refused,
    SignalingError,
    end_after,
    said,
)
from twisted_signal.client.events import Disconnected, Event, Reconnected
from twisted_signal.client.incoming import read
from twisted_signal.client.outgoing import Entry, Kind, Outgoing
from twisted_signal.client.place import Place, text
from twisted_signal.client.pulse import SILENCE, Pulse
from twisted_signal.client.room import Room
from twisted_signal.client.state import Registration, State, Wire

log = logging.getLogger(__name__)

NORMAL, TOO_MANY = 1000, 4429
PASSES = frozenset(("id_taken", "room_full"))
"""Errors of a client that has lost its place, for as long as the server still holds it."""

OPEN_TIMEOUT = 5
"""Seconds for a connection to open."""
ENTER_TIMEOUT = 20
"""Seconds for the server to let the client in."""


_WHO_IS_THERE = '{"type":"peers"}'


class Core:
    """One client.

    Attributes:
        state: where it is.
        room: who else is there.
        place: its place there, or how to get it.
        failure: why it has ended; None if it has not, or was asked to.
        has_entered: whether it was in the room once.
        outgoing: what it says.
        wire: the connection, if there is one; what others still tell is not to be told here.
    """

    def __init__(
        self,
        url: str,
        registration: Registration,
        emit: Callable[[Event], None],
        random: Callable[[], float],
        *,
        has_fresh_tokens: bool = False,
    ) -> None:
        """
        Args:
            url: the server, for sentences.
            registration: who it is.
            emit: is called with each event.
            random: returns a number from 0 to 1, as `random.random` does.
            has_fresh_tokens: whether each connection gets a token of its own, so that to come
                back helps when one has expired.
        """
        self.state = State.WAITING
        self.room = Room()
        self.place = Place(registration)
        self.failure: SignalingError | None = None
        self.has_entered = False
        self.outgoing = Outgoing()
        self.wire: Wire | None = None
        self._url = url
        self._emit = emit
        self._has_fresh_tokens = has_fresh_tokens
        self._patience = Patience(random)
        self._pulse = Pulse()
        self._due_at = 0.0  # by then the connection is open, or the client in the room
        self._enters_later = False  # for it was refused until then
        self._last_word: tuple[str, str] | None = None  # of an error after which the server closes
        self._question: Entry | None = None  # who is there

    @property
    def has_left(self) -> bool:
        """Whether it was asked to leave, or has ended."""
        return self.state in (State.CLOSING, State.ENDED)

    # Time

    @property
    def wake_at(self) -> float | None:
        """When to call `wake`, if nothing happens before; None: no need."""
        if self.state is State.WAITING:
            return self._patience.next_try_at
        if self.state is State.CONNECTING:
            return self._due_at
        if not self.state.is_open:
            return None
        times = [self._pulse.at]
        if self.state is not State.IN_ROOM:
            times.append(self._due_at)
        if self._enters_later or (self.state.is_inside and self.outgoing.may_send):
            times.append(self._patience.not_before)
        if self.state.is_inside:
            times += [self.place.ice_renewal.at, self.place.token_renewal.at, self.outgoing.mark_at]
        return min((at for at in times if at is not None), default=None)

    def wants_connection(self, now: float) -> bool:
        """Whether the time for the next try has come."""
        return self.state is State.WAITING and now >= self._patience.next_try_at

    def wants_token(self, now: float) -> bool:
        """Whether to `renew` the token now."""
        return self.state.is_inside and self.place.token_renewal.is_due(now)

    def wake(self, now: float) -> None:
        """Do what is due."""
        if self.state is State.CONNECTING and now >= self._due_at:
            self.failed(f"it did not open a WebSocket within {OPEN_TIMEOUT} s", now)
        elif self.state.is_open and self.state is not State.IN_ROOM and now >= self._due_at:
            self._give_up(f"the server let nobody in within {ENTER_TIMEOUT} s", now)
        elif self.state.is_open and self._pulse.asks(now):
            self._mark(now)
        elif self.state.is_open and self._pulse.is_lost:
            self._give_up(f"nothing came from the server in {2 * SILENCE} s", now)
        if self._enters_later and now >= self._patience.not_before:
            self._enter(now)
        if self.state.is_inside and self.place.ice_renewal.is_due(now):
            self.outgoing.put_first('{"type":"ice_servers"}')
        self._flush(now)

    def listen(self, now: float, *, listens: bool) -> None:
        """What comes is read from now on; or is not, so that silence means nothing."""
        self._pulse.listen(now, listens=listens)

    # The connection

    def connecting(self, now: float) -> None:
        """A try begins."""
        self.state = State.CONNECTING
        self._patience.connecting()
        self._due_at = now + OPEN_TIMEOUT

    def opened(self, wire: Wire, token: str | None, now: float, life: float | None = None) -> None:
        """The WebSocket is open.

        Args:
            token: a JWT that lets the client in, where one is needed.
            life: the seconds for which it does, if there can be another one after that.
        """
        self.wire = wire
        self.place.take_token(token, life, now)
        self._pulse.begin(now)
        self._last_word = None
        self.state = State.REGISTERING if self.place.resume_token is None else State.RESUMING
        self._enter(now)

    def failed(
        self, reason: str, now: float, status: int | None = None, retry_after: float | None = None
    ) -> None:
        """A try to open the WebSocket came to nothing.

        Args:
            reason: a part of a sentence, for people.
            status: of the HTTP answer, if there was one.
            retry_after: in how many seconds the server wants to see another try, if it said that.
        """
        if status is not None and status < 500 and status != 429:
            self._end(Refused(f"http_{status}", f"Cannot connect to {self._url}: {reason}"))
        elif not self.has_entered:
            self._end(CannotConnect(self._url, reason, retry_after))
        else:
            self._patience.wait((retry_after or 0) * 1000, now)
            self._try_later(now)

    def lost(self, code: int | None, reason: str, now: float) -> None:
        """The connection has ended.

        Args:
            code: of the Close frame that came; None: none came.
            reason: what the server said with it, or what is known; for people.
        """
        if self.state is State.SETTLING:
            self._settle({}, now)
        state, self.wire = self.state, None
        if not state.is_open:
            self._end(self.failure)
            return
        self._enters_later = False
        self.outgoing.broken(too_many=code == TOO_MANY)
        failure: SignalingError | None = None
        if code == UNAUTHORIZED and self._has_fresh_tokens and state is not State.REGISTERING:
            self.place.resume_token = None  # the place is given up
        else:
            failure = end_after(self._url, code, reason, self._last_word)
        if failure is None and not self.has_entered:
            failure = CannotConnect(self._url, f"the connection broke: {said(code, reason)}")
        if failure is not None:
            self._end(failure)
            return
        if state is State.IN_ROOM:
            self._patience.broke(now)
            self._emit(Disconnected(f"The connection to {self._url} broke: {said(code, reason)}"))
        self._try_later(now)

    def _give_up(self, reason: str, now: float) -> None:
        wire = self.wire
        self.lost(None, reason, now)
        if wire is not None:
            wire.abort()

    def _try_later(self, now: float) -> None:
        self.state = State.WAITING
        self._patience.try_later(now)

    def _end(self, failure: SignalingError | None) -> None:
        self.state = State.ENDED
        self.failure = failure
        self._hang_up()

    def _hang_up(self) -> None:
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.close(NORMAL)

    # Entering

    def _enter(self, now: float) -> None:
        assert self.wire is not None, "the connection is open"
        self._enters_later = False
        self._due_at = now + ENTER_TIMEOUT
        place, is_back = self.place, self.state is State.RESUMING
        self.wire.send_text(place.resume() if is_back else place.register())

    def _answered(self, message: messages.ServerMessage, now: float) -> None:
        """What came is the answer to `register` or `resume`."""
        match message:
            case messages.Registered():
                self.place.take(message.resume_token)
                self.place.learn_ice_servers(message, now)
                self.outgoing.forget_calls()
                self.room.enter(message.peers)
                self.state = State.SETTLING
                self._question = self.outgoing.put_first(_WHO_IS_THERE)
            case messages.Resumed() if self.state is State.RESUMING:
                self.place.take(message.resume_token)
                self._arrive(now)
                self._emit(Reconnected(resumed=True))
                if self.place.token is not None:
                    self.outgoing.put_first(self.place.show_token())
                # What was missed tells who came and went, so far as it was kept.
                self.outgoing.put_first(_WHO_IS_THERE)
            case messages.Error(retry_after_ms=int(wait)):
                self._enters_later = True
                self._patience.wait(wait, now)
                self._due_at = self._patience.not_before + ENTER_TIMEOUT
            case messages.Error():
                self._refused(message, now)
            case _:
                log.debug("Ignored before the client is in the room: %s", type(message).__name__)

    def _refused(self, error: messages.Error, now: float) -> None:
        if error.code in ("unauthorized", "forbidden"):
            self._last_word = (error.code, error.message)
        elif self.state is State.RESUMING:
            self.place.resume_token = None
            self.state = State.REGISTERING
            self._enter(now)
        elif self.has_entered and error.code in PASSES and self._patience.is_held(now):
            self._hang_up()
            self._try_later(now)
        else:
            self._end(Refused(error.code, f"The server says: {error.message}"))

    def _arrive(self, now: float) -> None:
        self.state = State.IN_ROOM
        self.has_entered = True
        self._patience.entered(now)

    def _settle(self, types: Mapping[str, str], now: float) -> None:
        """It is known who is there, or will not be known: tell what was held back for that."""
        if self.has_entered:
            self._emit(Reconnected(resumed=False))
        self._arrive(now)
        self._emit_all(self.room.settle(types))

    # What comes

    def received(self, data: str | bytes, now: float) -> None:
        """A message came from the server."""
        if not self.state.is_open:
            return
        self._pulse.heard(now)
        self.place.received += self.state.is_inside  # before, the place's own do not come
        message = read(data)
        if isinstance(message, messages.ServerShutdown):
            self._patience.wait(message.reconnect_in_ms, now)
        elif message is not None and self.state.is_entering:
            self._answered(message, now)
        elif message is not None:
            self._heard(message, now)
        self._flush(now)

    def _heard(self, message: messages.ServerMessage, now: float) -> None:
        """A message came in the room."""
        match message:
            case messages.Error(code="rate_limited"):
                self._patience.wait(message.retry_after_ms or 1000, now)
                self.outgoing.refused()
                if self.state is State.SETTLING:  # who is there is to be asked again
                    self._settle({}, now)
            case messages.Peers():
                self._learn_peers(message, now)
            case messages.IceServers():
                self.place.learn_ice_servers(message, now)
            case messages.Registered():
                self.place.take(message.resume_token)
            case messages.Resumed() | messages.Pong() | messages.ServerShutdown():
                log.debug("Ignored, for it answers nothing: %s", type(message).__name__)
            case _:
                if isinstance(message, messages.Error):
                    self._last_word = (message.code, message.message)
                self._emit_all(self.room.events(message))

    def ponged(self, payload: bytes, now: float) -> None:
        """A ping was answered."""
        if not self.state.is_open:
            return
        self._pulse.heard(now)
        number = self.outgoing.confirm(payload)
        question = self._question
        if self.state is State.SETTLING and question is not None and 0 < question.number <= number:
            self._settle({}, now)  # the server does not tell who is there
        self._flush(now)

    def _emit_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._emit(event)

    def _learn_peers(self, message: messages.Peers, now: float) -> None:
        types = {peer.client_id: peer.client_type for peer in message.peers}
        if self.state is State.SETTLING:
            self._settle(types, now)
        self._emit_all(self.room.compare(types))

    # What goes

    def send(self, message: Mapping[str, Any], now: float, kind: Kind = Kind.MESSAGE) -> None:
        """Say something to the server as soon as that is possible.

        Args:
            message: a JSON object with its `type`.
            kind: for how long it is of use.

        Raises:
            SignalingError: the client has ended.
            TypeError: it cannot be said in JSON.
        """
        if self.has_left:
            raise self.failure or SignalingError("left", "The client has left the room")
        self.outgoing.put(text(message), kind)
        self._flush(now)

    def renew(self, token: str, now: float, life: float | None = None) -> None:
        """Show a fresh token. The arguments are those of `opened`."""
        self.place.take_token(token, life, now)
        if self.state.is_inside:
            self.outgoing.put_first(self.place.show_token())
            self._flush(now)

    def leave(self) -> None:
        """Leave the room, and end."""
        if self.wire is not None and self.state.is_open:
            self.state = State.CLOSING
            self.wire.close(NORMAL)
        elif self.state is not State.CLOSING:
            self._end(self.failure)

    def _flush(self, now: float) -> None:
        if self.wire is None or not self.state.is_inside:
            return
        while self.outgoing.may_send and now >= self._patience.not_before:
            self.wire.send_text(self.outgoing.next())
        if (mark_at := self.outgoing.mark_at) is not None and now >= mark_at:
            self._mark(now)

    def _mark(self, now: float) -> None:
        assert self.wire is not None, "the connection is open"
        self.wire.send_ping(self.outgoing.mark(now))
