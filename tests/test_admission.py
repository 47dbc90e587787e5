from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_signal.admission import (
    ARRIVALS,
    BURST,
    PLACE_FREE_IN,
    RESERVE,
    Admission,
    Place,
    Refusal,
    address_key,
)
from twisted_signal.limits import Limits

HERE, THERE = "192.0.2.7", "192.0.2.8"


def admission(**limits: int) -> Admission:
    """Return one with those limits alone."""
    off: dict[str, Any] = {
        "max_clients": 0,
        "max_clients_per_address": 0,
        "connect_rate_per_address": 0,
    }
    return Admission(Limits(**{**off, **limits}))


class Visit:
    """A connection."""

    def __init__(self, where: Admission, address: str | None, now: float) -> None:
        place = where.arrive(address, now)
        assert isinstance(place, Place), place
        self.where = where
        self.place = place
        self.is_client = False

    def enter(self, now: float) -> Refusal | None:
        refusal = self.where.enter(self.place, now)
        self.is_client = refusal is None
        return refusal

    def leave(self, now: float) -> None:
        self.where.leave(self.place, now, is_client=self.is_client)


def arrive(where: Admission, address: str | None = HERE, now: float = 0) -> Visit:
    return Visit(where, address, now)


def enter(where: Admission, address: str | None = HERE, now: float = 0) -> str:
    """Let a connection come, ask to enter and stay; return why it may not, or nothing."""
    refusal = Visit(where, address, now).enter(now)
    return "" if refusal is None else refusal.kind


# All together


def test_as_many_enter_as_there_are_places_and_a_place_is_free_when_one_leaves() -> None:
    where = admission(max_clients=2)
    first = arrive(where)
    assert first.enter(0) is None
    assert enter(where, THERE) == ""

    refused = arrive(where, None)
    refusal = refused.enter(0)
    assert refusal == Refusal(
        "max_clients", 503, "The server has its 2 clients already", PLACE_FREE_IN
    )
    refused.leave(0)
    first.leave(0)

    assert enter(where) == ""


def test_far_beyond_the_places_nobody_is_even_answered() -> None:
    where = admission(max_clients=2)
    for _ in range(2 + RESERVE):
        arrive(where)

    refusal = where.arrive(HERE, 0)

    assert isinstance(refusal, Refusal)
    assert refusal.kind == "max_clients"
    assert where.connections == 2 + RESERVE


# One address


def test_an_address_has_its_share() -> None:
    where = admission(max_clients_per_address=2)
    assert [enter(where) for _ in range(2)] == ["", ""]
    refused = arrive(where)

    refusal = refused.enter(0)

    assert refusal is not None
    assert (refusal.kind, refusal.code) == ("max_clients_per_address", 429)
    assert refusal.retry_after == PLACE_FREE_IN
    assert "2 clients" in refusal.sentence
    assert enter(where, THERE) == ""


def test_those_that_come_at_once_do_not_keep_each_other_out() -> None:
    where = admission(max_clients=3, max_clients_per_address=2)
    visits = [arrive(where) for _ in range(4)]

    assert [visit.enter(0) is None for visit in visits] == [True, True, False, False]


def test_connections_that_say_nothing_count_and_over_twice_the_share_are_not_answered() -> None:
    where = admission(max_clients_per_address=2)
    silent = [arrive(where) for _ in range(4)]

    assert isinstance(where.arrive(HERE, 0), Refusal)
    assert isinstance(where.arrive(THERE, 0), Place)
    silent[0].leave(0)

    assert isinstance(where.arrive(HERE, 0), Place)


def test_what_is_not_known_or_local_has_no_share() -> None:
    where = admission(max_clients_per_address=1, connect_rate_per_address=1)

    assert {enter(where, None) for _ in range(1000)} == {""}
    assert len(where) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:0:0:2"),
        ("2001:DB8:0:0::1", "2001:db8::2"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::2"),
    ],
)
def test_addresses_of_one_household_share(one: str, other: str) -> None:
    assert address_key(one) == address_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8:0:1::1"),
        ("192.0.2.7", "192.0.2.8"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8"),
    ],
)
def test_addresses_of_others_do_not(one: str, other: str) -> None:
    assert address_key(one) != address_key(other)


# How fast


def test_an_address_may_connect_at_the_rate_after_a_burst() -> None:
    where = admission(connect_rate_per_address=50)
    for _ in range(BURST):
        assert enter(where) == ""
    refusal = arrive(where).enter(0)
    assert refusal is not None
    assert (refusal.kind, refusal.code, refusal.retry_after) == ("connect_rate_per_address", 429, 1)

    assert [enter(where, now=1) for _ in range(51)] == [""] * 50 + ["connect_rate_per_address"]
    assert enter(where, THERE, now=1) == ""


def test_twice_as_many_may_come_that_never_enter() -> None:
    where = admission(connect_rate_per_address=50)

    def come(now: float, count: int) -> list[bool]:
        came = [where.arrive(HERE, now) for _ in range(count)]
        return [isinstance(place, Place) for place in came]

    assert come(0, ARRIVALS * BURST + 1) == [True] * ARRIVALS * BURST + [False]
    assert come(1, 101) == [True] * 100 + [False]
    refusal = where.arrive(HERE, 1)
    assert isinstance(refusal, Refusal)
    assert (refusal.kind, refusal.retry_after) == ("connect_rate_per_address", 1)
    assert where.connections == ARRIVALS * BURST + 100, "who is refused is not counted"


def test_at_a_slow_rate_the_time_to_wait_is_told() -> None:
    where = admission(connect_rate_per_address=1)
    for _ in range(BURST):
        enter(where)

    assert enter(where, now=0.5) == "connect_rate_per_address"
    assert [enter(where, now=now) for now in (1.0, 2.0)] == ["", ""]


def test_a_clock_that_is_set_back_gives_nothing_and_takes_nothing() -> None:
    where = admission(connect_rate_per_address=50)
    for _ in range(BURST):
        enter(where, now=1_000)

    assert enter(where, now=10) == "connect_rate_per_address"
    assert enter(where, now=11) == ""


# Behind a proxy


def test_a_connection_counts_where_it_really_comes_from() -> None:
    where = admission(max_clients_per_address=1)
    first, second = arrive(where, None), arrive(where, None)

    for visit in (first, second):
        visit.place = where.move(visit.place, HERE, 0)
    assert first.enter(0) is None
    assert second.enter(0) is not None
    first.leave(0)

    assert second.enter(0) is None
    assert (where.connections, where.clients) == (1, 1)


# What is remembered


def test_an_address_is_forgotten_with_its_last_connection() -> None:
    where = admission(max_clients_per_address=2)
    places = [arrive(where), arrive(where)]

    places[0].leave(0)
    assert len(where) == 1
    places[1].leave(0)

    assert len(where) == 0


def test_an_address_that_connected_lately_is_remembered_until_its_burst_is_full() -> None:
    where = admission(connect_rate_per_address=50)
    for _ in range(100):
        place = arrive(where)
        place.enter(0)
        place.leave(0)
    assert len(where) == 1

    where.forget(1.9, 100)
    assert len(where) == 1
    where.forget(2, 100)

    assert len(where) == 0


def test_an_address_that_came_back_meanwhile_is_forgotten_after_that() -> None:
    where = admission(connect_rate_per_address=50)
    visit = arrive(where)
    visit.enter(0)
    visit.leave(0)
    again = arrive(where, now=0)
    where.forget(0, 100)  # it is looked at while it is there
    again.enter(0)
    again.leave(0)

    where.forget(1, 100)

    assert len(where) == 0


def test_many_addresses_cannot_make_it_remember_without_end() -> None:
    where = admission(connect_rate_per_address=50, max_clients_per_address=256)
    most = 0
    for number in range(50_000):  # 10,000 a second, of which one after the other stays a while
        now = number / 10_000
        place = arrive(where, f"2001:db8:{number % 65536:x}::1", now)
        place.enter(now)
        place.leave(now)
        most = max(most, len(where))

    assert most < 10_000 / 50 * 2


def test_one_that_never_rests_does_not_keep_others_remembered() -> None:
    where = admission(connect_rate_per_address=50)
    for number in range(10_000):
        now = number / 100
        for address in (HERE, f"2001:db8:{number:x}::1"):
            place = arrive(where, address, now)
            place.enter(now)
            place.leave(now)

    assert len(where) < 20


@given(
    st.lists(
        st.tuples(st.sampled_from(["arrive", "enter", "leave", "move"]), st.integers(0, 5)),
        max_size=200,
    ),
    st.floats(0, 0.5),
)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_the_counts_are_right(
    steps: list[tuple[str, int]], seconds_a_step: float
) -> None:
    where = admission(max_clients=20, max_clients_per_address=30, connect_rate_per_address=2)
    addresses = [None, HERE, THERE, "2001:db8::1", "2001:db8::2", "2001:db8:1::1"]
    here: list[Visit] = []
    now = 0.0
    for step, number in steps:
        now += seconds_a_step
        visit = here[number % len(here)] if here else None
        if step == "arrive":
            here.append(arrive(where, addresses[number], now))
        elif visit is None or (visit.is_client and step != "leave"):
            continue
        elif step == "enter":
            visit.enter(now)
        elif step == "leave":
            visit.leave(now)
            here.remove(visit)
        else:
            visit.place = where.move(visit.place, HERE, now)
        check(where, here)
    for visit in here:
        visit.leave(now)
    where.forget(now + 1000, 100)
    assert (where.connections, where.clients, len(where)) == (0, 0, 0)


def check(where: Admission, here: list[Visit]) -> None:
    """Hold the counts against those that are there."""
    assert where.connections == len(here)
    assert where.clients == sum(visit.is_client for visit in here)
    for visit in here:
        same = [other for other in here if other.place is visit.place]
        assert visit.place.connections == len(same)
        assert visit.place.clients == sum(other.is_client for other in same)


# Places in rooms that outlive their connections


def test_an_address_may_have_as_many_kept_places_as_clients() -> None:
    where = admission(max_clients_per_address=2)
    gone = [arrive(where) for _ in range(3)]
    for visit in gone:
        visit.leave(0)

    kept = [where.keep(visit.place) for visit in gone]

    assert kept[:2] != [None, None]
    assert kept[2] is None
    elsewhere = arrive(where, THERE)
    assert where.keep(elsewhere.place) is not None
    assert kept[0] is not None
    where.give_up(kept[0], 1)
    assert where.keep(gone[2].place) is not None


def test_an_address_is_remembered_while_it_has_a_kept_place() -> None:
    where = admission(max_clients_per_address=2, connect_rate_per_address=50)
    visit = arrive(where)
    visit.enter(0)
    visit.leave(0)
    place = where.keep(visit.place)
    assert place is not None

    where.forget(1000, 10)
    assert len(where) == 1
    where.give_up(place, 2000)

    where.forget(3000, 10)
    assert len(where) == 0


@pytest.mark.parametrize("address", [HERE, None])
def test_without_a_limit_any_number_is_kept(address: str | None) -> None:
    where = admission()
    visit = arrive(where, address)

    places = [where.keep(visit.place) for _ in range(1000)]

    for place in places:
        assert place is not None
        where.give_up(place, 0)


# Other limits


def test_fewer_may_come_and_those_that_are_there_stay() -> None:
    where = admission(max_clients=3, max_clients_per_address=3)
    assert [enter(where) for _ in range(2)] == ["", ""]

    where.set_limits(Limits(max_clients=2, max_clients_per_address=1), 0)

    assert where.clients == 2
    assert enter(where, THERE) == "max_clients"
    where.set_limits(Limits(max_clients=5, max_clients_per_address=2), 0)
    assert enter(where) == "max_clients_per_address"
    assert enter(where, THERE) == ""


def test_a_rate_holds_for_addresses_that_are_known() -> None:
    where = admission(connect_rate_per_address=1)
    for _ in range(BURST):
        assert enter(where) == ""
    assert enter(where) == "connect_rate_per_address"

    where.set_limits(Limits(max_clients=0, max_clients_per_address=0), 0)  # 50 a second

    assert enter(where, now=0) == "connect_rate_per_address"
    assert [enter(where, now=1) for _ in range(50)] == [""] * 50
    assert enter(where, now=1) == "connect_rate_per_address"


def test_a_higher_rate_lets_more_come_at_once() -> None:
    where = admission(connect_rate_per_address=1)
    for _ in range(BURST):
        assert enter(where) == ""

    rate = {"connect_rate_per_address": BURST + 3}
    where.set_limits(Limits(max_clients=0, max_clients_per_address=0, **rate), 0)

    assert [enter(where) for _ in range(4)] == ["", "", "", "connect_rate_per_address"]


def test_addresses_are_forgotten_when_there_is_no_limit_any_more() -> None:
    where = admission(connect_rate_per_address=1)
    visit = arrive(where)
    visit.enter(0)
    other = arrive(where, THERE)
    other.leave(0)
    assert len(where) == 2

    where.set_limits(Limits(max_clients_per_address=0, connect_rate_per_address=0), 0)
    visit.leave(0)
    where.forget(0, 10)

    assert len(where) == 0


def test_those_that_came_without_a_limit_do_not_count_for_one() -> None:
    where = admission()
    visits = [arrive(where) for _ in range(3)]
    assert [visit.enter(0) for visit in visits] == [None] * 3

    where.set_limits(Limits(max_clients_per_address=1), 0)

    assert enter(where) == ""
    assert enter(where) == "max_clients_per_address"
    for visit in visits:
        visit.leave(0)
    assert where.clients == 1
