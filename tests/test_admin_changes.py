from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from twisted_signal.admin.changes import EMPTY, RUNNING, Listing, Row, applied, difference

KEYS = st.sampled_from(["", "a", "b", "7", "__proto__", "d\n"])
ROWS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["x", "y", None]),
        "messages": st.integers(0, 2),
        "connected_for_s": st.integers(0, 2),
    }
)


@st.composite
def listings(draw: Callable[[Any], Any]) -> Listing:
    """A part of a list, in any order."""
    rows = draw(st.dictionaries(KEYS, ROWS, max_size=5))
    return Listing(draw(st.integers(len(rows), 9)), rows)


def still(row: Row) -> Row:
    """Return a row without what grows with time alone."""
    return {field: value for field, value in row.items() if field not in RUNNING}


@given(st.lists(listings(), max_size=6))
def test_applying_what_was_told_gives_what_is(history: list[Listing]) -> None:
    told = reader = EMPTY
    for now in history:
        change = difference(told, now)
        if change is None:
            assert told is not EMPTY
        else:
            reader = applied(reader, msgspec.json.decode(msgspec.json.encode(change)))
            told = now

        assert reader.total == now.total
        assert list(reader.rows) == list(now.rows)
        for key, row in now.rows.items():
            assert still(reader.rows[key]) == still(row)


@given(listings(), st.integers(0, 9))
def test_nothing_is_told_where_only_time_has_passed(now: Listing, seconds: int) -> None:
    later = {key: row | {"connected_for_s": seconds} for key, row in now.rows.items()}

    assert difference(now, Listing(now.total, later)) is None


def test_of_an_old_row_only_the_changed_fields_are_told() -> None:
    before = {"name": "x", "messages": 1, "connected_for_s": 5}
    told = Listing(2, {"a": before, "b": before})

    assert difference(told, Listing(2, {"a": before, "b": {**before, "messages": 2}})) == {
        "total": 2,
        "rows": {"b": {"messages": 2}},
    }


def test_a_row_that_went_is_told_by_the_order_of_those_that_are_left() -> None:
    row = {"name": "x"}
    told = Listing(3, {"a": row, "b": row, "c": row})

    assert difference(told, Listing(2, {"c": row, "a": row})) == {"total": 2, "order": ["c", "a"]}


def test_more_rows_beyond_the_screen_are_a_number() -> None:
    rows = {"a": {"name": "x"}}

    assert difference(Listing(1, rows), Listing(40_000, rows)) == {"total": 40_000}


def test_that_there_is_nothing_is_told_once() -> None:
    nothing = Listing(0, {})

    assert difference(EMPTY, nothing) == {"total": 0, "order": []}
    assert difference(nothing, Listing(0, {})) is None
