"""What an operator sees of calls: their timelines, and why they do not come about."""

from collections.abc import Iterable, Iterator
from itertools import islice

from msgspec import Struct

from twisted_signal.calls import Calls
from twisted_signal.case import Case, Diagnosis, in_words
from twisted_signal.nearest import Nearest
from twisted_signal.registry import Member, Registry, Room
from twisted_signal.rules import ANSWER_TIME, alone_elsewhere, diagnose
from twisted_signal.text import quoted
from twisted_signal.timeline import Call, Flow, Step, StepKind

MOST_QUIET = 20
"""How many rooms are told of in which nobody calls."""
LOOKED_THROUGH = 1000
"""How many rooms are looked at for that, the newest first."""
MILLISECOND = 1_000_000


class CallPeer(Struct, frozen=True):
    """One of the peers of a call.

    Attributes:
        client_type: None: it never was in the room.
        is_here: whether it is in the room.
    """

    client_id: str
    client_type: str | None
    is_here: bool


class StepView(Struct, frozen=True):
    """A step of a call.

    Attributes:
        at_ms: when, in milliseconds since 1970.
        kind: one of `timeline.StepKind`.
        by: the id of who did it.
        detail: what else is to say, such as `host udp` or `8 candidates: 6 host, 2 srflx`.
    """

    at_ms: int
    kind: str
    by: str | None
    detail: str | None


class CallView(Struct, frozen=True):
    """A call.

    Attributes:
        number: its own, in this process.
        peers: who began it, and the other one, if it is known who that is.
        started_at_ms: when one of them called, in milliseconds since 1970.
        last_step_at_ms: when something happened last.
        steps_left_out: how many there were in the middle that are not kept.
        diagnosis: None: it is too early to tell.
    """

    number: int
    room_id: str
    peers: list[CallPeer]
    started_at_ms: int
    last_step_at_ms: int
    steps: list[StepView]
    steps_left_out: int
    diagnosis: Diagnosis | None


def call_views(registry: Registry, now_ns: int, most: int | None = None) -> list[CallView]:
    """Return the calls, those in which something happened last first, with what is wrong.

    Rooms in which somebody is alone, or two are silent, are among them, as calls without an offer.

    Args:
        now_ns: the wall clock, in nanoseconds since 1970.
        most: how many are wanted; None: all.
    """
    calls = registry.calls.latest()[:most]
    nearest = nearest_to(registry, calls)
    views = [call_view(call, registry, nearest, now_ns) for call in calls]
    return in_order(views, quiet_rooms(registry, nearest, now_ns))[:most]


def nearest_to(registry: Registry, calls: Iterable[Call]) -> Nearest:
    """Return what finds those who are called and are not there."""
    return Nearest(
        registry,
        {
            flow.client_id
            for call in calls
            for flow in call.flows
            if not flow.comings and registry.holder(call.room_id, flow.client_id) is None
        },
    )


def in_order(views: list[CallView], quiet: Iterable[CallView]) -> list[CallView]:
    """Return views, those in which something happened last first."""
    return sorted(
        [*views, *quiet], key=lambda view: (view.last_step_at_ms, view.number), reverse=True
    )


def call_view(call: Call, registry: Registry, nearest: Nearest, now_ns: int) -> CallView:
    """Return the view of a call. `nearest`: see `nearest_to`."""
    members = [registry.holder(call.room_id, flow.client_id) for flow in call.flows]
    peers = [
        CallPeer(
            flow.client_id,
            member.client_type if member is not None else flow.client_type,
            is_here=member is not None,
        )
        for flow, member in zip(call.flows, members, strict=True)
    ]
    steps = sorted(call.steps, key=lambda step: step.at_ns)
    first = next((step for step in steps if step.kind is not StepKind.JOINED), steps[0])
    return CallView(
        call.number,
        call.room_id,
        peers,
        first.at_ns // MILLISECOND,
        call.last_ns // MILLISECOND,
        [_step_view(step, call.flows) for step in steps],
        call.steps_left_out,
        diagnose(Case(call, steps, members, registry, nearest, now_ns)),
    )


def _step_view(step: Step, flows: list[Flow]) -> StepView:
    parts = [step.detail]
    if step.candidates is not None:
        parts.append(step.candidates.summary)
    if step.times > 1:
        parts.append(f"{step.times} times")
    detail = ", ".join(part for part in parts if part)
    at_ms = step.at_ns // MILLISECOND
    return StepView(at_ms, step.kind.value, flows[step.by].client_id, detail or None)


def quiet_rooms(registry: Registry, nearest: Nearest, now_ns: int) -> Iterator[CallView]:
    """Yield views of the newest rooms in which one or two are, and nothing happens."""
    calls, numbers = registry.calls, registry.calls.quiet_numbers
    calls.quiet_numbers = {}
    for room in islice(reversed(registry.rooms.values()), LOOKED_THROUGH):
        if len(room.members) > 2 or not _is_quiet(room, calls, now_ns):
            continue
        # The wall clock may have been set back since the first one came.
        members = sorted(room.members.values(), key=lambda member: member.joined_at_ns)
        key = (room.room_id, members[-1].joined_at_ns)
        number = calls.quiet_numbers[key] = numbers.get(key) or calls.next_number()
        yield _quiet_view(number, room, members, nearest, now_ns)
        if len(calls.quiet_numbers) == MOST_QUIET:
            break


def _is_quiet(room: Room, calls: Calls, now_ns: int) -> bool:
    """Tell whether nobody of a room calls, and all have been there for a while."""
    for member in room.members.values():
        if (
            member.last_partner is not None
            or now_ns - member.joined_at_ns < ANSWER_TIME
            or calls.is_known(room.room_id, member.client_id)
        ):
            return False
    return True


def _quiet_view(
    number: int, room: Room, members: list[Member], nearest: Nearest, now_ns: int
) -> CallView:
    names = " and ".join(quoted(member.client_id) for member in members)
    times = [member.joined_at_ns // MILLISECOND for member in members]
    if len(members) == 1:
        elsewhere = alone_elsewhere(members[0], nearest)
        alone_for = in_words(now_ns - members[0].joined_at_ns)
        diagnosis = Diagnosis(
            "waiting_alone",
            f"{names} has been alone in room {quoted(room.room_id)} for {alone_for}.{elsewhere}",
            is_problem=bool(elsewhere),
        )
    else:
        diagnosis = Diagnosis(
            "nobody_calls",
            f"{names} are in room {quoted(room.room_id)}, and neither has offered. One of them must"
            " call the other.",
        )
    return CallView(
        number,
        room.room_id,
        [CallPeer(each.client_id, each.client_type, is_here=True) for each in members],
        min(times),
        max(times),
        [
            StepView(at_ms, StepKind.JOINED.value, member.client_id, None)
            for at_ms, member in zip(times, members, strict=True)
        ],
        0,
        diagnosis,
    )
