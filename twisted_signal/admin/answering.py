"""What this node answers to `questions`: its own, and those of other nodes."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import msgspec

from twisted_signal import __version__, diagnosis, event_log, events
from twisted_signal.admin import inventory
from twisted_signal.admin.questions import (
    ASKED,
    MOST_ITEMS,
    AnyQuestion,
    AskCalls,
    AskClients,
    Asked,
    AskOutlines,
    AskRates,
    AskRoom,
    AskRooms,
    AskStatus,
    Disconnect,
    Outline,
    Question,
    Rates,
    Status,
)
from twisted_signal.admin.thrift import Thrift
from twisted_signal.admin.views import CallView, ClientView, NodeView, Page, RoomView
from twisted_signal.call_board import CallBoard
from twisted_signal.service import SignalService

log = event_log.logger(__name__)


class ThisNode:
    """This node.

    Attributes:
        service: the server.
        name: in the cluster; empty: it is by itself.
    """

    def __init__(self, service: SignalService, stopwatch: Callable[[], float]) -> None:
        """`stopwatch`: see `Thrift`; it measures what questions cost that are asked again."""
        self.service = service
        self._factory = service.factory
        self.name = service.factory.cluster.name
        self._board = CallBoard(service.factory.registry)
        self._calls: dict[int, _Call] = {}
        self._thrift: Thrift[AnyQuestion, Any] = Thrift(stopwatch)
        self._says: dict[type[Question[Any]], Callable[[Any], Any]] = {
            AskRooms: self._rooms,
            AskClients: self._clients,
            AskRoom: self._room,
            AskOutlines: self._outlines,
            AskCalls: self._told,
            AskStatus: self._status,
            AskRates: self._rates,
            Disconnect: self._disconnect,
        }

    def answer(self, data: bytes) -> bytes:
        """Return the answer to another node's question. See `cluster.base.Cluster.answer`.

        Returns:
            Nothing where the question makes no sense here, as of a node of another release.
        """
        try:
            return msgspec.json.encode(self.say_again(ASKED.decode(data)))
        except msgspec.DecodeError:
            return b""
        except Exception:
            log.exception(events.ADMIN_QUESTION_FAILED, about=event_log.OTHERS)
            return b""

    def say_again(self, asked: Asked) -> Any:
        """Return the answer to a question; where it is asked again and again, at a bounded cost."""
        if not asked.is_live:
            return self.say(asked)
        now = self._factory.reactor.seconds()
        return self._thrift.get(asked.question, now, lambda: self.say(asked))

    def say(self, asked: Asked) -> Any:
        """Return the answer to a question, of the type that it says."""
        return self._says[type(asked.question)](asked.question)

    def _rooms(self, question: AskRooms) -> Page[RoomView]:
        return inventory.rooms(
            self._factory,
            earlier=frozenset(question.earlier),
            search=question.search,
            offset=question.part.offset,
            limit=min(question.part.limit, MOST_ITEMS),
            total=question.part.total,
        )

    def _clients(self, question: AskClients) -> Page[ClientView]:
        return inventory.clients(
            self._factory,
            search=question.search,
            room_id=question.room_id,
            offset=question.part.offset,
            limit=min(question.part.limit, MOST_ITEMS),
            total=question.part.total,
        )

    def _room(self, question: AskRoom) -> RoomView | None:
        return inventory.room(self._factory, question.room_id)

    def _outlines(self, question: AskOutlines) -> list[Outline]:
        now_ns = self._factory.now_ns()
        if question.exactly:
            views = diagnosis.call_views(self._factory.registry, now_ns)
        else:
            views = self._board.views(now_ns)
        told, self._calls = self._calls, {}
        for view in views:
            had = told.get(view.number)
            if had is None or had.view is not view:
                had = _Call(view, _outline(view))
            self._calls[view.number] = had
        return [call.outline for call in self._calls.values()]

    def _told(self, question: AskCalls) -> list[CallView]:
        """Return calls as they were when their outlines were asked for last."""
        return [
            inventory.call(self._calls[number].view, self.name, with_steps=question.with_steps)
            for number in question.numbers[:MOST_ITEMS]
            if number in self._calls
        ]

    def _rates(self, _: AskRates) -> Rates:
        history = self.service.telemetry.history
        return Rates(history.made, history.series())

    def _status(self, question: AskStatus) -> Status:
        factory = self._factory
        node = NodeView(
            name=self.name,
            reachable=True,
            version=__version__,
            started_at_ms=self.service.started_at_ms,
            connections=factory.admission.connections,
            clients=factory.admission.clients,
            rooms=len(factory.registry.rooms),
            draining=self.service.is_draining,
        )
        return Status(node, inventory.room_count(factory, frozenset(question.earlier)))

    def _disconnect(self, question: Disconnect) -> ClientView | None:
        factory = self._factory
        found = inventory.find(factory, question.number)
        if found is None:
            return None
        view = inventory.client(factory, found)
        # What another node asks comes while things are gathered, which must go on after this.
        with nullcontext() if factory.outbox.open else factory.outbox:
            inventory.dismiss(found, factory.now_ns())
        return view


class _Call(NamedTuple):
    """A call as it was told of last."""

    view: diagnosis.CallView
    outline: Outline


def _outline(view: diagnosis.CallView) -> Outline:
    return Outline(
        view.number,
        view.room_id,
        [peer.client_id for peer in view.peers],
        view.last_step_at_ms,
        len(view.steps) + view.steps_left_out,
        inventory.has_problem(view),
    )
