"""What an operator is told of a server, as the API has it, for tests."""

from collections.abc import Sequence
from typing import Any

NOW_MS = 1_795_417_440_000

SERVER: dict[str, Any] = {
    "version": "1.2.3",
    "started_at_ms": NOW_MS - 8_000_000,
    "uptime_s": 8000.0,
    "connections": 2,
    "clients": 2,
    "rooms": 1,
    "urls": ["ws://192.0.2.7:8765"],
    "draining": False,
    "node": None,
    "cluster_up": None,
    "nodes": [],
    "problems": 1,
}

RATES: dict[str, Any] = {
    "step_s": 5,
    "is_whole": True,
    "series": {"messages": [1.0, 2.0], "bytes_in": [100.0, 2500.0]},
}


def client_row(key: str, client_id: str | None, room_id: str | None, **more: Any) -> dict[str, Any]:
    """Return a client, as `admin.views.ClientView`."""
    return {
        "key": key,
        "client_id": client_id,
        "client_type": "android",
        "room_id": room_id,
        "dialect": "readme",
        "address": f"192.0.2.7:4000{key}",
        "round_trip_ms": 3.2,
        "connected_for_s": 61.0,
        "messages": 7,
        "state": "here",
        "node": None,
        **more,
    }


def node_row(name: str, **more: Any) -> dict[str, Any]:
    """Return a node, as `admin.views.NodeView`."""
    return {
        "name": name,
        "reachable": True,
        "version": "1.2.3",
        "started_at_ms": NOW_MS - 8_000_000,
        "connections": 2,
        "clients": 2,
        "rooms": 1,
        "draining": False,
        **more,
    }


def room_row(room_id: str, clients: int = 2, nodes: Sequence[str] = ()) -> dict[str, Any]:
    """Return a room, as `admin.views.RoomView`."""
    opened_at_ms = NOW_MS - 3_600_000
    return {
        "room_id": room_id,
        "clients": clients,
        "opened_at_ms": opened_at_ms,
        "nodes": list(nodes),
    }


def call(number: int, room_id: str = "lab1", **more: Any) -> dict[str, Any]:
    """Return a call, as `admin.views.CallView`."""
    start = NOW_MS - 60_000
    return {
        "number": number,
        "room_id": room_id,
        "peers": [
            {"client_id": "phone1", "client_type": "android", "is_here": True},
            {"client_id": "pc", "client_type": "pc", "is_here": False},
        ],
        "started_at_ms": start,
        "last_step_at_ms": start + 18_000,
        "steps": [
            {"at_ms": start, "kind": "joined", "by": "phone1", "detail": None},
            {"at_ms": start + 482, "kind": "offer", "by": "pc", "detail": None},
            {"at_ms": start + 18_000, "kind": "last_candidate", "by": "pc", "detail": "2 host"},
        ],
        "steps_left_out": 0,
        "diagnosis": {
            "rule": "no_answer",
            "sentence": "phone1 has not answered for 42 s.",
            "is_problem": True,
        },
        "key": str(number),
        "node": None,
        **more,
    }


def call_row(number: int, **more: Any) -> dict[str, Any]:
    """Return a call as it stands in a list."""
    row = call(number, **more)
    row["step_count"] = len(row.pop("steps")) + row.pop("steps_left_out")
    return row
