"""The server: makes a protocol for each connection, and holds what they all share."""

import random
import time
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from twisted_signal import __version__, event_log, events
from twisted_signal.auth import Verifier
from twisted_signal.close_codes import GOING_AWAY
from twisted_signal.cluster.base import Cluster
from twisted_signal.cluster.local import LocalCluster
from twisted_signal.factory import ANY_ORIGIN, NO_PROXIES, ChannelFactory
from twisted_signal.frames import TEXT, frame
from twisted_signal.limits import Limits
from twisted_signal.log_bounds import LogBounds
from twisted_signal.messages import ServerShutdown
from twisted_signal.origins import AllowedOrigins
from twisted_signal.outbox import Outbox
from twisted_signal.proxies import TrustedProxies
from twisted_signal.registry import Registry
from twisted_signal.slim import OPEN
from twisted_signal.turn import NO_ICE_SERVERS, IceProvider
from twisted_signal.websocket import SignalProtocol

log = event_log.logger(__name__)

SPREAD_MS = 5000
"""Milliseconds over which clients are asked to come back when the server goes down."""


def warn_of_anybody(origins: AllowedOrigins, ice: IceProvider) -> None:
    """Tell the operator that anybody may enter, as no token is asked for.

    Args:
        origins: of the pages that may connect.
        ice: the ICE servers that clients are told of.
    """
    log.warning(
        events.ANYBODY_MAY_ENTER,
        " and use its TURN servers" if ice.ttl is not None else "",
        "" if origins else ", and so may any web page that they look at",
        "" if origins else ", --allowed-origin keeps pages out",
    )


class SignalFactory(ChannelFactory):
    """Makes a protocol for each connection; holds the rooms."""

    protocol = SignalProtocol
    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        registry: Registry | None = None,
        *,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        verifier: Verifier | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        outbox: Outbox | None = None,
        proxies: TrustedProxies = NO_PROXIES,
        origins: AllowedOrigins = ANY_ORIGIN,
        ice: IceProvider = NO_ICE_SERVERS,
        log_bounds: LogBounds | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        """
        Args:
            reactor: where the connections' timers run.
            registry: the rooms; new ones by default.
            limits: how much one client may take.
            verifier: checks who may enter; None: everybody.
            now_ns: the wall clock, in nanoseconds since 1970.
            outbox: gathers what is sent; a new one by default.
            proxies: those that are believed about where a client comes from.
            origins: of the pages that may connect.
            ice: the ICE servers that clients are told of.
            log_bounds: of the log's lines, which are told what time it is.
            cluster: what this server is a node of, with these rooms; None: it is by itself.
        """
        super().__init__(
            reactor,
            f"vislam-signal/{__version__}",
            outbox=outbox or Outbox(),
            limits=limits,
            proxies=proxies,
            origins=origins,
            log_bounds=log_bounds,
        )
        self.registry = registry or Registry(limits)
        self.cluster = LocalCluster(self.registry) if cluster is None else cluster
        self.verifier = verifier
        self.ice = ice
        self.now_ns = self.outbox.clock = now_ns
        self.connections: dict[SignalProtocol, None] = {}  # in the order they came
        self._all_gone: Deferred[None] | None = None
        self._has_warned = False
        self.refusals, self.tally = self.registry.refusals, self.registry.tally
        self.calls = self.registry.calls
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

    def set_limits(self, limits: Limits) -> None:
        """See ChannelFactory."""
        super().set_limits(limits)
        self.registry.limits = limits
        # Those that opened while nobody was pinged are not watched yet.
        self.keep_alive.watch_anew(
            each for each in self.connections if each.state == OPEN and each.due < 0
        )

    def warn_if_open(self) -> None:
        """Tell the operator, once, that anybody may enter, where that is so."""
        if self.verifier is None and not self._has_warned:
            self._has_warned = True
            warn_of_anybody(self.origins, self.ice)

    def text_frame(self, payload: bytes) -> bytes:
        """Return the frame for a text that is said to many: it is made once."""
        if payload is not self._payload:
            self._frame = frame(TEXT, payload)
            self._payload = payload
        return self._frame

    def connected(self, protocol: SignalProtocol) -> None:
        """A TCP connection came in."""
        self.connections[protocol] = None

    def disconnected(self, protocol: SignalProtocol) -> None:
        """A TCP connection is gone."""
        self.connections.pop(protocol, None)
        if not self.connections and self._all_gone is not None:
            gone, self._all_gone = self._all_gone, None
            gone.callback(None)

    def close_all(self) -> Deferred[None]:
        """Send every client away; the Deferred fires when the last one is gone."""
        if not self.connections:
            return succeed(None)
        gone = self._all_gone = Deferred()
        with self.outbox:
            for protocol in list(self.connections):
                if protocol.session is not None:
                    protocol.session.tell(ServerShutdown(random.randrange(SPREAD_MS)))  # noqa: S311 - no secret
                protocol.close(GOING_AWAY, "The server is going down")
        return gone

    def abort_all(self) -> None:
        """End every connection at once."""
        for protocol in list(self.connections):
            protocol.transport.abortConnection()
