"""Plain objects that stand for the network in tests of the core."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from twisted_signal.errors import SignalError
from twisted_signal.messages import ClientMessage, Error, Register, ServerMessage
from twisted_signal.registry import Registry
from twisted_signal.session import Session
from twisted_signal.turn import NO_ICE_SERVERS, IceProvider

NOW_NS = 1_795_417_440_399_364_306


@dataclass(eq=False)
class PlainClient:
    """A client that remembers what it was told. Implements `connection.Client`."""

    told: list[ServerMessage] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    alive: bool | None = True
    """What is answered to who asks. None: nothing yet."""
    asked: list[Callable[[bool], None]] = field(default_factory=list)
    """Who still wants to know whether it is alive."""
    lost: int = 0
    """How many messages the network knows to have lost."""
    admitted: bool = False
    expires_at: float | None = None
    cannot_hear: type[ServerMessage] | None = None
    """Messages of this type cannot be said in its dialect."""

    def deliver(self, message: ServerMessage) -> None:
        if self.cannot_hear is not None and isinstance(message, self.cannot_hear):
            raise DialectError("Say it otherwise.")
        self.told.append(message)

    def lost_of(self, messages: Sequence[ServerMessage]) -> int:
        return self.lost

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def ask_if_alive(self, answered: Callable[[bool], None]) -> None:
        if self.alive is None:
            self.asked.append(answered)
        else:
            answered(self.alive)

    def answer(self, *, alive: bool) -> None:
        """Answer all who still want to know."""
        asked, self.asked = self.asked, []
        for answered in asked:
            answered(alive)

    def admit(self, expires_at: float | None) -> None:
        self.admitted = True
        self.expires_at = expires_at

    def hear(self) -> list[ServerMessage]:
        """Return what it was told since the last call."""
        heard, self.told = self.told, []
        return heard


class DialectError(SignalError):
    code = "invalid_message"


@dataclass(eq=False)
class Party:
    """A client and its session."""

    client: PlainClient
    session: Session

    def say(self, message: ClientMessage) -> None:
        """Say it as the network would: what is refused comes back as an error."""
        try:
            self.session.handle(message, NOW_NS)
        except SignalError as error:
            self.session.refuse(error)

    def hear(self) -> list[ServerMessage]:
        return self.client.hear()

    def hear_error(self) -> Error:
        """Return the one error it was told."""
        (error,) = self.hear()
        assert isinstance(error, Error)
        return error


def party(
    registry: Registry, address: str = "192.0.2.7:4321", ice: IceProvider = NO_ICE_SERVERS
) -> Party:
    """Return a client that has connected."""
    client = PlainClient()
    return Party(client, Session(client, registry, address, ice=ice))


def registered(
    registry: Registry, client_id: str, room_id: str = "default", client_type: str = "unknown"
) -> Party:
    """Return a client that has registered, and forgotten that it was told so."""
    newcomer = party(registry)
    newcomer.say(Register(client_id, room_id, client_type))
    newcomer.hear()
    return newcomer


def flat(registry: Registry, client_id: str = "phone", client_type: str = "android") -> Party:
    """Return a client that names no targets."""
    return registered(registry, client_id, client_type=client_type)


def raw(value: object) -> Raw:
    """Return a value as raw JSON."""
    return Raw(msgspec.json.encode(value))


def plain(message: ServerMessage | ClientMessage) -> object:
    """Return a message with its raw JSON decoded, so that messages can be compared."""
    return msgspec.json.decode(msgspec.json.encode(message))


def nested(value: object, depth: int, *, arrays: bool) -> object:
    """Return a value in that many arrays or objects."""
    for _ in range(depth):
        value = [value] if arrays else {"": value}
    return value
