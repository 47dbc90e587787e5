"""The running server as the status page sees it: what `live` tells of. Nothing here changes it."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from twisted_signal.admin import views
from twisted_signal.admin.changes import Listing, Row
from twisted_signal.admin.live import Look, Rates
from twisted_signal.service import SignalService

STEPS = ("steps", "steps_left_out")
"""What a list of calls leaves out of them: one call's steps fill a screen."""


class Running:
    """A server. Implements `live.Subject`."""

    def __init__(
        self,
        service: SignalService,
        calls: Callable[[], Iterable[Any]],
        rates: Callable[[], Rates],
    ) -> None:
        """
        Args:
            service: the server.
            calls: returns what is seen of its calls (`diagnosis.CallView`), the latest first.
            rates: returns its plots' series.
        """
        self._service = service
        self._calls = calls
        self.rates = rates

    def server(self) -> Row:
        """See `live.Subject`."""
        problems = sum(map(has_problem, self._calls()))
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
        wanted = look.search.casefold()
        found = [
            call
            for call in self._calls()
            if (has_problem(call) or not look.problems)
            and (not look.room or call.room_id == look.room)
            and (not wanted or _matches(call, wanted))
        ]
        found.sort(key=has_problem, reverse=True)
        rows = {}
        for call in found[look.offset : look.offset + look.limit]:
            row = _row(call)
            row["step_count"] = len(call.steps) + call.steps_left_out
            for field in STEPS:
                del row[field]
            rows[str(call.number)] = row
        return Listing(len(found), rows)


def has_problem(call: Any) -> bool:
    """Tell whether something is wrong with a call."""
    return call.diagnosis is not None and call.diagnosis.is_problem


def _matches(call: Any, wanted: str) -> bool:
    names = (call.room_id, *(peer.client_id for peer in call.peers))
    return any(wanted in name.casefold() for name in names)


def _row(view: object) -> Row:
    row: Row = msgspec.to_builtins(view)
    return row
