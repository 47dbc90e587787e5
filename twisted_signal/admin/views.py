"""What an operator is told of rooms, of clients and of the server, as plain values fit for JSON."""

from typing import Annotated, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from twisted_signal import diagnosis

View = TypeVar("View")

Missing = Annotated[
    list[str],
    Meta(description="Nodes that did not answer in time: what they have is left out."),
]
OfNode = Annotated[
    str | None,
    Meta(description="The node of the cluster that has it; null: the server is by itself."),
]


class Page(Struct, Generic[View], frozen=True):
    """A part of a list."""

    items: list[View]
    total: Annotated[int, Meta(description="How many there are in all that match.")]
    offset: Annotated[int, Meta(description="How many of these stand before the first item.")]
    limit: Annotated[int, Meta(description="How many items there may be.")]
    missing_nodes: Missing = []


class RoomView(Struct, frozen=True):
    """A room. It exists while it has a client."""

    room_id: str
    clients: Annotated[int, Meta(description="How many are in it, those who are away with them.")]
    opened_at_ms: Annotated[int, Meta(description="When, in milliseconds since 1970.")]
    nodes: Annotated[
        list[str],
        Meta(description="The nodes that these are connected to; none: the server is by itself."),
    ]


class ClientView(Struct, frozen=True):
    """A connected program, or one whose place in a room is kept for it."""

    key: Annotated[str, Meta(description="What it is disconnected by.")]
    client_id: Annotated[str | None, Meta(description="null: it is in no room yet.")]
    client_type: str | None
    room_id: str | None
    dialect: Annotated[
        str | None,
        Meta(description="Whose messages it speaks: readme or flat; null: unknown."),
    ]
    address: Annotated[
        str | None,
        Meta(
            description="Where it is, as the log has it; null: its place came from another node,"
            " and it has not come back yet."
        ),
    ]
    round_trip_ms: Annotated[
        float | None, Meta(description="What the kernel measures; null: it does not.")
    ]
    connected_for_s: Annotated[
        float, Meta(description="Seconds since its connection began, broken or not.")
    ]
    messages: Annotated[int, Meta(description="How many came by this connection.")]
    state: Annotated[
        Literal["here", "away", "entering"],
        Meta(
            description="here: in a room; away: its connection is broken and its place is kept;"
            " entering: connected, and in no room yet."
        ),
    ]
    node: OfNode


class RoomDetail(Struct, frozen=True):
    """A room, and a part of those who are in it: each node's in the order they came."""

    room: RoomView
    clients: Page[ClientView]


class CallView(diagnosis.CallView, frozen=True):
    """A call.

    Attributes:
        key: what it is known by in the whole cluster.
        node: the node that tells of it; None: the server is by itself.
    """

    key: str
    node: str | None


class NodeView(Struct, frozen=True):
    """A node of the cluster. What is not known of one that does not answer is null."""

    name: str
    reachable: Annotated[bool, Meta(description="It has answered in time.")]
    version: str | None = None
    started_at_ms: Annotated[
        int | None, Meta(description="When, in milliseconds since 1970, by its clock.")
    ] = None
    connections: int | None = None
    clients: int | None = None
    rooms: Annotated[
        int | None, Meta(description="Those in which somebody is who is connected to it.")
    ] = None
    draining: bool | None = None


class ServerView(Struct, frozen=True):
    """The server; in a cluster, the node that was asked, and what there is on all nodes."""

    version: str
    started_at_ms: Annotated[int, Meta(description="When, in milliseconds since 1970.")]
    uptime_s: Annotated[float, Meta(description="Seconds since then.")]
    connections: Annotated[
        int,
        Meta(description="TCP connections, those among them that ask for pages; of all nodes."),
    ]
    clients: Annotated[int, Meta(description="Those of them that are WebSockets.")]
    rooms: Annotated[int, Meta(description="Of all nodes, each once.")]
    urls: Annotated[list[str], Meta(description="Where clients reach it.")]
    draining: Annotated[bool, Meta(description="It takes nobody any more, and is about to end.")]
    node: OfNode
    cluster_up: Annotated[
        bool | None,
        Meta(
            description="Whether it is in touch with the cluster: else all that is told is of this"
            " node only; null: the server is by itself."
        ),
    ]
    nodes: Annotated[
        list[NodeView], Meta(description="All nodes by name; none: the server is by itself.")
    ]


class HistoryView(Struct, frozen=True):
    """How things went lately: points at even steps, the latest last."""

    step_s: Annotated[float, Meta(description="Seconds from one point to the next.")]
    series: Annotated[
        dict[str, list[float]],
        Meta(
            description="connections, registrations, messages, bytes_in, bytes_out and refusals a"
            " second; clients and rooms; lag, the longest of each step, in seconds. Of all nodes"
            " together: a room on two of them counts twice, and lag is that of the slowest."
        ),
    ]
    missing_nodes: Missing = []
