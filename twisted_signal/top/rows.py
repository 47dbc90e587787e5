"""What `vislam-signal top` shows, as texts. Nothing in them can act on a terminal."""

from collections.abc import Mapping
from typing import Any

from twisted_signal.admin.changes import Listing, Row
from twisted_signal.calls_command import peers_of
from twisted_signal.figures import counted, duration, milliseconds
from twisted_signal.text import printable

PLOTS = {
    "messages": "messages",
    "bytes_in": "bytes in",
    "bytes_out": "bytes out",
    "connections": "connections",
    "refusals": "refused",
}
"""The series that are plotted, each with its title; all are rates."""

COLUMNS = {
    "rooms": ("Room", "Clients", "Open for"),
    "clients": (
        "Client",
        "Type",
        "Room",
        "Dialect",
        "Address",
        "Round trip",
        "For",
        "Messages",
        "",
    ),
    "calls": ("Call", "Room", "Last step", "Diagnosis"),
}
"""The columns of each list."""
NODE = "Node"
"""The last column of the lists of rooms and clients, where there are several nodes."""


def head_of(server: Row, uptime: float) -> str:
    """Return what is said of the server as a whole. `uptime`: seconds."""
    parts = [
        "draining" if server["draining"] else "healthy",
        f"version {server['version']}",
        f"up {duration(uptime)}",
        counted(server["clients"], "client"),
        counted(server["rooms"], "room"),
    ]
    if server["cluster_up"] is False:
        parts[0] = "cut off from the cluster"
    if has_nodes(server):
        silent = [node["name"] for node in server["nodes"] if not node["reachable"]]
        parts += [counted(len(server["nodes"]), "node"), *(f"{name} is silent" for name in silent)]
    if server.get("problems"):
        parts.append(f"{counted(server['problems'], 'call')} with a problem")
    return printable("  ".join(parts))


def has_nodes(server: Row) -> bool:
    """Tell whether there are several nodes."""
    return len(server["nodes"]) > 1


def columns_of(name: str, server: Row) -> tuple[str, ...]:
    """Return the columns of a list. `server`: empty as long as nothing is known of it."""
    columns = COLUMNS.get(name, ())
    if name in ("rooms", "clients") and server and has_nodes(server):
        return (*columns, NODE)
    return columns


def title_of(look: Mapping[str, Any], listing: Listing) -> str:
    """Return what stands above a list. `look`: see `admin.live.Look`."""
    offset = look.get("offset", 0)
    match look["view"]:
        case "room":
            title = f"Room {printable(look['room'])}"
        case "call":
            title = "Call"
        case view:
            title = view.capitalize()
    if look.get("search"):
        title += f" with “{printable(look['search'])}”"
    if look.get("problems"):
        title += " with a problem"
    if listing.total > len(listing.rows):
        title += (
            f"  {offset + 1:,} to {offset + len(listing.rows):,} of {listing.total:,}"
            "  (n: next, b: back)"
        )
    elif listing.total >= 0 and look["view"] != "call":
        title += f"  {listing.total:,}"
    return title


def cells_of(
    name: str, row: Row, now_ms: int, since_told: float, *, has_nodes: bool = False
) -> list[str]:
    """Return what a row of a table says.

    Args:
        name: of the list: a key of COLUMNS.
        now_ms: the time at the server, in milliseconds since 1970.
        since_told: seconds since the row was told.
        has_nodes: see `columns_of`.
    """
    if name == "rooms":
        open_for = duration((now_ms - row["opened_at_ms"]) / 1000)
        cells = [printable(row["room_id"]), f"{row['clients']:,}", open_for]
        return [*cells, printable(", ".join(row["nodes"]))] if has_nodes else cells
    if name == "calls":
        ago = f"{duration((now_ms - row['last_step_at_ms']) / 1000)} ago"
        diagnosis = row["diagnosis"]
        sentence = "" if diagnosis is None else printable(diagnosis["sentence"])
        mark = "✗ " if diagnosis is not None and diagnosis["is_problem"] else ""
        return [peers_of(row), printable(row["room_id"]), ago, mark + sentence]
    age = row["connected_for_s"] + since_told
    cells = [
        printable(row["client_id"] or "–"),
        printable(row["client_type"] or "–"),
        printable(row["room_id"] or "–"),
        printable(row["dialect"] or "–"),
        printable(row["address"] or "–"),
        milliseconds(row["round_trip_ms"]),
        duration(age),
        f"{row['messages']:,}",
        "" if row["state"] == "here" else row["state"],
    ]
    return [*cells, printable(row["node"] or "–")] if has_nodes else cells
