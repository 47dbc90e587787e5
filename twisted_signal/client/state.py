"""Where a client is, who it is, and what it needs of a connection."""

from enum import Enum, auto
from typing import Protocol

from msgspec import Struct

from twisted_signal.messages import UNKNOWN_TYPE


class State(Enum):
    """Where a client is."""

    WAITING = auto()
    """For the time of the next try to connect."""
    CONNECTING = auto()
    RESUMING = auto()
    """`resume` was sent."""
    REGISTERING = auto()
    """`register` was sent."""
    SETTLING = auto()
    """It is in the room, and asks who else is."""
    IN_ROOM = auto()
    CLOSING = auto()
    """It was asked to leave, and closes the connection."""
    ENDED = auto()

    @property
    def is_entering(self) -> bool:
        """Whether the client asks for a place, and hears nothing else."""
        return self in (State.RESUMING, State.REGISTERING)

    @property
    def is_inside(self) -> bool:
        """Whether the client has a place, and may say what it wants."""
        return self in (State.SETTLING, State.IN_ROOM)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that is of use."""
        return self.is_entering or self.is_inside


class Registration(Struct, frozen=True):
    """As what a client enters which room. `ice_servers`: whether it wants to know some."""

    client_id: str
    room_id: str = "default"
    client_type: str = UNKNOWN_TYPE
    ice_servers: bool = False


class Wire(Protocol):
    """An open WebSocket, so far as the core needs it. Its calls return at once."""

    def send_text(self, text: str) -> None:
        """Send a text frame."""

    def send_ping(self, payload: bytes) -> None:
        """Send a ping."""

    def close(self, code: int) -> None:
        """Begin the closing handshake, and end the connection some time after."""

    def abort(self) -> None:
        """End the connection at once."""
