"""What several nodes say, put together."""

from hypothesis import given
from hypothesis import strategies as st

from twisted_signal.admin.merged import Known, Share, by_node, calls, matching, series, shares
from twisted_signal.admin.questions import Outline, Rates


def outline(number: int, room_id: str = "lab", *peers: str, at: int = 0, steps: int = 3) -> Outline:
    return Outline(number, room_id, list(peers or ("phone", "pc")), at, steps, is_problem=False)


def test_a_part_of_a_list_is_dealt_out_in_order() -> None:
    totals = {"a": 3, "b": 0, "c": 5}

    assert shares(totals, 0, 2) == [Share("a", 0, 2)]
    assert shares(totals, 2, 4) == [Share("a", 2, 1), Share("c", 0, 3)]
    assert shares(totals, 4, 50) == [Share("c", 1, 4)]
    assert shares(totals, 8, 50) == []
    assert shares({}, 0, 50) == []


@given(st.lists(st.integers(0, 9), max_size=5), st.integers(0, 40), st.integers(1, 40))
def test_the_parts_are_those_of_the_whole_list(lengths: list[int], offset: int, limit: int) -> None:
    lists = {str(node): [(node, each) for each in range(n)] for node, n in enumerate(lengths)}
    whole = [item for items in lists.values() for item in items]

    dealt = shares({node: len(items) for node, items in lists.items()}, offset, limit)

    found = [lists[node][first : first + count] for node, first, count in dealt]
    assert [item for items in found for item in items] == whole[offset : offset + limit]
    assert all(found)


def test_of_a_call_that_two_know_the_one_with_more_steps_tells() -> None:
    seen = {"a": [outline(7, steps=2, at=9)], "b": [outline(3, "lab", "pc", "phone", steps=5)]}

    assert calls(seen) == [Known("b", seen["b"][0])]


def test_where_both_saw_as_much_the_first_tells_whichever_was_later() -> None:
    for at in (0, 1):
        same = {"a": [outline(7, at=at)], "b": [outline(3, at=1 - at)]}
        assert [known.node for known in calls(same)] == ["a"]


def test_calls_of_other_rooms_or_peers_are_others() -> None:
    seen = {"a": [outline(1), outline(2, "hall")], "b": [outline(3, "lab", "phone", "tablet")]}

    assert len(calls(seen)) == 3


def test_what_one_node_tells_twice_it_means_twice() -> None:
    seen = {"a": [outline(1), outline(2)]}

    assert len(calls(seen)) == 2


def test_the_latest_is_first() -> None:
    seen = {"a": [outline(1, "x", at=5), outline(2, "y", at=1)], "b": [outline(3, "z", at=3)]}

    assert [known.call.number for known in calls(seen)] == [1, 3, 2]


def test_calls_are_found_by_room_and_peer_in_any_case() -> None:
    known = calls({"a": [outline(1, "Lab"), outline(2, "hall", "phone", "TABLET")]})

    def found(search: str = "", room_id: str | None = None) -> set[int]:
        chosen = matching(known, search=search, room_id=room_id, only_problems=False)
        return {each.call.number for each in chosen}

    assert found("lAB") == {1}
    assert found("tabl") == {2}
    assert found(room_id="lab") == set()
    assert found(room_id="Lab") == {1}
    assert matching(known, search="", room_id=None, only_problems=True) == []


def test_numbers_go_to_the_nodes_that_tell_of_them() -> None:
    known = [Known("b", outline(3)), Known("a", outline(7)), Known("b", outline(1))]

    assert by_node(known) == {"b": (3, 1), "a": (7,)}


def test_rates_add_up_and_the_longest_lag_counts() -> None:
    one = Rates(3, {"messages": [1.0, 2.0, 3.0], "lag": [0.1, 0.2, 0.3]})
    other = Rates(2, {"messages": [10.0, 20.0], "lag": [0.5, 0.0], "new": [1.0, 1.0]})

    together = series([one, other])

    assert together == {"messages": [1, 12, 23], "lag": [0.1, 0.5, 0.3], "new": [1, 1]}
    assert series([one]) == one.series
    assert series([]) == {}
