"""`twistd vislam-signal`: from its options to their service."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from twisted.application.service import IService

from twisted_signal.admin.start import add_admin, answer_others
from twisted_signal.advertisement import Advertisement
from twisted_signal.clock import run_steadily
from twisted_signal.collector import spare_what_stays
from twisted_signal.descriptors import raise_limit
from twisted_signal.inheritance import Inheritance, Lifeline
from twisted_signal.invitation import Invitation
from twisted_signal.notify import Notifier, socket_address
from twisted_signal.options import Options, global_reactor
from twisted_signal.reconfiguration import FileReload, Reconfiguration
from twisted_signal.registry import Registry
from twisted_signal.server import SignalFactory
from twisted_signal.service import SignalService
from twisted_signal.signals import Reactor
from twisted_signal.web.connection import Pages
from twisted_signal.web.website import Website

if TYPE_CHECKING:
    from twisted_signal.workers.parent import Parent

__all__ = ["Options", "makeService"]  # what twistd looks for


def makeService(options: Options) -> IService:
    """Return the server that the options describe. A hook of twistd."""
    reactor = global_reactor()
    run_steadily(reactor)
    spare_what_stays(reactor)
    if options.inheritance is not None:
        return _worker(options, options.inheritance, reactor)
    service = _parent(options, reactor) if options.workers > 1 else _server(options, reactor)
    if options["advertise"]:
        wants_token = options.verifier is not None
        announced = Advertisement(reactor, service.urls, wants_token=wants_token)
        announced.setServiceParent(service)
    if options["qr"]:
        signed_here = options.renewal if options["self-signed"] else None
        invitation = Invitation(reactor, sys.stdout, service.urls, signed_here)
        invitation.setServiceParent(service)
    _notify(service, reactor)
    return service


def _server(options: Options, reactor: Reactor) -> SignalService:
    """Return what serves clients."""
    raise_limit(options.limits.max_clients)
    registry = Registry(options.limits, options.duplicate_id)
    node = None
    if options.redis is not None:
        # A server by itself does without what this needs.
        from twisted_signal.membership import join_cluster, make_node

        node = make_node(registry, options.outbox)
    factory = SignalFactory(
        reactor,
        registry,
        limits=options.limits,
        verifier=options.verifier,
        outbox=options.outbox,
        proxies=options.proxies,
        origins=options.origins,
        ice=options.relays.provider,
        log_bounds=options.log_bounds,
        cluster=node,
    )
    service = SignalService(reactor, factory, options.listeners)
    if not options["no-web"]:
        wants_token = options.verifier is not None
        website = Website(service.urls, wants_token=wants_token, now=reactor.seconds())
        factory.pages = Pages(website, reactor, factory.server)
    answering = answer_others(service)
    admin = None if options.admin is None else add_admin(answering, options.admin, reactor)
    if options.redis is not None and node is not None:
        join_cluster(service, node, options.redis, admin, reactor)
    if options.renewal is not None:
        options.renewal.setServiceParent(service)
    if options.sources.path is None:
        service.reloads.extend(_renewals(options))
    else:  # all of it at once, or nothing
        others = list(service.reloads)
        service.reloads[:] = [Reconfiguration(options, factory, others).reload]
    return service


def _worker(options: Options, inheritance: Inheritance, reactor: Reactor) -> SignalService:
    """Return one of several servers that have a parent, which is their service manager."""
    with suppress(PermissionError):  # it is the first of a session already
        os.setsid()  # Ctrl-C is for the parent
    service = _server(options, reactor)

    def gone() -> None:
        reactor.addSystemEventTrigger("after", "shutdown", inheritance.remove)
        service.drain("The parent process has gone")

    Lifeline(reactor, gone)
    _notify(service, reactor)
    return service


def _parent(options: Options, reactor: Reactor) -> "Parent":
    """Return what lets others serve clients."""
    from twisted_signal.workers.parent import Parent  # no use to most
    from twisted_signal.workers.start import add_parent_admin

    parent = Parent(reactor, options)
    if options.admin is not None:
        add_parent_admin(parent, options.admin, reactor)
    parent.reloads.append(parent.pass_reload_on)
    if options.sources.path is not None:
        parent.reloads[:] = [FileReload(options, list(parent.reloads)).reload]
    return parent


def _notify(service: "SignalService | Parent", reactor: Reactor) -> None:
    manager = socket_address(os.environ)
    if manager is not None:
        notifier = Notifier(reactor, service, manager)
        notifier.setServiceParent(service)
        service.reloads.insert(0, notifier.reloading)


def _renewals(options: Options) -> Iterator[Callable[[], None]]:
    """Yield what reads files again, each by itself."""
    if options.renewal is not None:
        yield options.renewal.reload
    if options.key_files is not None:
        yield options.key_files.renew
    if options.relays.is_turn:
        yield options.relays.renew
