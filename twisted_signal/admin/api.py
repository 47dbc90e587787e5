"""What can be asked of the admin endpoint, and who answers it. No I/O, no HTTP but its words."""

from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

import msgspec

from twisted_signal.admin import handlers, views
from twisted_signal.admin.errors import ApiError, ErrorDetail, ErrorView, wrong_method
from twisted_signal.admin.handlers import Backend, Disconnected, Draining, as_json
from twisted_signal.admin.later import Later, Task
from twisted_signal.admin.live import PARAMETERS
from twisted_signal.admin.openapi import document
from twisted_signal.admin.questions import MOST_ITEMS
from twisted_signal.admin.readiness import ReadyView
from twisted_signal.admin.routes import GET_METHODS, JSON, Asked, Other, Parameter, Route, find
from twisted_signal.admin.stream import CONTENT_TYPE as EVENTS
from twisted_signal.admin.stream import Events
from twisted_signal.web.answers import Answer, kept

DEFAULT_LIMIT = 50

_OFFSET = Parameter("offset", "How many items to pass over.", 0)
_LIMIT = Parameter("limit", "How many items to return at most.", DEFAULT_LIMIT, 1, MOST_ITEMS)
_SEARCH = Parameter("search", "Only those that have this text in one of their names.", "")
_ROOM = Parameter("room", "Only those of the room with this id.")
_NODE = Parameter("node", "Only what the node with this name has of the list.")
_PROBLEMS = Parameter("problems", "1: only those that something is wrong with.", 0, 0, 1)
_UNKNOWN_NODE = Other(HTTPStatus.NOT_FOUND, "There is no node of that name.")

ROUTES = (
    Route(
        "GET",
        "/healthz",
        "health",
        "Whether the process is alive.",
        handlers.health,
        content_type="text/plain; charset=utf-8",
        is_open=True,
    ),
    Route(
        "GET",
        "/readyz",
        "readiness",
        "Whether the server can take clients.",
        handlers.readiness,
        ReadyView,
        others=(Other(HTTPStatus.SERVICE_UNAVAILABLE, "It cannot.", is_error=False),),
        is_open=True,
    ),
    Route(
        "GET",
        "/metrics",
        "metrics",
        "All that is counted, for Prometheus.",
        handlers.metrics,
        content_type="text/plain; version=0.0.4; charset=utf-8",
    ),
    Route("GET", "/api/v1/server", "server", "The server.", handlers.server, views.ServerView),
    Route(
        "GET",
        "/api/v1/history",
        "history",
        "How things went in the last quarter of an hour.",
        handlers.history,
        views.HistoryView,
    ),
    Route(
        "GET",
        "/api/v1/rooms",
        "rooms",
        "The rooms: each node's the oldest first, node by node.",
        handlers.rooms,
        views.Page[views.RoomView],
        parameters=(_SEARCH, _NODE, _OFFSET, _LIMIT),
        others=(_UNKNOWN_NODE,),
    ),
    Route(
        "GET",
        "/api/v1/rooms/{room_id}",
        "room",
        "A room, and those who are in it: each node's in the order they came, node by node.",
        handlers.room,
        views.RoomDetail,
        parameters=(_OFFSET, _LIMIT),
        others=(Other(HTTPStatus.NOT_FOUND, "There is no such room."),),
    ),
    Route(
        "GET",
        "/api/v1/clients",
        "clients",
        "The clients: those who are connected in the order they came, then those who are away; node"
        " by node.",
        handlers.clients,
        views.Page[views.ClientView],
        parameters=(_SEARCH, _ROOM, _NODE, _OFFSET, _LIMIT),
        others=(_UNKNOWN_NODE,),
    ),
    Route(
        "GET",
        "/api/v1/calls",
        "calls",
        "What happened between peers, the latest first, and why a call does not come about.",
        handlers.calls,
        views.Page[views.CallView],
        parameters=(_SEARCH, _ROOM, _PROBLEMS, _NODE, _OFFSET, _LIMIT),
        others=(_UNKNOWN_NODE,),
    ),
    Route(
        "POST",
        "/api/v1/clients/{key}/disconnect",
        "disconnect",
        "Send a client away; a place that is kept for it is given up.",
        handlers.disconnect,
        Disconnected,
        others=(
            Other(HTTPStatus.NOT_FOUND, "There is no such client."),
            Other(HTTPStatus.GATEWAY_TIMEOUT, "Its node has not answered: what it did is unknown."),
        ),
    ),
    Route(
        "POST",
        "/api/v1/drain",
        "drain",
        "Stop: accept nobody any more, tell clients when to come back, and end the process; of a"
        " cluster this node alone.",
        handlers.drain,
        Draining,
        status=HTTPStatus.ACCEPTED,
    ),
)
"""What any server has."""

_EVENTS = Route(
    "GET",
    "/api/v1/events",
    "events",
    "What the page shows, as server-sent events, for as long as the connection lasts.",
    handlers.events,
    parameters=PARAMETERS,
    content_type=EVENTS,
    others=(Other(HTTPStatus.SERVICE_UNAVAILABLE, "As many are told as may be."),),
)


class Api:
    """Answers requests.

    Attributes:
        routes: what there is.
        streams: what is streamed now.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.streams = backend.streams
        found = [*ROUTES]
        if backend.events is not None:
            found.append(_EVENTS)
        found.append(
            Route(
                "GET",
                "/api/v1/openapi.json",
                "description",
                "This document.",
                lambda _, __: self._document,
            )
        )
        self.routes = tuple(found)
        self._open = {*backend.files, *(route.path for route in found if route.is_open)}
        self._document = kept(JSON, msgspec.json.encode(document(self.routes)))

    def is_open(self, path: str) -> bool:
        """Tell whether what is at a path is for everybody who reaches it."""
        return path in self._open

    def answer(
        self, method: str, path: str, query: str, body: bytes = b"", accept: str = ""
    ) -> Answer | Events | Task[Answer]:
        """Return what is answered to a request; a task, where that takes other nodes to answer.

        Args:
            method: of the request.
            path: as it came, percent-encoded.
            query: likewise, what stands behind the question mark.
            body: of the request.
            accept: the header of that name.
        """
        try:
            return self._answer(method, path, query, body, accept)
        except ApiError as error:
            return refusal(error)

    def _answer(
        self, method: str, path: str, query: str, body: bytes, accept: str
    ) -> Answer | Events | Task[Answer]:
        file = self._backend.files.get(path)
        if file is not None:
            if method not in GET_METHODS:
                raise wrong_method(GET_METHODS)
            return file
        route, values = find(self.routes, method, path)
        asked = Asked({**values, **route.read_query(query)}, accept)
        check_body(body)
        said = route.answer(self._backend, asked)
        if isinstance(said, Coroutine):
            task = Task(_told(route, said))
            return task.result() if task.is_done else task
        return said if isinstance(said, Answer | Events) else as_json(route.status, said)


async def _told(route: Route, work: Coroutine[Later[Any], None, object]) -> Answer:
    try:
        return as_json(route.status, await work)
    except ApiError as error:
        return refusal(error)


def refusal(error: ApiError) -> Answer:
    """Return the answer to a request that is refused."""
    said = ErrorView(ErrorDetail(error.code, str(error)))
    return as_json(error.status, said, error.headers)


def check_body(body: bytes) -> None:
    """Raise ApiError if a request says what nobody would read."""
    if body.strip() not in (b"", b"{}"):
        raise ApiError(
            HTTPStatus.BAD_REQUEST, "bad_body", "The body must be empty, or an empty object: {}."
        )
