"""What the nodes of a cluster ask each other for the operator, and what they answer.

Each question is a struct that says what its answer is; both go as JSON. Fields that a node does not
know, as another one is of a later release, it passes over.
"""

from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from twisted_signal.admin.views import CallView, ClientView, NodeView, Page, RoomView

Said = TypeVar("Said")

MOST_ITEMS = 500
"""Of one page of a list, and of what one node sends to another."""


class Question(Struct, Generic[Said], frozen=True, tag=True):
    """A question. `Said`: the type of the answer."""


class Outline(Struct, frozen=True, array_like=True):
    """What it takes of a call to find it, and to tell whether another node tells of the same.

    Attributes:
        number: its own, on its node.
        peers: their ids.
        steps: how many there were.
        is_problem: whether something is wrong with it.
    """

    number: int
    room_id: str
    peers: list[str]
    last_step_at_ms: int
    steps: int
    is_problem: bool


class Status(Struct, frozen=True):
    """How a node is. `own_rooms`: how many rooms it tells of, see `inventory`."""

    node: NodeView
    own_rooms: int


class Rates(Struct, frozen=True):
    """How things went lately on a node: see `views.HistoryView`. `made`: points since its start."""

    made: int
    series: dict[str, list[float]]


class Part(Struct, frozen=True):
    """Which part of a list; see `inventory.rooms`."""

    offset: int
    limit: int
    total: int | None = None


NONE_OF_IT = Part(0, 0)
"""What is wanted is how many there are."""


class AskRooms(Question[Page[RoomView]], frozen=True):
    """A part of the rooms that a node tells of; see `inventory.rooms`."""

    part: Part
    search: str
    earlier: tuple[str, ...]


class AskClients(Question[Page[ClientView]], frozen=True):
    """A part of a node's clients; see `inventory.clients`."""

    part: Part
    search: str
    room_id: str | None


class AskRoom(Question[RoomView | None], frozen=True):
    """A room."""

    room_id: str


class AskOutlines(Question[list[Outline]], frozen=True):
    """All calls that a node knows of.

    Attributes:
        exactly: as they are now; else what changes by time alone may be told a little later.
    """

    exactly: bool


class AskCalls(Question[list[CallView]], frozen=True):
    """Calls by their numbers; those that are not kept any more are left out of the answer."""

    numbers: tuple[int, ...]
    with_steps: bool


class AskStatus(Question[Status], frozen=True):
    """How a node is."""

    earlier: tuple[str, ...]


class AskRates(Question[Rates], frozen=True):
    """How things went lately."""


class Disconnect(Question[ClientView | None], frozen=True):
    """Have a client sent away. The answer is what it was before; None: there is no such client."""

    number: str


AnyQuestion = (
    AskRooms | AskClients | AskRoom | AskOutlines | AskCalls | AskStatus | AskRates | Disconnect
)


class Asked(Struct, frozen=True):
    """A question on its way.

    Attributes:
        is_live: somebody looks on, so that it is asked again and again: what was answered a little
            earlier will do.
    """

    question: AnyQuestion
    is_live: bool = False


ANSWERS: dict[type[Question[Any]], msgspec.json.Decoder[Any]] = {
    AskRooms: msgspec.json.Decoder(Page[RoomView]),
    AskClients: msgspec.json.Decoder(Page[ClientView]),
    AskRoom: msgspec.json.Decoder(RoomView | None),
    AskOutlines: msgspec.json.Decoder(list[Outline]),
    AskCalls: msgspec.json.Decoder(list[CallView]),
    AskStatus: msgspec.json.Decoder(Status),
    AskRates: msgspec.json.Decoder(Rates),
    Disconnect: msgspec.json.Decoder(ClientView | None),
}
"""What reads the answer to each kind of question."""

ASKED = msgspec.json.Decoder(Asked)
"""What reads a question."""
