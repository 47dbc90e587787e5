"""One client's life: what each of its messages means in the state it is in.

A session knows messages and rooms, not the bytes, the dialect or the network they came by.
"""

from msgspec.structs import replace

from twisted_signal import event_log, events
from twisted_signal.auth import Verifier
from twisted_signal.claim import Claim
from twisted_signal.close_codes import DISMISSED, REPLACED
from twisted_signal.connection import Client
from twisted_signal.errors import IdTaken, InvalidMessage, NotRegistered, SignalError
from twisted_signal.messages import (
    RELAYS,
    Arrival,
    AskIceServers,
    ClientMessage,
    ClientReport,
    Error,
    IceServer,
    IceServers,
    Leave,
    ListPeers,
    Message,
    PeerDescription,
    PeerJoined,
    PeerLeft,
    Peers,
    Ping,
    Pong,
    Register,
    Registered,
    Resume,
    Resumed,
    ServerMessage,
    Token,
)
from twisted_signal.registry import DuplicateId, Member, Owner, Registry
from twisted_signal.relay import hand_over_again, hand_over_what_waits, relay, send, tell_room
from twisted_signal.text import quoted, raw, without_sdp, without_tokens
from twisted_signal.timeline import StepKind
from twisted_signal.turn import NO_ICE_SERVERS, IceProvider

log = event_log.logger(__name__)

REPORT_LENGTH = 1000
"""Characters that are looked at of what a client reports; fewer go into the log."""


class Session:
    """What one client may say and what comes of it. Implements `registry.Owner`.

    `now_ns` is the wall clock wherever it is asked for, in nanoseconds since 1970.

    Attributes:
        member: its place in a room, or None.
        label: what log lines call the client: its address, and its id once it had one.
        address: where the client is, for people.
        source: what its address is counted by, or None.
    """

    __slots__ = (
        "_claim",
        "_client",
        "_expires_at",
        "_ice",
        "_registry",
        "_token",
        "_verifier",
        "address",
        "label",
        "member",
        "source",
    )

    def __init__(
        self,
        client: Client,
        registry: Registry,
        address: str,
        verifier: Verifier | None = None,
        token: str | None = None,
        *,
        ice: IceProvider = NO_ICE_SERVERS,
        source: str | None = None,
    ) -> None:
        """
        Args:
            client: the connection, as far as a session knows it.
            registry: the rooms of the server.
            address: where the client is, for the log.
            verifier: checks who may enter; None: everybody.
            token: what the client showed in its opening handshake, if it did.
            ice: the ICE servers that the client is told of.
            source: what the address is counted by; None: it is not.
        """
        self._client = client
        self._registry = registry
        self._verifier = verifier
        self._token = token
        self._ice = ice
        self._expires_at: float | None = None
        self.label = self.address = address
        self.source = source
        self.member: Member | None = None
        self._claim: Claim | None = None

    def log_fields(self) -> dict[str, object]:
        """See `event_log.Subject`."""
        member = self.member
        if member is not None:
            room_id = member.room.room_id
            return {"client": member.client_id, "room": room_id, "address": self.address}
        if self.label is self.address:
            return {"address": self.address}
        return {"client": raw(self.label), "address": self.address}

    @property
    def is_entering(self) -> bool:
        """Whether it is being decided if the client gets its place."""
        return self._claim is not None

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
        if self._claim is None:
            return count
        claimed = self._registry.rooms.get(self._claim.message.room_id)
        return max(count, len(claimed.members) - 1 if claimed is not None else 0)

    def handle(self, message: ClientMessage, now_ns: int) -> None:  # noqa: C901 - a case a message
        """Do what a message asks for.

        Args:
            now_ns: when it came, in nanoseconds since 1970.

        Raises:
            SignalError: it is refused, and nothing has changed; give the error to `refuse`.
        """
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
                self._tell(Pong(now_ns // 1_000_000))
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
                self._tell(IceServers(self._ice_servers(member, now_ns), self._ice.lifetime_ms))
            case Leave():  # pragma: no branch - the union ends here
                self._claim = None  # nothing waits for it: who has a place does not wait
                self._leave(member, now_ns)

    def refuse(self, error: SignalError) -> None:
        """Tell the client why its message was refused."""
        who = f"a message from {self.label}"
        self._registry.refusals.note(error.code, who, f"{error.code}: {error}", self)
        self._tell(Error(error.code, str(error), error.target_id, error.retry_after_ms))

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

    def _tell(self, message: ServerMessage) -> None:
        client = self._client if self.member is None else self.member.client
        client.deliver(message)

    # Coming

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

    def _renew(self, token: str, now_ns: int, member: Member | None) -> None:
        """Let a client stay as long as a fresh token allows.

        Raises:
            Unauthorized, Forbidden: it does not allow what the client is and where it is.
        """
        if self._verifier is None:
            return
        claims = self._verifier.verify(token, now_ns / 1e9)
        if member is not None:
            claims.admit(member.room.room_id, member.client_id, member.client_type)
            member.expires_at = claims.expires_at
            member.client.admit(claims.expires_at)
        self._token = token

    def _register(self, message: Register, now_ns: int) -> None:
        before = self.member
        if (
            before is not None
            and before.room.room_id == message.room_id
            and message.client_id in (None, before.client_id)
        ):
            before.client_type = message.client_type
            self._confirm(before, message, now_ns)
            hand_over_again(before, before, now_ns)
            self._let_go_on()
            return
        client_id = message.client_id
        if client_id is None:
            client_id = self._registry.unused_id(message.room_id, message.client_type)
        holder = self._registry.holder(message.room_id, client_id)
        if holder is None:
            self._enter(message, client_id, now_ns)
            self._let_go_on()
            return
        match self._registry.duplicate_id:
            case DuplicateId.REJECT:
                raise IdTaken(client_id, message.room_id)
            case DuplicateId.REPLACE:
                self._take_over(holder, now_ns)
                self._enter(message, client_id, now_ns)
                self._let_go_on()
            case DuplicateId.PROBE:  # pragma: no branch - the enum ends here
                self._ask(holder, message, now_ns)

    def _enter(self, message: Register, client_id: str, now_ns: int) -> None:
        before = self.member
        member = self._registry.join(
            self, self._client, message.room_id, client_id, message.client_type, now_ns=now_ns
        )
        if isinstance(message, Arrival):
            member.handed_over = []
        self.label = member.label
        client_type = quoted(member.client_type)
        room = member.room.label
        log.info(events.CLIENT_REGISTERED, member.label, client_type, room, about=self)
        self._confirm(member, message, now_ns)
        if before is not None:
            log.info(events.CLIENT_LEFT, before.label, before.room.label, about=self)
            tell_room(before.room, PeerLeft(before.client_id), member)
        tell_room(member.room, PeerJoined(member.client_id, member.client_type), member)
        hand_over_what_waits(member, now_ns)
        if before is not None:
            hand_over_again(before, member, now_ns)

    def _confirm(self, member: Member, message: Register, now_ns: int) -> None:
        member.expires_at = self._expires_at
        peers = [peer.client_id for peer in member.peers()]
        registered = Registered(member.client_id, member.room.room_id, peers)
        window = self._registry.limits.resume_window
        if message.resume and window:
            token = self._registry.remember(member)
            registered = replace(registered, resume_token=token, resume_within_ms=window * 1000)
        else:
            self._registry.forget(member)
        if message.ice_servers:
            servers, lifetime_ms = self._ice_servers(member, now_ns), self._ice.lifetime_ms
            registered = replace(
                registered, ice_servers=servers, ice_servers_expire_in_ms=lifetime_ms
            )
        self._client.admit(member.expires_at)
        self._client.deliver(registered)

    def _ice_servers(self, member: Member, now_ns: int) -> list[IceServer]:
        return self._ice.for_client(member.client_id, now_ns // 1_000_000_000)

    def _resume(self, message: Resume, now_ns: int) -> None:
        arrival = self.member
        if arrival is not None and arrival.handed_over is None:
            raise InvalidMessage("`resume`", "is for a new connection, before anything else")
        place = self._registry.resumable(message.resume_token)
        if place is not None and self._token is not None:
            self._renew(self._token, now_ns, place)
        member, before, missed = self._registry.resume(
            self, self._client, message.resume_token, message.received, now_ns=now_ns
        )
        self.label = member.label
        log.info(events.CLIENT_RESUMED, member.label, member.room.label, len(missed), about=self)
        before.close(REPLACED, "You have resumed on another connection")
        assert member.mailbox is not None
        peers = [peer.client_id for peer in member.peers()]
        self._client.deliver(Resumed(member.room.room_id, peers, member.mailbox.token))
        self._client.admit(member.expires_at)
        for each in missed:
            member.client.deliver(each)
        if arrival is not None:
            tell_room(arrival.room, PeerLeft(arrival.client_id), arrival)
        self._expires_at = member.expires_at
        self._let_go_on()

    # An id that another connection has

    def _ask(self, holder: Member, message: Register, now_ns: int) -> None:
        """Find out whether the holder of an id is alive."""
        claim = self._claim
        if claim is not None and claim.is_for(message.room_id, holder.client_id):
            claim.message, claim.expires_at, claim.now_ns = message, self._expires_at, now_ns
            return  # it is being found out
        log.info(events.ID_CLAIMED, self.label, holder.label, holder.room.label, about=self)
        self._claim = claim = Claim(message, holder.client_id, self._expires_at, now_ns, claim)
        asked = holder.owner
        holder.client.ask_if_alive(lambda alive: self._answered(claim, holder, asked, alive=alive))

    def _answered(self, claim: Claim, holder: Member, asked: Owner, *, alive: bool) -> None:
        if self._claim is not claim:
            return  # the client is gone, or wants something else by now
        is_back = holder.owner is not asked and not holder.is_away
        try:
            if holder.owner.member is holder:
                if alive or is_back:
                    raise IdTaken(claim.client_id, claim.message.room_id)
                self._take_over(holder, claim.now_ns)
            self._expires_at = claim.expires_at
            self._enter(claim.message, claim.client_id, claim.now_ns)
        except SignalError as error:
            self.refuse(error)
        self._let_go_on()

    def _let_go_on(self) -> None:
        """It is decided whether the client gets a place: handle what it said meanwhile."""
        claim, self._claim = self._claim, None
        if claim is None:
            return
        for message in claim.take():
            try:
                self.handle(message, claim.now_ns)
            except SignalError as error:
                self.refuse(error)

    def _hold(self, message: ClientMessage) -> None:
        """Let a message wait until the client has its place, if it is about to get one."""
        if self._claim is None or not self._claim.hold(message):
            raise NotRegistered(getattr(message, "target_id", None))

    def _take_over(self, holder: Member, now_ns: int) -> None:
        """Put another connection out of its place."""
        log.info(events.CLIENT_REPLACED, holder.label, holder.room.label, about=holder.owner)
        self._registry.leave(holder, now_ns)
        tell_room(holder.room, PeerLeft(holder.client_id), holder)
        holder.client.close(REPLACED, "Another connection has taken your client_id")

    # Staying, and going

    def _list_peers(self, member: Member) -> None:
        peers = [PeerDescription(peer.client_id, peer.client_type) for peer in member.peers()]
        self._tell(Peers(member.room.room_id, peers))

    def _leave(self, member: Member, now_ns: int) -> None:
        log.info(events.CLIENT_LEFT, member.label, member.room.label, about=self)
        self._registry.leave(member, now_ns)
        tell_room(member.room, PeerLeft(member.client_id), member)
