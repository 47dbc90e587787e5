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


class Place:
    """An address, as long as there is something to remember of it."""

    __slots__ = ("clients", "connections", "is_leaving", "kept", "key", "refilled", "tokens")

    def __init__(self, key: str | None, tokens: float, now: float) -> None:
        self.key = key
        self.clients = self.connections = 0
        self.kept = 0  # places in rooms, without a connection
        self.tokens = tokens
        self.refilled = now
        self.is_leaving = False  # it is among those that may soon be forgotten

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
        self._max = limits.max_clients
        self._max_of_one = limits.max_clients_per_address
        self._rate = limits.connect_rate_per_address
        self._burst = max(BURST, self._rate)
        self._places: dict[str, Place] = {}
        self._leaving: deque[Place] = deque()

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
        if place.key is not None and 0 < 2 * self._max_of_one <= place.connections:
            sentence = f"{place.connections} connections come from this address already"
            return Refusal("max_clients_per_address", 429, sentence)
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
            if self._rate:
                self._refill(place, now)
                if place.tokens < 1:
                    wait = ceil((1 - place.tokens) / self._rate)
                    sentence = "Too many connections at once come from your address"
                    return Refusal("connect_rate_per_address", 429, sentence, wait)
                place.tokens -= 1
        self.clients += 1
        place.clients += 1
        return None

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
            if place.is_empty and not self._is_full(place, now):
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
            place = self._places[key] = Place(key, self._burst, now)
        return place

    def _take_from(self, place: Place, now: float) -> None:
        place.connections -= 1
        self._let_go(place, now)

    def _let_go(self, place: Place, now: float) -> None:
        if not place.is_empty or place.key is None or place.is_leaving:
            return
        if self._is_full(place, now):
            del self._places[place.key]
        else:
            place.is_leaving = True
            self._leaving.append(place)

    def _is_full(self, place: Place, now: float) -> bool:
        self._refill(place, now)
        return not self._rate or place.tokens >= self._burst

    def _refill(self, place: Place, now: float) -> None:
        passed = now - place.refilled
        if passed > 0:  # a clock may be set back
            place.tokens = min(self._burst, place.tokens + passed * self._rate)
        place.refilled = now

    def _full(self) -> Refusal:
        sentence = f"The server has its {self._max} clients already"
        return Refusal("max_clients", 503, sentence, PLACE_FREE_IN)

    def _too_many(self) -> Refusal:
        sentence = f"Your address has its {self._max_of_one} clients already"
        return Refusal("max_clients_per_address", 429, sentence, PLACE_FREE_IN)


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
