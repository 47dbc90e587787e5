"""What nodes tell each other, and what the scripts tell them: JSON arrays, an item an array.

A node hears of everything on one channel, in order. What goes there is an array of items; each has
its name first, so that whoever listens in can read it.
"""

import msgspec
from msgspec import Struct

from twisted_signal.backlog import Waiting
from twisted_signal.mailbox import Kept
from twisted_signal.messages import Relayed


class Record(Struct, array_like=True, frozen=True, gc=False):
    """A member, as Redis has it.

    Attributes:
        order: who joined before whom, in its room.
        node: where it is connected, or was last.
        place: what its place is called by all nodes; another one for each time that it joins.
        joined_at_ms: in milliseconds since 1970.
        resume_token: with it the place can be taken up on another connection; empty: it cannot.
    """

    order: int
    node: str
    place: str
    client_id: str
    client_type: str
    joined_at_ms: int
    resume_token: str


class PlaceState(Struct, frozen=True, omit_defaults=True):
    """What only the node of a place knows of it, and hands over with it.

    Attributes:
        kept: what was sent to the client, or waits for it; None: nobody knows.
        expires_at, last_partner, backlog: see `registry.Member`.
        peers: who is in the room as the client was told: the place and the id of each; None: nobody
            knows.
    """

    kept: Kept | None = None
    expires_at: float | None = None
    last_partner: str | None = None
    backlog: list[Waiting] = []  # msgspec copies it
    peers: dict[str, str] | None = None


class OfMember(Struct, array_like=True, frozen=True):
    """Something happened to somebody in a room."""

    room_id: str
    record: Record


class Joined(OfMember, frozen=True, tag="joined"):
    """Somebody came into a room."""


class Left(Struct, array_like=True, frozen=True, tag="left"):
    """Somebody left a room. `how`: left, or replaced by who has its id now."""

    room_id: str
    client_id: str
    place: str
    how: str


class Entered(OfMember, frozen=True, tag="entered"):
    """A client of this node may enter a room.

    Attributes:
        records: of all in the room, where this node had nobody in it.
    """

    records: list[Record] | None


class Changed(OfMember, frozen=True, tag="changed"):
    """Somebody has another type."""


class Moved(OfMember, frozen=True, tag="moved"):
    """Somebody's place is on another node now."""


class Handed(OfMember, frozen=True, tag="handed"):
    """Another node hands a place over to this one. `records`: of all in the room."""

    state: PlaceState
    records: list[Record]


class Adopted(OfMember, frozen=True, tag="adopted"):
    """The place of a node that is gone is this one's. `records`: of all in the room."""

    records: list[Record]


class Restored(Struct, array_like=True, frozen=True, tag="restored"):
    """A node's members are back in a room.

    Attributes:
        records: of all in the room.
        lost: the places among this node's whose id others have.
    """

    room_id: str
    records: list[Record]
    lost: list[str]


class Reaped(Struct, array_like=True, frozen=True, tag="reaped"):
    """This node was taken for dead."""


class Inventory(Struct, array_like=True, frozen=True, tag="inventory"):
    """Whom Redis takes for this node's members: the `room_id` and the `client_id` of each place."""

    members: dict[str, tuple[str, str]]


class From(Struct, array_like=True, frozen=True, tag="from"):
    """Stands before what clients say. What a node said before it was away is not heard after that.

    Attributes:
        node: who says it.
        epoch: since when it has not been away, as `hello` told.
    """

    node: str
    epoch: int


class Say(Struct, array_like=True, frozen=True, tag="say"):
    """What a peer says to peers on another node.

    Attributes:
        places: theirs.
        hops: how many nodes have passed it on that had the places before.
        is_for_all: it is for their whole room.
    """

    places: list[str]
    message: Relayed
    hops: int = 0
    is_for_all: bool = False


class Undelivered(Struct, array_like=True, frozen=True, tag="refused"):
    """What a client said could not be told to a peer on another node. See `messages.Error`."""

    room_id: str
    client_id: str
    code: str
    sentence: str
    target_id: str | None


class Question(Struct, array_like=True, frozen=True, tag="question"):
    """What a node wants to know from another.

    Attributes:
        node: who asks.
        number: which question it is, of that node's.
        kind: what about, one of `node.ANSWERS`.
        text: the rest of it.
    """

    node: str
    number: int
    kind: str
    text: str


class Answer(Struct, array_like=True, frozen=True, tag="answer"):
    """The answer to a question."""

    number: int
    text: str | None


Item = (
    Joined
    | Left
    | Entered
    | Changed
    | Moved
    | Handed
    | Adopted
    | Restored
    | Reaped
    | Inventory
    | From
    | Say
    | Undelivered
    | Question
    | Answer
)
"""What a node hears."""

_decoder = msgspec.json.Decoder(list[Item])
_record_decoder = msgspec.json.Decoder(Record)
encode = msgspec.json.Encoder().encode


def read(payload: bytes) -> list[Item]:
    """Return what came on the channel.

    Raises:
        msgspec.DecodeError: it is nothing of that.
    """
    return _decoder.decode(payload)


def read_record(written: bytes) -> Record:
    """Return a record as a script returns it."""
    return _record_decoder.decode(written)
