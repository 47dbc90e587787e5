"""What is answered to requests at the admin endpoint. No I/O, no HTTP but its words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from twisted_signal.admin import views
from twisted_signal.admin.errors import ApiError, ErrorDetail, ErrorView, wrong_method
from twisted_signal.admin.live import PARAMETERS
from twisted_signal.admin.openapi import document
from twisted_signal.admin.readiness import Readiness, ReadyView
from twisted_signal.admin.routes import GET_METHODS, JSON, Asked, Other, Parameter, Route, find
from twisted_signal.admin.stream import CONTENT_TYPE as EVENTS
from twisted_signal.admin.stream import MOST, Events, Source, Streams
from twisted_signal.diagnosis import CallView
from twisted_signal.metrics import Exposition
from twisted_signal.service import SignalService
from twisted_signal.text import quoted
from twisted_signal.web.answers import Answer, in_words, kept

DEFAULT_LIMIT = 50
MOST_ITEMS = 500
"""Of one page of a list."""
_NO_STORE = (("Cache-Control", "no-store"),)
_HEALTHY = in_words(HTTPStatus.OK, "ok")


@dataclass(frozen=True)
class Backend:
    """What the API speaks about.

    Attributes:
        service: the server.
        exposition: tells what was counted.
        readiness: whether it can take clients.
        streams: what is streamed now.
        files: the page's, by their path.
        events: makes what a page that stays open is told; None: there is nothing of that.
    """

    service: SignalService
    exposition: Exposition
    readiness: Readiness
    streams: Streams
    files: Mapping[str, Answer] = field(default_factory=dict)
    events: Callable[[], Source] | None = None


class Disconnected(Struct, frozen=True):
    """A client that was sent away."""

    client: Annotated[views.ClientView, Meta(description="As it was before.")]


class Draining(Struct, frozen=True):
    """The server is stopping."""

    draining: bool
    clients: Annotated[int, Meta(description="How many are still there.")]
    drain_timeout_s: Annotated[int, Meta(description="Seconds that they have to go.")]


def _health(_: Backend, __: Asked) -> Answer:
    return _HEALTHY


def _readiness(backend: Backend, _: Asked) -> Answer:
    view = backend.readiness.view()
    return _json(HTTPStatus.OK if view.ready else HTTPStatus.SERVICE_UNAVAILABLE, view)


def _metrics(backend: Backend, asked: Asked) -> Answer:
    content_type, body = backend.exposition.answer(asked.accept)
    return Answer(HTTPStatus.OK, content_type, body, _NO_STORE)


def _history(backend: Backend, _: Asked) -> views.HistoryView:
    return views.history(backend.service)


def _server(backend: Backend, _: Asked) -> views.ServerView:
    return views.server(backend.service)


def _rooms(backend: Backend, asked: Asked) -> views.Page[views.RoomView]:
    return views.rooms(backend.service.factory, **asked.values)


def _room(backend: Backend, asked: Asked) -> views.RoomDetail:
    room_id = asked.values["room_id"]
    try:
        return views.room(backend.service.factory, **asked.values)
    except KeyError:
        raise ApiError(
            HTTPStatus.NOT_FOUND,
            "unknown_room",
            f"There is no room {quoted(room_id)}; a room exists while it has a client.",
        ) from None


def _clients(backend: Backend, asked: Asked) -> views.Page[views.ClientView]:
    named = dict(asked.values)
    return views.clients(backend.service.factory, room_id=named.pop("room"), **named)


def _calls(backend: Backend, asked: Asked) -> views.Page[CallView]:
    named = dict(asked.values)
    room_id, only_problems = named.pop("room"), bool(named.pop("problems"))
    factory = backend.service.factory
    return views.calls(factory, room_id=room_id, only_problems=only_problems, **named)


def _disconnect(backend: Backend, asked: Asked) -> Disconnected:
    factory = backend.service.factory
    found = views.find(factory, asked.values["key"])
    if found is None:
        raise ApiError(
            HTTPStatus.NOT_FOUND,
            "unknown_client",
            f"No client has the key {quoted(asked.values['key'])}; it may have gone.",
        )
    view = views.client(factory, found)
    with factory.outbox:
        views.session_of(found).dismiss(factory.now_ns())
    return Disconnected(view)


def _drain(backend: Backend, _: Asked) -> Draining:
    service = backend.service
    service.drain("Drain asked for at the admin endpoint")
    return Draining(
        draining=True,
        clients=service.factory.admission.clients,
        drain_timeout_s=service.factory.limits.drain_timeout,
    )


def _events(backend: Backend, asked: Asked) -> Events:
    assert backend.events is not None, "else there is no such route"
    if backend.streams.are_full:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too_many_streams",
            f"{MOST} are told of what is new already; a page that is closed makes room.",
            (("Retry-After", "10"),),
        )
    source = backend.events()
    now = backend.service.factory.reactor.seconds()
    return Events(source.begin(asked.values, now), source)


_OFFSET = Parameter("offset", "How many items to pass over.", 0)
_LIMIT = Parameter("limit", "How many items to return at most.", DEFAULT_LIMIT, 1, MOST_ITEMS)
_SEARCH = Parameter("search", "Only those that have this text in one of their names.", "")
_ROOM = Parameter("room", "Only those of the room with this id.")
_PROBLEMS = Parameter("problems", "1: only those that something is wrong with.", 0, 0, 1)

ROUTES = (
    Route(
        "GET",
        "/healthz",
        "health",
        "Whether the process is alive.",
        _health,
        content_type="text/plain; charset=utf-8",
        is_open=True,
    ),
    Route(
        "GET",
        "/readyz",
        "readiness",
        "Whether the server can take clients.",
        _readiness,
        ReadyView,
        others=(Other(HTTPStatus.SERVICE_UNAVAILABLE, "It cannot.", is_error=False),),
        is_open=True,
    ),
    Route(
        "GET",
        "/metrics",
        "metrics",
        "All that is counted, for Prometheus.",
        _metrics,
        content_type="text/plain; version=0.0.4; charset=utf-8",
    ),
    Route("GET", "/api/v1/server", "server", "The server.", _server, views.ServerView),
    Route(
        "GET",
        "/api/v1/history",
        "history",
        "How things went in the last quarter of an hour.",
        _history,
        views.HistoryView,
    ),
    Route(
        "GET",
        "/api/v1/rooms",
        "rooms",
        "The rooms, the oldest first.",
        _rooms,
        views.Page[views.RoomView],
        parameters=(_SEARCH, _OFFSET, _LIMIT),
    ),
    Route(
        "GET",
        "/api/v1/rooms/{room_id}",
        "room",
        "A room, and those who are in it, in the order they came.",
        _room,
        views.RoomDetail,
        parameters=(_OFFSET, _LIMIT),
        others=(Other(HTTPStatus.NOT_FOUND, "There is no such room."),),
    ),
    Route(
        "GET",
        "/api/v1/clients",
        "clients",
        "The clients: those who are connected in the order they came, then those who are away.",
        _clients,
        views.Page[views.ClientView],
        parameters=(_SEARCH, _ROOM, _OFFSET, _LIMIT),
    ),
    Route(
        "GET",
        "/api/v1/calls",
        "calls",
        "What happened between peers, the latest first, and why a call does not come about.",
        _calls,
        views.Page[CallView],
        parameters=(_SEARCH, _ROOM, _PROBLEMS, _OFFSET, _LIMIT),
    ),
    Route(
        "POST",
        "/api/v1/clients/{key}/disconnect",
        "disconnect",
        "Send a client away; a place that is kept for it is given up.",
        _disconnect,
        Disconnected,
        others=(Other(HTTPStatus.NOT_FOUND, "There is no such client."),),
    ),
    Route(
        "POST",
        "/api/v1/drain",
        "drain",
        "Stop: accept nobody any more, tell clients when to come back, and end the process.",
        _drain,
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
    _events,
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
    ) -> Answer | Events:
        """Return what is answered to a request.

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
    ) -> Answer | Events:
        file = self._backend.files.get(path)
        if file is not None:
            if method not in GET_METHODS:
                raise wrong_method(GET_METHODS)
            return file
        route, values = find(self.routes, method, path)
        asked = Asked({**values, **route.read_query(query)}, accept)
        check_body(body)
        said = route.answer(self._backend, asked)
        return said if isinstance(said, Answer | Events) else _json(route.status, said)


def refusal(error: ApiError) -> Answer:
    """Return the answer to a request that is refused."""
    said = ErrorView(ErrorDetail(error.code, str(error)))
    return _json(error.status, said, error.headers)


def _json(status: HTTPStatus, value: object, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, JSON, msgspec.json.encode(value), _NO_STORE + headers)


def check_body(body: bytes) -> None:
    """Raise ApiError if a request says what nobody would read."""
    if body.strip() not in (b"", b"{}"):
        raise ApiError(
            HTTPStatus.BAD_REQUEST, "bad_body", "The body must be empty, or an empty object: {}."
        )
