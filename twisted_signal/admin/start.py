"""Puts the admin endpoint together and beside the server."""

from typing import Any

from twisted_signal.admin.api import Api, Backend
from twisted_signal.admin.endpoint import AdminPlace, AdminService
from twisted_signal.admin.guard import Guard
from twisted_signal.admin.readiness import Readiness
from twisted_signal.admin.site import AdminSite
from twisted_signal.service import SignalService
from twisted_signal.web.files import read_static

PAGES = {"/": "index.html"}
"""The files that have another path than `/static/` and their name."""


def add_admin(service: SignalService, place: AdminPlace, reactor: Any) -> Readiness:
    """Let a server have an admin endpoint, which outlasts its clients.

    Args:
        service: the server.
        place: where.
        reactor: serves it.

    Returns:
        The checks of `/readyz`, to which others may be added.
    """
    readiness = Readiness(service)
    api = Api(Backend(service, readiness, files=read_static(__package__, PAGES)))
    token_file = place.token_file
    token = None if token_file is None else lambda: token_file.token
    guard = Guard(token, checks_host=not place.is_unix)
    factory = service.factory
    site = AdminSite(api, guard, factory.refusals, reactor, factory.server)
    AdminService(place, site).setServiceParent(service.outlasting)

    def renew() -> None:
        assert token_file is not None
        if token_file.renew():
            site.streams.end()  # they began with the one before

    if token_file is not None:
        service.reloads.append(renew)
    return readiness
