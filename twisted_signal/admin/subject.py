"""The running server as the status page sees it: what `live` tells of. Nothing here changes it."""

import msgspec

from twisted_signal.admin import views
from twisted_signal.admin.changes import Listing, Row
from twisted_signal.admin.live import Look, Rates
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

    def rates(self) -> Rates:
        """See `live.Subject`."""
        history = self._service.telemetry.history
        series = {
            name: [round(point, 3) for point in points] for name, points in history.series().items()
        }
        return Rates(history.made, history.step, series)

    def server(self) -> Row:
        """See `live.Subject`."""
        problems = sum(map(views.has_problem, self._calls()))
        return _row(views.server(self._service)) | {"problems": problems}

    def listings(self, look: Look) -> dict[str, Listing]:
        """See `live.Subject`."""
        match look.view:
            case "rooms":
                return {"rooms": self._rooms(look)}
            case "clients":
                return {"clients": self._clients(look)}
            case "calls":
                return {"calls": self._call_list(look)}
            case "room":
                calls = Look(view="calls", room=look.room)
                return {"clients": self._clients(look), "calls": self._call_list(calls)}
            case "call":
                found = (call for call in self._calls() if call.number == look.call)
                rows = {str(call.number): _row(call) for call in found}
                return {"call": Listing(len(rows), rows)}

    def _calls(self) -> list[CallView]:
        return self._board.views(self._service.factory.now_ns())

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

    def _call_list(self, look: Look) -> Listing:
        """Return calls, those with a problem first."""
        found = views.matching_calls(
            self._calls(),
            search=look.search,
            room_id=look.room or None,
            only_problems=look.problems,
        )
        found.sort(key=views.has_problem, reverse=True)
        rows = {}
        for call in found[look.offset : look.offset + look.limit]:
            row = _row(call)
            row["step_count"] = len(call.steps) + call.steps_left_out
            for field in STEPS:
                del row[field]
            rows[str(call.number)] = row
        return Listing(len(found), rows)


def _row(view: object) -> Row:
    row: Row = msgspec.to_builtins(view)
    return row
