"""Two nodes that share a Redis are one server to their clients."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from caller import Caller
from node_clients import Client, joined, left, register
from nodes import AT_ONCE, Node, nodes, until
from redis_server import RedisServer, redis_server
from tokens import SECRET, by_secret


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture(scope="module")
def two(shared: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    options = ("--max-room-size", "8", "--probe-timeout", "1")
    cwd = tmp_path_factory.mktemp("nodes")
    with nodes(shared.url, shared.url, cwd=cwd, options=options) as started:
        yield started


@pytest.fixture
def here(two: list[Node]) -> Node:
    return two[0]


@pytest.fixture
def there(two: list[Node]) -> Node:
    return two[1]


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    name: str = request.node.name
    return name[:100]


@pytest.fixture
def pair(here: Node, there: Node, room: str) -> Iterator[tuple[Client, Client]]:
    """A client of each node in one room, the first here. Both know it."""
    with register(here, "pc", room) as pc, register(there, "phone", room) as phone:
        assert phone.answer["peers"] == ["pc"]
        assert pc.hear() == joined("phone")
        yield pc, phone


def hears_next(target: Caller, sender: Caller, **message: Any) -> bool:
    """Tell whether what one says is the next that the other hears: there is nothing before it."""
    sender.say(type="message", data="next", **message)
    heard = target.hear()
    return bool(heard["type"] == "message" and heard["data"] == "next")


def test_a_call(pair: tuple[Client, Client]) -> None:
    pc, phone = pair
    phone.say(type="offer", target_id="pc", sdp={"type": "offer", "sdp": "é" * 10000})
    assert pc.hear() == {
        "type": "offer",
        "sender_id": "phone",
        "sdp": {"type": "offer", "sdp": "é" * 10000},
    }
    pc.say(type="answer", target_id="phone", sdp="v=0")
    assert phone.hear() == {"type": "answer", "sender_id": "pc", "sdp": "v=0"}
    for candidate in ({"candidate": "candidate:1"}, None):
        pc.say(type="ice_candidate", target_id="phone", candidate=candidate)
        told = {"type": "ice_candidate", "sender_id": "pc", "candidate": candidate}
        assert phone.hear() == told
    phone.say(type="message", data={"battery": 0.7}, target_id="pc")
    assert pc.hear() == {"type": "message", "sender_id": "phone", "data": {"battery": 0.7}}


def test_what_is_relayed_arrives_byte_for_byte(pair: tuple[Client, Client]) -> None:
    pc, phone = pair
    data = '{ "1.0" : 1.0e3, "\\u00e9": "é", "1.0": 12345678901234567890 }'
    phone.say_texts([f'{{"type":"message","target_id":"pc","data":{data}}}'])
    assert data in pc.hear_text()


def test_each_pair_keeps_its_order(pair: tuple[Client, Client]) -> None:
    pc, phone = pair
    for sender, target_id in ((pc, "phone"), (phone, "pc")):
        sender.say_all(
            {"type": "message", "target_id": target_id, "data": number} for number in range(400)
        )
    for target in pair:
        assert [target.hear()["data"] for _ in range(400)] == list(range(400))


def test_who_leaves_is_told_of_and_can_be_reached_no_more(pair: tuple[Client, Client]) -> None:
    pc, phone = pair
    phone.say(type="leave")
    assert pc.hear() == left("phone")
    pc.say(type="offer", target_id="phone", sdp="v=0")
    assert pc.hear()["code"] == "peer_not_found"
    assert pc.peers() == set()
    phone.say(type="peers")
    assert phone.hear()["code"] == "not_registered"


@pytest.mark.parametrize("by", ["close", "lose"])
def test_who_goes_is_announced_once(pair: tuple[Client, Client], there: Node, by: str) -> None:
    pc, phone = pair
    with register(there, "tablet", pc.answer["room_id"]) as tablet:
        assert pc.hear() == phone.hear() == joined("tablet")
        getattr(phone, by)()
        assert pc.hear() == tablet.hear() == left("phone")
        assert hears_next(pc, tablet)
        assert hears_next(tablet, pc)


def test_a_message_to_the_room_reaches_all_of_it(
    pair: tuple[Client, Client], here: Node, there: Node
) -> None:
    pc, phone = pair
    room = pc.answer["room_id"]
    with register(here, "a", room) as a, register(there, "b", room) as b:
        assert [pc.hear(), pc.hear()] == [phone.hear(), phone.hear()] == [joined("a"), joined("b")]
        assert a.hear() == joined("b")
        pc.say(type="message", data="to all")
        for peer in (phone, a, b):
            assert peer.hear() == {"type": "message", "sender_id": "pc", "data": "to all"}
        assert hears_next(pc, phone)


def test_peers_are_listed_in_the_order_they_joined(here: Node, there: Node, room: str) -> None:
    with ExitStack() as stack:
        members = []
        for number, node in enumerate((here, there, there, here, there, here)):
            member = register(node, f"c{number}", room, client_type=f"t{number}")
            members.append(stack.enter_context(member))
            assert member.answer["peers"] == [f"c{other}" for other in range(number)]
        for number, member in enumerate(members):
            for later in range(number + 1, 6):
                assert member.hear() == joined(f"c{later}", f"t{later}")
        for number, member in enumerate(members):
            member.say(type="peers")
            assert member.hear()["peers"] == [
                {"client_id": f"c{other}", "client_type": f"t{other}"}
                for other in range(6)
                if other != number
            ]


def test_registering_again_in_the_same_room_disturbs_nobody(pair: tuple[Client, Client]) -> None:
    pc, phone = pair
    phone.say(type="register", client_id="phone", room_id=pc.answer["room_id"], client_type="new")
    assert phone.hear()["peers"] == ["pc"]
    assert hears_next(pc, phone)
    pc.say(type="peers")
    assert pc.hear()["peers"] == [{"client_id": "phone", "client_type": "new"}]


def test_who_moves_leaves_one_room_and_joins_another(
    pair: tuple[Client, Client], here: Node, room: str
) -> None:
    pc, phone = pair
    with register(here, "tv", room + "2") as tv:
        phone.say(type="register", client_id="handset", room_id=room + "2")
        assert phone.hear()["peers"] == ["tv"]
        assert tv.hear() == joined("handset")
        assert pc.hear() == left("phone")
        assert hears_next(tv, phone, target_id="tv")
        pc.say(type="offer", target_id="phone", sdp="v=0")
        assert pc.hear()["code"] == "peer_not_found"


def test_who_may_not_move_stays(pair: tuple[Client, Client], here: Node, room: str) -> None:
    pc, phone = pair
    with register(here, "tv", room + "2") as tv:
        phone.say(type="register", client_id="tv", room_id=room + "2")
        with answering(tv):
            assert phone.hear()["code"] == "id_taken"
        assert pc.peers() == {"phone"}


def test_nobody_hears_of_another_room(here: Node, there: Node, room: str) -> None:
    with register(here, "pc", room + "1") as one, register(there, "pc", room + "2") as two:
        one.say(type="offer", target_id="pc", sdp="v=0")
        assert one.hear()["code"] == "peer_not_found"
        assert two.hear_until_answered() == []


# The room's limit


def test_a_room_is_full_wherever_its_members_are(here: Node, there: Node, room: str) -> None:
    with ExitStack() as stack:
        members = [
            stack.enter_context(register((here, there)[number % 2], str(number), room))
            for number in range(8)
        ]
        for node in (here, there):
            with Caller(node.url) as late:
                late.say(type="register", client_id="late", room_id=room)
                assert late.hear()["code"] == "room_full"
        members[0].say(type="leave")
        for peer in members[1:]:
            assert peer.hear_type("peer_left") == left("0")
        with register(there, "late", room) as late:
            assert late.answer["peers"] == [str(number) for number in range(1, 8)]


def test_a_room_takes_no_more_when_many_come_at_once(here: Node, there: Node, room: str) -> None:
    with ExitStack() as stack:
        crowd = [stack.enter_context(Caller((here, there)[n % 2].url)) for n in range(20)]
        for number, caller in enumerate(crowd):
            caller.say(type="register", client_id=str(number), room_id=room)
        answers = [caller.hear() for caller in crowd]
    assert [answer["type"] for answer in answers].count("registered") == 8
    assert [answer.get("code") for answer in answers].count("room_full") == 12


# An id that is taken


@contextmanager
def answering(client: Client) -> Iterator[None]:
    """Let a client read, and so answer pings, for as long as the block takes."""
    is_over = threading.Event()

    def read() -> None:
        while not is_over.wait(0.02):
            client.hear_until_answered()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_nobody_takes_the_id_of_one_who_is_alive(
    pair: tuple[Client, Client], here: Node, room: str
) -> None:
    pc, phone = pair
    with Caller(here.url) as thief:
        thief.say(type="register", client_id="phone", room_id=room)
        with answering(phone):
            assert thief.hear()["code"] == "id_taken"
        assert hears_next(pc, phone)


def test_one_who_is_not_alive_gives_way(pair: tuple[Client, Client], here: Node, room: str) -> None:
    pc, phone = pair  # phone does not read, and so does not answer a ping
    with Caller(here.url) as heir:
        heir.say(type="register", client_id="phone", room_id=room, client_type="new")
        heir.say(type="message", target_id="pc", data="waits until it has its place")
        assert heir.hear() == {
            "type": "registered",
            "client_id": "phone",
            "room_id": room,
            "peers": ["pc"],
        }
        assert pc.hear() == left("phone")
        assert pc.hear() == joined("phone", "new")
        assert pc.hear()["data"] == "waits until it has its place"
        assert phone.hear_close() == 4409
        assert hears_next(pc, heir)
        assert hears_next(heir, pc, target_id="phone")


def test_a_place_that_is_kept_gives_way(here: Node, there: Node, room: str) -> None:
    with register(here, "pc", room) as pc, register(there, "phone", room, resume=True) as phone:
        assert pc.hear() == joined("phone")
        phone.lose()
        there.wait_for(rf"Connection lost: phone, room {room}")
        with register(here, "phone", room) as heir:
            assert heir.answer["peers"] == ["pc"]
            assert [pc.hear(), pc.hear()] == [left("phone"), joined("phone")]
            with Caller(there.url) as late:
                late.say(type="resume", resume_token=phone.token)
                assert late.hear()["code"] == "resume_expired"
            assert hears_next(pc, heir)


@pytest.mark.parametrize("rule", ["replace", "reject"])
def test_the_operators_rule_for_ids_holds_across_nodes(
    rule: str, shared: RedisServer, tmp_path: Path
) -> None:
    options = ("--duplicate-id", rule)
    with (
        nodes(shared.url, shared.url, cwd=tmp_path, options=options) as (here, there),
        register(here, "pc", rule) as pc,
        register(there, "phone", rule) as phone,
        Caller(here.url) as claimant,
    ):
        assert pc.hear() == joined("phone")
        claimant.say(type="register", client_id="phone", room_id=rule)
        if rule == "replace":
            assert claimant.hear()["peers"] == ["pc"]
            assert [pc.hear(), pc.hear()] == [left("phone"), joined("phone")]
            assert phone.hear_close() == 4409
            assert hears_next(pc, claimant)
        else:
            assert claimant.hear()["code"] == "id_taken"
            assert hears_next(pc, phone)


# Flat clients


def flat(node: Node, room: str, **names: str) -> Caller:
    query = "&".join(f"{name}={value}" for name, value in {"room": room, **names}.items())
    return Caller(f"{node.url}/signaling?{query}")


def test_what_a_flat_client_says_waits_for_a_peer_on_another_node(
    here: Node, there: Node, room: str
) -> None:
    with flat(here, room, client_id="phone") as phone:
        phone.say(type="offer", sdp="an older one")
        phone.say(type="offer", sdp="v=0")
        candidate = {"candidate": "c", "sdpMid": "0", "sdpMLineIndex": 0}
        phone.say(type="ice_candidate", **candidate)
        here.wait_for(rf"Kept candidate from phone: nobody else is in room {room}")
        with register(there, "pc", room, client_type="pc") as pc:
            assert pc.answer["peers"] == ["phone"]
            sdp = {"type": "offer", "sdp": "v=0"}
            assert pc.hear() == {"type": "offer", "sender_id": "phone", "sdp": sdp}
            told = {"type": "ice_candidate", "sender_id": "phone", "candidate": candidate}
            assert pc.hear() == told
            pc.say(type="answer", target_id="phone", sdp={"type": "answer", "sdp": "v=1"})
            assert phone.hear() == {"type": "answer", "sdp": "v=1"}
            phone.say(type="ice_candidate", **candidate)
            assert pc.hear() == told
            pc.say(type="ice_candidate", target_id="phone", candidate={"candidate": "d"})
            heard = {"type": "ice_candidate", "candidate": "d"}
            assert heard.items() <= phone.hear().items()


def test_flat_clients_of_two_nodes_find_each_other(here: Node, there: Node, room: str) -> None:
    with (
        flat(here, room) as one,
        flat(there, room) as other,
        register(here, "watch", room) as watch,
    ):
        until(lambda: len(watch.peers()) == 2)
        watch.say(type="leave")
        here.wait_for(f"Client left: watch, room {room}")
        one.say(type="offer", sdp="v=0")
        assert other.hear() == {"type": "offer", "sdp": "v=0"}
        other.say(type="answer", sdp="v=1")
        assert one.hear() == {"type": "answer", "sdp": "v=1"}


def test_a_flat_client_keeps_a_message_for_the_room_from_nobody(
    here: Node, there: Node, room: str
) -> None:
    with (
        flat(there, room, client_id="app"),
        register(there, "phone", room) as phone,
        register(here, "pc", room) as pc,
    ):
        assert phone.hear() == joined("pc")
        pc.say(type="message", data="to all")
        assert phone.hear()["data"] == "to all"
        assert hears_next(pc, phone)
        pc.say(type="message", target_id="app", data="to one")
        assert pc.hear()["code"] == "invalid_message"


def test_a_flat_client_is_told_who_could_be_meant_on_other_nodes(
    here: Node, there: Node, room: str
) -> None:
    with (
        register(there, "one", room, client_type="pc"),
        register(here, "other", room, client_type="pc"),
        flat(here, room) as phone,
    ):
        phone.say(type="offer", sdp="v=0")
        message = phone.hear()["message"]
        assert "one" in message
        assert "other" in message


def test_what_waited_is_told_again_to_one_that_is_no_flat_client(
    here: Node, there: Node, room: str
) -> None:
    with flat(here, room, client_id="phone") as phone:
        phone.say(type="offer", sdp="v=0")
        here.wait_for(rf"Kept offer from phone: nobody else is in room {room}")
        with flat(there, room, client_id="pc") as pc:
            assert pc.hear() == {"type": "offer", "sdp": "v=0"}
            pc.say(type="register", client_id="pc", room_id=room, client_type="pc")
            assert pc.hear()["peers"] == ["phone"]
            sdp = {"type": "offer", "sdp": "v=0"}
            assert pc.hear() == {"type": "offer", "sender_id": "phone", "sdp": sdp}


def test_made_up_ids_differ_across_nodes(here: Node, there: Node, room: str) -> None:
    with ExitStack() as stack:
        for number in range(6):
            stack.enter_context(flat((here, there)[number % 2], room))
        with register(here, "pc", room) as pc:
            until(lambda: len(pc.peers()) == 6)


# Coming back


def test_a_client_comes_back_on_another_node_to_what_waited(
    here: Node, there: Node, room: str
) -> None:
    with register(here, "pc", room) as pc, register(there, "phone", room, resume=True) as phone:
        assert pc.hear() == joined("phone")
        phone.lose()
        there.wait_for(rf"Connection lost: phone, room {room}")
        for number in range(100):
            pc.say(type="message", target_id="phone", data=number)
        with register(there, "tablet", room):
            pass
        assert [pc.hear(), pc.hear()] == [joined("tablet"), left("tablet")]
        with phone.resume(here) as back:
            assert back.answer["room_id"] == room
            assert back.answer["peers"] == ["pc"]
            assert back.token != phone.token
            heard = [back.hear() for _ in range(102)]
            assert [each["data"] for each in heard if each["type"] == "message"] == list(range(100))
            told = [each for each in heard if each["type"] != "message"]
            assert told == [joined("tablet"), left("tablet")]
            assert hears_next(pc, back)
            assert hears_next(back, pc)
            with Caller(there.url) as late:
                late.say(type="resume", resume_token=phone.token)
                assert late.hear()["code"] == "resume_expired"


def test_what_it_has_received_does_not_come_again(here: Node, there: Node, room: str) -> None:
    with register(here, "pc", room) as pc, register(there, "phone", room, resume=True) as phone:
        assert pc.hear() == joined("phone")
        for number in range(10):
            pc.say(type="message", target_id="phone", data=number)
        for number in range(7):
            assert phone.hear()["data"] == number
        with phone.resume(here) as back:  # while the old connection is open
            assert [back.hear()["data"] for _ in range(3)] == [7, 8, 9]
            phone.hear_the_rest()
            assert phone.close_code == 4409
            assert hears_next(back, pc)
            assert hears_next(pc, back)


def test_one_that_has_received_more_than_was_sent_stays_away(
    here: Node, there: Node, room: str
) -> None:
    with register(here, "pc", room) as pc, register(there, "phone", room, resume=True) as phone:
        assert pc.hear() == joined("phone")
        phone.lose()
        with Caller(here.url) as back:
            back.say(type="resume", resume_token=phone.token, received=1000)
            assert back.hear()["code"] == "invalid_message"
            back.say(type="resume", resume_token=phone.token, received=0)
            assert back.hear()["type"] == "resumed"
        assert pc.hear() == left("phone")


@pytest.mark.parametrize("how", ["close", "leave"])
def test_a_place_that_was_given_up_is_kept_nowhere(
    how: str, here: Node, there: Node, room: str
) -> None:
    with register(here, "pc", room) as pc, register(there, "phone", room, resume=True) as phone:
        assert pc.hear() == joined("phone")
        if how == "leave":
            phone.say(type="leave")
        else:
            phone.close()
        assert pc.hear() == left("phone")
        with Caller(here.url) as late:
            late.say(type="resume", resume_token=phone.token)
            assert late.hear()["code"] == "resume_expired"


def test_one_that_does_not_come_back_is_announced_once_when_its_window_is_over(
    shared: RedisServer, tmp_path: Path, room: str
) -> None:
    options = ("--resume-window", "1")
    with (
        nodes(shared.url, shared.url, cwd=tmp_path, options=options) as (here, there),
        register(here, "pc", room) as pc,
        register(there, "phone", room, resume=True) as phone,
        register(there, "tablet", room, resume=True) as tablet,
    ):
        assert [pc.hear(), pc.hear()] == [joined("phone"), joined("tablet")]
        phone.lose()
        tablet.lose()
        with tablet.resume(here) as back, back.resume(there) as again:
            assert pc.hear() == left("phone")
            assert again.hear_type("peer_left") == left("phone")
            assert hears_next(pc, again)
            with Caller(here.url) as late:
                late.say(type="resume", resume_token=phone.token)
                assert late.hear()["code"] == "resume_expired"


# Tokens


def test_a_token_says_the_same_on_each_node(shared: RedisServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)

    def token(**claims: str) -> str:
        return by_secret({"exp": time.time() + 60, "room": "lab-*", **claims})

    options = ("--auth-secret-file", str(secret))
    with (
        nodes(shared.url, shared.url, cwd=tmp_path, options=options) as (here, there),
        register(here, "pc", "lab-1", token=token()) as pc,
        register(there, "phone", "lab-1", token=token(sub="phone"), resume=True) as phone,
    ):
        assert pc.hear() == joined("phone")
        for wrong in (None, token(room="other"), token(sub="pc")):
            with Caller(here.url) as thief:
                shown = {} if wrong is None else {"token": wrong}
                thief.say(type="register", client_id="phone", room_id="lab-1", **shown)
                assert thief.hear()["code"] == ("forbidden" if wrong else "unauthorized")
        phone.lose()
        with Caller(f"{here.url}/?token={token(room='other')}") as thief:
            thief.say(type="resume", resume_token=phone.token)
            assert thief.hear()["code"] == "forbidden"
        with phone.resume(f"{here.url}/?token={token(sub='phone')}") as back:
            assert back.hear_until_answered() == []
            assert hears_next(pc, back)


# What Redis and other nodes are told


@contextmanager
def monitored(redis: RedisServer) -> Iterator[list[str]]:
    """Have what Redis is asked for meanwhile; it is there when the block is over."""
    asked: list[str] = []
    with redis.client() as client:
        client.execute("MONITOR")
        yield asked
        redis.execute("ECHO", "that is all")
        while "that is all" not in (line := client.receive().decode()):
            asked.append(line)


def test_what_is_for_the_same_node_never_leaves_it(
    pair: tuple[Client, Client], here: Node, room: str, shared: RedisServer
) -> None:
    pc, phone = pair
    with register(here, "tv", room) as tv:
        assert pc.hear() == phone.hear() == joined("tv")
        with monitored(shared) as asked:
            for number in range(50):
                pc.say(type="message", target_id="tv", data=f"local {number}")
                assert tv.hear()["data"] == f"local {number}"
            pc.say(type="message", target_id="phone", data="remote")
            assert phone.hear()["data"] == "remote"
    assert [line for line in asked if "local" in line] == []
    assert len([line for line in asked if "remote" in line and '"PUBLISH"' in line.upper()]) == 1


def test_what_is_said_at_once_goes_to_another_node_at_once(
    pair: tuple[Client, Client], shared: RedisServer
) -> None:
    pc, phone = pair
    with monitored(shared) as asked:
        pc.say_all(
            {"type": "message", "target_id": "phone", "data": f"n{number}."}
            for number in range(200)
        )
        assert [phone.hear()["data"] for _ in range(200)] == [
            f"n{number}." for number in range(200)
        ]
    assert 1 <= len([line for line in asked if '"publish"' in line.lower() and "n" in line]) <= 20


def test_a_node_hears_nothing_of_rooms_that_it_has_nobody_in(
    pair: tuple[Client, Client], shared: RedisServer, room: str, tmp_path: Path
) -> None:
    def channels() -> set[str]:
        return {name.decode() for name in shared.execute("PUBSUB", "CHANNELS", "vislam:to:*")}

    pc, phone = pair
    before = channels()
    with nodes(shared.url, cwd=tmp_path) as (third,), register(third, "x", "elsewhere"):
        (own,) = channels() - before
        with register(third, "passer-by", room):
            assert pc.hear() == phone.hear() == joined("passer-by")
        assert pc.hear() == phone.hear() == left("passer-by")
        with monitored(shared) as asked:
            pc.say(type="message", data="to all")
            assert phone.hear()["data"] == "to all"
            pc.say(type="leave")
            assert phone.hear() == left("pc")
    told = [line for line in asked if '"publish"' in line.lower()]
    assert told
    assert [line for line in told if own in line] == []


def test_a_client_is_seen_everywhere_at_once(pair: tuple[Client, Client], here: Node) -> None:
    pc, phone = pair
    until(lambda: phone.peers() == {"pc"}, AT_ONCE)
    until(lambda: pc.peers() == {"phone"}, AT_ONCE)
