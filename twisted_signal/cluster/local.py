"""A server by itself: what its own rooms say is so."""

from collections.abc import Callable, Sequence

from twisted_signal.claim import Claim
from twisted_signal.cluster.base import Cluster, Found, Joined, Taken
from twisted_signal.errors import ResumeExpired
from twisted_signal.messages import Register
from twisted_signal.registry import Member, Owner, Registry


class LocalCluster(Cluster):
    """Answers at once."""

    name = ""
    is_up = True

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.answer: Callable[[bytes], bytes] | None = None

    def join(self, claim: Claim, owner: Owner, answered: Joined) -> None:
        """See Cluster."""
        message = claim.message
        assert isinstance(message, Register)
        assert claim.client_id is not None
        holder = self._registry.holder(message.room_id, claim.client_id)
        answered(None if holder is None or holder is claim.instead_of else Taken(holder))

    def leave(self, member: Member) -> None:
        """See Cluster."""

    def change(self, member: Member) -> None:
        """See Cluster."""

    def find(self, claim: Claim, found: Found) -> None:
        """See Cluster."""
        found(ResumeExpired())

    def shelters(self, member: Member) -> bool:
        """See Cluster."""
        return False

    def others(self) -> Sequence[str]:
        """See Cluster."""
        return ()

    def ask(self, node: str, question: bytes, answered: Callable[[bytes | None], None]) -> None:
        """See Cluster."""
        answered(None)
