"""How a client comes into a room: by its token, under an id of its own, or back to its place."""

from functools import partial

from msgspec.structs import replace

from twisted_signal import event_log, events
from twisted_signal.auth import Verifier
from twisted_signal.claim import Claim
from twisted_signal.close_codes import REPLACED
from twisted_signal.cluster.base import Cluster, Outcome, Taken
from twisted_signal.cluster.local import LocalCluster
from twisted_signal.connection import Client
from twisted_signal.errors import IdTaken, InvalidMessage, NotRegistered, SignalError
from twisted_signal.messages import (
    Arrival,
    ClientMessage,
    IceServer,
    PeerJoined,
    PeerLeft,
    Register,
    Registered,
    Resume,
    Resumed,
)
from twisted_signal.registry import DuplicateId, Member, Owner, Registry
from twisted_signal.relay import hand_over_again, hand_over_what_waits, put_out, tell_room
from twisted_signal.text import quoted, raw
from twisted_signal.turn import NO_ICE_SERVERS, IceProvider

log = event_log.logger(__name__)


class Entrance:
    """A client, and the place that it has or wants. `session.Session` is the rest of its life.

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
        "_cluster",
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
        cluster: Cluster | None = None,
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
            cluster: decides who gets a place; None: these rooms alone do.
        """
        self._client = client
        self._registry = registry
        self._cluster = LocalCluster(registry) if cluster is None else cluster
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

    def handle(self, message: ClientMessage, now_ns: int) -> None:
        """Do what a message asks for.

        Args:
            now_ns: when it came, in nanoseconds since 1970.

        Raises:
            SignalError: it is refused, and nothing has changed; give the error to `refuse`.
        """
        raise NotImplementedError

    def refuse(self, error: SignalError) -> None:
        """Tell the client why its message was refused."""
        raise NotImplementedError

    # By its token

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

    # Under an id

    def _register(self, message: Register, now_ns: int) -> None:
        before = self.member
        if (
            before is not None
            and before.room.room_id == message.room_id
            and message.client_id in (None, before.client_id)
        ):
            before.client_type = message.client_type
            self._confirm(before, message, now_ns)
            self._cluster.change(before)
            hand_over_again(before, before, now_ns)
            self._let_go_on()
            return
        claim = self._claim
        if claim is not None and claim.is_for(message.room_id, message.client_id):
            claim.message, claim.expires_at, claim.now_ns = message, self._expires_at, now_ns
            return  # it is being found out
        client_id = message.client_id
        if client_id is None:
            client_id = self._registry.unused_id(message.room_id, message.client_type)
        token = self._registry.new_token() if self._may_resume(message) else None
        claim = Claim(message, client_id, self._expires_at, now_ns, token)
        decided = partial(self._decided, claim)
        self._cluster.join(claim, self, decided)
        self._wait_for(claim)

    def _may_resume(self, message: Register) -> bool:
        return message.resume and bool(self._registry.limits.resume_window)

    def _wait_for(self, claim: Claim) -> None:
        """Let a claim be the one that is decided, unless it is already."""
        if not claim.is_decided and not claim.waits:
            claim.wait(self._claim, self.member)
            self._claim = claim

    def _is_over(self, claim: Claim) -> bool:
        """Tell whether the client is gone, or wants something else by now.

        One whose place another connection has taken is gone, though its connection may still close.
        """
        return claim.waits and (self._claim is not claim or self.member is not claim.besides)

    def _decided(self, claim: Claim, outcome: Outcome) -> Member | None:
        """See `cluster.base.Joined`."""
        if self._is_over(claim):
            return None
        try:
            if isinstance(outcome, Taken):
                self._contend(claim, outcome.holder)
                return None
            if outcome is not None:
                raise outcome
            claim.is_decided = True
            self._expires_at = claim.expires_at
            member = self._enter(claim)
        except SignalError as error:
            self._refuse_claim(claim, error)
            return None
        self._let_go_on()
        return member

    def _refuse_claim(self, claim: Claim, error: SignalError) -> None:
        """Nothing comes of a claim.

        Raises:
            SignalError: the claim does not wait.
        """
        claim.is_decided = True
        if not claim.waits:
            raise error
        self.refuse(error)
        self._let_go_on()

    def _contend(self, claim: Claim, holder: Member) -> None:
        """Somebody has the id that the client wants.

        Raises:
            IdTaken: and keeps it.
        """
        message = claim.message
        assert isinstance(message, Register)
        assert claim.client_id is not None
        policy = self._registry.duplicate_id
        if message.client_id is None:  # that it is taken was not known here
            claim.client_id = self._registry.unused_id(message.room_id, message.client_type)
        elif policy is DuplicateId.REJECT or claim.instead_of is not None:
            raise IdTaken(claim.client_id, message.room_id)
        elif policy is DuplicateId.PROBE:
            self._ask(claim, holder)
            return
        else:
            claim.instead_of = holder
        self._cluster.join(claim, self, partial(self._decided, claim))

    def _ask(self, claim: Claim, holder: Member) -> None:
        """Find out whether the holder of an id is alive."""
        log.info(events.ID_CLAIMED, self.label, holder.label, holder.room.label, about=self)
        asked = holder.owner
        holder.client.ask_if_alive(lambda alive: self._answered(claim, holder, asked, alive=alive))

    def _answered(self, claim: Claim, holder: Member, asked: Owner, *, alive: bool) -> None:
        if self._is_over(claim):
            return
        assert isinstance(claim.message, Register)
        assert claim.client_id is not None
        if holder.owner.member is holder and (alive or holder.has_changed_hands(asked)):
            self._refuse_claim(claim, IdTaken(claim.client_id, claim.message.room_id))
            return
        claim.instead_of = holder
        self._cluster.join(claim, self, partial(self._decided, claim))

    def _enter(self, claim: Claim) -> Member:
        """Enter a room.

        Raises:
            IdTaken, RoomFull: the client cannot; nothing has changed then.
        """
        message, now_ns, before = claim.message, claim.now_ns, self.member
        assert isinstance(message, Register)
        assert claim.client_id is not None
        holder = claim.instead_of
        if holder is not None and holder.owner.member is holder and holder.node is None:
            put_out(holder, self._registry, now_ns)
        member = self._registry.join(
            self,
            self._client,
            message.room_id,
            claim.client_id,
            message.client_type,
            now_ns=now_ns,
            place=claim.place,
        )
        if isinstance(message, Arrival):
            member.handed_over = []
        self.label = member.label
        client_type = quoted(member.client_type)
        room = member.room.label
        log.info(events.CLIENT_REGISTERED, member.label, client_type, room, about=self)
        self._confirm(member, message, now_ns, claim.resume_token)
        if before is not None:
            log.info(events.CLIENT_LEFT, before.label, before.room.label, about=self)
            tell_room(before.room, PeerLeft(before.client_id), member)
            self._cluster.leave(before)
        tell_room(member.room, PeerJoined(member.client_id, member.client_type), member)
        hand_over_what_waits(member, now_ns)
        if before is not None:
            hand_over_again(before, member, now_ns)
        return member

    def _confirm(
        self, member: Member, message: Register, now_ns: int, token: str | None = None
    ) -> None:
        """Tell the client that it is in its room.

        Args:
            token: with it the client is to resume; None: with a new one.
        """
        member.expires_at = self._expires_at
        peers = [peer.client_id for peer in member.peers()]
        registered = Registered(member.client_id, member.room.room_id, peers)
        if self._may_resume(message):
            token = self._registry.remember(member, token)
            within_ms = self._registry.limits.resume_window * 1000
            registered = replace(registered, resume_token=token, resume_within_ms=within_ms)
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

    # Back to its place

    def _resume(self, message: Resume, now_ns: int) -> None:
        arrival = self.member
        if arrival is not None and arrival.handed_over is None:
            raise InvalidMessage("`resume`", "is for a new connection, before anything else")
        if self._registry.resumable(message.resume_token) is not None:
            self._take_up(message, now_ns)
            self._let_go_on()
            return
        claim = Claim(message, None, None, now_ns)
        self._cluster.find(claim, partial(self._found, claim))
        self._wait_for(claim)

    def _found(self, claim: Claim, error: SignalError | None) -> None:
        """See `cluster.base.Found`."""
        if self._is_over(claim):
            return
        assert isinstance(claim.message, Resume)
        try:
            if error is not None:
                raise error
            claim.is_decided = True
            self._take_up(claim.message, claim.now_ns)
        except SignalError as refused:
            self._refuse_claim(claim, refused)
            return
        self._let_go_on()

    def _take_up(self, message: Resume, now_ns: int) -> None:
        """Take up a place that is kept here.

        Raises:
            SignalError: the client cannot; nothing has changed then.
        """
        arrival = self.member
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
            self._cluster.leave(arrival)
        self._cluster.change(member)
        self._expires_at = member.expires_at

    # Meanwhile

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
