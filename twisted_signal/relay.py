"""What peers say to each other: whom it is for, and what becomes of it where nobody is there."""

from twisted_signal import event_log, events
from twisted_signal.backlog import Backlog, Waiting
from twisted_signal.close_codes import REPLACED
from twisted_signal.errors import (
    NobodyThere,
    SignalError,
    TargetUnclear,
    TooManyWaiting,
)
from twisted_signal.messages import (
    Answer,
    IceCandidate,
    Message,
    Offer,
    PeerJoined,
    PeerLeft,
    Relay,
    Relayed,
    said,
)
from twisted_signal.registry import Member, Registry, Room
from twisted_signal.timeline import UNSEEN

log = event_log.logger(__name__)

MOST_AGAIN = 64
"""Messages from other nodes that are told again to a client that registers itself."""


def relay(message: Relay, sender: Member, now_ns: int) -> None:
    """Pass a message on to its target, or let it wait for one.

    Args:
        now_ns: when it came, in nanoseconds since 1970.

    Raises:
        SignalError: nobody can get it.
    """
    sender.handed_over = None
    try:
        if message.target_id is not None:
            target = sender.peer(message.target_id)
        else:
            found = _likely_target(sender)
            if found is None:
                _wait(message, sender, now_ns)
                return
            target = found
        _pass_on(message, sender, target)
    except SignalError as error:
        sender.room.calls.fail(sender.room.room_id, sender, message, error, now_ns)
        raise
    flow = sender.flow
    # Of a flood of candidates only so many are looked at (calls).
    if (
        flow is None
        or flow.left
        or type(message) is not IceCandidate
        or (flow.peer_id is not target.client_id and flow is not UNSEEN)
    ):
        _see(message, sender, target, now_ns)


def send(message: Message, sender: Member) -> None:
    """Pass an application's message on to its target, or to everybody else in the room.

    Raises:
        SignalError: the target cannot get it. Of a message for everybody nothing is said.
    """
    sender.handed_over = None
    if message.target_id is not None:
        _pass_on(message, sender, sender.peer(message.target_id))
        return
    for peer in list(sender.peers()):
        try:
            _pass_on(message, sender, peer)
        except SignalError as error:
            log.debug(events.NOT_RELAYED, sender.label, peer.label, error, about=sender.owner)


def arrive(message: Relayed, target: Member, now_ns: int) -> None:
    """Give a member what a peer on another node says to it.

    Args:
        now_ns: when it came, in nanoseconds since 1970.

    Raises:
        SignalError: the target cannot get it.
    """
    sender = target.room.members.get(message.sender_id)
    if sender is None:  # it left meanwhile
        target.client.deliver(message)
        return
    relayed = said(message, target.client_id)
    _pass_on(relayed, sender, target)
    if isinstance(relayed, Message):
        return
    _see(relayed, sender, target, now_ns)
    # What had waited is not told from what had not. More than waits there do not matter here.
    again = target.handed_over
    if again is not None and isinstance(relayed, Waiting) and len(again) < MOST_AGAIN:
        again.append((sender, relayed))


def tell_room(room: Room, message: PeerJoined | PeerLeft, about: Member) -> None:
    """Tell everybody else in a room who comes or goes."""
    # A copy: what a delivery sets off must not change the room that is walked through.
    for member in list(room.members.values()):
        if member is not about:
            member.client.deliver(message)


def depart(member: Member, registry: Registry, now_ns: int) -> None:
    """Let a client of this node leave its room, and tell the others there."""
    log.info(events.CLIENT_LEFT, member.label, member.room.label, about=member.owner)
    registry.leave(member, now_ns)
    tell_room(member.room, PeerLeft(member.client_id), member)


def put_out(holder: Member, registry: Registry, now_ns: int) -> None:
    """Put a client of this node out of its place, which another connection has taken."""
    log.info(events.CLIENT_REPLACED, holder.label, holder.room.label, about=holder.owner)
    registry.leave(holder, now_ns)
    tell_room(holder.room, PeerLeft(holder.client_id), holder)
    holder.client.close(REPLACED, "Another connection has taken your client_id")


def hand_over_what_waits(arrived: Member, now_ns: int) -> None:
    """Give somebody who came into a room what waits there, and those there what it said before."""
    for peer in [peer for peer in arrived.peers() if peer.backlog is not None]:
        _hand_over(peer, arrived, now_ns)
    if arrived.backlog is not None:
        try:
            target = _likely_target(arrived)
        except TargetUnclear:
            return  # it waits on: the next peer that arrives gets it
        if target is not None:
            _hand_over(arrived, target, now_ns)


def hand_over_again(before: Member, member: Member, now_ns: int) -> None:
    """Say again what was said to a client before it registered itself.

    The server took it for the app, so it was told in a dialect that it does not speak.
    """
    if before.handed_over is not None:
        handed_over, before.handed_over = before.handed_over, None
        for sender, message in handed_over:
            if member.room.members.get(sender.client_id) is sender:
                _pass_on(message, sender, member)
                if member is not before:
                    _see(message, sender, member, now_ns)


def _pass_on(message: Relay | Message, sender: Member, target: Member) -> None:
    try:
        target.client.deliver(message.relayed(sender.client_id))
    except SignalError as error:
        error.target_id = message.target_id
        raise
    sender.last_partner = target.client_id
    target.last_partner = sender.client_id
    if log.isEnabledFor(message.log_level):  # for candidates, most of all, it is not
        words = (message.kind, sender.label, target.label)
        log.say(message.log_level, events.RELAYED, words, sender.owner)


def _see(message: Relay, sender: Member, target: Member, now_ns: int) -> None:
    """Let the timeline of a call see a message that was passed on."""
    flow = sender.flow
    if flow is None or flow.call is None or flow.peer_id is not target.client_id:
        room = sender.room
        flow = sender.flow = room.calls.flow(room.room_id, sender, target, message)
    flow.see(message, now_ns)


def _likely_target(member: Member) -> Member | None:
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


def _wait(message: Relay, member: Member, now_ns: int) -> None:
    """Let a message wait for somebody to come.

    Raises:
        NobodyThere, TooManyWaiting: it may not.
    """
    if isinstance(message, Answer) or _is_late(message, member):
        raise NobodyThere(member.room.room_id)
    if member.backlog is None:
        member.backlog = Backlog()
    if not member.backlog.keep(message):
        raise TooManyWaiting(member.room.room_id, member.backlog.limit)
    if isinstance(message, Offer):
        member.room.calls.wait(member.room.room_id, member, now_ns)
    if log.isEnabledFor(message.log_level):
        words = (message.kind, member.label, member.room.label)
        log.say(message.log_level, events.KEPT, words, member.owner)


def _hand_over(sender: Member, target: Member, now_ns: int) -> None:
    assert sender.backlog is not None
    waiting, sender.backlog = sender.backlog.take(), None
    for message in waiting:
        _pass_on(message, sender, target)
        _see(message, sender, target, now_ns)
        if target.handed_over is not None:
            target.handed_over.append((sender, message))


def _is_late(message: Offer | IceCandidate, member: Member) -> bool:
    """Tell whether a candidate belongs to a call that is over: its peer has left the room."""
    return (
        isinstance(message, IceCandidate)
        and member.backlog is None
        and member.last_partner is not None
    )
