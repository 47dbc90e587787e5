"""One client's life: what each of its messages means in the state it is in.

A session knows messages and rooms, not the bytes, the dialect or the network they came by.
"""

import logging

from twisted_signal.backlog import Backlog
from twisted_signal.errors import (
    NobodyThere,
    NotRegistered,
    SignalError,
    TargetUnclear,
    TooManyWaiting,
)
from twisted_signal.messages import (
    Answer,
    Arrival,
    ClientMessage,
    ClientReport,
    Error,
    IceCandidate,
    Offer,
    PeerJoined,
    PeerLeft,
    Register,
    Registered,
    Relay,
)
from twisted_signal.registry import Client, Member, Registry, Room
from twisted_signal.text import quoted, without_sdp

log = logging.getLogger(__name__)


class Session:
    """What one client may say and what comes of it.

    Registered or not is the only state there is.

    Attributes:
        member: its place in a room, or None.
        label: what log lines call the client: its address, and its id once it had one.
    """

    __slots__ = ("_client", "_registry", "label", "member")

    def __init__(self, client: Client, registry: Registry, address: str) -> None:
        """
        Args:
            client: the connection, as far as a session knows it.
            registry: the rooms of the server.
            address: where the client is, for the log.
        """
        self._client = client
        self._registry = registry
        self.label = address
        self.member: Member | None = None

    def handle(self, message: ClientMessage) -> None:
        """Do what a message asks for.

        Raises:
            SignalError: it is refused, and nothing has changed; give the error to `refuse`.
        """
        match message:
            case IceCandidate() | Offer() | Answer():  # the frequent ones first
                self._relay(message)
            case Register():
                self._register(message)
            case ClientReport():  # pragma: no branch - the union ends here, mypy holds that
                log.warning("Reported by %s: %s", self.label, quoted(without_sdp(message.message)))

    def refuse(self, error: SignalError) -> None:
        """Tell the client why its message was refused."""
        log.warning("Refused a message from %s: %s: %s", self.label, error.code, error)
        self._client.deliver(Error(error.code, str(error), error.target_id))

    def end(self) -> None:
        """The connection is over: leave the room. Once is enough, more does no harm."""
        if self.member is not None:
            member, self.member = self.member, None
            log.info("Client left: %s, room %s", member.label, member.room.label)
            self._registry.leave(member)
            self._tell_others(member.room, PeerLeft(member.client_id))

    def _register(self, message: Register) -> None:
        before = self.member
        if (
            before is not None
            and before.room.room_id == message.room_id
            and message.client_id in (None, before.client_id)
        ):
            before.client_type = message.client_type
            self._confirm(before)
            self._hand_over_again(before, before)
            return
        member = self._registry.join(
            self._client,
            message.room_id,
            message.client_id or self._registry.unused_id(message.room_id, message.client_type),
            message.client_type,
            leaving=before,
        )
        if isinstance(message, Arrival):
            member.handed_over = []
        self.member = member
        self.label = member.label
        log.info(
            "Client registered: %s (%s) in room %s",
            member.label,
            quoted(member.client_type),
            member.room.label,
        )
        self._confirm(member)
        if before is not None:
            log.info("Client left: %s, room %s", before.label, before.room.label)
            self._tell_others(before.room, PeerLeft(before.client_id))
        self._tell_others(member.room, PeerJoined(member.client_id, member.client_type))
        for peer in [peer for peer in member.peers() if peer.backlog is not None]:
            self._hand_over(peer, member)
        self._hand_over_own_backlog(member)
        if before is not None:
            self._hand_over_again(before, member)

    def _confirm(self, member: Member) -> None:
        peers = [peer.client_id for peer in member.peers()]
        self._client.deliver(Registered(member.client_id, member.room.room_id, peers))

    def _tell_others(self, room: Room, message: PeerJoined | PeerLeft) -> None:
        # A copy: what a delivery sets off must not change the room that is walked through.
        for member in list(room.members.values()):
            if member.client is not self._client:
                member.client.deliver(message)

    def _relay(self, message: Relay) -> None:
        member = self.member
        if member is None:
            raise NotRegistered(message.target_id)
        member.handed_over = None
        if message.target_id is not None:
            self._pass_on(message, member, member.peer(message.target_id))
            return
        target = self._likely_target(member)
        if target is not None:
            self._pass_on(message, member, target)
        elif isinstance(message, Answer) or _is_late(message, member):
            raise NobodyThere(member.room.room_id)
        else:
            self._keep(message, member)

    def _pass_on(self, message: Relay, sender: Member, target: Member) -> None:
        try:
            target.client.deliver(message.relayed(sender.client_id))
        except SignalError as error:
            error.target_id = message.target_id
            raise
        sender.last_partner = target.client_id
        target.last_partner = sender.client_id
        if log.isEnabledFor(message.log_level):  # for candidates, most of all, it is not
            log.log(
                message.log_level,
                "Relayed %s from %s to %s",
                message.kind,
                sender.label,
                target.label,
            )

    def _likely_target(self, member: Member) -> Member | None:
        """Return whom a message without a target is for, or None where nobody is there.

        Raises:
            TargetUnclear: several peers could be meant.
        """
        peers = list(member.peers())
        if len(peers) <= 1:
            return peers[0] if peers else None
        partner = [peer for peer in peers if peer.client_id == member.last_partner]
        others = [peer for peer in peers if peer.client_type != member.client_type]
        for choice in (partner, others):
            if len(choice) == 1:
                return choice[0]
        raise TargetUnclear(member.room.room_id, [peer.client_id for peer in others or peers])

    def _keep(self, message: Offer | IceCandidate, member: Member) -> None:
        if member.backlog is None:
            member.backlog = Backlog()
        if not member.backlog.add(message):
            raise TooManyWaiting(member.room.room_id, member.backlog.limit)
        log.log(
            message.log_level,
            "Kept %s from %s: nobody else is in room %s yet",
            message.kind,
            member.label,
            member.room.label,
        )

    def _hand_over(self, sender: Member, target: Member) -> None:
        assert sender.backlog is not None
        waiting, sender.backlog = sender.backlog.take(), None
        for message in waiting:
            self._pass_on(message, sender, target)
            if target.handed_over is not None:
                target.handed_over.append((sender, message))

    def _hand_over_again(self, before: Member, member: Member) -> None:
        """Say again what was said to a client before it registered itself.

        The server took it for the app, so it was told in a dialect that it does not speak.
        """
        if before.handed_over is not None:
            handed_over, before.handed_over = before.handed_over, None
            for sender, message in handed_over:
                if member.room.members.get(sender.client_id) is sender:
                    self._pass_on(message, sender, member)

    def _hand_over_own_backlog(self, member: Member) -> None:
        """Give what waits to whoever is in the room that its sender just moved to."""
        if member.backlog is None:
            return
        try:
            target = self._likely_target(member)
        except TargetUnclear:
            return  # it waits on: the next peer that arrives gets it
        if target is not None:
            self._hand_over(member, target)


def _is_late(message: Offer | IceCandidate, member: Member) -> bool:
    """Tell whether a candidate belongs to a call that is over: its peer has left the room."""
    return (
        isinstance(message, IceCandidate)
        and member.backlog is None
        and member.last_partner is not None
    )
