"""A call as the rules see it that tell why it does not come about."""

from dataclasses import dataclass

from msgspec import Struct

from twisted_signal.nearest import Nearest
from twisted_signal.registry import Member, Registry
from twisted_signal.text import quoted
from twisted_signal.timeline import Call, Flow, Step, StepKind

SECOND = 1_000_000_000
"""In nanoseconds."""


class Diagnosis(Struct, frozen=True):
    """What is wrong with a call, or that nothing is.

    Attributes:
        rule: one of those in docs/diagnosis.md.
        sentence: what is known and what to do, in one or two sentences for people.
        is_problem: whether something is wrong.
    """

    rule: str
    sentence: str
    is_problem: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """A call, and what is known besides.

    Attributes:
        steps: its steps in the order of their times.
        members: for each of its peers the member that has its id, if it is in the room.
        now_ns: the wall clock, in nanoseconds since 1970.
    """

    call: Call
    steps: list[Step]
    members: list[Member | None]
    registry: Registry
    nearest: Nearest
    now_ns: int

    @property
    def room(self) -> str:
        """The room in words."""
        return f"room {quoted(self.call.room_id)}"

    @property
    def names(self) -> list[str]:
        """The ids of its peers, as they stand in a sentence."""
        return [quoted(flow.client_id) for flow in self.call.flows]

    @property
    def gone(self) -> list[str]:
        """Those of them that are not in the room."""
        return [quoted(flow.client_id) for flow in self.call.flows if not self.is_here(flow)]

    @property
    def flows(self) -> list[tuple[Flow, Flow]]:
        """Each of two peers with the other; nothing, where there is one."""
        if len(self.call.flows) == 1:
            return []
        one, other = self.call.flows
        return [(one, other), (other, one)]

    def is_here(self, flow: Flow) -> bool:
        """Whether a peer is in the room."""
        return self.members[flow.by] is not None

    def last(self, *kinds: StepKind, by: Flow | None = None) -> Step | None:
        """Return the last step of some kinds."""
        for step in reversed(self.steps):
            if step.kind in kinds and (by is None or step.by == by.by):
                return step
        return None

    @property
    def ended_at_ns(self) -> int:
        """When one of the peers left, or now."""
        left = [
            step.at_ns
            for flow in self.call.flows
            if not self.is_here(flow) and (step := self.last(StepKind.LEFT, by=flow)) is not None
        ]
        return min(left, default=self.now_ns)

    def age(self, at_ns: int) -> int:
        """Return for how long something has been so, until one of the peers left."""
        return self.ended_at_ns - at_ns if at_ns else 0


def in_words(duration_ns: int) -> str:
    """Return a duration in words, such as `12 s` or `3 min`."""
    seconds = max(0, duration_ns) // SECOND
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"
