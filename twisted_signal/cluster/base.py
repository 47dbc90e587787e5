"""What sessions know of the cluster: who may have a place, and who has to hear of it.

A server by itself is a cluster of one (`local`). What it takes to decide is answered at once there,
and some time later where other nodes have a say: a callback is called either way, before the call
returns or after.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from twisted_signal.claim import Claim
from twisted_signal.errors import SignalError
from twisted_signal.registry import Member, Owner


class Taken(NamedTuple):
    """Somebody has the id. `holder`: who, on whichever node."""

    holder: Member


Outcome = Taken | SignalError | None
"""What became of a claim: None is for a place that the client can have."""

Joined = Callable[[Outcome], Member | None]
"""Is told what became of a claim, and returns the place if the client took it."""

Found = Callable[[SignalError | None], None]
"""Is told that a place is here, or why not."""


class Cluster(Protocol):
    """All nodes, as one of them sees them.

    Attributes:
        name: of this node; empty where there is no cluster.
        answer: returns the answer to a question of another node's operator endpoint, at once; None:
            nobody answers.
    """

    name: str
    answer: Callable[[bytes], bytes] | None

    def join(self, claim: Claim, owner: Owner, answered: Joined) -> None:
        """Decide who gets an id in a room.

        Args:
            claim: which. Its `instead_of` gives way.
            owner: who wants it. The place that it has it gives up with that.
            answered: raises SignalError where a claim that does not wait is refused.
        """

    def leave(self, member: Member) -> None:
        """A member of this node has left its room, and those who are here know."""

    def change(self, member: Member) -> None:
        """A member's type has changed, or how its place is taken up again."""

    def find(self, claim: Claim, found: Found) -> None:
        """Bring the place here that a `resume` is for, which is not kept on this node.

        Args:
            claim: the `resume`.
            found: raises SignalError where a claim that does not wait is refused.
        """

    def shelters(self, member: Member) -> bool:
        """Tell whether a member's place outlives this node, which is about to stop."""

    @property
    def is_up(self) -> bool:
        """Whether this node is in touch with the others."""

    def others(self) -> Sequence[str]:
        """Return the other nodes by their names, in order."""

    def ask(self, node: str, question: bytes, answered: Callable[[bytes | None], None]) -> None:
        """Ask another node what its `answer` says. None: it does not say anything in time."""
