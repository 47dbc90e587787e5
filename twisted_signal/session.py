"""One client's life: what each of its messages means in the state it is in.

A session knows messages and rooms, not the bytes, the dialect or the network they came by.
"""

from msgspec.structs import replace

from twisted_signal import event_log, events
from twisted_signal.close_codes import DISMISSED
from twisted_signal.entrance import Entrance
from twisted_signal.errors import SignalError
from twisted_signal.messages import (
    RELAYS,
    AskIceServers,
    ClientMessage,
    ClientReport,
    Error,
    IceServers,
    Leave,
    ListPeers,
    Message,
    PeerDescription,
    Peers,
    Ping,
    Pong,
    Register,
    Resume,
    ServerMessage,
    Token,
)
from twisted_signal.registry import Member
from twisted_signal.relay import depart, relay, send
from twisted_signal.text import quoted, without_sdp, without_tokens
from twisted_signal.timeline import StepKind

log = event_log.logger(__name__)

REPORT_LENGTH = 1000
"""Characters that are looked at of what a client reports; fewer go into the log."""


class Session(Entrance):
    """What one client may say and what comes of it. Implements `registry.Owner`."""

    __slots__ = ()

    @property
    def is_resumable(self) -> bool:
        """Whether its place may be kept without a connection."""
        return self.member is not None and self.member.mailbox is not None

    @property
    def is_away(self) -> bool:
        """Whether its place is kept without a connection."""
        return self.member is not None and self.member.is_away

    @property
    def company(self) -> int:
        """How many others are in its room, or in the one that it claims an id in, if more."""
        count = len(self.member.room.members) - 1 if self.member is not None else 0
        if self._claim is None or self._claim.room_id is None:
            return count
        claimed = self._registry.rooms.get(self._claim.room_id)
        return max(count, len(claimed.members) - 1 if claimed is not None else 0)

    @property
    def is_sheltered(self) -> bool:
        """Whether its place outlives this server, which is about to stop."""
        return self.member is not None and self._cluster.shelters(self.member)

    def handle(self, message: ClientMessage, now_ns: int) -> None:  # noqa: C901 - a case a message
        """See Entrance."""
        member = self.member
        if type(message) in RELAYS and member is not None:  # by far the most
            relay(message, member, now_ns)  # type: ignore[arg-type] # a set of types narrows nothing
            return
        match message:
            case Register():
                self._register(self._admitted(message, now_ns), now_ns)
            case Resume():
                self._resume(message, now_ns)
            case Ping():
                self.tell(Pong(now_ns // 1_000_000))
            case Token():
                self._renew(message.token, now_ns, member)
            case ClientReport():
                said = quoted(without_tokens(without_sdp(message.message[:REPORT_LENGTH])))
                log.warning(events.CLIENT_REPORT, self.label, said, about=self)
            case _ if member is None:
                self._hold(message)
            case Message():
                send(message, member)
            case ListPeers():
                self._list_peers(member)
            case AskIceServers():
                self.tell(IceServers(self._ice_servers(member, now_ns), self._ice.lifetime_ms))
            case Leave():  # pragma: no branch - the union ends here
                self._claim = None  # nothing waits for it: who has a place does not wait
                self._leave(member, now_ns)

    def refuse(self, error: SignalError) -> None:
        """See Entrance."""
        who = f"a message from {self.label}"
        self._registry.refusals.note(error.code, who, f"{error.code}: {error}", self)
        self.tell(Error(error.code, str(error), error.target_id, error.retry_after_ms))

    def end(self, now_ns: int) -> None:
        """The client is gone for good: leave the room. Once is enough, more does no harm."""
        self._claim = None
        if self.member is not None:
            self._leave(self.member, now_ns)

    def dismiss(self, now_ns: int) -> None:
        """The operator sends the client away: its place is given up, even if it was kept for it."""
        client = self._client if self.member is None else self.member.client
        log.info(events.CLIENT_SENT_AWAY, self.label, about=self)
        self.end(now_ns)
        client.close(DISMISSED, "Disconnected by the operator")

    def lose(self, now_ns: int) -> bool:
        """The connection has broken. Returns whether the place is kept, until `end`."""
        member = self.member
        if member is None or member.mailbox is None:
            self.end(now_ns)
            return False
        self._claim = None
        member.mailbox.disconnect()
        self._registry.calls.note(StepKind.LOST, member.room.room_id, member.client_id, now_ns)
        log.info(events.CONNECTION_LOST, member.label, member.room.label, about=self)
        return True

    def tell(self, message: ServerMessage) -> None:
        """Tell the client something, which counts among what it gets."""
        client = self._client if self.member is None else self.member.client
        client.deliver(message)

    def _list_peers(self, member: Member) -> None:
        peers = [PeerDescription(peer.client_id, peer.client_type) for peer in member.peers()]
        self.tell(Peers(member.room.room_id, peers))

    def _admitted(self, message: Register, now_ns: int) -> Register:
        """Return what the client registers as, by its token.

        Raises:
            Unauthorized, Forbidden: it may not.
        """
        if self._verifier is None:
            return message
        claims = self._verifier.verify(message.token or self._token, now_ns / 1e9)
        identity = claims.admit(message.room_id, message.client_id, message.client_type)
        self._expires_at = claims.expires_at
        return replace(message, client_id=identity.client_id, client_type=identity.client_type)

    def _leave(self, member: Member, now_ns: int) -> None:
        depart(member, self._registry, now_ns)
        self._cluster.leave(member)
