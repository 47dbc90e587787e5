"""How many may connect, in all and from one address, and how fast. No I/O and no clock.

One address is an IPv4 address or an IPv6 network of 64 bits: less is not given to a household
(RFC 6177). What is remembered of an address goes when it has no connection, and could open as many
at once as one that was never seen.

A connection that has not asked to enter takes no client's place, or a hundred that come at once
would keep each other out. There may be so many more of them, and no more than that.
"""

from collections import deque
from ipaddress import IPv6Address
from math import ceil
from typing import NamedTuple

from twisted_signal.limits import Limits

BURST = 256
"""Connections that an address may open at once."""
RESERVE = 1024
"""Connections beyond `max_clients` that are still told why they are refused."""
ARRIVALS = 2
"""Connections that may come for each that may enter: a handshake of TLS costs as much as a hundred
messages, whatever becomes of it."""
PLACE_FREE_IN = 10
"""Seconds after which it is worth another try where all places are taken."""

_FEW = 2
"""Addresses that are looked at whenever a connection comes or goes: more than come meanwhile."""


class Refusal(NamedTuple):
    """Why somebody may not enter.

    Attributes:
        kind: the reason in a word, to be counted by.
        code: of the HTTP answer.
        sentence: for people.
        retry_after: seconds after which another try makes sense; 0: none does.
    """

    kind: str
    code: int
    sentence: str
    retry_after: int = 0


class Bucket:
    """What may come: some at once, and then at a rate."""

    __slots__ = ("_rate", "_refilled", "_size", "_tokens")

    def __init__(self, rate: int, size: int, now: float) -> None:
        """`rate`: how many more each second; 0: any number. `size`: how many at once."""
        self._rate = rate
        self._size = self._tokens = float(size)
        self._refilled = now

    def take(self, now: float) -> int:
        """Let one come, if it may. Returns seconds until it may, or nothing."""
        if not self._rate:
            return 0
        self._refill(now)
        if self._tokens < 1:
            return ceil((1 - self._tokens) / self._rate)
        self._tokens -= 1
        return 0

    def change(self, rate: int, size: int, now: float) -> None:
        """Let come at another rate, and others at once, from now on; those that came count."""
        self._refill(now)
        more = max(0, size - self._size)
        self._tokens = min(size, self._tokens + more) if rate else float(size)
        self._rate, self._size = rate, float(size)

    def is_full(self, now: float) -> bool:
        """Tell whether it is as if none had come."""
        self._refill(now)
        return self._tokens >= self._size

    def _refill(self, now: float) -> None:
        passed = now - self._refilled
        if passed > 0:  # a clock may be set back
            self._tokens = min(self._size, self._tokens + passed * self._rate)
        self._refilled = now


class Place:
    """An address, as long as there is something to remember of it."""

    __slots__ = ("arrivals", "clients", "connections", "entries", "is_leaving", "kept", "key")

    def __init__(self, key: str | None, rate: int, now: float) -> None:
        self.key = key
        self.clients = self.connections = 0
        self.kept = 0  # places in rooms, without a connection
        burst = max(BURST, rate)
        self.arrivals = Bucket(ARRIVALS * rate, ARRIVALS * burst, now)
        self.entries = Bucket(rate, burst, now)
        self.is_leaving = False  # it is among those that may soon be forgotten

    def change(self, rate: int, now: float) -> None:
        """Let connections come at another rate."""
        burst = max(BURST, rate)
        self.arrivals.change(ARRIVALS * rate, ARRIVALS * burst, now)
        self.entries.change(rate, burst, now)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it is there."""
        return not (self.connections or self.kept)


class Admission:
    """Who is connected from where.

    Attributes:
        connections: all that there are.
        clients: those of them that have entered.
    """

    def __init__(self, limits: Limits) -> None:
        self.clients = self.connections = 0
        self._places: dict[str, Place] = {}
        self._leaving: deque[Place] = deque()
        self.set_limits(limits, 0)

    def set_limits(self, limits: Limits, now: float) -> None:
        """Let no more come than other limits allow. Those that are there stay.

        Connections that came while an address had no limit are not counted for theirs.
        """
        self._max = limits.max_clients
        self._max_of_one = limits.max_clients_per_address
        self._rate = limits.connect_rate_per_address
        for place in self._places.values():
            place.change(self._rate, now)

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._places)

    def arrive(self, address: str | None, now: float) -> Place | Refusal:
        """Count a connection that has not said anything.

        Args:
            address: an IP address; None: unknown as yet, or a local one, which has no limit.
            now: seconds.

        Returns:
            Where it is counted; or why there are so many that it is not, and must go at once.
        """
        if self._leaving:
            self.forget(now, _FEW)
        if self._max and self.connections >= self._max + RESERVE:
            return Refusal("max_clients", 503, f"There are {self.connections} connections already")
        place = self._find(address, now)
        if place.key is not None:
            if 0 < ARRIVALS * self._max_of_one <= place.connections:
                sentence = f"{place.connections} connections come from this address already"
                return Refusal("max_clients_per_address", 429, sentence)
            if wait := place.arrivals.take(now):
                return _too_fast(wait)
        self.connections += 1
        place.connections += 1
        return place

    def move(self, place: Place, address: str, now: float) -> Place:
        """Count a connection elsewhere: its real address is known now."""
        self._take_from(place, now)
        place = self._find(address, now)
        place.connections += 1
        return place

    def enter(self, place: Place, now: float) -> Refusal | None:
        """Make a connection that is counted a client's; or return why not."""
        if 0 < self._max <= self.clients:
            return self._full()
        if place.key is not None:
            if 0 < self._max_of_one <= place.clients:
                return self._too_many()
            if wait := place.entries.take(now):
                return _too_fast(wait)
        self.clients += 1
        place.clients += 1
        return None

    def ask(self, place: Place, now: float) -> Refusal | None:
        """Count a request for a page, at the rate of clients that enter; or return why not."""
        wait = place.entries.take(now)
        return _too_fast(wait) if wait else None

    def leave(self, place: Place, now: float, *, is_client: bool) -> None:
        """A connection that is counted has ended. `is_client`: it had entered."""
        self.connections -= 1
        if is_client:
            self.clients -= 1
            place.clients -= 1
        self._take_from(place, now)
        if self._leaving:
            self.forget(now, _FEW)

    def keep(self, place: Place) -> Place | None:
        """Count a client's place in a room that outlives its connection, if it may.

        It costs memory without a connection. An address may have as many as clients.

        Returns:
            Where it is counted, for `give_up`; None: it may not.
        """
        if place.key is None:
            return place
        place = self._places.setdefault(place.key, place)
        if 0 < self._max_of_one <= place.kept:
            return None
        place.kept += 1
        return place

    def give_up(self, place: Place, now: float) -> None:
        """A place in a room that was counted is kept no more."""
        if place.key is not None:
            place.kept -= 1
            self._let_go(place, now)

    def forget(self, now: float, most: int) -> None:
        """Forget addresses of which nothing needs to be known. `most`: how many are looked at."""
        leaving = self._leaving
        for _ in range(min(most, len(leaving))):
            place = leaving.popleft()
            if place.is_empty and not _is_as_new(place, now):
                leaving.append(place)
                continue
            place.is_leaving = False
            if place.is_empty:
                assert place.key is not None
                del self._places[place.key]

    def _find(self, address: str | None, now: float) -> Place:
        if address is None or not (self._max_of_one or self._rate):
            return Place(None, 0, now)
        key = address_key(address)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = Place(key, self._rate, now)
        return place

    def _take_from(self, place: Place, now: float) -> None:
        place.connections -= 1
        self._let_go(place, now)

    def _let_go(self, place: Place, now: float) -> None:
        if not place.is_empty or place.key is None or place.is_leaving:
            return
        if _is_as_new(place, now):
            del self._places[place.key]
        else:
            place.is_leaving = True
            self._leaving.append(place)

    def _full(self) -> Refusal:
        sentence = f"The server has its {self._max} clients already"
        return Refusal("max_clients", 503, sentence, PLACE_FREE_IN)

    def _too_many(self) -> Refusal:
        sentence = f"Your address has its {self._max_of_one} clients already"
        return Refusal("max_clients_per_address", 429, sentence, PLACE_FREE_IN)


def _too_fast(wait: int) -> Refusal:
    sentence = "Too many connections at once come from your address"
    return Refusal("connect_rate_per_address", 429, sentence, wait)


def _is_as_new(place: Place, now: float) -> bool:
    return place.entries.is_full(now) and place.arrivals.is_full(now)


def address_key(address: str) -> str:
    """Return what stands for an address here: an IPv6 one by its /64, an IPv4-mapped one as IPv4.

    Raises:
        ValueError: it looks like an IPv6 address, and is none.
    """
    if ":" not in address:
        return address
    parsed = IPv6Address(address)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.packed[:8].hex()
