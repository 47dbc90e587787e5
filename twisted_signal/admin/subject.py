"""The running server as the status page sees it: what `live` tells of. Nothing here changes it.

In a cluster the other nodes are asked whenever somebody looks, and what is seen is what they said
to the look before.
"""

import msgspec

from twisted_signal.admin import merged
from twisted_signal.admin.changes import Listing, Row
from twisted_signal.admin.errors import ApiError
from twisted_signal.admin.inventory import split_key
from twisted_signal.admin.later import Task
from twisted_signal.admin.live import Look, Rates, Seen
from twisted_signal.admin.neighbours import Round
from twisted_signal.admin.questions import AskRates, Outline
from twisted_signal.admin.whole import Whole

STEPS = ("steps", "steps_left_out")
"""What a list of calls leaves out of them: one call's steps fill a screen."""
FORGOTTEN = 60
"""Seconds after which what was seen is nothing for whoever looks at the same again."""
MOST_VIEWS = 32
"""How many are kept: twice as many as may look on at once."""


class Running:
    """The cluster. Implements `live.Subject`."""

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        self._service = whole.node.service
        self._rates: Rates | None = None
        self._views: dict[Look, _View] = {}

    def look(self, look: Look) -> Seen:
        """See `live.Subject`."""
        now = self._service.factory.reactor.seconds()
        view = self._views.pop(look, None)
        if view is None or now - view.at > FORGOTTEN:
            view = _View()
        view.at = now
        self._views[look] = view
        if len(self._views) > MOST_VIEWS:
            del self._views[next(iter(self._views))]
        view.take()
        if view.task is None:
            view.task = Task(self._see(look, is_alone=False))
            view.take()
        if view.seen is None:
            return Task(self._see(look, is_alone=True)).result()  # nobody else is waited for
        return view.seen

    async def _see(self, look: Look, *, is_alone: bool) -> Seen:
        whole = self._whole
        round_ = whole.begin(is_live=True, is_alone=is_alone)
        server: Row = msgspec.to_builtins(await whole.server(round_))
        outlines = await whole.outlines(round_)
        calls = merged.calls(outlines)
        server["problems"] = sum(known.call.is_problem for known in calls)
        rates = await self._plots(round_)
        try:
            part = whole.begin(look.node or None, is_live=True, is_alone=is_alone)
        except ApiError:
            return Seen(server, rates, {name: Listing(0, {}) for name in _LISTS[look.view]})
        part.leave_out(round_.missing)
        if look.node:
            calls = merged.calls({look.node: outlines.get(look.node, [])})
        listings: dict[str, Listing] = {}
        for name in _LISTS[look.view]:
            match name:
                case "rooms":
                    listings[name] = await self._rooms(part, look)
                case "clients":
                    listings[name] = await self._clients(part, look)
                case "calls":
                    listings[name] = await self._calls(part, look, calls)
                case "call":
                    listings[name] = await self._call(part, look.call, outlines)
        return Seen(server, rates, listings)

    async def _plots(self, round_: Round) -> Rates:
        history = self._service.telemetry.history
        rates = self._rates
        names = tuple(round_.names)
        if rates is None or rates.end != history.made or rates.nodes != names:
            told = await round_.ask_all(lambda _: AskRates())
            series = {
                name: [round(point, 3) for point in points]
                for name, points in merged.series(told.values()).items()
            }
            rates = self._rates = Rates(history.made, history.step, series, tuple(told))
        return rates

    async def _rooms(self, round_: Round, look: Look) -> Listing:
        page = await self._whole.rooms(round_, look.search, look.offset, look.limit)
        return Listing(page.total, {room.room_id: _row(room) for room in page.items})

    async def _clients(self, round_: Round, look: Look) -> Listing:
        page = await self._whole.clients(
            round_,
            look.search,
            look.room if look.view == "room" else None,
            look.offset,
            look.limit,
        )
        return Listing(page.total, {client.key: _row(client) for client in page.items})

    async def _calls(self, round_: Round, look: Look, calls: list[merged.Known]) -> Listing:
        """Return the part of the calls that somebody looks at, those with a problem first."""
        if look.view == "room":
            look = Look(view="calls", room=look.room)
        found = merged.matching(
            calls, search=look.search, room_id=look.room or None, only_problems=look.problems
        )
        found.sort(key=lambda known: known.call.is_problem, reverse=True)
        part = found[look.offset : look.offset + look.limit]
        rows = {}
        for call in await self._whole.told_calls(round_, part, with_steps=False):
            row = _row(call)
            row["step_count"] = call.steps_left_out
            for field in STEPS:
                del row[field]
            rows[call.key] = row
        return Listing(len(found), rows)

    async def _call(self, round_: Round, key: str, outlines: dict[str, list[Outline]]) -> Listing:
        """Return one call, as the node tells it that the key names."""
        node, number = split_key(key)
        found = [
            merged.Known(node, call)
            for call in outlines.get(node, ())
            if str(call.number) == number
        ]
        told = await self._whole.told_calls(round_, found, with_steps=True)
        return Listing(len(told), {call.key: _row(call) for call in told})


_LISTS: dict[str, tuple[str, ...]] = {
    "rooms": ("rooms",),
    "clients": ("clients",),
    "calls": ("calls",),
    "room": ("clients", "calls"),
    "call": ("call",),
}
"""The lists of each view."""


class _View:
    """What is seen of something. `at`: when somebody looked last, in seconds."""

    def __init__(self) -> None:
        self.at = 0.0
        self.seen: Seen | None = None
        self.task: Task[Seen] | None = None

    def take(self) -> None:
        """See what has come. Raises whatever went wrong with it."""
        if self.task is not None and self.task.is_done:
            task, self.task = self.task, None
            self.seen = task.result()


def _row(view: object) -> Row:
    row: Row = msgspec.to_builtins(view)
    return row
