"""What the suite found: its `index.json`, read."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

PASSING = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})
"""NON-STRICT: right, but a mistake could be seen sooner. INFORMATIONAL: RFC 6455 leaves it open."""


class CannotRead(Exception):
    """There is no report, or it is no such report."""


class Case(msgspec.Struct, rename="camel", frozen=True):
    """How the server behaved in one case, and how when the connection was closed."""

    behavior: str
    behavior_close: str

    @property
    def passed(self) -> bool:
        """Whether both are as they should be."""
        return {self.behavior, self.behavior_close} <= PASSING


Cases = dict[str, Case]


def read(index: Path, agent: str) -> Cases:
    """Return the cases of one agent, by their numbers and in their order.

    Raises:
        CannotRead: there is no such report.
    """
    try:
        agents = msgspec.json.decode(index.read_bytes(), type=dict[str, Cases])
        return {number: agents[agent][number] for number in sorted(agents[agent], key=_order)}
    except (OSError, msgspec.MsgspecError, KeyError, ValueError) as error:
        raise CannotRead(f"no report of {agent} in {index.name}: {error!r}") from error


def missing(cases: Iterable[str], expected: dict[str, int]) -> list[str]:
    """Say in a line each which groups have fewer or more cases than expected."""
    found = Counter(number.partition(".")[0] for number in cases)
    return [
        f"group {group}: {found[group]} cases instead of {count}"
        for group, count in expected.items()
        if found[group] != count
    ]


def failures(cases: Cases) -> list[str]:
    """Say in a line each which cases failed, and how."""
    return [
        f"case {number}: behavior {case.behavior}, behaviorClose {case.behavior_close}"
        for number, case in cases.items()
        if not case.passed
    ]


def summary(cases: Cases) -> str:
    """Return the line that counts what passed and what failed."""
    failed = len(failures(cases))
    return f"{len(cases) - failed} passed, {failed} failed"


def _order(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split("."))
