"""Who wants a place in a room, while it is not known whether the client gets it."""

from twisted_signal.backlog import Queue
from twisted_signal.messages import ClientMessage, Register, Resume, payload_size
from twisted_signal.registry import Member

MAX_MESSAGES = 64
"""How many messages wait for the answer."""
MAX_SIZE = 256 * 1024
"""How many bytes of them."""


class Claim:
    """A `register`, or a `resume`, that is being decided.

    Attributes:
        message: what the client said.
        client_id: the id that it wants; None: it does not say, for it resumes.
        expires_at: until when the token that was shown for it is good; see `registry.Member`.
        now_ns: when the message came, in nanoseconds since 1970.
        resume_token: with it the place can be taken up on another connection; None: it cannot.
        place: what the cluster calls the place; None: there is no cluster.
        instead_of: who has the id, and is to give way.
        is_decided: whether there is an answer.
        waits: whether the client has to wait for it.
        besides: the place that the client has while it waits, or None.
    """

    __slots__ = (
        "_held",
        "besides",
        "client_id",
        "expires_at",
        "instead_of",
        "is_decided",
        "message",
        "now_ns",
        "place",
        "resume_token",
        "waits",
    )

    def __init__(
        self,
        message: Register | Resume,
        client_id: str | None,
        expires_at: float | None,
        now_ns: int,
        resume_token: str | None = None,
    ) -> None:
        self.message = message
        self.client_id = client_id
        self.expires_at = expires_at
        self.now_ns = now_ns
        self.resume_token = resume_token
        self.place: str | None = None
        self.instead_of: Member | None = None
        self.waits = self.is_decided = False
        self.besides: Member | None = None
        self._held: Queue[ClientMessage] | None = None

    @property
    def room_id(self) -> str | None:
        """The room that the client wants to enter; None: it does not say, for it resumes."""
        return self.message.room_id if isinstance(self.message, Register) else None

    def is_for(self, room_id: str, client_id: str | None) -> bool:
        """Tell whether it is that id in that room which is claimed."""
        return (self.room_id, self.client_id) == (room_id, client_id)

    def wait(self, before: "Claim | None", besides: Member | None = None) -> None:
        """The answer comes later.

        Args:
            besides: see the attribute.
            before: the claim that this one takes the place of; what was held for it is held on.
        """
        self.waits = True
        self.besides = besides
        self._held = Queue(MAX_MESSAGES, MAX_SIZE) if before is None else before._held  # noqa: SLF001 - of its own kind

    def hold(self, message: ClientMessage) -> bool:
        """Let a message of the client's wait for the answer, unless too much waits already."""
        assert self._held is not None, "it waits"
        return self._held.add(message, payload_size(message))

    def take(self) -> list[ClientMessage]:
        """Return what waits, in order; nothing waits after that."""
        return [] if self._held is None else self._held.take()
