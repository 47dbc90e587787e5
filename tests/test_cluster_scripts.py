"""The scripts: what they change, return and publish, in the simulated Redis and in a real one."""

import random
from collections.abc import Iterator
from typing import Any, Protocol

import msgspec
import pytest
from redis_server import RedisClient, redis_server
from simulated_redis import SimulatedRedis

from twisted_signal.cluster.scripts import (
    BEATS,
    EPOCHS,
    LEASE_MS,
    LEASES,
    LOST,
    NAMES,
    STALE,
    Scripts,
    sha_of,
    text_of,
)

JOINED_AT = 1_795_417_440_399
ROOM = "lab/1 «é»"


class Redis(Protocol):
    """What a test does with either of them."""

    def execute(self, *words: str | int | bytes) -> Any: ...

    def run(self, script: str, keys: list[str], arguments: list[str | int]) -> Any: ...

    def hear(self, channel: str) -> list[bytes]:
        """Return what came on a channel since the last call; the first one begins to listen."""


class Simulated(SimulatedRedis):
    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[str, list[bytes]] = {}

    def hear(self, channel: str) -> list[bytes]:
        if channel not in self._heard:
            self._heard[channel] = []
            self.listen(channel, self._heard[channel].append)
        heard = list(self._heard[channel])
        self._heard[channel].clear()
        return heard


class Real(RedisClient):
    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._port = port
        self._subscribed: dict[str, RedisClient] = {}

    def run(self, script: str, keys: list[str], arguments: list[str | int]) -> Any:
        return self.execute("EVAL", text_of(script), len(keys), *keys, *arguments)

    def hear(self, channel: str) -> list[bytes]:
        if channel not in self._subscribed:
            self._subscribed[channel] = subscribed = RedisClient(self._port)
            subscribed.execute("SUBSCRIBE", channel)
        self.execute("PUBLISH", channel, "that was all")
        heard = iter(lambda: self._subscribed[channel].receive()[2], b"that was all")
        return list(heard)

    def close(self) -> None:
        for subscribed in self._subscribed.values():
            subscribed.close()
        super().close()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server, Real(server.port) as client:
        yield client


@pytest.fixture(params=["simulated", "real"])
def redis(request: pytest.FixtureRequest) -> Redis:
    if request.param == "simulated":
        return Simulated()
    redis: Real = request.getfixturevalue("real")
    redis.execute("FLUSHALL")
    return redis


class Caller:
    """A node as far as scripts know it."""

    def __init__(self, redis: Redis, name: str) -> None:
        self.redis = redis
        self.name = name
        self.epoch = ""
        self.hear()

    def run(self, script: str, room_id: str | None, *arguments: str | int) -> Any:
        keys = [EPOCHS, LEASES, BEATS]
        if room_id is not None:
            keys += [f"vislam:room:{room_id}", f"vislam:nodes:{room_id}"]
        return self.redis.run(script, keys, [self.name, self.epoch, *arguments])

    def hear(self) -> list[Any]:
        """Return what was published for it since the last call, records in their order.

        Redis keeps those of a room in none.
        """
        payloads = self.redis.hear(f"vislam:to:{self.name}")
        events = [item for payload in payloads for item in msgspec.json.decode(payload)]
        for event in events:
            for part in event:
                if isinstance(part, list) and part and isinstance(part[0], list):
                    part.sort()
        return events

    def hello(self) -> "Caller":
        self.epoch = self.run("hello", None, LEASE_MS).decode()
        return self

    def join(
        self,
        client_id: str,
        place: str,
        token: str = "",
        *,
        room_id: str = ROOM,
        most: int = 0,
        instead_of: str = "",
        leaving: tuple[str, str] = ("", ""),
    ) -> Any:
        member = (room_id, client_id, place, "pc", JOINED_AT, token)
        return self.run("join", room_id, *member, most, instead_of, *leaving)

    def leave(self, client_id: str, place: str, room_id: str = ROOM, told: str = "") -> Any:
        return self.run("leave", room_id, room_id, client_id, place, told or self.name)

    def restore(
        self, *members: tuple[str, str, str], is_away: bool = False, room_id: str = ROOM
    ) -> Any:
        """`members`: client_id, place, token of each."""
        words: list[str | int] = []
        for client_id, place, token in members:
            words += [client_id, place, "pc", JOINED_AT, token, int(is_away)]
        return self.run("restore", room_id, room_id, *words)

    def move(self, client_id: str, place: str, to: str, token: str = "") -> Any:
        return self.run("move", ROOM, ROOM, client_id, place, to, '{"kept":null}', token)

    def change(self, client_id: str, place: str, client_type: str, token: str = "") -> Any:
        return self.run("change", ROOM, ROOM, client_id, place, client_type, token)

    def inventory(self) -> Any:
        self.hear()
        assert self.run("inventory", None) == b"ok"
        [[name, members]] = self.hear()
        assert name == "inventory"
        return members

    def reap(self, node: str, most: int = 100) -> Any:
        return self.run("reap", None, LEASE_MS, node, most)

    def beat(self, *, is_whole: bool = True) -> Any:
        reply = self.run("beat", None, LEASE_MS, int(is_whole))
        return reply if reply == STALE else [sorted(names) for names in reply]


def record(order: int, node: str, place: str, client_id: str, token: str = "") -> list[Any]:
    return [order, node, place, client_id, "pc", JOINED_AT, token]


@pytest.fixture
def a(redis: Redis) -> Caller:
    return Caller(redis, "a").hello()


@pytest.fixture
def b(redis: Redis) -> Caller:
    return Caller(redis, "b").hello()


def keys(redis: Redis) -> set[str]:
    """Return the keys but those of the nodes themselves."""
    found = {key.decode() for key in redis.execute("KEYS", "*")}
    return found - {EPOCHS, LEASES, BEATS, "vislam:returning"}


def age(redis: Redis, node: str, milliseconds: int) -> None:
    """Let a node's last beat be some time ago, while others were heard."""
    score = float(redis.execute("ZSCORE", LEASES, node))
    redis.execute("ZADD", LEASES, f"{score - milliseconds:.0f}", node)
    redis.execute("HDEL", BEATS, "grace_until")


# Joining


def test_who_enters_first_is_told_who_is_there_and_the_others_that_it_came(
    a: Caller, b: Caller
) -> None:
    assert a.join("x", "a.1", "t" * 48) == b"ok"
    x = record(1, "a", "a.1", "x", "t" * 48)
    assert a.hear() == [["entered", ROOM, x, [x]]]

    assert b.join("y", "b.1") == b"ok"
    y = record(2, "b", "b.1", "y")
    assert a.hear() == [["joined", ROOM, y]]
    [[name, room_id, entered, others]] = b.hear()
    assert (name, room_id, entered) == ("entered", ROOM, y)
    assert sorted(others) == [x, y]


def test_a_node_that_is_in_the_room_gets_no_account_of_it(a: Caller) -> None:
    a.join("x", "a.1")
    a.join("y", "a.2")
    assert a.hear()[-1] == ["entered", ROOM, record(2, "a", "a.2", "y"), None]


def test_two_nodes_never_get_the_same_id(a: Caller, b: Caller) -> None:
    a.join("x", "a.1")
    taken, written = b.join("x", "b.1")
    assert taken == b"taken"
    assert msgspec.json.decode(written) == record(1, "a", "a.1", "x")
    assert b.hear() == []


def test_who_gives_way_is_named_by_its_place(a: Caller, b: Caller) -> None:
    a.join("x", "a.1", "t" * 48)
    a.hear()
    assert b.join("x", "b.1", instead_of="a.0")[0] == b"taken"
    assert b.join("x", "b.2", instead_of="a.1") == b"ok"
    assert a.hear() == [["left", ROOM, "x", "a.1", "replaced"]]
    assert b.run("find", None, "t" * 48) is None


def test_a_room_takes_no_more_than_it_may(a: Caller, b: Caller) -> None:
    a.join("x", "a.1")
    a.join("y", "a.2", most=2)
    assert b.join("z", "b.1", most=2) == [b"full", 2]
    assert b.join("z", "b.1", most=3) == b"ok"


def test_who_takes_another_id_needs_no_further_place_and_its_own_node_knows(
    a: Caller, b: Caller
) -> None:
    a.join("x", "a.1")
    b.join("y", "b.1")
    a.hear()
    assert b.join("z", "b.2", most=2, leaving=("y", "b.1")) == b"ok"
    assert a.hear() == [
        ["left", ROOM, "y", "b.1", "left"],
        ["joined", ROOM, record(3, "b", "b.2", "z")],
    ]
    assert [item[0] for item in b.hear()] == ["entered", "entered"]


def test_what_a_client_gives_up_is_left_alone_if_it_is_another_s(a: Caller, b: Caller) -> None:
    a.join("x", "a.1")
    assert b.join("y", "b.1", leaving=("x", "a.0")) == b"ok"
    assert b.join("z", "b.2", leaving=("x", "a.1")) == b"ok"
    assert a.redis.execute("HLEN", f"vislam:room:{ROOM}") == 3


def test_a_join_that_is_asked_twice_is_answered_twice_with_all_who_are_there(a: Caller) -> None:
    a.join("x", "a.1")
    a.hear()
    assert a.join("x", "a.1") == b"ok"
    x = record(1, "a", "a.1", "x")
    assert a.hear() == [["entered", ROOM, x, [x]]]
    assert a.redis.execute("HGET", f"vislam:nodes:{ROOM}", "a") == b"1"


# Leaving, and what is left


def test_the_others_hear_who_left_and_nothing_remains_of_a_room(a: Caller, b: Caller) -> None:
    a.join("x", "a.1", "t" * 48)
    b.join("y", "b.1")
    b.hear()
    a.hear()
    assert a.leave("x", "a.1") == b"ok"
    assert b.hear() == [["left", ROOM, "x", "a.1", "left"]]
    assert a.hear() == []
    assert keys(a.redis) == {f"vislam:room:{ROOM}", f"vislam:nodes:{ROOM}", "vislam:node:b"}
    b.leave("y", "b.1")
    assert keys(a.redis) == set()


def test_a_node_hears_what_is_news_to_itself(a: Caller) -> None:
    a.join("x", "a.1")
    a.join("y", "a.2")
    a.hear()
    a.leave("x", "a.1", told="nobody")
    assert a.hear() == [["left", ROOM, "x", "a.1", "left"]]


def test_nobody_leaves_another_s_place(a: Caller, b: Caller) -> None:
    a.join("x", "a.1")
    b.leave("x", "a.1")
    a.leave("x", "a.2")
    a.leave("y", "a.1")
    assert a.redis.execute("HLEN", f"vislam:room:{ROOM}") == 1


def test_a_type_that_changes_is_told_to_the_others_and_a_token_to_nobody(
    a: Caller, b: Caller
) -> None:
    a.join("x", "a.1", "t" * 48)
    b.join("y", "b.1")
    b.hear()
    assert a.change("x", "a.1", "pc", "u" * 48) == b"ok"
    assert b.hear() == []
    assert a.change("x", "a.1", "phone", "u" * 48) == b"ok"
    [[name, room_id, changed]] = b.hear()
    assert (name, room_id, changed[4], changed[6]) == ("changed", ROOM, "phone", "u" * 48)
    assert b.run("find", None, "t" * 48) is None
    assert b.run("find", None, "u" * 48)[2] == 1
    assert b.change("x", "a.1", "pc") == b"gone"
    assert a.change("x", "a.1", "phone") == b"ok"
    assert b.run("find", None, "u" * 48) is None


def test_a_place_is_found_by_any_of_its_tokens_with_its_node(a: Caller, b: Caller) -> None:
    token = "0123456789abcdef" + "t" * 32
    a.join("x", "a.1", token)
    room_id, written, is_there = b.run("find", None, token[:16] + "u" * 32)
    assert (room_id.decode(), is_there) == (ROOM, 1)
    assert msgspec.json.decode(written) == record(1, "a", "a.1", "x", token)
    a.run("bye", None)
    assert b.run("find", None, token)[2] == 0
    assert b.run("find", None, "f" * 48) is None


# Moving


def test_a_place_that_moves_is_told_to_its_new_node_with_all_and_to_the_others(
    a: Caller, b: Caller, redis: Redis
) -> None:
    c = Caller(redis, "c").hello()
    a.join("x", "a.1", "t" * 48)
    c.join("y", "c.1")
    for node in (a, c):
        node.hear()
    assert a.move("x", "a.1", "b", "u" * 48) == b"ok"
    x, y = record(1, "b", "a.1", "x", "u" * 48), record(2, "c", "c.1", "y")
    assert c.hear() == [["moved", ROOM, x]]
    [[name, room_id, moved, state, records]] = b.hear()
    assert (name, room_id, moved, state) == ("handed", ROOM, x, {"kept": None})
    assert sorted(records) == [x, y]
    assert a.hear() == []
    assert (a.inventory(), b.inventory()) == ({}, {"a.1": [ROOM, "x"]})
    assert c.run("find", None, "u" * 48)[1] == msgspec.json.encode(x).replace(b"/", b"\\/")


def test_a_place_does_not_go_to_a_node_that_is_away_or_does_not_listen(
    a: Caller, redis: Redis
) -> None:
    a.join("x", "a.1", "t" * 48)
    assert a.move("x", "a.1", "nobody", "t" * 48) == b"away"
    silent = Caller(redis, "silent")
    assert a.move("x", "a.1", "silent", "t" * 48) == b"away"
    silent.hello()
    assert a.move("x", "a.2", "silent", "t" * 48) == b"gone"
    assert a.move("x", "a.1", "silent", "t" * 48) == b"ok"
    assert a.move("x", "a.1", "silent", "t" * 48) == b"elsewhere"


def test_a_place_does_not_go_to_a_node_that_says_hello_and_hears_nothing(
    a: Caller, redis: Redis
) -> None:
    a.join("x", "a.1", "t" * 48)
    redis.execute("HSET", EPOCHS, "deaf", "1")
    assert a.move("x", "a.1", "deaf", "t" * 48) == b"away"


# Leases


def test_a_new_epoch_is_greater_than_any_before(a: Caller) -> None:
    before = int(a.epoch)
    assert int(a.hello().epoch) > before
    a.redis.execute("HSET", EPOCHS, "a", str(2**53 - 4))
    assert int(a.hello().epoch) == 2**53 - 3


def test_what_was_said_before_a_hello_is_refused_after_it(a: Caller) -> None:
    before = Caller(a.redis, "a")
    before.epoch = a.epoch
    a.hello()
    assert before.join("x", "a.1") == STALE
    assert before.leave("x", "a.1") == before.beat() == STALE
    assert keys(a.redis) == set()


def test_a_beat_tells_who_is_there_and_whose_lease_is_over(a: Caller, b: Caller) -> None:
    assert a.beat() == [[b"a", b"b"], [], [b"b"]]
    age(a.redis, "b", LEASE_MS + 1)
    assert a.beat() == [[b"a"], [b"b"], [b"b"]]


def test_who_has_not_put_all_its_members_back_is_known(a: Caller, b: Caller) -> None:
    assert a.beat(is_whole=False) == [[b"a", b"b"], [], [b"a", b"b"]]
    b.beat()
    assert a.beat(is_whole=False)[2] == [b"a"]
    assert a.beat()[2] == []
    assert a.redis.execute("EXISTS", "vislam:returning") == 0


def test_no_lease_is_over_where_redis_itself_was_away(a: Caller, b: Caller) -> None:
    b.join("x", "b.1")
    age(a.redis, "b", LEASE_MS + 1)
    last = int(a.redis.execute("HGET", BEATS, "last"))
    a.redis.execute("HSET", BEATS, "last", last - LEASE_MS)
    assert a.beat() == [[b"a", b"b"], [], [b"b"]]
    assert a.reap("b") == 0
    assert a.redis.execute("HEXISTS", EPOCHS, "b") == 1


def test_the_members_of_a_dead_node_leave_or_are_taken_over(a: Caller, b: Caller) -> None:
    a.join("x", "a.1")
    b.join("y", "b.1")
    b.join("z", "b.2", "t" * 48)
    a.hear()
    b.hear()
    age(a.redis, "b", LEASE_MS + 1)
    assert a.reap("b") == 0
    z = record(3, "a", "b.2", "z", "t" * 48)
    events = a.hear()
    assert ["left", ROOM, "y", "b.1", "left"] in events
    [adopted] = [event for event in events if event[0] == "adopted"]
    assert adopted[:3] == ["adopted", ROOM, z]
    assert sorted(adopted[3]) == [record(1, "a", "a.1", "x"), z]
    assert b.hear()[-1] == ["reaped"]
    assert b.beat() == STALE
    assert a.beat() == [[b"a"], [], []]


def test_a_dead_node_is_taken_care_of_some_members_at_a_time(a: Caller, b: Caller) -> None:
    for number in range(300):
        b.join(f"x{number}", f"b.{number}", room_id=f"r{number % 7}")
    age(a.redis, "b", LEASE_MS + 1)
    left = [300]
    while left[-1]:
        left.append(a.reap("b"))
        assert left[-1] < left[-2]
    assert len(left) >= 3
    assert keys(a.redis) == set()


def test_a_node_that_is_back_is_not_reaped(a: Caller, b: Caller) -> None:
    b.join("x", "b.1")
    assert a.reap("b") == 0
    assert b.inventory() == {"b.1": [ROOM, "x"]}


def test_what_a_node_leaves_behind_that_stops_is_due_at_once(a: Caller, b: Caller) -> None:
    b.join("x", "b.1", "t" * 48)
    assert b.run("bye", None) == b"ok"
    a.redis.execute("HDEL", BEATS, "grace_until")
    assert a.beat() == [[b"a"], [b"b"], []]
    assert a.reap("b") == 0
    assert a.hear()[0][:3] == ["adopted", ROOM, record(1, "a", "b.1", "x", "t" * 48)]
    assert a.run("bye", None) == b"ok"
    assert [key.decode() for key in a.redis.execute("ZRANGE", LEASES, "0", "-1")] == ["a"]


def test_a_node_that_stops_with_nothing_leaves_nothing(a: Caller) -> None:
    assert a.run("bye", None) == b"ok"
    assert a.redis.execute("EXISTS", EPOCHS) == a.redis.execute("EXISTS", LEASES) == 0


# Restoring


def test_members_are_put_back_into_an_empty_redis_and_the_others_hear_of_them(
    a: Caller, b: Caller
) -> None:
    assert a.restore(("x", "a.1", "t" * 48)) == b"ok"
    x = record(1, "a", "a.1", "x", "t" * 48)
    assert a.hear() == [["restored", ROOM, [x], []]]
    assert b.restore(("y", "b.1", "")) == b"ok"
    y = record(2, "b", "b.1", "y")
    assert a.hear() == [["joined", ROOM, y]]
    assert sorted(b.hear()[0][2]) == [x, y]
    assert b.run("find", None, "t" * 48)[2] == 1


def test_a_member_that_is_there_is_not_told_again_but_its_token_is_the_last(
    a: Caller, b: Caller
) -> None:
    a.join("x", "a.1", "t" * 48)
    b.join("y", "b.1")
    b.hear()
    a.restore(("x", "a.1", "u" * 48))
    assert b.hear() == []
    assert b.run("find", None, "t" * 48) is None
    assert b.run("find", None, "u" * 48)[2] == 1


def test_a_type_that_changed_meanwhile_is_told_to_the_others(a: Caller, b: Caller) -> None:
    a.join("x", "a.1")
    b.join("y", "b.1")
    b.hear()
    a.change("x", "a.1", "phone")
    b.hear()
    a.restore(("x", "a.1", ""))
    assert b.hear() == [["changed", ROOM, record(1, "a", "a.1", "x")]]


def test_a_member_whose_id_another_has_is_lost(a: Caller, b: Caller) -> None:
    b.join("x", "b.1")
    a.restore(("x", "a.1", ""), ("y", "a.2", ""))
    [[_, _, records, lost]] = a.hear()
    assert lost == ["a.1"]
    assert sorted(records) == [record(1, "b", "b.1", "x"), record(2, "a", "a.2", "y")]


@pytest.mark.parametrize("has_others", [False, True])
def test_a_member_that_was_taken_over_comes_back_and_who_had_it_hears_of_it(
    a: Caller, b: Caller, has_others: bool
) -> None:
    a.join("x", "a.1", "t" * 48)
    if has_others:
        b.join("y", "b.1")
    a.move("x", "a.1", "b", "t" * 48)
    b.hear()
    a.restore(("x", "a.1", "t" * 48))
    assert b.hear() == [["moved", ROOM, record(1, "a", "a.1", "x", "t" * 48)]]
    assert list(b.inventory()) == ["b.1"] * has_others


def test_a_place_without_a_connection_stays_with_who_took_it_over(a: Caller, b: Caller) -> None:
    a.join("x", "a.1", "t" * 48)
    a.move("x", "a.1", "b", "t" * 48)
    a.hear()
    b.hear()
    a.restore(("x", "a.1", "t" * 48), is_away=True)
    x = record(1, "b", "a.1", "x", "t" * 48)
    assert a.hear() == [["moved", ROOM, x], ["restored", ROOM, [x], []]]
    assert b.hear() == []


def test_a_member_that_has_gone_on_with_who_took_it_over_is_lost(a: Caller, b: Caller) -> None:
    a.join("x", "a.1", "t" * 48)
    a.move("x", "a.1", "b", "t" * 48)
    b.change("x", "a.1", "pc", "u" * 48)
    a.hear()
    a.restore(("x", "a.1", "t" * 48))
    assert a.hear()[-1][3] == ["a.1"]


def test_whoever_is_found_in_a_room_has_a_lease(a: Caller, b: Caller) -> None:
    b.join("x", "b.1")
    a.redis.execute("ZREM", LEASES, "b")
    a.restore(("y", "a.1", ""))
    assert a.redis.execute("ZSCORE", LEASES, "b") is not None


# The one Redis and the other


def test_the_simulated_redis_does_what_a_real_one_does(real: Real) -> None:
    real.execute("FLUSHALL")
    rng = random.Random(7)
    both: list[list[Caller]] = [
        [Caller(redis, name).hello() for name in "abc"] for redis in (Simulated(), real)
    ]
    tokens = ["", *(f"{number:016x}{number:032x}" for number in range(4))]
    for _ in range(800):
        node, to = rng.randrange(3), rng.choice("abcd")
        client_id, place = rng.choice("xyz"), f"p.{rng.randrange(6)}"
        token, other = rng.choice(tokens), f"p.{rng.randrange(6)}"
        call = rng.choice(["join", "join", "leave", "restore", "move", "change", "find", "reap"])
        is_away = rng.random() < 0.5
        outcomes = []
        for callers in both:
            caller = callers[node]
            match call:
                case "join":
                    leaving = (to, other)
                    reply = caller.join(
                        client_id, place, token, most=3, instead_of=other, leaving=leaving
                    )
                case "leave":
                    reply = caller.leave(client_id, place)
                case "restore":
                    reply = caller.restore((client_id, place, token), is_away=is_away)
                case "move":
                    reply = caller.move(client_id, place, to, token)
                case "change":
                    reply = caller.change(client_id, place, "pc", token)
                case "find":
                    reply = caller.run("find", None, token)
                case _:
                    caller.redis.execute("HDEL", BEATS, "grace_until")
                    caller.redis.execute("ZADD", LEASES, 0, to)
                    reply = caller.reap(to)
                    callers["abc".find(to)].hello()
            outcomes.append((reply, [each.hear() for each in callers], contents(caller.redis)))
        assert outcomes[0] == outcomes[1], (call, client_id, place, to, token)


def contents(redis: Redis) -> dict[str, Any]:
    """Return all that is known of members."""
    found: dict[str, Any] = {}
    for key in sorted(keys(redis)):
        if key.startswith("vislam:resume:"):
            found[key] = redis.execute("GET", key)
        else:
            words = redis.execute("HGETALL", key)
            found[key] = dict(zip(words[::2], words[1::2], strict=True))
    return found


# What runs them


class DirectLink:
    """A Link that answers at once, or later."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str], list[str | int]]] = []
        self.answers: list[Any] = []
        self.restarts: list[str] = []

    def call(self, script: str, keys: Any, arguments: Any, answered: Any) -> None:
        self.calls.append((script, list(keys), list(arguments)))
        self.answers.append(answered)

    def publish(self, node: str, payload: bytes, answered: Any) -> None: ...

    def restart(self, why: str) -> None:
        self.restarts.append(why)


def test_without_a_way_to_redis_all_is_lost() -> None:
    replies: list[Any] = []
    Scripts("a", lambda: None).bye(replies.append)
    assert replies == [LOST]


def test_what_has_to_go_out_before_a_script_does() -> None:
    link, order = DirectLink(), []
    scripts = Scripts("a", lambda: order.append(len(link.calls)))
    scripts.link, scripts.epoch = link, "7"
    scripts.leave("lab", "x", "a.1", order.append)
    scripts.leave("lab", "y", "a.2", order.append, is_news=True)
    assert order == [0, 1]
    keys = [EPOCHS, LEASES, BEATS, "vislam:room:lab", "vislam:nodes:lab"]
    assert link.calls == [
        ("leave", keys, ["a", "7", "lab", "x", "a.1", "a"]),
        ("leave", keys, ["a", "7", "lab", "y", "a.2", ""]),
    ]


def test_a_node_that_is_refused_begins_anew_unless_it_has_already() -> None:
    link = DirectLink()
    replies: list[Any] = []
    scripts = Scripts("a", lambda: None)
    scripts.link, scripts.epoch = link, "7"
    scripts.bye(replies.append)
    scripts.bye(replies.append)
    link.answers[0](STALE)
    assert link.restarts == ["Redis takes this node for gone"]
    scripts.epoch = "8"
    link.answers[1](STALE)
    assert len(link.restarts) == 1
    assert replies == [LOST, LOST]


@pytest.mark.parametrize("name", NAMES)
def test_each_script_has_a_text_and_a_name_of_its_own(name: str) -> None:
    assert text_of(name).startswith("-- What the scripts have in common.")
    assert len(sha_of(name)) == 40
    assert (name == "hello") != ("return 'stale'" in text_of(name))
