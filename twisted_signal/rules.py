"""The rules by which is told why a call does not come about.

docs/diagnosis.md says of each what to do about it.
"""

from collections.abc import Callable

from twisted_signal.candidates import MDNS, can_reach
from twisted_signal.case import SECOND, Case, Diagnosis, in_words
from twisted_signal.nearest import Nearest
from twisted_signal.registry import Member
from twisted_signal.text import quoted
from twisted_signal.timeline import Candidates, Flow, StepKind

ANSWER_TIME = 10 * SECOND
"""How long an answer may take, and candidates after it; and somebody may be alone."""
GLARE_TIME = 3 * SECOND
"""How long two offers may be open; clients that give one up do so at once."""
RETRY_TIME = 3 * SECOND
"""How long somebody may take to offer again, to whom it offered too early."""
RECENTLY = 60 * SECOND
"""The time in which a peer should not come and go often."""
OFTEN = 4
"""How often that is."""


Rule = Callable[[Case], Diagnosis | None]

OFFERS = (StepKind.OFFER, StepKind.SECOND_OFFER, StepKind.RESTART)


def target_missing(case: Case) -> Diagnosis | None:
    """Somebody names a peer that is not there, or was not."""
    step = case.last(*OFFERS, StepKind.TARGET_MISSING)
    if step is None or step.kind is not StepKind.TARGET_MISSING:
        return None
    caller, target = case.call.flows[step.by], case.call.flows[1 - step.by]
    if case.is_here(target) and target.comings:
        return _called_too_early(case, caller, target)
    who, whom = quoted(caller.client_id), quoted(target.client_id)
    if caller.client_id == target.client_id:
        return Diagnosis("calls_itself", f"{who} names itself as the peer that it calls.")
    if not target.comings:
        return Diagnosis(
            "target_missing",
            f"{who} calls {whom}, and nobody of that id has been in {case.room}."
            f"{_meant(case, caller, target)}",
        )
    if _candidates_of_both(case):
        return None  # the call is over, and one of them has not noticed
    return Diagnosis("target_left", f"{who} calls {whom}, which was in {case.room} and has left.")


def _called_too_early(case: Case, caller: Flow, target: Flow) -> Diagnosis | None:
    joined = case.last(StepKind.JOINED, by=target)
    if joined is None or case.age(joined.at_ns) < RETRY_TIME:
        return None
    who, whom = quoted(caller.client_id), quoted(target.client_id)
    return Diagnosis(
        "called_too_early",
        f"{who} called {whom} before it was there, and was told so (peer_not_found). It must call"
        f" again when peer_joined tells that {whom} has come.",
    )


def _meant(case: Case, caller: Flow, target: Flow) -> str:
    """Return whom somebody may have meant that calls a peer that is not there."""
    room_id = case.call.room_id
    elsewhere = case.nearest.room_of(target.client_id, room_id)
    if elsewhere is not None:
        return f" It is in room {quoted(elsewhere)}."
    found = case.nearest.misspelt(target.client_id, room_id, caller.client_id)
    if found is not None:
        client_id, its_room = found
        where = "there" if its_room == room_id else f"in room {quoted(its_room)}"
        return f" Did you mean {quoted(client_id)}? It is {where}."
    room = case.registry.rooms.get(room_id)
    others = [each for each in room.members if each != caller.client_id] if room else []
    if not others:
        return " Nobody else is there."
    return f" Who is there: {', '.join(map(quoted, others[:5]))}{' …' * (len(others) > 5)}."


def comes_and_goes(case: Case) -> Diagnosis | None:
    """A peer leaves again and again."""
    for flow in case.call.flows:
        gone = sum(
            step.times
            for step in case.steps
            if step.by == flow.by
            and step.kind in (StepKind.LEFT, StepKind.LOST)
            and case.now_ns - step.at_ns < RECENTLY
        )
        if gone >= OFTEN:
            return Diagnosis(
                "comes_and_goes",
                f"{quoted(flow.client_id)} has come and gone {gone} times in the last minute. Look"
                " at its network and its battery saver, and whether two programs use its id.",
            )
    return None


def not_delivered(case: Case) -> Diagnosis | None:
    """What somebody said last reached nobody."""
    step = case.steps[-1]
    if step.kind is not StepKind.NOT_DELIVERED:
        return None
    who = quoted(case.call.flows[step.by].client_id)
    whom = next((quoted(other.client_id) for flow, other in case.flows if flow.by == step.by), "")
    what, _, code = (step.detail or "").partition(": ")
    sentence = {
        "target_unclear": f"{who} names no peer, and several are in {case.room} that it could mean."
        " Give it a room of its own (?room=…), or let the other one call.",
        "peer_unreachable": f"The connection of {whom} is broken, and so much waits for it that the"
        f" {what} of {who} was refused.",
        "node_unreachable": f"{whom} is on another node of this cluster, and there was no way to it"
        f" for the {what} of {who}: /readyz and the log of either node say why.",
        "peer_not_found": f"{who} sent its {what} to nobody in particular, and nobody else is in"
        f" {case.room} for whom it could wait.",
        "invalid_message": f"{whom} cannot be told the {what} of {who}: it speaks the app's"
        " dialect, which has no words for it. The error that was sent says what is wrong.",
    }.get(code, f"The {what} of {who} could not be delivered: {code}.")
    return Diagnosis("not_delivered", sentence)


def glare(case: Case) -> Diagnosis | None:
    """Both have offered, and neither gives its own offer up."""
    offered = [flow.offered_at_ns for flow in case.call.flows]
    if case.gone or len(offered) < 2 or not all(offered) or case.age(max(offered)) < GLARE_TIME:
        return None
    return Diagnosis(
        "glare",
        f"{' and '.join(case.names)} have both offered, and neither answers the other (glare). Let"
        " only one of them offer, or let one give way (perfect negotiation).",
    )


def early_candidates(case: Case) -> Diagnosis | None:
    """Candidates came before the offer or answer that they belong to."""
    for flow, other in case.flows:
        first = case.last(StepKind.FIRST_CANDIDATE, StepKind.END_OF_CANDIDATES, by=flow)
        if not flow.early or first is None:
            continue
        who = quoted(flow.client_id)
        if not flow.described_in:
            if other.offered_at_ns or case.age(first.at_ns) < ANSWER_TIME:
                continue
            return Diagnosis(
                "no_offer",
                f"{who} has sent candidates, and no offer that they go with, which comes first.",
            )
        return Diagnosis(
            "early_candidates",
            f"{who} sent {flow.early} candidate{'s' * (flow.early > 1)} before its offer or answer."
            " A browser refuses those (addIceCandidate fails): keep them back until it was sent.",
        )
    return None


def waiting_alone(case: Case) -> Diagnosis | None:
    """Somebody offers, and nobody comes."""
    step = case.last(StepKind.WAITING)
    if step is None:
        return None
    flow = case.call.flows[step.by]
    member = case.members[flow.by]
    if member is None or member.backlog is None or case.age(step.at_ns) < ANSWER_TIME:
        return None
    return Diagnosis(
        "waiting_alone",
        f"{quoted(flow.client_id)} has offered, and waits in {case.room} for somebody to come."
        f"{alone_elsewhere(member, case.nearest)}",
    )


def alone_elsewhere(member: Member, nearest: Nearest) -> str:
    """Return who else is alone, in a room with nearly the same name, as a sentence, or nothing."""
    other = nearest.alone_in_room_like(member.room.room_id)
    if other is None:
        return ""
    where = quoted(other.room.room_id)
    return f" {quoted(other.client_id)} is alone in room {where}: should it be the same one?"


def peer_away(case: Case) -> Diagnosis | None:
    """An offer waits for a peer whose connection is broken."""
    for flow, other in case.flows:
        member = case.members[other.by]
        lost = case.last(StepKind.LOST, by=other)
        if flow.offered_at_ns and member is not None and member.is_away and lost is not None:
            ago = in_words(case.age(lost.at_ns))
            return Diagnosis(
                "peer_away",
                f"{quoted(other.client_id)} lost its connection {ago} ago, and has not come back."
                f" The offer of {quoted(flow.client_id)} waits for it.",
            )
    return None


def no_answer(case: Case) -> Diagnosis | None:
    """An offer is not answered."""
    for flow, other in case.flows:
        if not flow.offered_at_ns:
            continue
        age = case.age(flow.offered_at_ns)
        who, whom = quoted(flow.client_id), quoted(other.client_id)
        for one in (other, flow):
            if not case.is_here(one):
                return Diagnosis(
                    "left_early",
                    f"{quoted(one.client_id)} left {in_words(age)} after {who} had offered, and"
                    f" {whom} had not answered.",
                )
        if age >= ANSWER_TIME:
            return Diagnosis(
                "no_answer",
                f"{whom} has had the offer of {who} for {in_words(age)}, and has not answered. If"
                " nobody has to take the call there, its log or the browser's console tells what"
                " failed.",
            )
    return None


def no_candidates(case: Case) -> Diagnosis | None:
    """One side tells no way to it."""
    answered = case.call.answered_at_ns
    if not answered or any(flow.offered_at_ns for flow in case.call.flows):
        return None
    for flow, other in case.flows:
        if flow.candidates is not None and flow.candidates.counts:
            continue
        who = quoted(flow.client_id)
        if flow.candidates is not None and flow.candidates.has_ended:
            return Diagnosis(
                "no_candidates",
                f"{who} has found no candidate at all: it has no network that it may use for media,"
                " or a policy forbids it.",
            )
        if case.age(answered) >= ANSWER_TIME:
            return Diagnosis(
                "no_candidates",
                f"{who} has sent no candidates, so {quoted(other.client_id)} knows no way to it. It"
                " must send each that onicecandidate tells of, or wait until they are in its SDP.",
            )
    return None


def needs_turn(case: Case) -> Diagnosis | None:
    """Both have local addresses only, in different networks."""
    both = _candidates_of_both(case)
    if not both or not all(
        each.networks and all(kind.startswith("host") and MDNS not in kind for kind in each.counts)
        for each in both
    ):
        return None
    one, other = both
    if can_reach(one.networks, other.networks):
        return None
    return Diagnosis(
        "needs_turn",
        f"{' and '.join(case.names)} know their local addresses only (host candidates), and these"
        " are in different networks. If no route leads from one to the other, a TURN server is"
        " needed (--turn-uri), and clients that use it.",
    )


def _candidates_of_both(case: Case) -> list[Candidates]:
    """Return the candidates of both peers, once an offer is answered and no more come."""
    found = [flow.candidates for flow in case.call.flows if flow.candidates is not None]
    answered = case.call.answered_at_ns
    if not answered or len(found) < 2 or not all(each.counts for each in found):
        return []
    is_final = case.gone or case.age(answered) >= ANSWER_TIME or all(one.has_ended for one in found)
    return found if is_final else []


def complete(case: Case) -> Diagnosis | None:
    """Both have said all that they must say."""
    candidates = _candidates_of_both(case)
    if not candidates:
        return None
    said = (
        f"{' and '.join(case.names)} have told each other all that they need, so if there is no"
        " picture, signaling is not the reason."
    )
    kinds = {kind for each in candidates for kind in each.counts}
    if any(MDNS in kind for kind in kinds):
        said += (
            " Addresses are hidden behind mDNS names, which work in one local network only; a"
            " browser shows them to a page that may use the camera."
        )
    elif not any(kind.startswith("relay") for kind in kinds):
        said += " Neither has a TURN server (no relay candidates), which strict networks need."
    if case.gone:
        ended = f"{' and '.join(case.gone)} left. {said}"
        return Diagnosis("ended", ended, is_problem=False)
    return Diagnosis("complete", said, is_problem=False)


def nobody_calls(case: Case) -> Diagnosis | None:
    """Somebody has come back, and nobody calls again."""
    joined = case.last(StepKind.JOINED)
    if case.gone or joined is None or case.age(joined.at_ns) < ANSWER_TIME or not case.flows:
        return None
    if any(flow.described_in == case.call.round for flow in case.call.flows):
        return None
    return Diagnosis(
        "nobody_calls",
        f"{' and '.join(case.names)} are in {case.room}, and neither has offered since"
        f" {quoted(case.call.flows[joined.by].client_id)} came. One of them must call the other.",
    )


def left_early(case: Case) -> Diagnosis | None:
    """A peer left in the middle."""
    if not case.gone:
        return None
    return Diagnosis("left_early", f"{' and '.join(case.gone)} left before the call came about.")


RULES: tuple[Rule, ...] = (
    target_missing,
    comes_and_goes,
    not_delivered,
    glare,
    early_candidates,
    waiting_alone,
    peer_away,
    no_answer,
    no_candidates,
    needs_turn,
    complete,
    nobody_calls,
    left_early,
)
"""The most useful one first."""


def diagnose(case: Case) -> Diagnosis | None:
    """Return what the first rule says that applies; None: it is too early to tell."""
    return next((found for rule in RULES if (found := rule(case)) is not None), None)
