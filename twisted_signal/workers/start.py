"""Puts the parent's admin endpoint together and beside its workers."""

from typing import Any, cast

from twisted_signal import __version__
from twisted_signal.admin.api import Api
from twisted_signal.admin.endpoint import AdminPlace
from twisted_signal.admin.start import add_site, guard_of, page_files
from twisted_signal.workers.admin import ParentApi
from twisted_signal.workers.parent import Parent
from twisted_signal.workers.site import ParentSite


def add_parent_admin(parent: Parent, place: AdminPlace, reactor: Any) -> None:
    """Let a parent have an admin endpoint, which outlasts its workers.

    Args:
        parent: of the workers.
        place: where.
        reactor: serves it.
    """
    api = cast("Api", ParentApi(parent, reactor, page_files()))  # it answers what Api would
    site = ParentSite(api, guard_of(place), reactor, f"vislam-signal/{__version__}")
    add_site(parent, place, site)
