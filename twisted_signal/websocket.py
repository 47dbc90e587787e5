"""The Autobahn protocol, one for each client, and the factory that they share: bytes in, bytes out.

Autobahn does the opening handshake and the framing (RFC 6455); what the text frames say is decided
in `session`. Autobahn's own timers stay off: they live on a reactor of their own choice, and one
for all connections will do (`keepalive`).
"""

import logging
import time
from collections.abc import Callable

from autobahn.util import encode_truncate
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_signal import __version__
from twisted_signal.channel import Channel
from twisted_signal.dialects.base import OpeningRequest
from twisted_signal.dialects.conversation import Conversation
from twisted_signal.errors import SignalError
from twisted_signal.factory import ANY_ORIGIN, NO_PROXIES, ChannelFactory
from twisted_signal.frames import TEXT, frame
from twisted_signal.limits import Limits
from twisted_signal.messages import Arrival, ServerMessage
from twisted_signal.origins import AllowedOrigins
from twisted_signal.outbox import Outbox
from twisted_signal.proxies import TrustedProxies
from twisted_signal.registry import Registry
from twisted_signal.sending import CLOSE_TIMEOUT
from twisted_signal.session import Session
from twisted_signal.slim import CONNECTING, OPEN
from twisted_signal.text import quoted

log = logging.getLogger(__name__)

SILENCE = 0.5
"""Seconds after which a client on the app's path that has said nothing is taken for the app."""

# Close codes, RFC 6455, section 7.4.1.
NORMAL = 1000
GOING_AWAY = 1001
UNSUPPORTED_DATA = 1003
INTERNAL_ERROR = 1011


class SignalProtocol(Channel):
    """One client's connection. Implements `registry.Client`."""

    __slots__ = ("_conversation", "_session", "_silence")

    factory: "SignalFactory"

    def __init__(self) -> None:
        """Begin without a session: it begins with the WebSocket."""
        super().__init__()
        self._session: Session | None = None
        self._silence: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """A TCP connection came in."""
        self.factory.connected(self)
        super().connectionMade()

    def onConnect(self, request: ConnectionRequest) -> None:
        """The opening handshake came in, and is a right one."""
        super().onConnect(request)
        query = {name: values[0] for name, values in request.params.items()}
        self._conversation = Conversation(OpeningRequest(request.path, query))

    def onOpen(self) -> None:
        """The WebSocket is open."""
        self.factory.watch(self)
        log.info("Connected: %s, path %s", self.address, quoted(self.http_request_path))
        self._session = session = Session(self, self.factory.registry, self.address)
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
        if self._silence is not None:
            self._end_silence()
        if isBinary:
            self.close(UNSUPPORTED_DATA, "Send text frames with one JSON object each")
            return
        try:
            arrival, message = self._conversation.decode(
                payload, self.factory.now_ns(), session.member is not None
            )
            if arrival is not None:
                session.handle(arrival)
            session.handle(message)
        except Exception as error:
            self._failed(session, error)

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        """The closing handshake begins, from either side: give up the place in the room at once.

        A client that never answers, or never ends its TCP connection, would keep it otherwise.
        """
        super().sendCloseFrame(code, reasonUtf8, isReply)
        assert self._session is not None, "Autobahn refuses to close what is not open yet"
        if code not in (None, NORMAL, GOING_AWAY) and not isReply:
            said = quoted((reasonUtf8 or b"").decode("utf-8"))
            log.warning("Closing the connection of %s: %s %s", self._session.label, code, said)
        self._session.end()
        self._end_silence()
        self.factory.expect(self, CLOSE_TIMEOUT)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The connection is gone, for whatever reason."""
        self._end_silence()
        if self._session is None:
            log.debug("No WebSocket came of the connection from %s: %s", self.address, reason)
            return
        self._session.end()
        if self.closedByMe:
            code, reason = self.localCloseCode, (self.localCloseReason or b"").decode("utf-8")
        log.info(
            "Disconnected: %s, code %s%s",
            self._session.label,
            "none" if code is None else code,
            f" {quoted(reason)}" if reason else "",
        )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The TCP connection is gone."""
        super().connectionLost(reason)
        self.factory.disconnected(self)

    def deliver(self, message: ServerMessage) -> None:
        """See `registry.Client`."""
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

    def close(self, code: int, reason: str) -> None:
        """See `registry.Client`."""
        if self.state == OPEN:
            # Not sendClose: that lets an application send 1000 and its own codes only.
            self.sendCloseFrame(code, encode_truncate(reason, 123))
        elif self.state == CONNECTING:
            self.transport.abortConnection()

    def _arrive(self, session: Session, arrival: Callable[[], Arrival | None]) -> None:
        """Let a client that does not register by itself come into its room."""
        try:
            message = arrival()
            if message is not None:
                session.handle(message)
        except Exception as error:
            self._failed(session, error)

    def _failed(self, session: Session, error: Exception) -> None:
        """Tell the client why nothing came of its message."""
        if isinstance(error, SignalError):
            session.refuse(error)
            return
        # A mistake of ours is no reason to leave the client without a word, nor to hide it.
        log.error("A message from %s could not be handled", session.label, exc_info=error)
        self.close(INTERNAL_ERROR, "The server made a mistake, which is in its log")

    def _end_silence(self) -> None:
        if self._silence is not None and self._silence.active():
            self._silence.cancel()
        self._silence = None


class SignalFactory(ChannelFactory):
    """Makes a protocol for each connection; holds the rooms and what all connections share."""

    protocol = SignalProtocol  # type: ignore[assignment] # as Autobahn's own factory does
    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        registry: Registry | None = None,
        *,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        now_ns: Callable[[], int] = time.time_ns,
        outbox: Outbox | None = None,
        proxies: TrustedProxies = NO_PROXIES,
        origins: AllowedOrigins = ANY_ORIGIN,
    ) -> None:
        """
        Args:
            reactor: where the connections' timers run.
            registry: the rooms; new ones by default.
            limits: how much one client may take.
            now_ns: the wall clock, in nanoseconds since 1970.
            outbox: gathers what is sent; a new one by default.
            proxies: those that are believed about where a client comes from.
            origins: of the pages that may connect.
        """
        super().__init__(
            reactor,
            f"vislam-signal/{__version__}",
            outbox=outbox or Outbox(),
            limits=limits,
            proxies=proxies,
            origins=origins,
        )
        self.registry = registry or Registry()
        self.now_ns = now_ns
        self.connections: set[SignalProtocol] = set()
        self._all_gone: Deferred[None] | None = None
        self._payload = b""
        self._frame = frame(TEXT, b"")
        self.setProtocolOptions(
            versions=[13],  # RFC 6455; the drafts before it are long out of use
            webStatus=False,  # Autobahn's page redirects to wherever a link says
            failByDrop=False,  # a client that is in the wrong learns why, by a close code
            allowNullOrigin=True,  # what pages in files send; setProtocolOptions would forbid it
            openHandshakeTimeout=0,  # see the module's docstring for these
            closeHandshakeTimeout=0,
        )

    def text_frame(self, payload: bytes) -> bytes:
        """Return the frame for a text that is said to many: it is made once."""
        if payload is not self._payload:
            self._frame = frame(TEXT, payload)
            self._payload = payload
        return self._frame

    def connected(self, protocol: SignalProtocol) -> None:
        """A TCP connection came in."""
        self.connections.add(protocol)

    def disconnected(self, protocol: SignalProtocol) -> None:
        """A TCP connection is gone."""
        self.connections.discard(protocol)
        if not self.connections and self._all_gone is not None:
            gone, self._all_gone = self._all_gone, None
            gone.callback(None)

    def close_all(self, code: int, reason: str) -> Deferred[None]:
        """Close every connection; the Deferred fires when the last one is gone."""
        if not self.connections:
            return succeed(None)
        self._all_gone = Deferred()
        for protocol in list(self.connections):
            protocol.close(code, reason)
        return self._all_gone
