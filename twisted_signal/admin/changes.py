"""Lists of rows as somebody far away sees them: what changed since it was last told. No I/O.

The one who tells calls `difference`, the one who was told calls `applied`; the page does the latter
in JavaScript.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict

Row = dict[str, Any]
"""One line of a list, by field. All rows of a list have the same fields."""

RUNNING = frozenset({"connected_for_s", "uptime_s"})
"""Fields that grow with time alone: whoever was told once needs no telling, but a clock."""


class Listing(NamedTuple):
    """A part of a list.

    Attributes:
        total: how many rows the whole list has.
        rows: the part's, by key, in order.
    """

    total: int
    rows: dict[str, Row]


class Change(TypedDict, total=False):
    """What became of a part of a list.

    Attributes:
        total: how many rows the whole list has now; always there.
        order: the keys of the part's rows now; left out where they are what they were.
        rows: by key, all fields of a new row, and the changed ones of an old one; left out where
            nothing changed.
    """

    total: int
    order: list[str]
    rows: dict[str, Row]


EMPTY = Listing(-1, {})
"""What somebody knows who was told nothing: less than that there is nothing."""


def difference(told: Listing, now: Listing) -> Change | None:
    """Return what makes of what somebody was told what is now; None: it is that already.

    Args:
        told: EMPTY at first.
    """
    rows: dict[str, Row] = {}
    for key, row in now.rows.items():
        patch = changed_fields(told.rows.get(key), row)
        if patch:
            rows[key] = patch
    is_reordered = told is EMPTY or list(told.rows) != list(now.rows)
    if not rows and not is_reordered and told.total == now.total:
        return None
    change = Change(total=now.total)
    if is_reordered:
        change["order"] = list(now.rows)
    if rows:
        change["rows"] = rows
    return change


def changed_fields(told: Row | None, now: Row) -> Row:
    """Return the fields that must be told; nothing where only time has passed."""
    if told is None:
        return now
    if told == now:
        return {}
    patch = {field: value for field, value in now.items() if told[field] != value}
    return {} if patch.keys() <= RUNNING else patch


def applied(told: Listing, change: Mapping[str, Any]) -> Listing:
    """Return what is now, for one who was told a change. `told`: EMPTY at first."""
    patches = change.get("rows", {})
    return Listing(
        change["total"],
        {
            key: told.rows.get(key, {}) | patches.get(key, {})
            for key in change.get("order", told.rows)
        },
    )
