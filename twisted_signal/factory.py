"""What all connections share: limits, timers, and who may come in."""

from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet.interfaces import IDelayedCall

from twisted_signal import event_log, events
from twisted_signal.admission import Admission, Place, Refusal
from twisted_signal.calls import Calls
from twisted_signal.channel import Channel
from twisted_signal.keepalive import KeepAlive, Watched
from twisted_signal.limits import Limits
from twisted_signal.log_bounds import LogBounds
from twisted_signal.opening import PageServer
from twisted_signal.origins import AllowedOrigins
from twisted_signal.outbox import Outbox
from twisted_signal.proxies import TrustedProxies
from twisted_signal.refusals import Refusals
from twisted_signal.sending import STALL_PATIENCE, STALL_SIZE
from twisted_signal.stalls import Stalls
from twisted_signal.tally import Tally
from twisted_signal.text import quoted

log = event_log.logger(__name__)

NO_PROXIES = TrustedProxies()
ANY_ORIGIN = AllowedOrigins()

UNLIMITED = 2**62
"""More than anybody sends."""
SLICE = 32
"""Frames of one client that are handled before others have their turn."""
SLICE_OF_MANY = 2
"""The same, where others wait for theirs."""
TOGETHER = 4
"""Channels that have much to handle, and go on before others are read."""
MANY = 1000
"""Addresses that are looked at each second, whether they may be forgotten."""


class ChannelFactory(WebSocketServerFactory):
    """What all channels share.

    Attributes:
        outbox: gathers what they send.
        limits: how much one client may take.
        max_buffer: the limit of that name, which each send looks at.
        frame_rate, message_rate: how many more may come each second.
        most_frames, most_messages: how many may come at once.
        frames_bind: whether it is the number of frames that bounds messages.
        keep_alive: finds those at whose other end nobody is.
        stalls: finds those that read nothing.
        proxies: those that are believed.
        origins: of the pages that may connect.
        admission: who is connected from where.
        slice: how many frames of one client are handled before others have their turn.
        refusals: of all that was refused.
        calls: the timelines of calls.
        tally: of all else that is counted.
        log_bounds: of the log's lines.
        pages: takes the connections that ask for pages; None: there are none.
    """

    pages: PageServer | None = None

    def __init__(
        self,
        reactor: Any,
        server: str,
        *,
        outbox: Outbox,
        limits: Limits,
        proxies: TrustedProxies = NO_PROXIES,
        origins: AllowedOrigins = ANY_ORIGIN,
        log_bounds: LogBounds | None = None,
    ) -> None:
        """
        Args:
            server: for the header of that name.
            outbox: gathers what the channels send.
            limits: how much one client may take.
            proxies: those that are believed.
            origins: of the pages that may connect.
            log_bounds: of the log's lines, which are told what time it is.
        """
        super().__init__(reactor=reactor, server=server)
        self.outbox = outbox
        self.log_bounds = log_bounds or LogBounds()
        outbox.call_later = reactor.callLater
        self.stalls = Stalls(STALL_SIZE, STALL_PATIENCE)
        self.keep_alive = KeepAlive(limits.ping_interval, limits.ping_timeout)
        self.admission = Admission(limits)
        ChannelFactory.set_limits(self, limits)  # not a subclass's, which is not there yet
        self.proxies = proxies
        self.origins = origins
        self.refusals = Refusals()
        self.calls = Calls()
        self.tally = Tally()
        self.slice = SLICE
        self._postponed: deque[Channel] = deque()
        self._goes_on = False  # it is set when they do
        self._next_tick: IDelayedCall | None = None

    def set_limits(self, limits: Limits) -> None:
        """Hold all clients to other limits, those that are connected too, within a second.

        What has begun to wait, such as for a registration, waits as long as it was to.
        """
        self.limits = limits
        # One limit for both: a channel asks for either.
        max_size = limits.max_message_size
        self.setProtocolOptions(maxMessagePayloadSize=max_size, maxFramePayloadSize=max_size)
        self.max_buffer = limits.max_buffer
        # Those without a limit get as much in the place of what they had left of one.
        self.frame_rate = limits.frame_rate or UNLIMITED
        # A second here is as long as the reactor makes it, and reads may come late: twice as many.
        self.most_frames = min(2 * self.frame_rate, UNLIMITED)
        self.most_messages = self.message_rate = UNLIMITED
        if limits.message_rate and limits.message_burst:
            self.message_rate = limits.message_rate
            self.most_messages = max(limits.message_rate, limits.message_burst)
        # A text frame counts as a message only: where fewer frames are allowed, that is the limit.
        self.frames_bind = self.most_frames < self.most_messages
        if self.frames_bind:
            self.most_messages, self.message_rate = self.most_frames, self.frame_rate
        self.stalls.size = STALL_SIZE if limits.max_buffer else 0
        self.keep_alive.set_times(limits.ping_interval, limits.ping_timeout)
        self.admission.set_limits(limits, self.reactor.seconds())
        self.log_bounds.rate = limits.log_rate_per_address

    def arrive(self, channel: Channel, host: str | None) -> Refusal | None:
        """Count a TCP connection; or return why there are so many that it must go at once.

        Args:
            host: its IP address; None: local, or not known yet.
        """
        channel.connected_at = now = self.reactor.seconds()
        place = self.admission.arrive(host, now)
        if isinstance(place, Refusal):
            return place
        channel.place = place
        if self._next_tick is None:
            self._next_tick = self.reactor.callLater(1, self._tick)
            self.log_bounds.tick(self.reactor.seconds())
        self.expect(channel, self.limits.handshake_timeout)
        return None

    def locate(self, channel: Channel, host: str) -> None:
        """Count a connection where it really comes from. `host`: an IP address."""
        assert channel.place is not None
        channel.place = self.admission.move(channel.place, host, self.reactor.seconds())

    def enter(self, channel: Channel, origin: str) -> Refusal | None:
        """Count a client; or return why it may not enter. `origin`: that header, or nothing."""
        assert channel.place is not None
        if origin and not self.origins.allows(origin):
            return Refusal("origin", 403, f"Pages from {quoted(origin)} may not connect here")
        refusal = self.admission.enter(channel.place, self.reactor.seconds())
        channel.has_entered = refusal is None
        return refusal

    def ask(self, channel: Channel) -> Refusal | None:
        """Count a request for a page; or return why it is not answered."""
        assert channel.place is not None
        refusal = self.admission.ask(channel.place, self.reactor.seconds())
        if refusal is not None:
            self.refusals.note(refusal.kind, channel.address, refusal.sentence, channel)
        return refusal

    def depart(self, channel: Channel) -> None:
        """A TCP connection has ended."""
        self.keep_alive.remove(channel)
        if channel.place is None:
            return
        now = self.reactor.seconds()
        self.admission.leave(channel.place, now, is_client=channel.has_entered)
        if not self.admission.connections:
            self._rest()

    def keep(self, place: Place, give_up: Callable[[], None]) -> Callable[[], None] | None:
        """Let a place in a room outlive its connection, for a time, if it may.

        Args:
            place: where the connection comes from.
            give_up: called at the end of the time.

        Returns:
            What to call when somebody has the place before that; None: it may not.
        """
        counted = self.admission.keep(place)
        if counted is None:
            self.refusals.count["kept_places"] += 1
            return None
        self.tally.kept += 1

        def end() -> None:
            self._end_keeping(counted)
            self.tally.expired += 1
            give_up()

        def end_early() -> None:
            timer.cancel()
            self._end_keeping(counted)

        timer = self.reactor.callLater(self.limits.resume_window, end)
        return end_early

    def _end_keeping(self, counted: Place) -> None:
        self.tally.kept -= 1
        self.admission.give_up(counted, self.reactor.seconds())

    def watch(self, channel: Channel) -> None:
        """See that a channel which is open ends when its client is gone."""
        self.keep_alive.add(channel)

    def expect(self, channel: Watched, seconds: int) -> None:
        """Let a connection expire after that time, or up to a second later, unless it is watched.

        Args:
            seconds: 0: it does not expire.
        """
        if seconds:
            self.keep_alive.expect(channel, seconds)

    def postpone(self, channel: Channel) -> None:
        """Let a channel go on when others had their turn."""
        self._postponed.append(channel)
        self.slice = SLICE_OF_MANY
        if not self._goes_on:
            self._goes_on = True
            self.reactor.callLater(0, self._go_on)

    @property
    def refill_in_ms(self) -> int:
        """When clients may send more, in milliseconds."""
        if self._next_tick is None:
            return 1000
        left: float = self._next_tick.getTime() - self.reactor.seconds()
        return max(1, ceil(1000 * left))

    @property
    def is_tick_late(self) -> bool:
        """Whether clients have had a second that the keep-alive has not counted yet."""
        tick = self._next_tick
        return tick is not None and bool(tick.getTime() <= self.reactor.seconds())

    def _go_on(self) -> None:
        self._goes_on = False
        count = min(len(self._postponed), TOGETHER)
        with self.outbox:
            for channel in [self._postponed.popleft() for _ in range(count)]:
                self.slice = SLICE
                try:
                    channel.go_on()
                except Exception:
                    log.exception(events.CONNECTION_FAILED, about=channel)
                    channel.transport.abortConnection()
        self.slice = SLICE_OF_MANY if self._postponed else SLICE
        if self._postponed and not self._goes_on:
            self._goes_on = True
            self.reactor.callLater(0, self._go_on)

    def _tick(self) -> None:
        self._next_tick = self.reactor.callLater(1, self._tick)
        with self.outbox:
            self.keep_alive.tick()
            self.stalls.tick()
        self.calls.tick()
        self.tally.relay_times.tick()
        self.refusals.tick()
        self.log_bounds.tick(self.reactor.seconds())
        self.admission.forget(self.reactor.seconds(), MANY)
        if not self.admission.connections:
            self._rest()

    def _rest(self) -> None:
        """Tick no more, if nobody is there and nothing waits to be told.

        What waits is told a second after what was told before, however often the last one comes
        and goes.
        """
        waits = self.refusals.has_left_out or self.log_bounds.has_left_out
        if self._next_tick is not None and not (self.admission.connections or waits):
            self._next_tick.cancel()
            self._next_tick = None
