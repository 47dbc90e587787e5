"""Puts a node and its way to Redis together."""

import secrets
import socket
from typing import Any

from twisted_signal.cluster.address import Address
from twisted_signal.cluster.endpoints import Endpoints
from twisted_signal.cluster.node import Node
from twisted_signal.cluster.redis import RedisLink
from twisted_signal.cluster.scripts import NAMES, text_of
from twisted_signal.outbox import Outbox
from twisted_signal.registry import Registry


def make_node(
    address: Address, registry: Registry, outbox: Outbox, reactor: Any
) -> tuple[Node, RedisLink]:
    """Return a node, and the service that lends it its way to Redis.

    Args:
        address: where Redis is.
        registry: the node's rooms.
        outbox: gathers what is said in a turn.
        reactor: its clock and its connections.

    Raises:
        UnusableUrl: a file that the address names cannot be used.
    """
    host = socket.gethostname().partition(".")[0]
    node = Node(f"{host}-{secrets.token_hex(3)}", registry, outbox)
    scripts = {name: text_of(name) for name in NAMES}
    return node, RedisLink(reactor, outbox, Endpoints(address), node, scripts)
