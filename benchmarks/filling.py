"""Fills a Redis with rooms, by the scripts that nodes use, and tells what they take."""

from collections import deque
from collections.abc import Callable, Sequence

from redis_figures import Redis

from twisted_signal.cluster.scripts import Link, Scripts, sha_of, text_of

AT_ONCE = 500
"""Commands under way."""
JOINED_AT_MS = 1_790_000_000_000


class Filling(Link):
    """The way of all nodes to a Redis. Answers are told later, and nobody hears what is said."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: deque[Callable[[bytes], None]] = deque()
        for script in ("hello", "join"):
            redis.send("SCRIPT", "LOAD", text_of(script))
            redis.receive()

    def call(
        self,
        script: str,
        keys: Sequence[str],
        arguments: Sequence[str | int],
        answered: Callable[[bytes], None],
    ) -> None:
        """See Link."""
        self._redis.send("EVALSHA", sha_of(script), len(keys), *keys, *arguments)
        self._waiting.append(answered)
        if len(self._waiting) >= AT_ONCE:
            self.settle()

    def publish(self, node: str, payload: bytes, answered: Callable[[int | None], None]) -> None:
        """See Link. Nobody is told anything."""

    def restart(self, why: str) -> None:
        """See Link. It does not come to that."""

    def settle(self) -> None:
        """Wait for all answers."""
        while self._waiting:
            self._waiting.popleft()(self._redis.receive())


def fill(redis: Redis, rooms: int, *, resume: bool) -> float:
    """Let two clients join each room, one on each of two nodes; return the bytes that each takes.

    Args:
        redis: that is empty.
        rooms: how many.
        resume: whether clients can resume.
    """
    filling = Filling(redis)
    nodes = [_node(f"signal-{name}-3f9c1a", filling) for name in "ab"]
    before = redis.totals()["held"]
    for number in range(rooms):
        for node, client_id in zip(nodes, ("phone1", "pc"), strict=True):
            place = f"{client_id}{number}"
            token = f"{place:x<22}" if resume else ""
            member = (f"lab-{number:06}", client_id, place, "android", JOINED_AT_MS, token)
            node.join(member, 0, "", ("", ""), _joined)
    filling.settle()
    return (redis.totals()["held"] - before) / (2 * rooms)


def _node(name: str, filling: Filling) -> Scripts:
    """Return the scripts of a node that has said hello."""
    node = Scripts(name, lambda: None)
    node.link = filling

    def greeted(epoch: bytes) -> None:
        node.epoch = epoch.decode()

    node.hello(greeted)
    filling.settle()
    return node


def _joined(answer: bytes) -> None:
    if answer != b"ok":
        raise ValueError(f"A client could not join: {answer!r}")
