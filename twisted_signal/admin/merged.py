"""Lists and figures of several nodes, put together. No I/O, no clock: plain values alone."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from twisted_signal.admin.questions import Outline, Rates


class Share(NamedTuple):
    """What one node has of a part of a list."""

    node: str
    offset: int
    limit: int


def shares(totals: Mapping[str, int], offset: int, limit: int) -> list[Share]:
    """Return who has what of a part of a list that is one node's after another's.

    Args:
        totals: how many each node has, in the order of the list.
        offset: of the part.
        limit: how many it may have.
    """
    found = []
    for node, total in totals.items():
        if offset < total and limit:
            count = min(total - offset, limit)
            found.append(Share(node, offset, count))
            limit -= count
        offset = max(0, offset - total)
    return found


class Known(NamedTuple):
    """A call, and the node that tells of it."""

    node: str
    call: Outline


def calls(outlines: Mapping[str, Iterable[Outline]]) -> list[Known]:
    """Return the calls of all nodes, those in which something happened last first.

    Of a call that several nodes know, for its peers are on several, that one tells which has seen
    the most of it, or the first of several that have.

    Args:
        outlines: what each node says, in that order.
    """
    if len(outlines) == 1:
        return [Known(node, call) for node, of_node in outlines.items() for call in of_node]
    best: dict[tuple[str, frozenset[str]], Known] = {}
    for node, of_node in outlines.items():
        for call in of_node:
            other = best.get(_about(call))
            if other is None or call.steps > other.call.steps:
                best[_about(call)] = Known(node, call)
    found = [
        Known(node, call)
        for node, of_node in outlines.items()
        for call in of_node
        if best[_about(call)].node == node
    ]
    found.sort(key=lambda known: (known.call.last_step_at_ms, known.call.number), reverse=True)
    return found


def _about(call: Outline) -> tuple[str, frozenset[str]]:
    return call.room_id, frozenset(call.peers)


def matching(
    found: Iterable[Known], *, search: str, room_id: str | None, only_problems: bool
) -> list[Known]:
    """Return those calls that are asked for.

    Args:
        search: only those that have this in the id of their room or of a peer, in any case.
        room_id: only those of this room; None: of any.
        only_problems: only those that something is wrong with.
    """
    wanted = search.casefold()
    return [
        known
        for known in found
        if (known.call.is_problem or not only_problems)
        and (room_id is None or known.call.room_id == room_id)
        and (not wanted or _has(known.call, wanted))
    ]


def _has(call: Outline, wanted: str) -> bool:
    return any(wanted in name.casefold() for name in (call.room_id, *call.peers))


def series(rates: Iterable[Rates]) -> dict[str, list[float]]:
    """Return how things went on all nodes together: sums, and the longest lag of any.

    The last points are taken for those of one time. A node that has fewer was nothing before.
    """
    together: dict[str, list[list[float]]] = {}
    for each in rates:
        for name, points in each.series.items():
            together.setdefault(name, []).append(points)
    return {name: _combined(several, is_peak=name == "lag") for name, several in together.items()}


def _combined(several: list[list[float]], *, is_peak: bool) -> list[float]:
    if len(several) == 1:
        return several[0]
    length = max(map(len, several))
    even = [[0.0] * (length - len(points)) + points for points in several]
    combine = max if is_peak else sum
    return [combine(points) for points in zip(*even, strict=True)]


def by_node(found: Iterable[Known]) -> dict[str, tuple[int, ...]]:
    """Return the numbers of calls by the node that tells of them."""
    numbers: dict[str, list[int]] = {}
    for known in found:
        numbers.setdefault(known.node, []).append(known.call.number)
    return {node: tuple(of_node) for node, of_node in numbers.items()}
