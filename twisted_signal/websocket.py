"""The Autobahn protocol, one for each client: a session on a channel, bytes in, bytes out.

Autobahn does the opening handshake and the framing (RFC 6455); what the text frames say is decided
in `session`. Autobahn's own timers stay off: they live on a reactor of their own choice, and one
for all connections will do (`keepalive`).
"""

from collections.abc import Callable, Sequence
from typing import Any

from autobahn.util import encode_truncate
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_signal import close_codes, event_log, events
from twisted_signal.auth import SUBPROTOCOL, shown_token
from twisted_signal.channel import TOLD, Channel
from twisted_signal.dialects.base import OpeningRequest
from twisted_signal.dialects.conversation import Conversation
from twisted_signal.errors import RateLimited, SignalError, Unauthorized
from twisted_signal.frames import TEXT, frame
from twisted_signal.inquiry import Inquiry
from twisted_signal.messages import (
    Arrival,
    ClientMessage,
    Leave,
    ListPeers,
    Message,
    Register,
    ServerMessage,
)
from twisted_signal.sending import CLOSE_TIMEOUT, SLACK
from twisted_signal.session import Session
from twisted_signal.slim import CONNECTING, OPEN
from twisted_signal.text import Shown, quoted

log = event_log.logger(__name__)

SILENCE = 0.5
"""Seconds after which a client on the app's path that has said nothing is taken for the app."""
EXPIRY_GRACE = 60
"""Seconds that a client may stay when its token has expired: time to get a fresh one."""

FOR_ROOM = frozenset((Register, Leave, Message, ListPeers))
"""Messages that may cost something for everybody in the room: all are told, or listed."""


NO_CODE = Shown("none", None)


class SignalProtocol(Channel):
    """One client's connection. Implements `connection.Client`."""

    __slots__ = (
        "_conversation",
        "_expiry",
        "_inquiry",
        "_session",
        "_silence",
        "_succeeded",  # to be called when another connection has the place that is kept
        "_token",
        "messages",
    )

    factory: Any  # the SignalFactory that made it

    def __init__(self) -> None:
        """Begin without a session: it begins with the WebSocket."""
        super().__init__()
        self._session: Session | None = None
        self._silence: IDelayedCall | None = None
        self._expiry: IDelayedCall | None = None
        self._inquiry: Inquiry | None = None
        self._succeeded: Callable[[], None] | None = None
        self._token: str | None = None
        self.messages = 0

    @property
    def dialect(self) -> str | None:
        """What the client speaks, one of `tally.DIALECTS`; None as long as that is not known."""
        conversation: Conversation | None = getattr(self, "_conversation", None)
        return conversation.dialect if conversation is not None else None

    @property
    def session(self) -> Session | None:
        """What the server knows of the client; None before the WebSocket is open, and after."""
        return self._session

    def connectionMade(self) -> None:
        """A TCP connection came in."""
        self.factory.connected(self)
        super().connectionMade()

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """The opening handshake came in, and is a right one. Returns the subprotocol, if any."""
        super().onConnect(request)
        query = {name: values[0] for name, values in request.params.items()}
        self._conversation = Conversation(OpeningRequest(request.path, query), self.factory.tally)
        if self.factory.verifier is not None:
            self._token = shown_token(
                request.headers.get("authorization"), query.get("token"), request.protocols
            )
        return SUBPROTOCOL if SUBPROTOCOL in request.protocols else None

    def onOpen(self) -> None:
        """The WebSocket is open."""
        factory = self.factory
        if factory.limits.register_timeout:
            factory.expect(self, factory.limits.register_timeout)
        else:
            factory.watch(self)
        self._session = session = Session(
            self,
            factory.registry,
            self.address,
            factory.verifier,
            self._token,
            ice=factory.ice,
            source=self.source,
            cluster=factory.cluster,
        )
        log.info(events.CONNECTED, self.address, quoted(self.http_request_path), about=session)
        self._token = None
        factory.tally.handshake.observe(factory.reactor.seconds() - self.connected_at)
        self._arrive(session, self._conversation.opened)
        if self._conversation.silence_tells:
            self._silence = self.factory.reactor.callLater(
                SILENCE, self._arrive, session, self._conversation.silent
            )

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A whole message came in."""
        session = self._session
        if session is None or self.state != OPEN:
            return  # it was on its way while the connection was closed from here
        left = self.messages_left - 1
        if left < 0:
            if not self.refill_early():
                self._too_many(session)
                return
            left = self.messages_left - 1
        self.messages_left = left
        self.messages += 1
        if self._silence is not None:
            self._end_silence()
        if isBinary:
            self.factory.refusals.count["binary"] += 1
            self.close(close_codes.UNSUPPORTED_DATA, "Send text frames with one JSON object each")
            return
        try:
            now_ns = self.factory.outbox.now_ns
            message = self._conversation.decode(payload, now_ns)
            if session.member is None:
                arrival = self._conversation.arrival_before(message)
                if arrival is not None:
                    session.handle(arrival, now_ns)
            if type(message) in FOR_ROOM:
                self._handle_for_room(session, message, now_ns)
            else:
                session.handle(message, now_ns)
        except Exception as error:
            self._failed(session, error)

    def _handle_for_room(self, session: Session, message: ClientMessage, now_ns: int) -> None:
        """Handle what a whole room is told, or asked for: it counts once for each who is there.

        It would cost a full room's sixty times what the rate is meant to allow.
        """
        count = session.company
        session.handle(message, now_ns)
        if getattr(message, "target_id", None) is None and not self.factory.frames_bind:
            count = max(1, count, session.company)
            self.messages_left = max(0, self.messages_left + 1 - count)

    def _too_many(self, session: Session) -> None:
        """Refuse a message over the rate: tell the client once a second, and close in the end."""
        factory, limits = self.factory, self.factory.limits
        if factory.frames_bind:
            self._flooded()
            return
        factory.refusals.count["message_rate"] += 1
        self.excess += 1
        if self.excess > limits.message_burst // 2:
            factory.refusals.count["message_flood"] += 1
            self.end_with(close_codes.TOO_MANY, "You go on sending more than you may")
        elif self.messages_left == 0:
            self.messages_left = TOLD
            wait_ms = factory.refill_in_ms
            session.refuse(RateLimited(limits.message_rate, limits.message_burst, wait_ms))

    def onPong(self, payload: bytes) -> None:
        """A ping was answered."""
        session = self._session
        if session is not None and session.member is not None:
            mailbox = session.member.mailbox
            if mailbox is not None:
                mailbox.arrived(payload)
        self._answer_inquiry(alive=True)

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        """The closing handshake begins, from either side: give up the place in the room at once.

        A client that never answers, or never ends its TCP connection, would keep it otherwise. One
        that may resume keeps it, unless it is done (1000, or no code) or was put out from here.
        """
        super().sendCloseFrame(code, reasonUtf8, isReply)
        assert self._session is not None, "Autobahn refuses to close what is not open yet"
        if code not in (None, close_codes.NORMAL, close_codes.GOING_AWAY) and not isReply:
            said = quoted((reasonUtf8 or b"").decode("utf-8"))
            log.warning(events.CLOSING, self._session.label, code, said, about=self._session)
        is_broken = isReply and self.remoteCloseCode not in (None, close_codes.NORMAL)
        if is_broken or (code == close_codes.GOING_AWAY and self._session.is_sheltered):
            self._lose(self._session)
        else:
            self._session.end(self.factory.now_ns())
        self._end_timers()
        self.factory.expect(self, CLOSE_TIMEOUT)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The connection is gone, for whatever reason."""
        self._end_timers()
        if self._session is None:
            log.debug(events.NO_WEBSOCKET, self.address, reason, about=self)
            return
        self._conversation.end()
        self._lose(self._session)
        if self.closedByMe:
            code, reason = self.localCloseCode, (self.localCloseReason or b"").decode("utf-8")
        number = NO_CODE if code is None else code
        said = Shown(f" {quoted(reason)}", reason) if reason else ""
        log.info(events.DISCONNECTED, self._session.label, number, said, about=self._session)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The TCP connection is gone."""
        super().connectionLost(reason)
        self._session = None  # they know each other: else they wait for the garbage collector
        self.factory.disconnected(self)

    def log_fields(self) -> dict[str, object]:
        """See `event_log.Subject`."""
        return super().log_fields() if self._session is None else self._session.log_fields()

    def _drop_quietly(self, reason: str) -> None:
        super()._drop_quietly(reason)
        session = self._session
        if session is not None and session.is_resumable:
            # At once: what is for the client from now on must wait for it.
            self._lose(session)

    def probe(self) -> None:
        """Ping the client. See `keepalive.Watched`."""
        member = self._session.member if self._session is not None else None
        if member is not None and member.mailbox is not None:
            self.sendPing(member.mailbox.mark())
        else:
            self.sendPing()

    def expire(self) -> None:
        """The opening handshake, the registration or the closing handshake took too long."""
        session = self._session
        if self.state != OPEN or session is None:
            super().expire()
        elif session.is_entering:
            self.factory.expect(self, self.factory.limits.probe_timeout)
        else:
            seconds = self.factory.limits.register_timeout
            self.factory.refusals.count["register_timeout"] += 1
            reason = f"You have not registered within {seconds} s"
            self.close(close_codes.REGISTER_TIMEOUT, reason)

    def deliver(self, message: ServerMessage) -> None:
        """See `connection.Client`."""
        if self.state != OPEN:
            return
        payload = self._conversation.encode(message)
        if payload is None:
            return
        # Not sendMessage: that holds what is sent to the size limit of what is received, and a
        # relayed message may be a little longer than it came.
        if message.for_all:
            self.send_later(self.factory.text_frame(payload))
        else:
            self.sendData(frame(TEXT, payload))

    def lost_of(self, messages: Sequence[ServerMessage]) -> int:
        """See `connection.Client`."""
        payloads = (self._conversation.encode(each) or b"" for each in reversed(messages))
        return self.lost_frames(len(frame(TEXT, payload)) for payload in payloads)

    def close(self, code: int, reason: str) -> None:
        """See `connection.Client`."""
        if code in (close_codes.REPLACED, close_codes.DISMISSED) and self._succeeded is not None:
            self._succeeded()
            self._succeeded = None
        if code == close_codes.REPLACED and self.state == OPEN and self.unarrived > SLACK:
            # Nothing arrives there; what is under way must not, later, for it is sent anew.
            self._drop("replaced", "its place is taken, and it does not read")
        elif self.state == OPEN:
            # Not sendClose: that lets an application send 1000 and its own codes only.
            self.sendCloseFrame(code, encode_truncate(reason, 123))
        elif self.state == CONNECTING:
            self.transport.abortConnection()

    def ask_if_alive(self, answered: Callable[[bool], None]) -> None:
        """See `connection.Client`."""
        if self._inquiry is None:
            timeout = self.factory.limits.probe_timeout
            timer = self.factory.reactor.callLater(timeout, self._end_inquiry)
            self._inquiry = Inquiry(self.heard, timer)
            if self.state == OPEN:
                self.probe()
        self._inquiry.add(answered)

    def admit(self, expires_at: float | None) -> None:
        """See `connection.Client`."""
        if self.state != OPEN:
            return
        if self.is_expected:
            self.factory.watch(self)
        self._end_expiry()
        if expires_at is None:
            return
        left = expires_at + EXPIRY_GRACE - self.factory.now_ns() / 1e9
        self._expiry = self.factory.reactor.callLater(max(left, 0), self._token_expired)

    def _token_expired(self) -> None:
        assert self._session is not None, "it showed the token"
        self._failed(self._session, Unauthorized("Your token has expired. Get a fresh one."))

    def _end_inquiry(self) -> None:
        """The time is up in which something should have come."""
        assert self._inquiry is not None, "its timer ends with it"
        self._answer_inquiry(alive=self.state == OPEN and self.heard != self._inquiry.heard)

    def _answer_inquiry(self, *, alive: bool) -> None:
        inquiry, self._inquiry = self._inquiry, None
        if inquiry is not None:
            inquiry.end(alive=alive)

    def _lose(self, session: Session) -> None:
        """The connection is no more of use: keep the place for a while, or give it up."""
        if session.is_away:
            return  # that is known already
        if session.lose(self.factory.now_ns()):
            self._succeeded = self.factory.keep(self.place, lambda: self._give_up(session))
            if self._succeeded is not None:
                return
        session.end(self.factory.now_ns())
        self._answer_inquiry(alive=False)

    def _give_up(self, session: Session) -> None:
        """Nobody has come back in time."""
        self._succeeded = None
        session.end(self.factory.now_ns())

    def _arrive(self, session: Session, arrival: Callable[[], Arrival | None]) -> None:
        """Let a client that does not register by itself come into its room."""
        try:
            message = arrival()
            if message is not None:
                session.handle(message, self.factory.now_ns())
        except Exception as error:
            self._failed(session, error)

    def _failed(self, session: Session, error: Exception) -> None:
        """Tell the client why nothing came of its message."""
        if isinstance(error, SignalError):
            session.refuse(error)
            if error.close_code is not None:
                self.close(error.close_code, error.code)
            return
        # A mistake of ours is no reason to leave the client without a word, nor to hide it.
        self.factory.refusals.count["internal_error"] += 1
        log.error(events.MESSAGE_FAILED, session.label, exc_info=error, about=session)
        self.close(close_codes.INTERNAL_ERROR, "The server made a mistake, which is in its log")

    def _end_timers(self) -> None:
        self._end_silence()
        self._end_expiry()

    def _end_expiry(self) -> None:
        _cancel(self._expiry)
        self._expiry = None

    def _end_silence(self) -> None:
        _cancel(self._silence)
        self._silence = None


def _cancel(timer: IDelayedCall | None) -> None:
    if timer is not None and timer.active():
        timer.cancel()
