"""The timeline of a call: what two peers of a room did, and in which order.

Kept are ids and types as strings, times, and how many candidates of what kind came: no SDP, no
address, no member and no connection.
"""

from collections import OrderedDict
from enum import StrEnum
from typing import Protocol

from msgspec import Raw, Struct

from twisted_signal.candidates import END, Network, read_candidate, read_description, type_of
from twisted_signal.messages import Answer, IceCandidate, Offer, Relay

MOST_STEPS = 64
"""How many steps are kept of a call."""
FIRST_STEPS = 16
"""How many of them are those that the call began with; the others are the latest."""
CANDIDATE_LOOKS = 32
"""How many candidates of one peer for another are looked at, until that is filled up."""
DESCRIPTION_LOOKS = 16
"""How many offers and answers. They are rare, and must not be missed after many candidates."""


class StepKind(StrEnum):
    """What may happen in a call."""

    JOINED = "joined"
    """It came into the room."""
    LEFT = "left"
    """It left the room, or its connection ended and its place was not kept."""
    LOST = "lost"
    """Its connection has broken, and its place is kept."""
    RESUMED = "resumed"
    """It took its place up on another connection."""
    WAITING = "waiting"
    """It offered to nobody in particular, and nobody is there: the offer waits."""
    OFFER = "offer"
    """Its first offer since both are there."""
    SECOND_OFFER = "second_offer"
    """Another offer with the same ICE credentials."""
    RESTART = "restart"
    """Another offer with new ICE credentials (RFC 8445, section 9)."""
    ROLLBACK = "rollback"
    """It has given its own offer up, for it answers (RFC 9429, section 4.1.10.2)."""
    ANSWER = "answer"
    """It answered."""
    FIRST_CANDIDATE = "first_candidate"
    """The first candidate since its offer or answer, or since its last restart."""
    LAST_CANDIDATE = "last_candidate"
    """The last one so far."""
    END_OF_CANDIDATES = "end_of_candidates"
    """It said that no more come."""
    NOT_DELIVERED = "not_delivered"
    """What it said could not be delivered."""
    TARGET_MISSING = "target_missing"
    """It named a peer that is not in the room."""


class Peer(Protocol):
    """What is looked at of a member of a room."""

    client_id: str
    client_type: str
    joined_at_ns: int
    last_partner: str | None
    flow: "Flow | None"


class Step(Struct, gc=False, eq=False):
    """Something that happened.

    Attributes:
        at_ns: when, in nanoseconds since 1970.
        by: who did it: 0 is the peer that began the call, 1 the other.
        detail: what else is to say, in words.
        candidates: those that the step tells of.
        times: how often it happened, without anything between.
    """

    at_ns: int
    kind: StepKind
    by: int
    detail: str | None = None
    candidates: "Candidates | None" = None
    times: int = 1


class Candidates(Struct, gc=False, eq=False):
    """The candidates of one peer, of one generation (RFC 8445, section 9).

    Attributes:
        counts: how many of each kind.
        networks: where the hosts among them are, so far as that is known.
        has_ended: whether no more come.
        last: the step for the last one, if it has one.
    """

    counts: dict[str, int]
    networks: set[Network]
    has_ended: bool = False
    last: Step | None = None

    @property
    def summary(self) -> str:
        """How many of each type, such as `8 candidates: 6 host, 2 srflx`."""
        types: dict[str, int] = {}
        for kind, count in self.counts.items():
            types[type_of(kind)] = types.get(type_of(kind), 0) + count
        total = sum(types.values())
        parts = ", ".join(f"{count} {type_}" for type_, count in types.items())
        return f"{total} candidate{'s' * (total != 1)}: {parts}"


class Flow:
    """One of the two ways of a call: what one peer says to the other.

    Attributes:
        left: how many more candidates are looked at.
        peer_id: the other's id, the very string that its member has.
        call: whose it is; None: it is not kept, or not any more.
        by: which peer it is that speaks.
        client_id, client_type: who that is. The type is None as long as it was never there.
        comings: how often it came into the room.
        offered_at_ns: when it made an offer that is not answered yet; 0: there is none.
        described_in: in which round of the call it sent an SDP last; 0: in none since it came.
        early: candidates that came before its SDP.
        candidates: those since its last restart.
    """

    __slots__ = (
        "_descriptions_left",
        "_fingerprint",
        "_spent",
        "_ufrag",
        "by",
        "call",
        "candidates",
        "client_id",
        "client_type",
        "comings",
        "described_in",
        "early",
        "left",
        "offered_at_ns",
        "peer_id",
    )

    def __init__(self, spent: "list[Flow]", client_id: str, peer_id: str | None) -> None:
        """`spent`: where it adds itself when no more is looked at, to be filled up."""
        self._spent = spent
        self.left = CANDIDATE_LOOKS
        self._descriptions_left = DESCRIPTION_LOOKS
        self.peer_id = peer_id
        self.call: Call | None = None
        self.by = 0
        self.client_id = client_id
        self.client_type: str | None = None
        self.comings = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """It came into the room: whatever it said before counts no more."""
        self.offered_at_ns = 0
        self.described_in = 0
        self.early = 0
        self.candidates: Candidates | None = None
        self._ufrag = self._fingerprint = 0

    def see(self, message: Relay, now_ns: int) -> None:
        """Look at a message, if it is of a call that is kept, and enough are `left`."""
        call = self.call
        if call is None:
            return
        # Not isinstance, nor a match, which are slow with structs: see messages.RELAYS.
        if type(message) is IceCandidate:
            if self.left:
                self.left = left = self.left - 1
                if not left:
                    self._spent.append(self)
                self._see_candidate(call, message.candidate, now_ns)
        elif self._descriptions_left:
            self._descriptions_left = left = self._descriptions_left - 1
            if not left:
                self._spent.append(self)
            if type(message) is Offer:
                self._see_offer(call, message.sdp, now_ns)
            else:
                assert type(message) is Answer, "the union ends here"
                self._see_answer(call, message.sdp, now_ns)

    def refill(self) -> None:
        """Let more be looked at."""
        self.left = CANDIDATE_LOOKS
        self._descriptions_left = DESCRIPTION_LOOKS

    def _see_candidate(self, call: "Call", value: Raw, now_ns: int) -> None:
        if self.described_in != call.round:
            if self.described_in:
                return  # of what it said before the other one came back
            self.early += 1
        kind, network = read_candidate(value)
        candidates = self.candidates
        if candidates is None:
            candidates = self.candidates = Candidates({}, set())
        if kind is END:
            if not candidates.has_ended:
                candidates.has_ended = True
                call.add(now_ns, StepKind.END_OF_CANDIDATES, self.by)
            return
        counts = candidates.counts
        if network is not None:
            candidates.networks.add(network)
        if not counts:
            call.add(now_ns, StepKind.FIRST_CANDIDATE, self.by, kind)
        elif candidates.last is None:
            candidates.last = call.add(now_ns, StepKind.LAST_CANDIDATE, self.by, kind, candidates)
        else:
            candidates.last.detail = kind
            if now_ns > call.last_ns:  # noqa: PLR1730 - `max` would take seven times as long
                call.last_ns = now_ns
            candidates.last.at_ns = call.last_ns
        counts[kind] = counts.get(kind, 0) + 1

    def _see_offer(self, call: "Call", value: Raw, now_ns: int) -> None:
        kind, detail = StepKind.OFFER, None
        ufrag, fingerprint = self._ufrag, self._fingerprint
        is_first = self.described_in != call.round
        summary = self._describe(call, value)
        if not is_first and ufrag != self._ufrag:
            kind = StepKind.RESTART
            detail = "of a new connection" if fingerprint != self._fingerprint else None
        elif not is_first:
            kind = StepKind.SECOND_OFFER
            detail = "the one before was not answered" if self.offered_at_ns else None
        call.add(now_ns, kind, self.by, _joined(detail, summary))
        self.offered_at_ns = now_ns

    def _see_answer(self, call: "Call", value: Raw, now_ns: int) -> None:
        other = call.flows[1 - self.by]
        if self.offered_at_ns and other.offered_at_ns:
            call.add(now_ns, StepKind.ROLLBACK, self.by)
            self.offered_at_ns = 0
        detail = None if other.offered_at_ns else "no offer was open"
        summary = self._describe(call, value)
        call.add(now_ns, StepKind.ANSWER, self.by, _joined(detail, summary))
        if other.offered_at_ns:
            other.offered_at_ns = 0
            call.answered_at_ns = now_ns

    def _describe(self, call: "Call", value: Raw) -> str | None:
        """Take up what an SDP tells. Returns which candidates stand in it, in words."""
        told = read_description(value)
        if self.described_in and (self.described_in != call.round or told.ufrag != self._ufrag):
            self.candidates = None
        self._ufrag, self._fingerprint = told.ufrag, told.fingerprint
        self.described_in = call.round
        if not told.candidates and not told.has_ended:
            return None
        candidates = self.candidates
        if candidates is None:
            candidates = self.candidates = Candidates({}, set())
        # A later offer names those again that were there before.
        if not candidates.counts:
            for kind, network in told.candidates:
                candidates.counts[kind] = candidates.counts.get(kind, 0) + 1
                if network is not None:
                    candidates.networks.add(network)
        candidates.has_ended = candidates.has_ended or told.has_ended
        return f"{candidates.summary}{', no more' * told.has_ended}"


UNSEEN = Flow([], "", None)
"""What is said where no call is kept: it is nobody's in particular, and nothing is looked at."""
UNSEEN.left = 0


class Call:
    """What two peers of a room, or one that reaches nobody, did so far.

    Attributes:
        number: its own, in this process.
        room_id: the room.
        flows: what the one that began it says to the other; and what the other says, if it is known
            who that is.
        ring: the calls among which it is kept, by their numbers; the latest step is at the end.
        steps: what happened, in order, but for the last candidates, which have later times.
        steps_left_out: how many there were between the first and the latest ones.
        last_ns: when something happened last, in nanoseconds since 1970.
        round: it begins anew whenever one of them comes into the room.
        answered_at_ns: when an offer of this round was answered last; 0: none was.
    """

    __slots__ = (
        "answered_at_ns",
        "flows",
        "last_ns",
        "number",
        "ring",
        "room_id",
        "round",
        "steps",
        "steps_left_out",
    )

    def __init__(self, number: int, room_id: str) -> None:
        self.number = number
        self.room_id = room_id
        self.flows: list[Flow] = []
        self.ring: OrderedDict[int, Call] = OrderedDict()
        self.steps: list[Step] = []
        self.steps_left_out = 0
        self.last_ns = 0
        self.round = 1
        self.answered_at_ns = 0

    def attach(self, flow: Flow) -> None:
        """It is known who speaks next in the call."""
        flow.call, flow.by = self, len(self.flows)
        self.flows.append(flow)

    def flow_of(self, client_id: str) -> Flow:
        """Return what one of its peers says."""
        return self.flows[0] if self.flows[0].client_id == client_id else self.flows[1]

    def pairs(self) -> set[tuple[str, str | None]]:
        """Return each peer with the other; None: it is not known who that is."""
        if len(self.flows) == 1:
            return {(self.flows[0].client_id, None)}
        one, other = (flow.client_id for flow in self.flows)
        return {(one, other), (other, one)}

    def join(self, peer: Peer) -> None:
        """One of its peers has come into the room."""
        flow = self.flow_of(peer.client_id)
        if flow.comings:
            self.round += 1
        flow.client_type = peer.client_type
        flow.comings += 1
        flow.begin_anew()
        self.answered_at_ns = 0
        for each in self.flows:
            each.offered_at_ns = 0  # what was offered to who was there before is of no use
        self.add(peer.joined_at_ns, StepKind.JOINED, flow.by)

    def add(
        self,
        at_ns: int,
        kind: StepKind,
        by: int,
        detail: str | None = None,
        candidates: Candidates | None = None,
    ) -> Step:
        """Add a step, or count the last one again where it is the same. Returns it."""
        # The wall clock may be set back, and who asks for an id comes when it has asked.
        self.last_ns = at_ns = max(at_ns, self.last_ns)
        self.ring.move_to_end(self.number)
        steps = self.steps
        if steps:
            last = steps[-1]
            if last.kind is kind and last.by == by and last.detail == detail:
                last.times += 1
                return last
        if len(steps) == MOST_STEPS:
            dropped = steps.pop(FIRST_STEPS)
            self.steps_left_out += 1
            if dropped.candidates is not None:
                dropped.candidates.last = None  # the next one is a step again
        step = Step(at_ns, kind, by, detail, candidates)
        steps.append(step)
        return step


def _joined(*parts: str | None) -> str | None:
    return "; ".join(part for part in parts if part) or None
