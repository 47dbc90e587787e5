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
from twisted_signal.admin.thrift import Thrift

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
        call: the key of the call of `call`.
        problems: whether only calls with a problem are wanted.
        node: the name of the node whose part of the lists is wanted; empty: all.
    """

    view: Literal["rooms", "clients", "calls", "room", "call"] = "rooms"
    search: Annotated[str, msgspec.Meta(max_length=256)] = ""
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)] = 50
    room: str = ""
    call: str = ""
    problems: bool = False
    node: str = ""


PARAMETERS = (
    Parameter("view", "What to look at: rooms, clients, calls, room or call.", "rooms"),
    Parameter("search", "Only rows that have this text in one of their names.", ""),
    Parameter("offset", "How many rows to pass over.", 0),
    Parameter("limit", "How many rows the screen has.", 50, 1, MOST_ROWS),
    Parameter("room", "The id of the room to look at.", ""),
    Parameter("call", "The key of the call to look at.", ""),
    Parameter("problems", "1: only calls that something is wrong with.", 0, 0, 1),
    Parameter("node", "Only what the node with this name has of a list.", ""),
)
"""The fields of a look, as a query has them."""


class Rates(NamedTuple):
    """The plots' series.

    Attributes:
        end: how many samples were taken since the start.
        step_s: seconds from one to the next.
        series: the last samples by the name of what was measured, all equally long, latest last.
        nodes: of which nodes these are, together; those of others make another series.
    """

    end: int
    step_s: float
    series: dict[str, list[float]]
    nodes: tuple[str, ...] = ()


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
    """All who look. What it costs to look is bounded: see `thrift`."""

    def __init__(self, subject: Subject, stopwatch: Callable[[], float]) -> None:
        """`stopwatch`: returns seconds, of any clock; it measures how dear a look is."""
        self._subject = subject
        self._thrift: Thrift[Look, Seen] = Thrift(stopwatch)

    def viewer(self) -> "Viewer":
        """Return somebody who is about to look."""
        return Viewer(self)

    def see(self, look: Look, now: float) -> Seen:
        """Return what there is to see, now or a little earlier. `now`: seconds."""
        return self._thrift.get(look, now, lambda: self._subject.look(look))


class Viewer:
    """One who looks: what at, and what it was told. Implements `stream.Source`."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._look = Look()
        self._seen: Seen | None = None
        self._server: Row | None = None
        self._rates: Rates | None = None
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
        told, self._rates = self._rates, rates
        is_whole = told is None or told.nodes != rates.nodes
        if told is not None and not is_whole:
            count = rates.end - told.end
            if count <= 0:
                return b""
            series = {name: values[-count:] for name, values in rates.series.items()}
        else:
            series = rates.series
        return _event("rates", {"step_s": rates.step_s, "is_whole": is_whole, "series": series})


def _event(name: str, data: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode("ascii"), msgspec.json.encode(data))
