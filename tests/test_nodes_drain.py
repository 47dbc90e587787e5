"""A node is stopped in order, as in a rolling upgrade: its clients go to another one."""

import signal
from pathlib import Path

import pytest
from node_clients import Numbered, bystanders, joined, left, refusals, register, told_of
from nodes import Node, nodes
from redis_server import RedisServer


@pytest.mark.parametrize("by", ["signal", "admin"])
def test_clients_that_can_resume_move_and_nobody_hears_of_it(
    by: str, redis: RedisServer, tmp_path: Path
) -> None:
    options = ("--drain-timeout", "3")
    with (
        nodes(redis.url, redis.url, cwd=tmp_path, options=options) as (old, new),
        bystanders(new),
        register(new, "watch", "lab") as watch,
        register(old, "plain", "lab") as plain,
    ):
        names = ("at once", "late", "never", "away")
        clients = {name: register(old, name, "lab", resume=True) for name in names}
        clients["away"].lose()
        old.wait_for("Connection lost: away")
        talks = {name: Numbered(watch, client) for name, client in clients.items()}

        def talk_to_all() -> None:
            for each in talks.values():
                each.say()

        talk_to_all()
        drain(old, by)
        there = [plain, *(clients[name] for name in names if name != "away")]
        for client in there:
            assert client.hear_type("server_shutdown")["reconnect_in_ms"] >= 0
        talk_to_all()
        for client in there:
            assert client.hear_close() == 1001
            client.lose()
        talk_to_all()
        clients["at once"] = clients["at once"].resume(new)
        talk_to_all()
        assert old.wait() == 0
        talk_to_all()
        for name in ("late", "away"):
            clients[name] = clients[name].resume(new)
        talk_to_all()

        for name in ("at once", "late", "away"):
            talks[name].target = clients[name]
            talks[name].wait_for_arrival()
            assert talks[name].arrived == list(range(talks[name].sent))
        assert refusals(watch) == []
        for client in (watch, clients["at once"], clients["late"], clients["away"]):
            assert client.peers() == client.view == {"watch", *names} - {client.client_id}
        assert told_of(watch) == [joined("plain"), *(joined(name) for name in names), left("plain")]


def drain(node: Node, by: str) -> None:
    """Stop a node in order."""
    if by == "signal":
        node.process.send_signal(signal.SIGTERM)
    else:
        node.admin.post("/api/v1/drain")
