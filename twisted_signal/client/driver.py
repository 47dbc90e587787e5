"""What drives the core: connections, time, and those who wait for something to change.

A shell is a `Driver` with a network. The coroutines here and in `signal` wait for nothing but what
a shell makes (`Waiter`), so that they run on asyncio and on Twisted alike.
"""

import logging
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from typing import Any, Protocol

from twisted_signal.client.core import Core
from twisted_signal.client.inbox import Inbox
from twisted_signal.client.state import Registration, State, Wire
from twisted_signal.client.tokens import life

log = logging.getLogger(__name__)

Token = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A JWT, or what makes a fresh one each time: a function or a coroutine function."""


class Cancellable(Protocol):
    """A timer, or something under way."""

    def cancel(self) -> object:
        """Let it not happen."""


class Waiter(Protocol):
    """Something to wait for that happens once."""

    def wait(self) -> Awaitable[None]:
        """Return what to await."""

    def happen(self) -> None:
        """Let who waits go on. Once is enough, more does no harm."""


class Pausable(Wire, Protocol):
    """A connection from which nothing may be read for a while."""

    def pause_reading(self, *, pause: bool) -> None:
        """Read nothing more for now; or go on. More of the same does no harm."""


class OpeningFailed(Exception):
    """A WebSocket did not open. The fields are the arguments of `Core.failed`."""

    def __init__(
        self, reason: str, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


NOBODY_LISTENS = "connection refused. Is the server running there?"


def refusal(status: int, reason: str, retry_after: str) -> OpeningFailed:
    """Return what it means that an HTTP server opens no WebSocket.

    Args:
        status: of its answer.
        reason: what it says.
        retry_after: its header of that name, or nothing.
    """
    seconds = float(retry_after) if retry_after.isdecimal() else None
    return OpeningFailed(f"HTTP {status} {reason}".rstrip(), status, seconds)


class Driver(ABC):
    """Lets the core meet the network.

    Attributes:
        registration: who the client is, and where.
        core: what it says, and what it makes of what it hears.
        inbox: the events that were not taken yet.
    """

    def __init__(self, url: str, registration: Registration, token: Token | None) -> None:
        """See `connect` of the shells."""
        self.registration = registration
        self.inbox = Inbox()
        self.core = Core(
            url, registration, self.inbox.put, random.random, has_fresh_tokens=callable(token)
        )
        self._token = token
        self._shown: str | None = None
        self._wire: Pausable | None = None
        self._waiters: list[Waiter] = []
        self._timer: Cancellable | None = None
        self._opening: Cancellable | None = None
        self._renewing: Cancellable | None = None

    # What a shell is

    @abstractmethod
    def now(self) -> float:
        """Return the time of a clock that only goes forward, in seconds."""

    @abstractmethod
    def call_later(self, seconds: float, call: Callable[[], None]) -> Cancellable:
        """Call something later."""

    @abstractmethod
    def spawn(self, work: Coroutine[Any, Any, None]) -> Cancellable:
        """Let a coroutine run beside others."""

    @abstractmethod
    def waiter(self) -> Waiter:
        """Make something to wait for."""

    @abstractmethod
    async def open(self) -> None:
        """Open a WebSocket, which tells `opened` or `failed`, and then what comes.

        Raises:
            OpeningFailed: it cannot be opened.
        """

    @property
    def has_ended(self) -> bool:
        """Whether nothing happens any more."""
        return self.core.state is State.ENDED and self._wire is None

    # What a connection tells

    def opened(self, wire: Pausable) -> None:
        """The WebSocket is open."""
        if self.core.state is not State.CONNECTING:
            wire.abort()
            return
        self._opening = None
        self._wire = wire
        self.core.opened(wire, self._shown, self.now(), self._life())
        self.step()

    def failed(self, error: OpeningFailed) -> None:
        """The WebSocket does not open."""
        if self.core.state is State.CONNECTING:
            self._opening = None
            self.core.failed(error.reason, self.now(), error.status, error.retry_after)
            self.step()

    def received(self, wire: Pausable, text: str | bytes) -> None:
        """A message came."""
        if wire is self.core.wire:
            self.core.received(text, self.now())
            self.step()

    def ponged(self, wire: Pausable, payload: bytes) -> None:
        """A ping was answered."""
        if wire is self.core.wire:
            self.core.ponged(payload, self.now())
            self.step()

    def lost(self, wire: Pausable, code: int | None, reason: str) -> None:
        """The connection has ended. The arguments are those of `Core.lost`."""
        if wire is self._wire:
            self._wire = None
        if wire is self.core.wire:
            self.core.lost(code, reason, self.now())
        self.step()

    # The works

    def changed(self) -> Awaitable[None]:
        """Return what to await until something has changed."""
        waiter = self.waiter()
        self._waiters.append(waiter)
        return waiter.wait()

    def step(self) -> None:
        """Something has changed: do what follows, set the timer, and let those go on who wait."""
        core, now = self.core, self.now()
        if core.state is not State.CONNECTING and self._opening is not None:
            opening, self._opening = self._opening, None
            opening.cancel()
        if core.wants_connection(now):
            core.connecting(now)
            self._opening = self.spawn(self._connect())
        if core.wants_token(now):
            self._renewing = self.spawn(self._renew())
        if core.state is State.ENDED and self._renewing is not None:
            renewing, self._renewing = self._renewing, None
            renewing.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if core.wake_at is not None:
            self._timer = self.call_later(max(0.0, core.wake_at - now), self._wake)
        self.pace()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.happen()

    def pace(self) -> None:
        """Read from the connection while there is room for what comes."""
        if self._wire is not None and self._wire is self.core.wire:
            self.core.listen(self.now(), listens=not self.inbox.is_full)
            self._wire.pause_reading(pause=self.inbox.is_full)

    def renew_token(self, token: str) -> None:
        """Show a fresh token, now and on connections to come."""
        self._token = self._shown = token
        self.core.renew(token, self.now())
        self.step()

    def _wake(self) -> None:
        self._timer = None
        self.core.wake(self.now())
        self.step()

    async def _connect(self) -> None:
        try:
            self._shown = await self._fresh_token()
        except Exception as error:  # whatever the application's function raises
            log.exception("There is no token")
            self.failed(OpeningFailed(f"there is no token: {error!r}"))
            return
        try:
            await self.open()
        except OpeningFailed as error:
            self.failed(error)

    async def _renew(self) -> None:
        try:
            self._shown = await self._fresh_token()
        except Exception:  # as above; it is asked again
            log.exception("There is no fresh token")
            return
        self._renewing = None
        if self._shown is not None:
            self.core.renew(self._shown, self.now(), self._life())
            self.step()

    async def _fresh_token(self) -> str | None:
        if self._token is None or isinstance(self._token, str):
            return self._token
        token = self._token()
        return await token if isawaitable(token) else token

    def _life(self) -> float | None:
        """Return for how long the token that was shown is good, if there can be another one."""
        if not callable(self._token) or self._shown is None:
            return None
        return life(self._shown, time.time())
