"""`twistd vislam-signal`: from its options to their service."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from twisted.application.service import IService

from twisted_signal.admin.readiness import Check
from twisted_signal.admin.start import add_admin, answer_others
from twisted_signal.advertisement import Advertisement
from twisted_signal.clock import run_steadily
from twisted_signal.collector import spare_what_stays
from twisted_signal.descriptors import raise_limit
from twisted_signal.invitation import Invitation
from twisted_signal.notify import Notifier, socket_address
from twisted_signal.options import Options, global_reactor
from twisted_signal.reconfiguration import Reconfiguration
from twisted_signal.registry import Registry
from twisted_signal.server import SignalFactory
from twisted_signal.service import Reactor, SignalService
from twisted_signal.web.connection import Pages
from twisted_signal.web.website import Website

if TYPE_CHECKING:
    from twisted_signal.cluster.node import Node
    from twisted_signal.cluster.redis import RedisLink

__all__ = ["Options", "makeService"]  # what twistd looks for


def makeService(options: Options) -> IService:
    """Return the server that the options describe. A hook of twistd."""
    reactor = global_reactor()
    run_steadily(reactor)
    spare_what_stays(reactor)
    raise_limit(options.limits.max_clients)
    registry = Registry(options.limits, options.duplicate_id)
    node, link = _cluster(options, registry, reactor)
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
    wants_token = options.verifier is not None
    if not options["no-web"]:
        website = Website(service.urls, wants_token=wants_token, now=reactor.seconds())
        factory.pages = Pages(website, reactor, factory.server)
    if options["advertise"]:
        announced = Advertisement(reactor, service.urls, wants_token=wants_token)
        announced.setServiceParent(service)
    if options["qr"]:
        signed_here = options.renewal if options["self-signed"] else None
        invitation = Invitation(reactor, sys.stdout, service.urls, signed_here)
        invitation.setServiceParent(service)
    checks: dict[str, Check] = {}
    if options.admin is not None:
        checks = add_admin(service, options.admin, reactor).checks
    else:
        answer_others(service)
    if link is not None:
        link.setServiceParent(service.outlasting)
        checks["redis"] = link.complaint
    if options.renewal is not None:
        options.renewal.setServiceParent(service)
    if options.sources.path is None:
        service.reloads.extend(_renewals(options))
    else:  # all of it at once, or nothing
        others = list(service.reloads)
        service.reloads[:] = [Reconfiguration(options, factory, others).reload]
    manager = socket_address(os.environ)
    if manager is not None:
        notifier = Notifier(reactor, service, manager)
        notifier.setServiceParent(service)
        service.reloads.insert(0, notifier.reloading)
    return service


def _cluster(
    options: Options, registry: Registry, reactor: Reactor
) -> "tuple[Node, RedisLink] | tuple[None, None]":
    """Return the node of a cluster that the server is, with its way to Redis, if it is one."""
    if options.redis is None:
        return None, None
    from twisted_signal.cluster.start import make_node  # nothing of it is loaded without need

    return make_node(options.redis, registry, options.outbox, reactor)


def _renewals(options: Options) -> Iterator[Callable[[], None]]:
    """Yield what reads files again, each by itself."""
    if options.renewal is not None:
        yield options.renewal.reload
    if options.key_files is not None:
        yield options.key_files.renew
    if options.relays.is_turn:
        yield options.relays.renew
