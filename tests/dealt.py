"""Rooms of two nodes, whose clients are dealt out to them in turn, in the place of one server's."""

import itertools
from typing import Any

import plain
import pytest
from cluster_stage import Stage

from twisted_signal.limits import Limits
from twisted_signal.messages import ClientMessage, ServerMessage
from twisted_signal.registry import Registry
from twisted_signal.session import Session


def dealt_registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return the rooms of the first of two nodes. `plain.party` deals clients out to both.

    Before a client hears or says something, all that is on its way has arrived.
    """
    stage = Stage(("a", "b"), limits=Limits())
    stage.settle()
    nodes = list(stage.nodes.values())
    first = nodes[0].registry
    turns = itertools.cycle(nodes)
    say, hear = plain.Party.say, plain.PlainClient.hear

    def session(client: Any, registry: Registry, *arguments: Any, **named: Any) -> Session:
        assert registry is first
        node = next(turns)
        return Session(client, node.registry, *arguments, cluster=node.node, **named)

    def say_and_settle(party: plain.Party, message: ClientMessage) -> None:
        stage.settle()
        say(party, message)
        stage.settle()

    def settle_and_hear(client: plain.PlainClient) -> list[ServerMessage]:
        stage.settle()
        return hear(client)

    monkeypatch.setattr(plain, "Session", session)
    monkeypatch.setattr(plain.Party, "say", say_and_settle)
    monkeypatch.setattr(plain.PlainClient, "hear", settle_and_hear)
    return first
