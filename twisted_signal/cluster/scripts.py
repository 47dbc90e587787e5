"""The scripts that run in Redis: their texts, keys and arguments.

They alone change what nodes share, each in one step that no other comes between (Redis, EVAL).
"""

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha1
from importlib import resources
from typing import Any, Final, Protocol

from twisted_signal.cluster.wire import encode
from twisted_signal.registry import Member

LEASE_MS: Final = 6000
"""Milliseconds after which a node that does not say anything is taken for dead."""
REAPED_AT_ONCE: Final = 100
"""Members of a dead node that are taken care of in one step."""

EPOCHS: Final = "vislam:epochs"
LEASES: Final = "vislam:leases"
BEATS: Final = "vislam:beats"

_WITH_LEASES = frozenset({"hello", "beat", "reap"})
NAMES: Final = (
    "beat",
    "bye",
    "change",
    "find",
    "hello",
    "inventory",
    "join",
    "leave",
    "move",
    "reap",
    "restore",
)
"""The scripts."""

Reply = Any
"""What Redis answers: int, bytes, a list of these, None, or LOST."""


class Lost:
    """In the place of a reply: the connection broke before it came."""


LOST: Final = Lost()
STALE: Final = b"stale"
"""The reply to a node that has to say hello again."""

Answered = Callable[[Reply], None]


class Link(Protocol):
    """The way to Redis: a connection for scripts and messages, and one for what the node hears."""

    def call(
        self, script: str, keys: Sequence[str], arguments: Sequence[str | int], answered: Answered
    ) -> None:
        """Run a script of these NAMES. What is called and published is so in that order."""

    def publish(self, node: str, payload: bytes, answered: Callable[[int | None], None]) -> None:
        """Tell a node something; the answer is how many heard, or None where nobody knows."""

    def restart(self, why: str) -> None:
        """Begin anew, as if the connections were broken. `why`: for the log."""


@cache
def text_of(script: str) -> str:
    """Return a script as Redis gets it, with what stands before it."""
    parts = ["common"]
    if script in _WITH_LEASES:
        parts.append("beats")
    if script != "hello":
        parts.append("fence")
    folder = resources.files(__package__) / "scripts"
    return "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in (*parts, script))


@cache
def sha_of(script: str) -> str:
    """Return what EVALSHA calls a script."""
    return sha1(text_of(script).encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """Runs the scripts for one node.

    Attributes:
        link: the way to Redis; None: there is none, and whatever is run is LOST.
        epoch: what Redis calls the time since the node said hello; empty: it has not.
        before: called before each script, for what has to go out before it.
    """

    def __init__(self, node: str, before: Callable[[], None]) -> None:
        self._node = node
        self.link: Link | None = None
        self.epoch = ""
        self._before = before

    def hello(self, answered: Answered) -> None:
        """Say that the node is there."""
        self._run("hello", None, [LEASE_MS], answered)

    def beat(self, answered: Answered, *, is_whole: bool) -> None:
        """Say that it still is. `is_whole`: whether all its members are back in their rooms."""
        self._run("beat", None, [LEASE_MS, int(is_whole)], answered)

    def reap(self, node: str, answered: Answered) -> None:
        """Take care of members of a node whose lease is over."""
        self._run("reap", None, [LEASE_MS, node, REAPED_AT_ONCE], answered)

    def inventory(self, answered: Answered) -> None:
        """Ask to be told which members are this node's."""
        self._run("inventory", None, [], answered)

    def find(self, token: str, answered: Answered) -> None:
        """Ask where the place is that a token is for."""
        self._run("find", None, [token], answered)

    def join(
        self,
        member: tuple[str, str, str, str, int, str],
        most: int,
        instead_of: str,
        leaving: tuple[str, str],
        answered: Answered,
    ) -> None:
        """Ask whether a client may enter a room.

        Args:
            member: room_id, client_id, place, client_type, joined_at_ms, resume_token.
            most: how many may be in the room; 0: any number.
            instead_of: the place that gives way, or nothing.
            leaving: the client_id and the place in this room that it gives up, or nothing.
        """
        self._run("join", member[0], [*member, most, instead_of, *leaving], answered)

    def leave(
        self, room_id: str, client_id: str, place: str, answered: Answered, *, is_news: bool = False
    ) -> None:
        """Say that a member has left. `is_news`: to this node too."""
        told = "" if is_news else self._node
        self._run("leave", room_id, [room_id, client_id, place, told], answered)

    def change(self, member: Member, answered: Answered) -> None:
        """Say what a member is now."""
        room_id = member.room.room_id
        arguments = [room_id, member.client_id, str(member.place), member.client_type]
        self._run("change", room_id, [*arguments, token_of(member)], answered)

    def restore(self, room_id: str, members: Sequence[Member], answered: Answered) -> None:
        """Put members back into a room."""
        arguments: list[str | int] = [room_id]
        for member in members:
            joined_at_ms = member.joined_at_ns // 1_000_000
            arguments += [member.client_id, str(member.place), member.client_type]
            arguments += [joined_at_ms, token_of(member), int(member.is_away)]
        self._run("restore", room_id, arguments, answered)

    def move(self, member: Member, to: str, state: object, answered: Answered) -> None:
        """Hand a place over to another node, with what it has to know of it."""
        room_id = member.room.room_id
        arguments = [room_id, member.client_id, str(member.place), to, encode(state).decode()]
        self._run("move", room_id, [*arguments, token_of(member)], answered)

    def bye(self, answered: Answered) -> None:
        """Say that the node stops."""
        self._run("bye", None, [], answered)

    def _run(
        self, script: str, room_id: str | None, arguments: Sequence[str | int], answered: Answered
    ) -> None:
        if self.link is None:
            answered(LOST)
            return
        self._before()
        keys = [EPOCHS, LEASES, BEATS]
        if room_id is not None:
            keys += [f"vislam:room:{room_id}", f"vislam:nodes:{room_id}"]
        link, epoch = self.link, self.epoch

        def told(reply: Reply) -> None:
            if reply == STALE and epoch == self.epoch:
                link.restart("Redis takes this node for gone")
            answered(LOST if reply == STALE else reply)

        link.call(script, keys, [self._node, epoch, *arguments], told)


def ignore(_: Reply) -> None:
    """Await nothing: where a script did not run, all is put right when there is a way again."""


def token_of(member: Member) -> str:
    """Return with what a member's place can be taken up elsewhere, or nothing."""
    return "" if member.mailbox is None else member.mailbox.token
