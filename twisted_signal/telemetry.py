"""Looks at the server once a second: how late the reactor is, and how things went lately."""

import time
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_signal.history import History
from twisted_signal.server import SignalFactory

INTERVAL = 1.0
"""Seconds from one look to the next."""


class Telemetry(Service):
    """Looks once a second, from the start to the end of the service.

    Attributes:
        history: rates and levels of the last quarter of an hour: `connections`, `registrations`,
            `messages`, `bytes_in`, `bytes_out` and `refusals` a second; `clients` (open
            WebSockets) and `rooms`; `lag` (the longest of each step, in seconds).
        started_at: when the server started, in seconds since 1970.
    """

    def __init__(self, reactor: IReactorTime, factory: SignalFactory) -> None:
        self.history = History()
        self.started_at = time.time()
        self._reactor = reactor
        self._factory = factory
        self._next: IDelayedCall | None = None
        self._due = 0.0

    def startService(self) -> None:
        """Look for the first time."""
        super().startService()
        self._sample(self._reactor.seconds(), lag=0.0)
        self._wait()

    def stopService(self) -> Any:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        return super().stopService()

    def _wait(self) -> None:
        self._due = self._reactor.seconds() + INTERVAL
        self._next = self._reactor.callLater(INTERVAL, self._look)

    def _look(self) -> None:
        now = self._reactor.seconds()
        lag = max(0.0, now - self._due)
        self._factory.tally.lag.observe(lag)
        self._sample(now, lag)
        self._wait()

    def _sample(self, now: float, lag: float) -> None:
        factory, tally = self._factory, self._factory.tally
        self.history.sample(
            now,
            totals={
                "connections": tally.connections,
                "registrations": tally.registrations,
                "messages": tally.received(),
                "bytes_in": tally.bytes_in,
                "bytes_out": tally.bytes_out,
                "refusals": factory.refusals.count.total(),
            },
            levels={
                "clients": factory.admission.clients,
                "rooms": len(factory.registry.rooms),
            },
            peaks={"lag": lag},
        )
