"""Makes the server a node of a cluster. A server by itself does not import this."""

import re
import secrets
import socket
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from twisted_signal.admin.start import Admin
from twisted_signal.cluster.endpoints import Endpoints
from twisted_signal.cluster.node import Node
from twisted_signal.cluster.redis import RedisLink
from twisted_signal.cluster.scripts import NAMES, text_of
from twisted_signal.metrics import counter, gauge
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
        admin.exposition.add(ClusterCollector(node))


class ClusterCollector(Collector):
    """What a node counts of its cluster."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of this moment. A hook of prometheus-client."""
        node, others = self._node, self._node.neighbours
        text = "1 while the server is in its cluster, 0 while Redis is away"
        yield gauge("cluster_up", text, node.is_up)
        text = "Servers that are in the cluster, this one among them; 0 while Redis is away"
        yield gauge("cluster_nodes", text, len(others.names) + node.is_up)
        text = "Times that the way to Redis was lost"
        yield counter("cluster_losses", text, node.losses)
        text = "Messages of clients that were for clients of other servers"
        yield counter("cluster_messages_sent", text, others.messages)
        text = "Messages of other servers' clients for clients of this one"
        yield counter("cluster_messages_received", text, others.messages_heard)
        text = "Times that something was sent to another server, with all that was gathered for it"
        yield counter("cluster_batches_sent", text, others.batches)
        text = "Times that something came from other servers, or of what they did in Redis"
        yield counter("cluster_batches_received", text, others.batches_heard)
