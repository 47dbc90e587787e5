"""The client's place in its room: how it gets it, and what it has there for a time."""

from collections.abc import Mapping
from typing import Any

import msgspec

from twisted_signal.client.renewal import LONGEST, Renewal
from twisted_signal.client.state import Registration
from twisted_signal.messages import IceServer, IceServers, Registered


class Place:
    """What a client must know to come back to its place, and what it was given there.

    Attributes:
        resume_token: with it the place can be taken up again; None: it is gone.
        received: how many messages came after the one with that token.
        ice_servers: those that the server told last.
        ice_renewal: when to ask for others.
        token: a JWT that lets the client in; None: there is none.
        token_renewal: when to show another one.
    """

    def __init__(self, registration: Registration) -> None:
        """`registration`: who the client is."""
        self.resume_token: str | None = None
        self.received = 0
        self.ice_servers: list[IceServer] = []
        self.ice_renewal = Renewal()
        self.token: str | None = None
        self.token_renewal = Renewal()
        self._registration = registration

    def take(self, resume_token: str | None) -> None:
        """The client has its place, and counts what comes from now on."""
        self.resume_token = resume_token
        self.received = 0

    def take_token(self, token: str | None, life: float | None, now: float) -> None:
        """There is a fresh token. `life`: for how many seconds, if there can be another one."""
        self.token = token
        self.token_renewal.start(life, now)

    def learn_ice_servers(self, message: Registered | IceServers, now: float) -> None:
        """The server told ICE servers, if it knows what that is."""
        self.ice_servers = message.ice_servers or []
        expire_in_ms = message.ice_servers_expire_in_ms
        life = None if expire_in_ms is None else min(expire_in_ms, LONGEST * 1000) / 1000
        self.ice_renewal.start(life, now)

    def resume(self) -> str:
        """Return what takes the place up again."""
        fields = {"resume_token": self.resume_token, "received": self.received}
        return text({"type": "resume", **fields})

    def register(self) -> str:
        """Return what takes a new place."""
        token = {} if self.token is None else {"token": self.token}
        fields = msgspec.to_builtins(self._registration)
        return text({"type": "register", **fields, "resume": True, **token})

    def show_token(self) -> str:
        """Return what shows a fresh token."""
        return text({"type": "token", "token": self.token})


def text(message: Mapping[str, Any]) -> str:
    """Return a message as JSON.

    Raises:
        TypeError: it cannot be said in JSON.
    """
    return msgspec.json.encode(message).decode()
