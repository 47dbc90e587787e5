"""Who offers, who gives way, what is ignored: "perfect negotiation" without I/O.

W3C "WebRTC: Real-Time Communication in Browsers" has it as an example (section 10.7). Of two peers
who offer at once, the polite one takes its offer back and answers; the other ignores what comes.

A `Negotiation` is told what happens and returns what to do, in order. All of that must be done
before it is told the next thing. It knows no SDP: descriptions and candidates go through it as they
are.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeAlias, TypeVar

Description = TypeVar("Description")
Candidate = TypeVar("Candidate")


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Make an offer, set it as local description, and send it; `restart_ice`: with new ICE."""

    restart_ice: bool


@dataclass(frozen=True, slots=True)
class MakeAnswer:
    """Make an answer, set it as local description, and send it."""


@dataclass(frozen=True, slots=True)
class Rollback:
    """Take the own offer back: it shall never have been set."""


@dataclass(frozen=True, slots=True)
class SetRemote(Generic[Description]):
    """Set this as remote description."""

    description: Description


@dataclass(frozen=True, slots=True)
class AddCandidate(Generic[Candidate]):
    """Give the connection a candidate of the peer's."""

    candidate: Candidate


@dataclass(frozen=True, slots=True)
class SendOfferAgain:
    """Send the local description once more: the peer may never have got it."""


@dataclass(frozen=True, slots=True)
class SendCandidatesAgain:
    """Send the own candidates once more, if the peers are not connected yet."""


@dataclass(frozen=True, slots=True)
class LookForNeeds:
    """Look whether the connection has something that is not negotiated; if so, say `need`."""


Action: TypeAlias = (
    MakeOffer
    | MakeAnswer
    | Rollback
    | SetRemote[Description]
    | AddCandidate[Candidate]
    | SendOfferAgain
    | SendCandidatesAgain
    | LookForNeeds
)


class State(Enum):
    """How far the negotiation is. An offer of the peer's is answered as soon as it is taken."""

    NEW = auto()
    OFFERED = auto()
    STABLE = auto()


def is_polite(own_id: str, peer_id: str) -> bool:
    """Return whether we are the one who gives way: the smaller id by code points is."""
    return own_id < peer_id


class Negotiation(Generic[Description, Candidate]):
    """The negotiation with one peer, from its first offer to the end of the call.

    Attributes:
        state: how far it is.
    """

    def __init__(self, *, polite: bool) -> None:
        """`polite`: whether we give way, see `is_polite`; the peer does the contrary."""
        self.state = State.NEW
        self._polite = polite
        self._needed = False
        self._restart_wanted = False
        self._restart_offered = False
        self._ignoring = False
        self._has_remote = False
        self._early: list[Candidate] = []

    def need(self, *, restart_ice: bool = False) -> list[Action[Description, Candidate]]:
        """Something is to be negotiated: offer it, or as soon as the offer before is answered."""
        self._needed = True
        self._restart_wanted |= restart_ice
        return self._offer_if_due()

    def offer(
        self, description: Description, *, restarts_ice: bool = False
    ) -> list[Action[Description, Candidate]]:
        """The peer offers; `restarts_ice`: the answer to it has new ICE, whoever wanted that."""
        actions: list[Action[Description, Candidate]] = []
        if self.state is State.OFFERED:
            if not self._polite:
                self._ignoring = True
                return []
            actions.append(Rollback())
            # What was offered may be in the answer, which LookForNeeds sees; a restart may not.
            self._restart_wanted |= self._restart_offered
        if restarts_ice:
            self._restart_wanted = False
        self._needed |= self._restart_wanted
        return [*actions, *self._take(description), MakeAnswer(), *self._settle()]

    def answer(self, description: Description) -> list[Action[Description, Candidate]]:
        """The peer answers. Nothing is done if no offer waits for that."""
        if self.state is not State.OFFERED:
            return []
        return [*self._take(description), *self._settle()]

    def candidate(self, candidate: Candidate) -> list[Action[Description, Candidate]]:
        """The peer sent a candidate, which belongs to the description that it sent last."""
        if self._ignoring:
            return []
        if not self._has_remote:
            self._early.append(candidate)
            return []
        return [AddCandidate(candidate)]

    def afresh(self) -> list[Action[Description, Candidate]]:
        """We or the peer came anew into the room: what was on its way between us is lost."""
        match self.state:
            case State.NEW:
                return []
            case State.OFFERED:
                return [SendOfferAgain()]
            case State.STABLE:
                return [SendCandidatesAgain()]

    def _take(self, description: Description) -> list[Action[Description, Candidate]]:
        early, self._early = self._early, []
        self._ignoring = False
        self._has_remote = True
        return [SetRemote(description), *(AddCandidate(candidate) for candidate in early)]

    def _settle(self) -> list[Action[Description, Candidate]]:
        self.state = State.STABLE
        return self._offer_if_due() or [LookForNeeds()]

    def _offer_if_due(self) -> list[Action[Description, Candidate]]:
        if self.state is State.OFFERED or not self._needed:
            return []
        self.state = State.OFFERED
        self._needed = False
        self._restart_offered, self._restart_wanted = self._restart_wanted, False
        return [MakeOffer(restart_ice=self._restart_offered)]
