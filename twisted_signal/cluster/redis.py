"""Holds a node's connections to Redis: makes them, and anew when they break or Redis says nothing.

There are two, one for commands and one that hears the node's channel; both or none. Redis is away
while they are not there, and comes back with a new beginning (`Core.connected`).
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from hashlib import sha1
from random import uniform
from typing import Any, NoReturn, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from txredisapi import ResponseError

from twisted_signal import event_log, events
from twisted_signal.cluster.address import Place
from twisted_signal.cluster.connection import (
    FAILED,
    SILENT,
    Broken,
    Connection,
    Refused,
    Subscription,
    Words,
    in_words,
)
from twisted_signal.cluster.endpoints import CONNECT_TIMEOUT, Endpoints
from twisted_signal.cluster.scripts import LOST, Answered, Link
from twisted_signal.cluster.sentinels import Sentinels
from twisted_signal.outbox import Outbox

log = event_log.logger(__name__)

TICK = 0.2
"""Seconds from one look at the connections to the next."""
TICKS_A_PING = 5
SILENT_TICKS = 10
"""Ticks for which Redis may owe an answer and say nothing at all. It is ticks and not seconds, for
a node that stood still itself cannot know what came meanwhile before it has read it."""
SHORTEST, LONGEST = 0.1, 2.0
"""Seconds before the first try to connect again, and before each of many."""
MOST_TRIES = 5
"""Tries after which the time does not grow any more."""
FAREWELL = 5.0
"""Seconds that a node has to hand over what others can take."""
CHANNEL = "vislam:to:"
"""The beginning of the name of a node's channel."""


class Core(Protocol):
    """A node without I/O, as the shell knows it.

    Attributes:
        name: the node's.
    """

    name: str

    @property
    def is_up(self) -> bool:
        """Whether Redis knows the node."""

    def connected(self, link: Link, now: float) -> None:
        """The connections are there, and what is said on the node's channel will be heard.

        Args:
            link: the way to Redis, until `disconnected`.
            now: the reactor's time, in seconds.
        """

    def disconnected(self, now: float) -> None:
        """They are not there any more."""

    def heard(self, payload: bytes, now: float, now_ns: int) -> None:
        """Something was said on the node's channel.

        Args:
            payload: what.
            now: the reactor's time, in seconds.
            now_ns: the wall clock's, in nanoseconds since 1970.
        """

    def tick(self, now: float, now_ns: int) -> None:
        """Some time has passed, a quarter of a second at most. See `heard`."""

    def stop(self, done: Callable[[], None]) -> None:
        """The node is about to go: hand over what others can take. `done`: is told after that."""


class RedisLink(Service):
    """A node's way to Redis, for as long as the service runs. Implements `Link`."""

    def __init__(
        self,
        reactor: Any,
        outbox: Outbox,
        endpoints: Endpoints,
        core: Core,
        scripts: Mapping[str, str],
    ) -> None:
        """
        Args:
            reactor: its clock and its connections.
            outbox: gathers what is sent to clients, and tells what time it is.
            endpoints: where Redis is.
            core: the node.
            scripts: what can be called, by name: in Lua.
        """
        self._reactor = reactor
        self._outbox = outbox
        self._endpoints = endpoints
        self._sentinels = Sentinels(endpoints.address, self._connect)
        self._core = core
        self._scripts = dict(scripts)
        self._shas = {name: _sha(source) for name, source in scripts.items()}
        self._pair: tuple[Connection, Subscription] | None = None  # both are there, or none
        self._attempt: Deferred[None] | None = None
        self._why = "there is no connection yet"
        self._timers: dict[Callable[..., None], IDelayedCall] = {}
        self._tries = 0
        self._ticks = 0
        self._away_since: float | None = None  # as the log has it
        self._was_up = False  # at some time
        self._farewell: Callable[[], None] | None = None

    def complaint(self) -> str | None:
        """Return why Redis is away, without a full stop; None: it is there."""
        return None if self._core.is_up else f"Redis is away: {self._why}"

    def startService(self) -> None:
        """Begin to connect."""
        super().startService()
        self._try()
        self._tick()

    def stopService(self) -> "Deferred[None]":
        """Let the node hand over what others can take, and go.

        The Deferred fires when that is done, or Redis is away, or the time for it is over.
        """
        super().stopService()
        gone: Deferred[None] = Deferred()
        gone.addTimeout(FAREWELL, self._reactor, onTimeoutCancel=lambda *_: None)
        gone.addCallback(self._close)

        def done() -> None:
            if self._farewell is not None:
                self._farewell = None
                gone.callback(None)

        self._farewell = done
        if self._pair is None:
            done()
        else:
            with self._outbox:
                self._core.stop(done)
        return gone

    def call(
        self,
        script: str,
        keys: Sequence[str],
        arguments: Sequence[str | int],
        answered: Answered,
    ) -> None:
        """See Link."""
        words = ("EVALSHA", self._shas[script], len(keys), *keys, *arguments)
        self._send(words, answered)

    def publish(self, node: str, payload: bytes, answered: Callable[[int | None], None]) -> None:
        """See Link."""
        self._send(("PUBLISH", CHANNEL + node, payload), partial(_was_published, answered))

    def restart(self, why: str) -> None:
        """See Link. It happens when the caller has returned."""
        if self._pair is not None and self._lose not in self._timers:
            for connection in self._pair:
                connection.deafen()
            self._later(0, self._lose, why)

    def _send(self, words: Words, answered: Answered) -> None:
        if self._pair is None:
            self._reactor.callLater(0, answered, LOST)
        else:
            self._pair[0].send(words, partial(self._answered, words, answered))

    def _answered(self, words: Words, answered: Answered, reply: object) -> None:
        if not isinstance(reply, ResponseError):
            answered(reply)
            return
        assert self._pair is not None
        commands = self._pair[0]
        if str(reply).startswith("NOSCRIPT") and not commands.is_waiting:
            # Redis was told to forget all scripts. What was sent after this one may have been done
            # before it then: where there is such a thing, all begins anew.
            for source in self._scripts.values():
                self._send(("SCRIPT", "LOAD", source), _ignore)
            self._send(words, answered)
        else:
            commands.take_back(answered)
            self.restart(in_words(Refused(reply)))

    def _hear(self, payload: bytes) -> None:
        self._core.heard(payload, self._reactor.seconds(), self._outbox.now_ns)

    def _later(self, seconds: float, call: Callable[..., None], *arguments: object) -> None:
        """Call a method some time later, unless the service has stopped by then."""

        def due() -> None:
            del self._timers[call]
            with self._outbox:
                call(*arguments)

        self._timers[call] = self._reactor.callLater(seconds, due)

    def _tick(self) -> None:
        self._later(TICK, self._tick)
        self._ticks += 1
        try:
            self._core.tick(self._reactor.seconds(), self._outbox.now_ns)
        except Exception:
            log.exception(events.CLUSTER_FAILED)
            self.restart(FAILED)
        for connection in self._pair or ():
            if connection.silence() > SILENT_TICKS:
                self._lose(SILENT)
                break
            if self._ticks % TICKS_A_PING == 0:
                connection.send(("PING",), _ignore)
        self._tell()

    def _try(self) -> None:
        """Try to connect, until that succeeds."""
        self._attempt = self._begin()
        self._attempt.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        self._attempt = None
        if not self.running:
            return
        self._why = in_words(failure.value)
        self._tell()
        self._try_later()

    def _try_later(self) -> None:
        longest = min(SHORTEST * 2**self._tries, LONGEST)
        self._tries = min(self._tries + 1, MOST_TRIES)
        # Not all nodes come at the same time to a Redis that was restarted.
        self._later(uniform(longest / 2, longest), self._try)  # noqa: S311 - it is no secret

    @inlineCallbacks
    def _begin(self) -> Generator[Deferred[Any], Any, None]:
        address = self._endpoints.address
        place = address.places[0]
        if address.master:
            place = yield self._sentinels.master()
        commands = yield self._connect(place)
        subscription = Subscription(self._reactor, self._outbox, self._hear)
        try:
            yield self._introduce(commands)
            for source in self._scripts.values():
                yield commands.ask("SCRIPT", "LOAD", source)
            yield self._connect(place, subscription)
            yield self._introduce(subscription)
            yield subscription.ask("SUBSCRIBE", CHANNEL + self._core.name)
            yield commands.ask("PING")  # is it still there?
        except BaseException as error:
            commands.drop(in_words(error))
            subscription.drop(in_words(error))
            raise
        self._attempt = None
        self._pair = commands, subscription
        for connection in self._pair:
            connection.ended = self._lose
        self._why = "it has not let this node in yet"
        self._core.connected(self, self._reactor.seconds())

    def _connect(
        self, place: Place, connection: Connection | None = None
    ) -> "Deferred[Connection]":
        """Connect to a server. `connection`: how; None: for commands."""
        endpoint = self._endpoints.endpoint(place, self._reactor)
        made = connection or Connection(self._reactor, self._outbox)
        connecting = endpoint.connect(_Once(made))
        connecting.addTimeout(CONNECT_TIMEOUT, self._reactor, onTimeoutCancel=_too_late)
        return connecting.addCallback(lambda _: made)

    @inlineCallbacks
    def _introduce(self, connection: Connection) -> Generator[Deferred[Any], Any, None]:
        """Say who asks, and for what."""
        address = self._endpoints.address
        if address.credentials is not None:
            try:
                yield connection.ask(*address.credentials.words())
            except Refused as refused:
                # No more of it: some servers repeat what they do not understand.
                code = str(refused).partition(" ")[0]
                raise Broken(f"Redis refuses the user or the password ({code})") from None
        if address.database:
            yield connection.ask("SELECT", address.database)
        yield connection.ask("CLIENT", "SETNAME", f"vislam-signal:{self._core.name}")
        if address.master:
            role = yield connection.ask("ROLE")
            if role[0] != b"master":
                raise Broken(f"the Sentinels' master is a {role[0].decode()}")

    def _lose(self, why: str) -> None:
        """The connections are gone, or are to be."""
        if self._pair is None:
            return
        self._tell()  # that it was there, if nobody has been told yet
        pair, self._pair = self._pair, None
        self._why = why
        self._core.disconnected(self._reactor.seconds())
        for connection in pair:
            connection.drop(why)
        if self.running:
            self._tell()
            self._try_later()
        elif self._farewell is not None:
            self._farewell()

    def _tell(self) -> None:
        """Log that Redis is away, once, and that it is back."""
        now = self._reactor.seconds()
        if self._core.is_up:
            self._tries = 0
            if not self._was_up:
                log.info(events.REDIS_CONNECTED, self._endpoints.address, self._core.name)
            elif self._away_since is not None:
                log.info(events.REDIS_BACK, now - self._away_since)
            self._was_up, self._away_since = True, None
        elif self._away_since is None and self._pair is None and self._attempt is None:
            self._away_since = now
            log.warning(events.REDIS_AWAY, self._why)

    def _close(self, _: object) -> None:
        """Nothing is to be said any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._attempt is not None:
            self._attempt.cancel()
        pair, self._pair = self._pair, None
        for connection in pair or ():
            connection.close()


class _Once(Factory):
    """Makes one connection, and says nothing of it in the log, where each try would be told."""

    noisy = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def buildProtocol(self, address: object) -> Connection:
        """Return the connection. A hook of Twisted."""
        return self._connection


def _sha(source: str) -> str:
    return sha1(source.encode(), usedforsecurity=False).hexdigest()


def _too_late(_result: object, _timeout: float) -> NoReturn:
    raise Broken(SILENT)


def _was_published(answered: Callable[[int | None], None], reply: Any) -> None:
    answered(None if reply is LOST else reply)


def _ignore(reply: object) -> None:
    """Nobody wants to know what the answer is."""
