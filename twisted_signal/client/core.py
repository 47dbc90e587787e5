"""The client without network and clock: what to say to the server, and what its words mean.

A shell opens connections when `wants_connection`, tells what becomes of them, and calls `wake` at
`wake_at`. All times are seconds of a clock that only goes forward.
"""

import logging
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from twisted_signal import messages
from twisted_signal.client.backoff import pause
from twisted_signal.client.errors import CannotConnect, Closed, Refused, SignalingError
from twisted_signal.client.events import (
    Disconnected,
    Error,
    Event,
    PeerJoined,
    PeerLeft,
    Reconnected,
)
from twisted_signal.client.incoming import Hearing, IceServer, IceServers, Registered, read
from twisted_signal.client.outgoing import Entry, Kind, Outgoing
from twisted_signal.messages import UNKNOWN_TYPE

log = logging.getLogger(__name__)

COMING_BACK_HELPS = frozenset((1001, 1006, 1011, 1012, 1013, 1014, 4429))
"""Close codes (RFC 6455, section 7.4.1) of what passes. 1006: there was no Close frame."""
ENTERING_HELPS_LATER = frozenset(("id_taken", "room_full"))
"""Errors that a client gets for the place that it had before, while the server holds that."""
NORMAL, UNAUTHORIZED, FORBIDDEN, TOO_MANY = 1000, 4401, 4403, 4429

OPEN_TIMEOUT = 5
ENTER_TIMEOUT = 20
"""Seconds until the client must be in the room, once the connection is open."""
SILENCE = 10
"""Seconds of silence after which the server is asked whether it is there, and again until it is
given up: together less than the time for which it keeps a place."""
MARK_PAUSE = 0.05
"""Seconds from one ping that asks what has arrived to the next; the server counts them."""
STAY = 5
"""Seconds in a room after which tries to come back begin at once again."""
HOLDS = 60
"""Seconds in which the server finds out that an old connection of the client's is gone."""
REFRESH_PAUSE = 30
"""Seconds after which fresh ICE servers, or a fresh token, are asked for again."""
LIFE = 0.75
"""The part of their life after which they are."""
LONGEST_WAIT = 3600
"""Seconds; whatever the server says."""


class Wire(Protocol):
    """An open WebSocket, so far as the core needs it. Its calls return at once."""

    def send_text(self, text: str) -> None:
        """Send a text frame."""

    def send_ping(self, payload: bytes) -> None:
        """Send a ping."""

    def close(self, code: int) -> None:
        """Begin the closing handshake."""

    def abort(self) -> None:
        """End the connection at once."""


class State(Enum):
    """Where a client is."""

    WAITING = auto()
    """For the time of the next try."""
    CONNECTING = auto()
    RESUMING = auto()
    """`resume` was sent."""
    REGISTERING = auto()
    """`register` was sent."""
    SETTLING = auto()
    """It is in the room, and asks who else is."""
    IN_ROOM = auto()
    CLOSING = auto()
    """It has left."""
    ENDED = auto()


_ENTERING = (State.RESUMING, State.REGISTERING, State.SETTLING)
_OPEN = (*_ENTERING, State.IN_ROOM)


class Registration(Struct, frozen=True):
    """As what a client enters which room. `ice_servers`: whether it wants to know some."""

    client_id: str
    room_id: str = "default"
    client_type: str = UNKNOWN_TYPE
    ice_servers: bool = False


class Core:
    """One client.

    Attributes:
        state: where it is.
        peers: who else is in the room: the `client_type` of each, "unknown" if it is not known.
        ice_servers: those that the server told last.
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
        self.peers: dict[str, str] = {}
        self.ice_servers: list[IceServer] = []
        self.failure: SignalingError | None = None
        self.has_entered = False
        self.outgoing = Outgoing()
        self._url = url
        self._registration = registration
        self._emit = emit
        self._random = random
        self._has_fresh_tokens = has_fresh_tokens
        self.wire: Wire | None = None
        self._token: str | None = None
        self._hearing = Hearing()
        self._resume_token: str | None = None
        self._received = 0
        self._tries = 0
        self._next_try_at = 0.0
        self._not_before = 0.0
        self._due_at = 0.0  # when the connection must be open, or the client in the room
        self._heard_at = 0.0
        self._asked = False
        self._marked_at = 0.0
        self._entered_at = 0.0
        self._lost_at = 0.0
        self._refresh_at: float | None = None
        self._renew_at: float | None = None
        self._enters_later = False  # the server wants to hear that again, and not now
        self._error: messages.Error | None = None  # after which the server closes the connection
        self._unsettled: list[Any] = []
        self._question: Entry | None = None

    @property
    def has_left(self) -> bool:
        """Whether it was asked to leave, or has ended."""
        return self.state in (State.CLOSING, State.ENDED)

    # Time

    @property
    def wake_at(self) -> float | None:
        """When to call `wake`, if nothing happens before; None: no need."""
        match self.state:
            case State.WAITING:
                return max(self._next_try_at, self._not_before)
            case State.CONNECTING:
                return self._due_at
            case State.CLOSING | State.ENDED:
                return None
        times = [self._heard_at + SILENCE]
        if self.state in _ENTERING:
            times.append(self._due_at)
        if self.state is State.RESUMING or self.state is State.REGISTERING:
            if self._enters_later:
                times.append(self._not_before)
            return min(times)
        if self.outgoing.may_send:
            times.append(self._not_before)
        if self.outgoing.needs_mark:
            times.append(self._marked_at + MARK_PAUSE)
        times += [at for at in (self._refresh_at, self._renew_at) if at is not None]
        return min(times)

    def wants_connection(self, now: float) -> bool:
        """Whether the time for the next try has come."""
        return self.state is State.WAITING and now >= max(self._next_try_at, self._not_before)

    def wake(self, now: float) -> None:
        """Do what is due."""
        if self.state is State.CONNECTING and now >= self._due_at:
            self.failed(f"it did not open a WebSocket within {OPEN_TIMEOUT} s", now)
        elif self.state in _ENTERING and now >= self._due_at:
            self._give_up(f"it let nobody in within {ENTER_TIMEOUT} s", now)
        elif self.state in _OPEN:
            self._wake_open(now)

    def _wake_open(self, now: float) -> None:
        if now >= self._heard_at + SILENCE:
            if self._asked:
                self._give_up(f"it is silent, for {2 * SILENCE} s now", now)
                return
            self._asked = True
            self._heard_at = now
            self._mark(now)
        if self._refresh_at is not None and now >= self._refresh_at:
            self._refresh_at = now + REFRESH_PAUSE  # if no answer comes until then
            self.outgoing.put_first('{"type":"ice_servers"}')
        if self._enters_later and now >= self._not_before:
            self._enter(now)
        self._flush(now)

    def _give_up(self, reason: str, now: float) -> None:
        wire = self.wire
        self.lost(None, reason, now)
        if wire is not None:
            wire.abort()

    # The connection

    def connecting(self, now: float) -> None:
        """A try begins."""
        self.state = State.CONNECTING
        self._tries += 1
        self._due_at = now + OPEN_TIMEOUT

    def opened(self, wire: Wire, token: str | None, now: float, life: float | None = None) -> None:
        """The WebSocket is open.

        Args:
            token: a JWT that lets the client in, where one is needed.
            life: the seconds for which it does, if there can be another one after that.
        """
        self.wire = wire
        self._take_token(token, life, now)
        self._heard_at = now
        self._asked = False
        self._marked_at = now - MARK_PAUSE
        self._error = None
        self._enters_later = False
        self.state = State.REGISTERING if self._resume_token is None else State.RESUMING
        self._enter(now)

    def failed(
        self,
        reason: str,
        now: float,
        *,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        """A try to open the WebSocket came to nothing.

        Args:
            reason: a part of a sentence, for people.
            status: of the HTTP answer, if there was one.
            retry_after: in how many seconds the server wants to see another try, if it said that.
        """
        if status is not None and status < 500 and status != 429:
            sentence = f"Cannot connect to {self._url}: {reason}"
            self._end(Refused(f"http_{status}", sentence))
        elif not self.has_entered:
            self._end(CannotConnect(self._url, reason, retry_after))
        else:
            self._wait(retry_after or 0, now)
            self._try_later(now)

    def lost(self, code: int | None, reason: str, now: float) -> None:
        """The connection has ended.

        Args:
            code: of the Close frame that came; None: none came.
            reason: what the server said with it, or what is known; for people.
        """
        was_registering = self.state is State.REGISTERING
        was_entering = was_registering or self.state is State.RESUMING
        if self.state is State.SETTLING:
            self._settle({})
        self.wire = None
        if self.state is State.CLOSING:
            self._end(None)
        if self.state is State.ENDED:
            return
        self.outgoing.broken()
        if code == TOO_MANY:
            self.outgoing.refused()
        may_renew = self._has_fresh_tokens and code == UNAUTHORIZED and not was_registering
        if may_renew:
            self._resume_token = None  # or the server asks for the token that went with it
        if code in (UNAUTHORIZED, FORBIDDEN) and self._error is not None and not may_renew:
            error = self._error
            self._end(Refused(error.code, f"The server says: {error.message}", code))
        elif code is not None and code not in COMING_BACK_HELPS and not may_renew:
            self._end(Closed(self._url, code, reason))
        elif not self.has_entered:
            self._end(CannotConnect(self._url, f"the connection broke: {code or ''} {reason}"))
        else:
            said = reason if code is None else f"{code} {reason}".rstrip()
            if not was_entering:
                self._lost_at = now
                if now - self._entered_at >= STAY:
                    self._tries = 0
                self._emit(Disconnected(f"The connection to {self._url} broke: {said}"))
            self._try_later(now)

    def _try_later(self, now: float) -> None:
        self.state = State.WAITING
        self._next_try_at = now + pause(self._tries, self._random())

    def _end(self, failure: SignalingError | None) -> None:
        self.state = State.ENDED
        self.failure = failure
        self.wire = None

    def _wait(self, seconds: float, now: float) -> None:
        """Say nothing to the server for so long: it asks for that."""
        self._not_before = max(self._not_before, now + min(max(seconds, 0), LONGEST_WAIT))

    # Entering

    def _enter(self, now: float) -> None:
        assert self.wire is not None, "the connection is open"
        self._enters_later = False
        self._due_at = now + ENTER_TIMEOUT
        message: dict[str, Any]
        if self.state is State.RESUMING:
            message = {"resume_token": self._resume_token, "received": self._received}
            message = {"type": "resume", **message}
        else:
            message = {"type": "register", **msgspec.to_builtins(self._registration)}
            message["resume"] = True
            if self._token is not None:
                message["token"] = self._token
        self.wire.send_text(_text(message))

    def _answered(self, message: Any, now: float) -> None:
        """What came is the answer to `register` or `resume`."""
        match message:
            case Registered():
                self._resume_token = message.resume_token
                self._received = 0
                self._learn_ice_servers(message, now)
                self.outgoing.forget_calls()
                self._hearing.forget()
                self.state = State.SETTLING
                self._unsettled = [message]
                self._ask_who_is_there()
            case messages.Resumed() if self.state is State.RESUMING:
                self._resume_token = message.resume_token
                self._received = 0
                self._arrive(now)
                self._emit(Reconnected(resumed=True))
                if self._token is not None:
                    self._show_token()
                self._ask_who_is_there()
            case messages.Error(retry_after_ms=int(wait)):
                self._enters_later = True
                self._wait(wait / 1000, now)
                self._due_at = self._not_before + ENTER_TIMEOUT
            case messages.Error():
                self._refused(message, now)
            case _:
                log.debug("Ignored before the client was in the room: %r", message)

    def _refused(self, error: messages.Error, now: float) -> None:
        if error.code in ("unauthorized", "forbidden"):
            self._error = error  # and the connection is closed
        elif self.state is State.RESUMING:
            self._resume_token = None
            self.state = State.REGISTERING
            self._enter(now)
        elif (
            self.has_entered and error.code in ENTERING_HELPS_LATER and now - self._lost_at < HOLDS
        ):
            wire = self.wire
            self.wire = None
            self._try_later(now)
            if wire is not None:
                wire.close(NORMAL)
        else:
            wire = self.wire
            self._end(Refused(error.code, f"The server says: {error.message}"))
            if wire is not None:
                wire.close(NORMAL)

    def _ask_who_is_there(self) -> None:
        self._question = self.outgoing.put_first('{"type":"peers"}')

    def _arrive(self, now: float) -> None:
        self.state = State.IN_ROOM
        self.has_entered = True
        self._entered_at = now

    def _settle(self, types: Mapping[str, str], now: float | None = None) -> None:
        """It is known who is there, or will not be known: tell what was held back for that."""
        registered, *later = self._unsettled
        self._unsettled = []
        came_back = self.has_entered
        self._arrive(self._heard_at if now is None else now)
        if came_back:
            self._emit(Reconnected(resumed=False))
        self._compare({peer: types.get(peer, UNKNOWN_TYPE) for peer in registered.peers})
        for message in later:
            self._tell(message)

    # What comes

    def received(self, text: str | bytes, now: float) -> None:
        """A message came from the server."""
        if self.state not in _OPEN:
            return
        self._heard_at = now
        self._asked = False
        self._received += 1
        message = read(text)
        match message:
            case None:
                pass
            case messages.ServerShutdown():
                self._wait(message.reconnect_in_ms / 1000, now)
            case _ if self.state in (State.RESUMING, State.REGISTERING):
                self._answered(message, now)
            case IceServers():
                self._learn_ice_servers(message, now)
            case messages.Error(code="rate_limited"):
                self._wait((message.retry_after_ms or 1000) / 1000, now)
                self.outgoing.refused()
            case messages.Error(code="unauthorized" | "forbidden"):
                self._error = message
                self._tell_or_hold(message)
            case messages.Peers():
                self._learn_peers(message, now)
            case messages.Resumed() | messages.Pong():
                log.debug("Ignored, for nobody asked: %r", message)
            case Registered():
                self._resume_token = message.resume_token
                self._received = 0
            case _:
                self._tell_or_hold(message)
        self._flush(now)

    def ponged(self, payload: bytes, now: float) -> None:
        """A ping was answered."""
        if self.state not in _OPEN:
            return
        self._heard_at = now
        self._asked = False
        number = self.outgoing.confirm(payload)
        question = self._question
        if question is not None and 0 < question.number <= number:
            self._question = None
            if self.state is State.SETTLING:  # the server does not tell who is there
                self._settle({}, now)
        self._flush(now)

    def _tell_or_hold(self, message: Any) -> None:
        if self.state is State.SETTLING:
            self._unsettled.append(message)
        else:
            self._tell(message)

    def _tell(self, message: Any) -> None:
        event: Event | None
        match message:
            case messages.PeerJoined(peer_id, client_type):
                event = self._joined(peer_id, client_type)
            case messages.PeerLeft(peer_id):
                event = self._left(peer_id)
            case messages.Error(code, sentence, target_id, wait):
                event = Error(code, sentence, target_id, wait)
            case _:
                event = self._hearing.event(message)
        if event is not None:
            self._emit(event)

    def _joined(self, peer_id: str, client_type: str) -> Event | None:
        is_known = peer_id in self.peers
        self.peers[peer_id] = client_type
        if is_known:
            return None
        self._hearing.forget(peer_id)
        return PeerJoined(peer_id, client_type)

    def _left(self, peer_id: str) -> Event | None:
        if self.peers.pop(peer_id, None) is None:
            return None
        self._hearing.forget(peer_id)
        return PeerLeft(peer_id)

    def _compare(self, peers: Mapping[str, str]) -> None:
        """Tell how those who are there differ from those who were."""
        for peer_id in [peer_id for peer_id in self.peers if peer_id not in peers]:
            self._emit_if(self._left(peer_id))
        for peer_id, client_type in peers.items():
            self._emit_if(self._joined(peer_id, client_type))

    def _emit_if(self, event: Event | None) -> None:
        if event is not None:
            self._emit(event)

    def _learn_peers(self, message: messages.Peers, now: float) -> None:
        types = {peer.client_id: peer.client_type for peer in message.peers}
        if self.state is State.SETTLING:
            self._settle(types, now)
        self._question = None
        self._compare(types)

    def _learn_ice_servers(self, message: Registered | IceServers, now: float) -> None:
        self.ice_servers = list(message.ice_servers or [])
        expire_in_ms = message.ice_servers_expire_in_ms
        self._refresh_at = None
        if expire_in_ms is not None:
            self._refresh_at = now + max(1.0, min(expire_in_ms / 1000, 24 * LONGEST_WAIT) * LIFE)

    # Tokens

    def wants_token(self, now: float) -> bool:
        """Whether to `renew` the token. Once it was asked, there is some time for that."""
        if self.state not in _OPEN or self._renew_at is None or now < self._renew_at:
            return False
        self._renew_at = now + REFRESH_PAUSE
        return True

    def renew(self, token: str, now: float, life: float | None = None) -> None:
        """Show a fresh token. The arguments are those of `opened`."""
        self._take_token(token, life, now)
        if self.state in (State.SETTLING, State.IN_ROOM):
            self._show_token()
            self._flush(now)

    def _take_token(self, token: str | None, life: float | None, now: float) -> None:
        self._token = token
        self._renew_at = None if life is None else now + max(1.0, life * LIFE)

    def _show_token(self) -> None:
        self.outgoing.put_first(_text({"type": "token", "token": self._token}))

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
        self.outgoing.put(_text(message), kind)
        self._flush(now)

    def leave(self) -> None:
        """Leave the room, and end."""
        if self.wire is not None and self.state in _OPEN:
            self.state = State.CLOSING
            self.wire.close(NORMAL)
        elif self.state is not State.CLOSING:
            self._end(self.failure)

    def _flush(self, now: float) -> None:
        wire = self.wire
        if wire is None or self.state not in (State.SETTLING, State.IN_ROOM):
            return
        while self.outgoing.may_send and now >= self._not_before:
            wire.send_text(self.outgoing.next())
        if self.outgoing.needs_mark and now >= self._marked_at + MARK_PAUSE:
            self._mark(now)

    def _mark(self, now: float) -> None:
        assert self.wire is not None, "the connection is open"
        self._marked_at = now
        self.wire.send_ping(self.outgoing.mark())


def _text(message: Mapping[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
