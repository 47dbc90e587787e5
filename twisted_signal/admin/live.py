"""What those who look at the status page are told: what is on their screen, as it changes.

As server-sent events (HTML, section 9.2), each with a JSON object:

- `server`: what is said of the server as a whole, again when something of it changes;
- `rates`: the plots' series, at first all of them (`is_whole`), then the new samples;
- `rooms`, `clients`, `calls`, `call`: a part of a list, told as `changes.Change` says.

No I/O, and no clock.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import msgspec

from twisted_signal.admin.changes import EMPTY, Listing, Row, changed_fields, difference
from twisted_signal.admin.errors import BadQuery
from twisted_signal.admin.routes import Parameter

FRESH = 0.5
"""Seconds for which what was found for one viewer is good enough for another."""
SHARE = 50
"""What was found is good for this many times as long as it took to find: that is 2 % of a core."""
MOST_ROWS = 200
"""Rows of a list that a screen may have."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody looks at.

    Attributes:
        view: `rooms`, `clients` and `calls` are lists; `room` is one room with its clients and
            calls, `call` one call with its steps.
        search: what rows must have in them; empty: all.
        offset, limit: the part of the list that is on the screen.
        room: the name of the room of `room`.
        call: the number of the call of `call`.
        problems: whether only calls with a problem are wanted.
    """

    view: Literal["rooms", "clients", "calls", "room", "call"] = "rooms"
    search: Annotated[str, msgspec.Meta(max_length=256)] = ""
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)] = 50
    room: str = ""
    call: Annotated[int, msgspec.Meta(ge=0)] = 0
    problems: bool = False


PARAMETERS = (
    Parameter("view", "What to look at: rooms, clients, calls, room or call.", "rooms"),
    Parameter("search", "Only rows that have this text in one of their names.", ""),
    Parameter("offset", "How many rows to pass over.", 0),
    Parameter("limit", "How many rows the screen has.", 50, 1, MOST_ROWS),
    Parameter("room", "The id of the room to look at.", ""),
    Parameter("call", "The number of the call to look at.", 0),
    Parameter("problems", "1: only calls that something is wrong with.", 0, 0, 1),
)
"""The fields of a look, as a query has them."""


class Rates(NamedTuple):
    """The plots' series.

    Attributes:
        end: how many samples were taken since the start.
        step_s: seconds from one to the next.
        series: the last samples by the name of what was measured, all equally long, latest last.
    """

    end: int
    step_s: float
    series: dict[str, list[float]]


class Seen(NamedTuple):
    """What there is to see.

    Attributes:
        server: what is said of the server as a whole.
        rates: the plots' series.
        listings: the lists that are looked at, by the name of their event.
    """

    server: Row
    rates: Rates
    listings: dict[str, Listing]


class Subject(Protocol):
    """What is looked at: the running server."""

    def look(self, look: Look) -> Seen:
        """Return how things are. It is as dear as that is long, but for a search."""


class Live:
    """All who look. What it costs to look is bounded: see SHARE."""

    def __init__(self, subject: Subject, stopwatch: Callable[[], float]) -> None:
        """`stopwatch`: returns seconds, of any clock; it measures how dear a look is."""
        self._subject = subject
        self._stopwatch = stopwatch
        self._found: dict[Look, tuple[Seen, float]] = {}

    def viewer(self) -> "Viewer":
        """Return somebody who is about to look."""
        return Viewer(self)

    def see(self, look: Look, now: float) -> Seen:
        """Return what there is to see, now or a little earlier. `now`: seconds."""
        found = self._found.get(look)
        if found is not None and now < found[1]:
            return found[0]
        self._found = {other: found for other, found in self._found.items() if now < found[1]}
        began = self._stopwatch()
        seen = self._subject.look(look)
        cost = (self._stopwatch() - began) * (len(self._found) + 1)
        self._found[look] = seen, now + max(FRESH, SHARE * cost)
        return seen


class Viewer:
    """One who looks: what at, and what it was told. Implements `stream.Source`."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._look = Look()
        self._seen: Seen | None = None
        self._server: Row | None = None
        self._end: int | None = None
        self._listings: dict[str, Listing] = {}

    def begin(self, query: Mapping[str, Any], now: float) -> bytes:
        """Return the first events.

        Args:
            query: see PARAMETERS.
            now: seconds.

        Raises:
            ApiError: the query makes no sense.
        """
        try:
            self._look = msgspec.convert(query, Look, strict=False)
        except msgspec.ValidationError as error:
            raise BadQuery(str(error)) from None
        return self.tick(now) or b""

    def tick(self, now: float) -> bytes | None:
        """Return what is new since what was told last; None: nothing. `now`: seconds."""
        seen = self._live.see(self._look, now)
        if seen is self._seen:
            return None
        self._seen = seen
        told = bytearray()
        if changed_fields(self._server, seen.server):
            self._server = seen.server
            told += _event("server", seen.server)
        told += self._new_samples(seen.rates)
        for name, listing in seen.listings.items():
            change = difference(self._listings.get(name, EMPTY), listing)
            if change is not None:
                self._listings[name] = listing
                told += _event(name, change)
        return bytes(told) or None

    def _new_samples(self, rates: Rates) -> bytes:
        if self._end == rates.end:
            return b""
        series = rates.series
        if self._end is not None:
            count = rates.end - self._end
            series = {name: values[-count:] for name, values in series.items()}
        is_whole = self._end is None
        self._end = rates.end
        return _event("rates", {"step_s": rates.step_s, "is_whole": is_whole, "series": series})


def _event(name: str, data: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode("ascii"), msgspec.json.encode(data))
