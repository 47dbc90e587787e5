"""What the whole cluster has, as an operator sees it: each node is asked for its part.

Lists of rooms and clients are one node's after another's, by the names of the nodes. So a part of a
list is the same whichever node is asked for it, and is not moved by what happens on later ones.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from twisted_signal.admin import inventory, merged
from twisted_signal.admin.answering import ThisNode
from twisted_signal.admin.errors import ApiError
from twisted_signal.admin.neighbours import Round
from twisted_signal.admin.questions import (
    NONE_OF_IT,
    AskCalls,
    AskClients,
    AskOutlines,
    AskRates,
    AskRoom,
    AskRooms,
    AskStatus,
    Disconnect,
    Outline,
    Part,
    Question,
)
from twisted_signal.admin.views import (
    CallView,
    ClientView,
    HistoryView,
    NodeView,
    Page,
    RoomDetail,
    RoomView,
    ServerView,
)
from twisted_signal.text import quoted

View = TypeVar("View")


AskPart = Callable[[str, Part], Question[Page[View]]]
"""Returns the question for a part of one node's list. It is called with the node's name."""


class Whole:
    """The cluster, of which this node is one."""

    def __init__(self, node: ThisNode) -> None:
        self.node = node
        self._cluster = node.service.factory.cluster

    def begin(
        self, node: str | None = None, *, is_live: bool = False, is_alone: bool = False
    ) -> Round:
        """Return what asks all nodes, or some of them.

        Args:
            node: only this one; None: all.
            is_live: see `questions.Asked`.
            is_alone: this node, whose answers are there at once, and no other.

        Raises:
            ApiError: there is no such node.
        """
        here = self.node.name
        everyone = sorted({here, *self._cluster.others()})
        names = everyone if self._cluster.is_up and not is_alone else [here]
        missing = [name for name in everyone if name not in names and not is_alone]
        if node is not None:
            if node not in everyone:
                raise ApiError(
                    HTTPStatus.NOT_FOUND,
                    "unknown_node",
                    f"There is no node {quoted(node)}; it may have stopped.",
                )
            names = [name for name in names if name == node]
            missing = [name for name in missing if name == node]
        return Round(self._cluster, self.node, names, missing, is_live=is_live)

    async def rooms(self, round_: Round, search: str, offset: int, limit: int) -> Page[RoomView]:
        """Return a part of the rooms: each node's the oldest first. See `inventory.rooms`."""
        earlier = {name: round_.earlier(name) for name in round_.names}
        return await self._part(
            round_, lambda name, part: AskRooms(part, search, earlier[name]), offset, limit
        )

    async def clients(
        self, round_: Round, search: str, room_id: str | None, offset: int, limit: int
    ) -> Page[ClientView]:
        """Return a part of the clients. See `inventory.clients`."""
        return await self._part(
            round_, lambda _, part: AskClients(part, search, room_id), offset, limit
        )

    async def room(self, round_: Round, room_id: str, offset: int, limit: int) -> RoomDetail:
        """Return a room, with a part of its clients.

        Raises:
            ApiError: there is none of that id.
        """
        views = await round_.ask_all(lambda _: AskRoom(room_id))
        found = [view for view in views.values() if view is not None]
        if not found:
            silent = f" {quoted(round_.missing[0])} does not answer." if round_.missing else ""
            raise ApiError(
                HTTPStatus.NOT_FOUND,
                "unknown_room",
                f"There is no room {quoted(room_id)}; a room exists while it has a client.{silent}",
            )
        round_.names = [name for name, view in views.items() if view is not None]
        return RoomDetail(found[0], await self.clients(round_, "", room_id, offset, limit))

    async def _part(
        self, round_: Round, question: AskPart[View], offset: int, limit: int
    ) -> Page[View]:
        totals: dict[str, int] = {}
        if len(round_.names) == 1:  # it counts while it looks for them
            parts = [merged.Share(round_.names[0], offset, limit)]
        else:
            counted = await round_.ask_all(lambda name: question(name, NONE_OF_IT))
            totals = {name: page.total for name, page in counted.items()}
            parts = merged.shares(totals, offset, limit)
        pages = await round_.ask(
            {
                name: question(name, Part(first, count, totals.get(name)))
                for name, first, count in parts
            }
        )
        totals.update((name, page.total) for name, page in pages.items())
        items = [item for page in pages.values() for item in page.items]
        return Page(items, sum(totals.values()), offset, limit, round_.missing)

    async def outlines(self, round_: Round) -> dict[str, list[Outline]]:
        """Return what each node knows of calls."""
        return await round_.ask_all(lambda _: AskOutlines(exactly=not round_.is_live))

    async def told_calls(
        self, round_: Round, found: list[merged.Known], *, with_steps: bool
    ) -> list[CallView]:
        """Return what there is to tell of calls, in their order."""
        views = await round_.ask(
            {name: AskCalls(numbers, with_steps) for name, numbers in merged.by_node(found).items()}
        )
        told = {(name, call.number): call for name, calls in views.items() for call in calls}
        wanted = ((known.node, known.call.number) for known in found)
        return [told[each] for each in wanted if each in told]

    async def calls(
        self,
        round_: Round,
        search: str,
        room_id: str | None,
        offset: int,
        limit: int,
        *,
        only_problems: bool,
    ) -> Page[CallView]:
        """Return a part of the calls, those in which something happened last first.

        Args:
            search, room_id, only_problems: see `merged.matching`.
        """
        found = merged.matching(
            merged.calls(await self.outlines(round_)),
            search=search,
            room_id=room_id,
            only_problems=only_problems,
        )
        items = await self.told_calls(round_, found[offset : offset + limit], with_steps=True)
        return Page(items, len(found), offset, limit, round_.missing)

    async def server(self, round_: Round) -> ServerView:
        """Return what there is to know of the server as a whole."""
        told = await round_.ask_all(lambda name: AskStatus(round_.earlier(name)))
        service, here = self.node.service, told[self.node.name].node
        nodes = [status.node for status in told.values()]
        nodes += [NodeView(name, reachable=False) for name in round_.missing]
        assert here.version is not None
        assert here.started_at_ms is not None
        return ServerView(
            version=here.version,
            started_at_ms=here.started_at_ms,
            uptime_s=round(service.factory.reactor.seconds() - service.started_at, 3),
            connections=sum(node.connections or 0 for node in nodes),
            clients=sum(node.clients or 0 for node in nodes),
            rooms=sum(status.own_rooms for status in told.values()),
            urls=service.urls(),
            draining=service.is_draining,
            node=self.node.name or None,
            cluster_up=self._cluster.is_up if self.node.name else None,
            nodes=sorted(nodes, key=lambda node: node.name) if self.node.name else [],
        )

    async def history(self, round_: Round) -> HistoryView:
        """Return how things went in the last quarter of an hour."""
        rates = await round_.ask_all(lambda _: AskRates())
        step = self.node.service.telemetry.history.step
        return HistoryView(step, merged.series(rates.values()), round_.missing)

    async def disconnect(self, key: str) -> ClientView:
        """Send a client away. Returns what it was before.

        Raises:
            ApiError: there is no such client, or its node does not say anything.
        """
        name, number = inventory.split_key(key)
        found = None
        if name in (self.node.name, *self._cluster.others()):
            answers = await self.begin(name).ask({name: Disconnect(number)})
            if name not in answers:
                raise _silent(name)
            found = answers[name]
        elif name and not self._cluster.is_up:
            raise _silent(name)
        if found is None:
            raise ApiError(
                HTTPStatus.NOT_FOUND,
                "unknown_client",
                f"No client has the key {quoted(key)}; it may have gone.",
            )
        return found


def _silent(name: str) -> ApiError:
    return ApiError(
        HTTPStatus.GATEWAY_TIMEOUT,
        "node_silent",
        f"The node {quoted(name)} has not answered: whether the client is gone is not known.",
    )
