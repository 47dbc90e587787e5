"""The running server as the status page sees it: what `live` tells of. Nothing here changes it."""

import msgspec

from twisted_signal.admin import views
from twisted_signal.admin.changes import Listing, Row
from twisted_signal.admin.live import Look, Rates, Seen
from twisted_signal.call_board import CallBoard
from twisted_signal.diagnosis import CallView
from twisted_signal.service import SignalService

STEPS = ("steps", "steps_left_out")
"""What a list of calls leaves out of them: one call's steps fill a screen."""


class Running:
    """A server. Implements `live.Subject`."""

    def __init__(self, service: SignalService) -> None:
        self._service = service
        self._board = CallBoard(service.factory.registry)
        self._rates: Rates | None = None

    def look(self, look: Look) -> Seen:
        """See `live.Subject`."""
        calls = self._board.views(self._service.factory.now_ns())
        server = _row(views.server(self._service))
        server["problems"] = sum(map(views.has_problem, calls))
        return Seen(server, self._plots(), self._listings(look, calls))

    def _plots(self) -> Rates:
        history = self._service.telemetry.history
        if self._rates is None or self._rates.end != history.made:
            series = {
                name: [round(point, 3) for point in points]
                for name, points in history.series().items()
            }
            self._rates = Rates(history.made, history.step, series)
        return self._rates

    def _listings(self, look: Look, calls: list[CallView]) -> dict[str, Listing]:
        match look.view:
            case "rooms":
                return {"rooms": self._rooms(look)}
            case "clients":
                return {"clients": self._clients(look)}
            case "calls":
                return {"calls": call_list(calls, look)}
            case "room":
                of_room = call_list(calls, Look(view="calls", room=look.room))
                return {"clients": self._clients(look), "calls": of_room}
            case "call":
                rows = {str(call.number): _row(call) for call in calls if call.number == look.call}
                return {"call": Listing(len(rows), rows)}

    def _rooms(self, look: Look) -> Listing:
        page = views.rooms(
            self._service.factory, search=look.search, offset=look.offset, limit=look.limit
        )
        return Listing(page.total, {room.room_id: _row(room) for room in page.items})

    def _clients(self, look: Look) -> Listing:
        page = views.clients(
            self._service.factory,
            search=look.search,
            room_id=look.room if look.view == "room" else None,
            offset=look.offset,
            limit=look.limit,
        )
        return Listing(page.total, {client.key: _row(client) for client in page.items})


def call_list(calls: list[CallView], look: Look) -> Listing:
    """Return the part of the calls that somebody looks at, those with a problem first."""
    found = views.matching_calls(
        calls, search=look.search, room_id=look.room or None, only_problems=look.problems
    )
    found.sort(key=views.has_problem, reverse=True)
    rows = {}
    for call in found[look.offset : look.offset + look.limit]:
        row = _row(msgspec.structs.replace(call, steps=[]))
        row["step_count"] = len(call.steps) + call.steps_left_out
        for field in STEPS:
            del row[field]
        rows[str(call.number)] = row
    return Listing(len(found), rows)


def _row(view: object) -> Row:
    row: Row = msgspec.to_builtins(view)
    return row
