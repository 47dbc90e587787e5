"""Puts the admin endpoint together and beside the server."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from twisted.application.service import MultiService

from twisted_signal.admin.answering import ThisNode
from twisted_signal.admin.api import Api
from twisted_signal.admin.endpoint import AdminPlace, AdminService
from twisted_signal.admin.guard import Guard
from twisted_signal.admin.handlers import Backend
from twisted_signal.admin.live import Live
from twisted_signal.admin.readiness import Readiness
from twisted_signal.admin.site import AdminSite
from twisted_signal.admin.stream import Streams
from twisted_signal.admin.subject import Running
from twisted_signal.admin.whole import Whole
from twisted_signal.metrics import Exposition
from twisted_signal.service import SignalService
from twisted_signal.web.answers import Answer
from twisted_signal.web.files import read_files, read_static

PAGES = {"/": "index.html"}
"""The files that have another path than `/static/` and their name."""
SHARED = ("/static/style.css", "/static/icon.svg", "/favicon.ico")
"""The files that it has from the pages for clients."""


class Admin(NamedTuple):
    """What others may add to.

    Attributes:
        readiness: the checks of `/readyz`.
        exposition: the metrics.
    """

    readiness: Readiness
    exposition: Exposition


def page_files() -> dict[str, Answer]:
    """Return the files that the page is made of, by their path."""
    web = read_files()
    return read_static(__package__, PAGES) | {path: web[path] for path in SHARED}


def answer_others(service: SignalService) -> ThisNode:
    """Let a server answer what other nodes of its cluster ask for their operators.

    It does so whether or not it has an admin endpoint of its own.
    """
    node = ThisNode(service, time.perf_counter)
    service.factory.cluster.answer = node.answer
    return node


def add_admin(node: ThisNode, place: AdminPlace, reactor: Any) -> Admin:
    """Let a server have an admin endpoint, which outlasts its clients.

    Args:
        node: the server.
        place: where.
        reactor: serves it.

    Returns:
        What of it others may add to.
    """
    service, whole = node.service, Whole(node)
    readiness = Readiness(service)
    live = Live(Running(whole), time.perf_counter)
    exposition = Exposition(service.factory, service.telemetry)
    api = Api(Backend(whole, exposition, readiness, Streams(reactor), page_files(), live.viewer))
    site = AdminSite(api, guard_of(place), reactor, service.factory.server)
    add_site(service, place, site)
    return Admin(readiness, exposition)


def guard_of(place: AdminPlace) -> Guard:
    """Return what decides who may ask there."""
    token_file = place.token_file
    token = None if token_file is None else lambda: token_file.token
    return Guard(token, checks_host=not place.is_unix)


class Lasting(Protocol):
    """A server that an endpoint can be beside.

    Attributes:
        outlasting: services that run until its last client is gone.
        reloads: what SIGHUP calls.
    """

    outlasting: MultiService
    reloads: list[Callable[[], None]]


def add_site(service: Lasting, place: AdminPlace, site: AdminSite) -> None:
    """Let a server have an admin endpoint.

    Args:
        service: the server.
        place: where.
        site: answers there.
    """
    AdminService(place, site).setServiceParent(service.outlasting)
    token_file = place.token_file

    def renew() -> None:
        assert token_file is not None
        if token_file.renew():
            site.streams.end()  # they began with the one before

    if token_file is not None:
        service.reloads.append(renew)
