"""What is answered to each request at the admin endpoint. `api` has the table of them.

What other nodes of the cluster have a part in is a coroutine, which a `Task` runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from twisted_signal.admin import views
from twisted_signal.admin.errors import ApiError
from twisted_signal.admin.readiness import Readiness
from twisted_signal.admin.routes import JSON, Asked
from twisted_signal.admin.stream import MOST, Events, Source, Streams
from twisted_signal.admin.whole import Whole
from twisted_signal.metrics import Exposition
from twisted_signal.web.answers import Answer, in_words

_NO_STORE = (("Cache-Control", "no-store"),)
_HEALTHY = in_words(HTTPStatus.OK, "ok")


@dataclass(frozen=True)
class Backend:
    """What the API speaks about.

    Attributes:
        whole: the server, and the other nodes of its cluster.
        exposition: tells what was counted.
        readiness: whether it can take clients.
        streams: what is streamed now.
        files: the page's, by their path.
        events: makes what a page that stays open is told; None: there is nothing of that.
    """

    whole: Whole
    exposition: Exposition
    readiness: Readiness
    streams: Streams
    files: Mapping[str, Answer] = field(default_factory=dict)
    events: Callable[[], Source] | None = None


class Disconnected(Struct, frozen=True):
    """A client that was sent away."""

    client: Annotated[views.ClientView, Meta(description="As it was before.")]


class Draining(Struct, frozen=True):
    """The server is stopping: in a cluster the node that was asked, and no other."""

    draining: bool
    clients: Annotated[int, Meta(description="How many are still there.")]
    drain_timeout_s: Annotated[int, Meta(description="Seconds that they have to go.")]


def as_json(status: HTTPStatus, value: object, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return an answer that is right only now. `value`: of the kinds that msgspec knows."""
    return Answer(status, JSON, msgspec.json.encode(value), _NO_STORE + headers)


# Of this node


def health(_: Backend, __: Asked) -> Answer:
    """Whether the process is alive."""
    return _HEALTHY


def readiness(backend: Backend, _: Asked) -> Answer:
    """Whether the server can take clients."""
    view = backend.readiness.view()
    return as_json(HTTPStatus.OK if view.ready else HTTPStatus.SERVICE_UNAVAILABLE, view)


def metrics(backend: Backend, asked: Asked) -> Answer:
    """All that is counted."""
    content_type, body = backend.exposition.answer(asked.accept)
    return Answer(HTTPStatus.OK, content_type, body, _NO_STORE)


def drain(backend: Backend, _: Asked) -> Draining:
    """Stop the server."""
    service = backend.whole.node.service
    service.drain("Drain asked for at the admin endpoint")
    return Draining(
        draining=True,
        clients=service.factory.admission.clients,
        drain_timeout_s=service.factory.limits.drain_timeout,
    )


def events(backend: Backend, asked: Asked) -> Events:
    """What the page shows, as it changes."""
    assert backend.events is not None, "else there is no such route"
    if backend.streams.are_full:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "too_many_streams",
            f"{MOST} are told of what is new already; a page that is closed makes room.",
            (("Retry-After", "10"),),
        )
    source = backend.events()
    now = backend.whole.node.service.factory.reactor.seconds()
    return Events(source.begin(asked.values, now), source)


# Of the whole cluster


async def history(backend: Backend, _: Asked) -> views.HistoryView:
    """How things went lately."""
    return await backend.whole.history(backend.whole.begin())


async def server(backend: Backend, _: Asked) -> views.ServerView:
    """The server as a whole."""
    return await backend.whole.server(backend.whole.begin())


async def rooms(backend: Backend, asked: Asked) -> views.Page[views.RoomView]:
    """A part of the rooms."""
    named = dict(asked.values)
    return await backend.whole.rooms(backend.whole.begin(named.pop("node")), **named)


async def room(backend: Backend, asked: Asked) -> views.RoomDetail:
    """A room."""
    return await backend.whole.room(backend.whole.begin(), **asked.values)


async def clients(backend: Backend, asked: Asked) -> views.Page[views.ClientView]:
    """A part of the clients."""
    named = dict(asked.values)
    round_ = backend.whole.begin(named.pop("node"))
    return await backend.whole.clients(round_, room_id=named.pop("room"), **named)


async def calls(backend: Backend, asked: Asked) -> views.Page[views.CallView]:
    """A part of the calls."""
    named = dict(asked.values)
    round_ = backend.whole.begin(named.pop("node"))
    room_id, only_problems = named.pop("room"), bool(named.pop("problems"))
    return await backend.whole.calls(round_, room_id=room_id, only_problems=only_problems, **named)


async def disconnect(backend: Backend, asked: Asked) -> Disconnected:
    """Send a client away."""
    return Disconnected(await backend.whole.disconnect(asked.values["key"]))
