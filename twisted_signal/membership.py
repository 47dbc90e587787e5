"""Makes the server a node of a cluster. A server by itself does not import this."""

import re
import secrets
import socket
from typing import Any

from twisted_signal.admin.start import Admin
from twisted_signal.cluster.endpoints import Endpoints
from twisted_signal.cluster.node import Node
from twisted_signal.cluster.redis import RedisLink
from twisted_signal.cluster.scripts import NAMES, text_of
from twisted_signal.outbox import Outbox
from twisted_signal.registry import Registry
from twisted_signal.service import SignalService

HOST_LENGTH = 63
"""Characters of a host's name that are part of a node's."""


def node_name(host: str) -> str:
    """Return a name that no node has or had. `host`: the machine's name, for people."""
    plain = re.sub(r"[^A-Za-z0-9.-]", "-", host)[:HOST_LENGTH]
    return f"{plain}-{secrets.token_hex(3)}"


def make_node(registry: Registry, outbox: Outbox) -> Node:
    """Return the node that a server is from now on.

    Args:
        registry: the server's rooms.
        outbox: gathers what the server says in a turn.
    """
    return Node(node_name(socket.gethostname()), registry, outbox)


def join_cluster(
    service: SignalService, node: Node, redis: Endpoints, admin: Admin | None, reactor: Any
) -> None:
    """Let a server have a way to Redis, which outlasts its clients.

    Args:
        service: the server.
        node: what it is in the cluster.
        redis: where Redis is.
        admin: its admin endpoint; None: it has none.
        reactor: connects.
    """
    scripts = {name: text_of(name) for name in NAMES}
    link = RedisLink(reactor, service.factory.outbox, redis, node, scripts)
    link.setServiceParent(service.outlasting)
    if admin is not None:
        admin.readiness.checks["redis"] = link.complaint
        admin.exposition.add_cluster(node)
