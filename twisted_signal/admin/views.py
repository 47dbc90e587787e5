"""What an operator sees of rooms, of clients and of the server, as plain values fit for JSON.

A server may have tens of thousands of clients. So they are walked in the order of their arrival and
never sorted, and only those that are asked for are made into a view.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from twisted_signal import __version__
from twisted_signal.diagnosis import CallView, call_views
from twisted_signal.registry import Member, Room
from twisted_signal.server import SignalFactory
from twisted_signal.service import SignalService
from twisted_signal.session import Session
from twisted_signal.slim import OPEN
from twisted_signal.websocket import SignalProtocol

Item = TypeVar("Item")
View = TypeVar("View")


class Page(Struct, Generic[View], frozen=True):
    """A part of a list."""

    items: list[View]
    total: Annotated[int, Meta(description="How many there are in all that match.")]
    offset: Annotated[int, Meta(description="How many of these stand before the first item.")]
    limit: Annotated[int, Meta(description="How many items there may be.")]


class RoomView(Struct, frozen=True):
    """A room. It exists while it has a client."""

    room_id: str
    clients: Annotated[int, Meta(description="How many are in it, those who are away with them.")]
    opened_at_ms: Annotated[int, Meta(description="When, in milliseconds since 1970.")]


class ClientView(Struct, frozen=True):
    """A connected program, or one whose place in a room is kept for it."""

    key: Annotated[str, Meta(description="What it is disconnected by.")]
    client_id: Annotated[str | None, Meta(description="null: it is in no room yet.")]
    client_type: str | None
    room_id: str | None
    dialect: Annotated[
        str | None,
        Meta(description="Whose messages it speaks: readme or flat; null: unknown yet."),
    ]
    address: Annotated[str, Meta(description="Where it is, as the log has it.")]
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


class RoomDetail(Struct, frozen=True):
    """A room, and a part of those who are in it, in the order they came."""

    room: RoomView
    clients: Page[ClientView]


class ServerView(Struct, frozen=True):
    """The server."""

    version: str
    started_at_ms: Annotated[int, Meta(description="When, in milliseconds since 1970.")]
    uptime_s: Annotated[float, Meta(description="Seconds since then.")]
    connections: Annotated[
        int, Meta(description="TCP connections, those among them that ask for pages.")
    ]
    clients: Annotated[int, Meta(description="Those of them that are WebSockets.")]
    rooms: int
    urls: Annotated[list[str], Meta(description="Where clients reach it.")]
    draining: Annotated[bool, Meta(description="It takes nobody any more, and is about to end.")]


class HistoryView(Struct, frozen=True):
    """How things went lately: points at even steps, the latest last."""

    step_s: Annotated[float, Meta(description="Seconds from one point to the next.")]
    series: Annotated[
        dict[str, list[float]],
        Meta(
            description="connections, registrations, messages, bytes_in, bytes_out and refusals a"
            " second; clients and rooms; lag, the longest of each step, in seconds."
        ),
    ]


def rooms(
    factory: SignalFactory, *, search: str = "", offset: int = 0, limit: int = 50
) -> Page[RoomView]:
    """Return a part of the rooms, the oldest first.

    Args:
        factory: whose rooms.
        search: only those that have this in their id, in any case.
        offset: how many of those to pass over.
        limit: how many to return at most.
    """
    found: Iterable[Room] = factory.registry.rooms.values()
    total: int | None = len(factory.registry.rooms)
    if search:
        total, wanted = None, search.casefold()
        found = (room for room in found if wanted in room.room_id.casefold())
    return _page(found, _room_view, offset, limit, total)


def room(factory: SignalFactory, room_id: str, *, offset: int = 0, limit: int = 50) -> RoomDetail:
    """Return a room, with a part of its clients.

    Raises:
        KeyError: there is none of that id.
    """
    found = factory.registry.rooms[room_id]
    members = clients(factory, room_id=room_id, offset=offset, limit=limit)
    return RoomDetail(_room_view(found), members)


def clients(
    factory: SignalFactory,
    *,
    search: str = "",
    room_id: str | None = None,
    offset: int = 0,
    limit: int = 50,
) -> Page[ClientView]:
    """Return a part of the clients: those who are connected in the order they came, then the rest.

    Args:
        factory: whose clients.
        search: only those that have this in their id, in their room's or their address, in any
            case.
        room_id: only those that are in this room, in the order they joined; None: all.
        offset: how many of those to pass over.
        limit: how many to return at most.
    """
    found: Iterator[Found]
    total = None
    if room_id is None:
        # To count them takes 10 ms where there are 50,000. Those that are closing are in it.
        total = None if search else factory.admission.clients + factory.tally.kept
        found = chain(_connected(factory), _away(factory))
    else:
        found = _in_room(factory, room_id)
    if search:
        wanted = search.casefold()
        found = (each for each in found if _matches(each, wanted))
    now = factory.reactor.seconds()
    return _page(found, lambda each: _client_view(*each, now), offset, limit, total)


def calls(
    factory: SignalFactory,
    *,
    search: str = "",
    room_id: str | None = None,
    only_problems: bool = False,
    offset: int = 0,
    limit: int = 50,
) -> Page[CallView]:
    """Return a part of the calls, those in which something happened last first.

    Args:
        factory: whose calls.
        search: only those that have this in the id of their room or of a peer, in any case.
        room_id: only those of this room; None: of any.
        only_problems: only those that something is wrong with.
        offset: how many of those to pass over.
        limit: how many to return at most.
    """
    found = matching_calls(
        call_views(factory.registry, factory.now_ns()),
        search=search,
        room_id=room_id,
        only_problems=only_problems,
    )
    return Page(found[offset : offset + limit], len(found), offset, limit)


def matching_calls(
    found: Iterable[CallView], *, search: str, room_id: str | None, only_problems: bool
) -> list[CallView]:
    """Return those calls that are asked for; see `calls`."""
    wanted = search.casefold()
    return [
        call
        for call in found
        if (has_problem(call) or not only_problems)
        and (room_id is None or call.room_id == room_id)
        and (not wanted or _is_about(call, wanted))
    ]


def has_problem(call: CallView) -> bool:
    """Tell whether something is wrong with a call."""
    return call.diagnosis is not None and call.diagnosis.is_problem


def _is_about(call: CallView, wanted: str) -> bool:
    names = (call.room_id, *(peer.client_id for peer in call.peers))
    return any(wanted in name.casefold() for name in names)


def find(factory: SignalFactory, key: str) -> "Found | None":
    """Return the client with that key (`ClientView.key`), if there is one."""
    for found in chain(_connected(factory), _away(factory)):
        if str(found[0].number) == key:
            return found
    return None


def client(factory: SignalFactory, found: "Found") -> ClientView:
    """Return the view of one client."""
    return _client_view(*found, factory.reactor.seconds())


def session_of(found: "Found") -> Session:
    """Return the session of a client."""
    protocol, member = found
    session = protocol.session if member is None else member.owner
    assert isinstance(session, Session)
    return session


def server(service: SignalService) -> ServerView:
    """Return what there is to know of the server as a whole."""
    factory = service.factory
    return ServerView(
        version=__version__,
        started_at_ms=service.started_at_ms,
        uptime_s=round(factory.reactor.seconds() - service.started_at, 3),
        connections=factory.admission.connections,
        clients=factory.admission.clients,
        rooms=len(factory.registry.rooms),
        urls=service.urls(),
        draining=service.is_draining,
    )


def history(service: SignalService) -> HistoryView:
    """Return how things went in the last quarter of an hour."""
    history = service.telemetry.history
    return HistoryView(history.step, history.series())


Found = tuple[SignalProtocol, Member | None]
"""A client: its connection, which may have broken, and its place in a room."""


def _connected(factory: SignalFactory) -> Iterator[Found]:
    """Yield the clients that are connected, in the order they came."""
    for protocol in factory.connections:
        session = protocol.session
        # Without a session it asks for pages, or has not asked for anything yet.
        if session is not None and protocol.state == OPEN:
            yield protocol, session.member


def _away(factory: SignalFactory) -> Iterator[Found]:
    """Yield those whose place is kept without a connection."""
    return (
        (_protocol(member), member)
        for member in factory.registry.resumable_members()
        if member.is_away
    )


def _in_room(factory: SignalFactory, room_id: str) -> Iterator[Found]:
    room = factory.registry.rooms.get(room_id)
    members = room.members.values() if room is not None else ()
    return ((_protocol(member), member) for member in members)


def _protocol(member: Member) -> SignalProtocol:
    """Return the connection of a member, the last one that it had."""
    client: Any = member.client if member.mailbox is None else member.mailbox.client
    assert isinstance(client, SignalProtocol)
    return client


def _matches(found: Found, wanted: str) -> bool:
    protocol, member = found
    if wanted in protocol.address.casefold():
        return True
    return member is not None and (
        wanted in member.client_id.casefold() or wanted in member.room.room_id.casefold()
    )


def _room_view(room: Room) -> RoomView:
    return RoomView(room.room_id, len(room.members), room.opened_at_ns // 1_000_000)


def _client_view(protocol: SignalProtocol, member: Member | None, now: float) -> ClientView:
    if member is None:
        state: Literal["here", "away", "entering"] = "entering"
    else:
        state = "away" if member.is_away else "here"
    return ClientView(
        key=str(protocol.number),
        client_id=member.client_id if member is not None else None,
        client_type=member.client_type if member is not None else None,
        room_id=member.room.room_id if member is not None else None,
        dialect=protocol.dialect,
        address=protocol.address,
        round_trip_ms=protocol.round_trip_ms(),
        connected_for_s=round(now - protocol.connected_at, 3),
        messages=protocol.messages,
        state=state,
    )


def _page(
    found: Iterable[Item],
    view: Callable[[Item], View],
    offset: int,
    limit: int,
    total: int | None,
) -> Page[View]:
    """Return a part of what is found. `total`: how many there are; None: they are counted."""
    if total is not None:
        items = [view(each) for each in islice(found, offset, offset + limit)]
        end = offset + len(items)
        if len(items) < limit:  # there is no more: whoever goes on until the total must end
            total = min(total, end)
        return Page(items, max(total, end), offset, limit)
    items = []
    total = 0
    for each in found:
        if offset <= total < offset + limit:
            items.append(view(each))
        total += 1
    return Page(items, total, offset, limit)
