import random

import pytest
from logged import Someone
from plain import NOW_NS, PlainClient

from twisted_signal.errors import IdTaken, PeerNotFound, ResumeExpired, RoomFull, SignalError
from twisted_signal.limits import Limits
from twisted_signal.messages import NAME_LENGTH
from twisted_signal.registry import Member, Registry


class Holder(Someone):
    """Implements `registry.Owner`."""

    def __init__(self) -> None:
        super().__init__()
        self.member: Member | None = None

    def refuse(self, error: SignalError) -> None:
        """Nobody is there to be told."""


def join(
    registry: Registry, client_id: str, room_id: str = "lab", leaving: Member | None = None
) -> Member:
    owner = leaving.owner if leaving is not None else Holder()
    client = leaving.client if leaving is not None else PlainClient()
    return registry.join(owner, client, room_id, client_id, "unknown", now_ns=NOW_NS)


def ids(registry: Registry, room_id: str = "lab") -> list[str]:
    return list(registry.rooms[room_id].members)


def test_members_stand_in_the_order_they_joined() -> None:
    registry = Registry()

    for client_id in ("c", "a", "b"):
        join(registry, client_id)

    assert ids(registry) == ["c", "a", "b"]


def test_peers_are_the_others() -> None:
    registry = Registry()
    a, b, c = (join(registry, client_id) for client_id in "abc")

    assert list(b.peers()) == [a, c]


def test_a_peer_is_found_by_its_id() -> None:
    registry = Registry()
    a, b = join(registry, "a"), join(registry, "b")

    assert a.peer("b") is b


@pytest.mark.parametrize("client_id", ["absent", "elsewhere", "a"])
def test_absent_in_another_room_and_oneself_are_the_same_error(client_id: str) -> None:
    registry = Registry()
    a = join(registry, "a")
    join(registry, "elsewhere", room_id="other")

    with pytest.raises(PeerNotFound) as caught:
        a.peer(client_id)

    assert str(caught.value) == str(PeerNotFound(client_id))
    assert caught.value.target_id == client_id


def test_an_id_is_unique_within_its_room() -> None:
    registry = Registry()
    first = join(registry, "pc")

    with pytest.raises(IdTaken):
        join(registry, "pc")

    assert registry.rooms["lab"].members == {"pc": first}


def test_every_room_may_have_its_pc() -> None:
    registry = Registry()

    assert join(registry, "pc", "lab1").room is not join(registry, "pc", "lab2").room


def test_a_room_goes_away_with_its_last_member() -> None:
    registry = Registry()
    a, b = join(registry, "a"), join(registry, "b")

    registry.leave(a, NOW_NS)
    assert ids(registry) == ["b"]
    registry.leave(b, NOW_NS)

    assert registry.rooms == {}


def test_moving_gives_up_the_old_place() -> None:
    registry = Registry()
    a = join(registry, "a", "lab1")

    moved = join(registry, "a", "lab2", leaving=a)

    assert list(registry.rooms) == ["lab2"]
    assert registry.rooms["lab2"].members == {"a": moved}


def test_a_move_that_fails_changes_nothing() -> None:
    registry = Registry()
    a = join(registry, "a", "lab1")
    join(registry, "b", "lab2")

    with pytest.raises(IdTaken):
        join(registry, "b", "lab2", leaving=a)

    assert registry.rooms["lab1"].members == {"a": a}


def test_renaming_keeps_the_room_open(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    registry = Registry()
    a = join(registry, "a")
    caplog.clear()

    join(registry, "b", leaving=a)

    assert ids(registry) == ["b"]
    assert caplog.messages == []


def test_rooms_opening_and_closing_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    registry = Registry()

    registry.leave(join(registry, "a", "lab 1"), NOW_NS)

    assert caplog.messages == ['Room opened: "lab 1"', 'Room closed: "lab 1"']


def test_a_room_has_no_more_members_than_it_may() -> None:
    registry = Registry(Limits(max_room_size=2))
    first = join(registry, "a")
    join(registry, "b")

    with pytest.raises(RoomFull, match="lab is full: it has 2 clients"):
        join(registry, "c")

    assert ids(registry) == ["a", "b"]
    join(registry, "c", "other")
    join(registry, "c", leaving=first)
    assert ids(registry) == ["b", "c"]


def test_a_room_may_have_any_number_of_members() -> None:
    registry = Registry(Limits(max_room_size=0))

    for number in range(100):
        join(registry, str(number))

    assert len(ids(registry)) == 100


def test_tokens_cannot_be_guessed_from_each_other() -> None:
    registry = Registry()

    tokens = {registry.remember(join(registry, str(number))) for number in range(50)}

    assert len(tokens) == 50
    assert all(len(token) == 48 for token in tokens)


def test_a_member_that_is_gone_leaves_nothing_behind() -> None:
    registry = Registry()
    member = join(registry, "a")
    token = registry.remember(member)

    registry.leave(member, NOW_NS)

    with pytest.raises(ResumeExpired):
        registry.resume(Holder(), PlainClient(), token, None, now_ns=NOW_NS)
    assert member.owner.member is None
    assert registry.holder("lab", "a") is None


def test_a_made_up_id_is_readable() -> None:
    registry = Registry(rng=random.Random(1))

    client_id = registry.unused_id("lab", "android")

    assert client_id.startswith("android-")
    assert int(client_id.removeprefix("android-"), 16) < 2**16
    assert len(client_id) == len("android-7f3a")


def test_a_made_up_id_is_one_that_nobody_in_the_room_has() -> None:
    same = 4711
    taken = Registry(rng=random.Random(same)).unused_id("lab", "android")
    registry = Registry(rng=random.Random(same))
    join(registry, taken)

    assert registry.unused_id("lab", "android") != taken
    assert Registry(rng=random.Random(same)).unused_id("other", "android") == taken


def test_a_made_up_id_is_found_in_a_crowded_room() -> None:
    class Unlucky(random.Random):
        """Draws the same number every time."""

        def getrandbits(self, k: int) -> int:
            return 0

    registry = Registry(rng=Unlucky())
    for digits in range(4, 15):
        join(registry, f"pc-{'0' * digits}")

    assert registry.unused_id("lab", "pc") == "pc-" + "0" * 15


def test_a_made_up_id_is_no_longer_than_an_id_may_be() -> None:
    client_id = Registry().unused_id("lab", "x" * NAME_LENGTH)

    assert len(client_id) <= NAME_LENGTH


def test_members_and_rooms_know_since_when_they_are_there() -> None:
    registry = Registry()
    times = [NOW_NS, NOW_NS + 5]
    first, second = (
        registry.join(Holder(), PlainClient(), "lab", f"pc{now_ns}", "pc", now_ns=now_ns)
        for now_ns in times
    )

    assert [first.joined_at_ns, second.joined_at_ns] == times
    assert registry.rooms["lab"].opened_at_ns == NOW_NS


def test_the_tokens_of_a_place_begin_alike_and_end_otherwise() -> None:
    registry = Registry()
    member, other = join(registry, "pc"), join(registry, "phone")
    first = registry.remember(member)
    registry.resume(Holder(), PlainClient(), first, None, now_ns=NOW_NS)

    assert member.mailbox is not None
    second, elsewhere = member.mailbox.token, registry.remember(other)

    assert first[:16] == second[:16] != elsewhere[:16]
    assert len({first[16:], second[16:], elsewhere[16:]}) == 3
    assert len(first) == len(second) == 48
