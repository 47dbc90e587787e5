"""Clients of nodes that remember what they heard, and hold their nodes to it."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from caller import Caller
from nodes import AT_ONCE, Node, until
from processes import Server


class Client(Caller):
    """A client in a room.

    Attributes:
        client_id: its id.
        before: the client on the connection before, if it has come back.
        answer: `registered` or `resumed`.
        received: what it heard after that.
    """

    def __init__(
        self,
        node: Server | str,
        client_id: str,
        message: dict[str, object],
        before: "Client | None" = None,
        *,
        is_patient: bool = False,
    ) -> None:
        """Connect to a node, or a URL, say that message, and wait until it is answered.

        Args:
            is_patient: it tries again when it is told to.
        """
        self.client_id = client_id
        self.before = before
        self.answer: Any = None
        self.received: list[Any] = []
        super().__init__(node if isinstance(node, str) else node.url)
        self.say_all([message])
        answer = self.hear()
        while is_patient and answer.get("code") == "unavailable":
            time.sleep(answer["retry_after_ms"] / 1000)
            self.say_all([message])
            answer = self.hear()
        self.answer = answer
        assert self.answer["type"] in ("registered", "resumed"), self.answer

    @property
    def token(self) -> str:
        """What it may resume with."""
        token: str = self.answer["resume_token"]
        return token

    @property
    def heard(self) -> list[Any]:
        """All that it heard after `registered`."""
        return [*(self.before.heard if self.before else ()), *self.received]

    @property
    def view(self) -> set[str]:
        """The ids of the others in its room, by what it was told when it came and since then.

        Raises:
            AssertionError: it was told twice that somebody came, or went.
        """
        first: Client = self
        while first.before:
            first = first.before
        there = set(first.answer["peers"])
        for message in told_of(self):
            who, has_come = message["client_id"], message["type"] == "peer_joined"
            assert (who in there) is not has_come, f"{self.client_id} heard twice: {message}"
            there ^= {who}
        return there

    def hear(self) -> Any:
        """Return the next message."""
        message = super().hear()
        if self.answer is not None:
            self.received.append(message)
        return message

    def hear_type(self, *types: str) -> Any:
        """Return the next message that is of one of these types."""
        while (message := self.hear())["type"] not in types:
            pass
        return message

    def hear_data(self, data: object) -> None:
        """Wait for a message that says that."""
        while self.hear_type("message")["data"] != data:
            pass

    def hear_until_answered(self) -> list[Any]:
        """Return what its node had for it until now."""
        self.say(type="ping")
        before = len(self.received)
        self.hear_type("pong")
        return self.received[before:-1]

    def hear_close(self) -> int | None:
        """Return the code of the Close frame, with which the connection ends."""
        self.received += self.hear_the_rest()
        return self.close_code

    def peers(self) -> set[str]:
        """Return the ids of the others in its room, as its node knows them."""
        self.say(type="peers")
        return {peer["client_id"] for peer in self.hear_type("peers")["peers"]}

    def lose(self) -> None:
        """End the connection without a word."""
        self.socket.close()

    def resume(self, node: Server | str, *, is_patient: bool = False) -> "Client":
        """Return the client on a new connection, where it has its place again.

        It tells what it has received. `is_patient`: it tries again when it is told to.
        """
        message = {"resume_token": self.token, "received": len(self.received)}
        return Client(
            node, self.client_id, {"type": "resume", **message}, self, is_patient=is_patient
        )


def register(node: Server | str, client_id: str, room_id: str, **fields: object) -> Client:
    """Return a client that is in a room. `fields`: more of `register`."""
    message = {"type": "register", "client_id": client_id, "room_id": room_id, **fields}
    return Client(node, client_id, message)


def joined(client_id: str, client_type: str = "unknown") -> dict[str, str]:
    """Return what tells that a client has joined."""
    return {"type": "peer_joined", "client_id": client_id, "client_type": client_type}


def left(client_id: str) -> dict[str, str]:
    """Return what tells that a client has left."""
    return {"type": "peer_left", "client_id": client_id}


def told_of(client: Client, *client_ids: str) -> list[Any]:
    """Return what a client was told of the coming and going of others, or of some of them."""
    return [
        message
        for message in client.heard
        if message["type"] in ("peer_joined", "peer_left")
        and (not client_ids or message["client_id"] in client_ids)
    ]


def refusals(client: Client) -> list[str]:
    """Return the codes of the errors that a client was told."""
    return [message["code"] for message in client.heard if message["type"] == "error"]


def wait_for_agreement(*clients: Client, also: Sequence[Client] = ()) -> None:
    """Wait until all the clients of a room are told the same of who is there, by whatever node.

    Args:
        clients: those who have been told of all who came and went.
        also: those who have to ask.
    """
    everybody = {client.client_id for client in (*clients, *also)}
    for client in clients:
        until(partial(_agrees, client, everybody - {client.client_id}))
    for client in also:
        until(partial(_knows, client, everybody - {client.client_id}))


def _agrees(client: Client, others: set[str]) -> bool:
    return _knows(client, others) and client.view == others


def _knows(client: Client, others: set[str]) -> bool:
    return client.peers() == others


class Numbered:
    """Messages with numbers of one client to another, each of which arrives or is refused.

    Attributes:
        target: the other one; to be replaced when it comes back on another connection.
        sent: how many there were.
    """

    PAUSE = 0.05
    """Seconds between two, which keeps the client below its rate."""

    def __init__(self, sender: Client, target: Client) -> None:
        """Begin as soon as the sender's node knows of the target."""
        until(lambda: target.client_id in sender.peers())
        self.sender = sender
        self.target = target
        self.sent = 0

    def say(self) -> None:
        """Send one."""
        target_id = self.target.client_id
        self.sender.say(type="message", target_id=target_id, data=self.sent)
        self.sent += 1

    @property
    def arrived(self) -> list[int]:
        """Those that the target has heard."""
        return [
            message["data"]
            for message in self.target.heard
            if message["type"] == "message" and message["sender_id"] == self.sender.client_id
        ]

    def wait_for_arrival(self) -> None:
        """Send one after the other until one has arrived that was sent from now on."""
        first = self.sent
        while not self.arrived or self.arrived[-1] < first:
            self.say()
            self.target.hear_until_answered()
            time.sleep(self.PAUSE)


def talk(seconds: float, *numbered: Numbered) -> None:
    """Send one after the other for a time."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        for each in numbered:
            each.say()
        time.sleep(len(numbered) * Numbered.PAUSE)


def settle(*numbered: Numbered) -> None:
    """Wait until messages arrive again, and see that none was lost without a word, or came twice.

    Of one that was refused it may still be that it arrives: who refuses may not know. Each client
    may send to one other only.
    """
    for each in numbered:
        each.wait_for_arrival()
    for each in numbered:
        until(partial(_is_accounted_for, each))
        assert each.arrived == sorted(set(each.arrived))
        assert set(refusals(each.sender)) <= {"peer_unreachable"}


def _is_accounted_for(numbered: Numbered) -> bool:
    numbered.sender.hear_until_answered()
    numbered.target.hear_until_answered()
    missing = numbered.sent - len(numbered.arrived)
    return missing <= len(refusals(numbered.sender))


class Bystanders:
    """Two clients of one node, which talk all the while, whatever happens to others.

    Each message is answered by the next. Neither may hear anything else, or wait for long.
    """

    PAUSE = 0.04
    """Seconds between two messages of one of them, which keeps it below the rate."""

    def __init__(self, one: Client, other: Client) -> None:
        """They are in one room, where nobody else is, and have heard of each other."""
        self._pair = [one, other]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._failure: BaseException | None = None
        self.exchanged = 0
        self.longest = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()
        for client in self._pair:
            client.lose()
        if error is not None:
            return
        if self._failure is not None:
            raise self._failure
        assert self.exchanged > 10
        assert self.longest < AT_ONCE, f"a message took {self.longest:.1f} s"

    def _talk(self) -> None:
        try:
            for number in itertools.count():
                if self._is_over.wait(self.PAUSE):
                    return
                began = time.monotonic()
                for sender, target in (self._pair, reversed(self._pair)):
                    sender.say(type="message", data=number)
                    told = target.hear()
                    assert (told["type"], told.get("data")) == ("message", number)
                self.longest = max(self.longest, time.monotonic() - began)
                self.exchanged += 1
        except BaseException as error:
            self._failure = error


def bystanders(node: Server, room_id: str = "bystanders") -> Bystanders:
    """Return two clients of a node that talk all the while, in a room of their own."""
    one, other = (register(node, name, room_id) for name in ("one", "other"))
    assert one.hear() == joined("other")
    return Bystanders(one, other)


def assert_unnoticed(here: Node, there: Node, happens: Callable[..., None]) -> None:
    """Let something happen while three clients talk across two nodes: nobody hears of it.

    After it one of them goes to the other node, and another one comes.

    Args:
        happens: is told who talks, as `Numbered`s.
    """
    with (
        bystanders(here),
        register(here, "pc", "lab") as pc,
        register(there, "phone", "lab") as phone,
        register(there, "tablet", "lab", resume=True) as tablet,
    ):
        talks = (Numbered(pc, phone), Numbered(phone, pc), Numbered(tablet, pc))
        settle(*talks)

        happens(*talks)

        settle(*talks)
        tablet.lose()
        with tablet.resume(here) as back, register(there, "late", "lab") as late:
            wait_for_agreement(pc, phone, back, late)
            assert told_of(phone) == [joined("tablet"), joined("late")]
            assert told_of(back) == [joined("late")]
