"""Messages that are meant to be too much, or to be taken for something else."""

import json
import re
import time
from collections.abc import Iterator

import pytest
from arena import MIB, Arena, Client, arena, lasting, masked

from twisted_signal.close_codes import TOO_MANY
from twisted_signal.frames import TEXT
from twisted_signal.limits import Limits
from twisted_signal.messages import NAME_LENGTH

pytestmark = pytest.mark.alone  # it is seen how long others wait

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[[A-Z]+\] \w+: .*")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    large = ("--max-message-size", str(MIB), "--connect-rate-per-address", "0")
    with arena(tmp_path_factory.mktemp("messages"), *large) as started:
        yield started


def join(place: Arena, room: str, *names: str) -> list[Client]:
    """Return clients in a room, who know of each other."""
    clients: list[Client] = []
    for name in names:
        client = place.client()
        assert client.register(name, room)["type"] == "registered"
        for other in clients:
            assert other.hear()["client_id"] == name
        clients.append(client)
    return clients


# What is read


NONSENSE = {
    "100,000 brackets": "[" * 100_000,
    "100,000 objects": '{"a":' * 100_000,
    "100,000 brackets in an SDP": '{"type":"offer","target_id":"peer","sdp":'
    + "[" * 100_000
    + "]" * 100_000
    + "}",
    "100,000 brackets in a type": '{"type":' + "[" * 100_000 + "]" * 100_000 + "}",
    "100,000 brackets in data": '{"type":"message","data":{"x":' + "[" * 100_000 + "}}",
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_json_that_is_nested_deeply_is_refused_and_reaches_nobody(place: Arena, kind: str) -> None:
    with place.attack():
        for number in lasting():
            attacker, peer = join(place, f"deep {number}", "attacker", "peer")
            for _ in range(20):
                attacker.say_text(NONSENSE[kind])
            assert {attacker.hear()["code"] for _ in range(20)} == {"invalid_json"}
            assert peer.is_served()
            place.leave()


NUMBER = "9" * 10_000
NUMBERS = {
    '{"type":"register","client_id":%s}': "invalid_message",
    '{"type":%s}': "invalid_message",
    '{"type":"offer","target_id":%s,"sdp":""}': "invalid_message",
    '{"type":"resume","resume_token":"x","received":%s}': "invalid_message",
    '{"type":"resume","resume_token":"x","received":-%s}': "invalid_message",
    '{"type":"resume","resume_token":"x","received":1e%s}': "invalid_message",
    "%s": "invalid_message",
}


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_of_10000_digits_are_refused_where_they_are_read(place: Arena, text: str) -> None:
    with place.attack():
        for _ in lasting():
            attacker = place.client()
            for _ in range(50):
                attacker.say_text(text % NUMBER)
            assert {attacker.hear()["code"] for _ in range(50)} == {NUMBERS[text]}
            place.leave()


def test_numbers_of_10000_digits_in_an_sdp_are_not_read(place: Arena) -> None:
    with place.attack():
        attacker, peer = join(place, "digits", "attacker", "peer")
        for _ in lasting():
            attacker.say_text('{"type":"offer","target_id":"peer","sdp":' + NUMBER + "}")
            assert NUMBER in peer.hear_text()
            time.sleep(0.02)


def test_of_a_key_that_is_there_twice_the_last_one_counts_for_everybody(place: Arena) -> None:
    with place.attack():
        attacker, one, other = join(place, "twice", "attacker", "one", "other")
        for _ in lasting():
            attacker.say_text(
                '{"type":"offer","target_id":"one","target_id":"other",'
                '"sdp":"first","sdp":"second","sender_id":"one","sender_id":"other"}'
            )
            assert other.hear() == {"type": "offer", "sender_id": "attacker", "sdp": "second"}
            attacker.say_text('{"type":"offer","type":"answer","target_id":"one","sdp":"x"}')
            assert attacker.hear()["code"] == "unknown_type"
            assert one.is_served()
            time.sleep(0.05)


def test_invalid_utf8_in_an_sdp_is_closed_with_1007_and_reaches_nobody(place: Arena) -> None:
    with place.attack():
        (peer,) = join(place, "utf8", "peer")
        for text in lasting_each(
            b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2"
        ):
            attacker = place.client()
            attacker.register("attacker", "utf8")
            attacker.say_text(b'{"type":"offer","target_id":"peer","sdp":"%b"}' % text)
            assert attacker.close_code() == 1007
            assert [peer.hear()["type"] for _ in range(2)] == ["peer_joined", "peer_left"]


def lasting_each(*values: bytes) -> Iterator[bytes]:
    """Yield the values in turn, for a second."""
    for number in lasting():
        time.sleep(0.02)
        yield values[number % len(values)]


# What is said in another's name


def test_the_sender_of_a_message_cannot_be_forged(place: Arena) -> None:
    with place.attack():
        attacker, victim, peer = join(place, "forged", "attacker", "victim", "peer")
        for _ in lasting():
            for kind, field in (
                ("offer", "sdp"),
                ("ice_candidate", "candidate"),
                ("message", "data"),
            ):
                attacker.say(
                    type=kind,
                    target_id="peer",
                    sender_id="victim",
                    client_id="victim",
                    **{field: 1},
                )
                assert peer.hear() == {"type": kind, "sender_id": "attacker", field: 1}
            time.sleep(0.1)
        assert victim.is_served()


def test_the_id_of_who_is_alive_is_not_given_away(place: Arena) -> None:
    with place.attack():
        holder, peer = join(place, "theft", "holder", "peer")
        for _ in lasting():
            thieves = [place.client() for _ in range(5)]
            for thief in thieves:
                thief.say(type="register", client_id="holder", room_id="theft")
            assert holder.is_served()  # for which it answers the pings
            for thief in thieves:
                assert thief.hear()["code"] == "id_taken"
                thief.say(type="offer", target_id="peer", sdp="from whom?")
                assert thief.hear()["code"] == "not_registered"
                thief.socket.close()
            time.sleep(0.05)

        assert peer.is_served()
        peer.say(type="offer", target_id="holder", sdp="x")
        assert holder.hear()["sdp"] == "x"


def test_ids_of_other_rooms_cannot_be_told_from_ids_that_nobody_has(place: Arena) -> None:
    with place.attack():
        (victim,) = join(place, "secret", "the-pc")
        (attacker,) = join(place, "elsewhere", "attacker")
        for _ in lasting():
            for kind, field in (
                ("offer", "sdp"),
                ("ice_candidate", "candidate"),
                ("message", "data"),
            ):
                answers = []
                for target in ("the-pc", "no-one"):
                    attacker.say(type=kind, target_id=target, **{field: "x"})
                    answers.append(json.dumps(attacker.hear()).replace(target, "ID"))
                assert json.loads(answers[0])["code"] == "peer_not_found"
                assert answers[0] == answers[1]
            attacker.say(type="peers")
            assert attacker.hear()["peers"] == []
            time.sleep(0.1)
        assert victim.is_served()


# The log


EVIL = (
    "\n2026-01-01 00:00:00 [INFO] session: forged\r\x1b[2J\x1b]0;x\x07\u2028\u2029\x85\x9b2J\u202e"
)


def test_the_log_has_one_line_for_each_event_whatever_clients_are_called(place: Arena) -> None:
    escaped = json.dumps(EVIL)[1:-1]
    with place.attack():
        for number in lasting():
            attacker = place.client("/signaling/" + "%0A%1B%5B2J%E2%80%A8" + f"?room={number}")
            attacker.say_text('{"type":"' + escaped + '"}')
            assert attacker.hear()["code"] == "unknown_type"
            for field in ("client_id", "room_id", "client_type", "token"):
                attacker.say(**{"type": "register", "client_id": "x", field: EVIL})
                assert attacker.hear_type("error", "registered")["type"] in ("error", "registered")
            attacker.say(type="register", client_id="\u2028\u202e\ufeff\u200b", room_id="\u2029x")
            attacker.hear_type("error", "registered")
            attacker.say(type="offer", target_id=EVIL, sdp=EVIL)
            assert attacker.hear_type("error")["type"] == "error"
            attacker.send(masked(0x88, b"\x0b\xb8" + EVIL.encode()[:100].rstrip(b"\xe2\x80")))
            attacker.close_code()

            app = place.client(f"/signaling?room=evil{number}&client_id=%0A%1B%5B2J%E2%80%A8")
            app.say(type="error", message=EVIL)
            app.say(type="error", message={EVIL: EVIL})
            wire = place.wire()
            wire.send(b"GET /\x1b[2J\x0b HTTP/1.1\r\nHost: " + EVIL.encode() + b"\r\n\r\n")
            wire.end()
            place.leave()
            time.sleep(0.05)

    lines = [line for line in place.server.lines if line != "(end of output)"]
    assert any("forged" in line for line in lines)
    for line in lines:
        assert line.isprintable(), ascii(line)
        assert LOG_LINE.fullmatch(line), line
        assert not line.endswith("session: forged")


# What is too much


def test_a_flood_of_messages_is_told_once_a_second_and_then_closed(place: Arena) -> None:
    limits = Limits()
    with place.attack():
        for _ in lasting():
            attackers = [place.client() for _ in range(5)]
            for attacker in attackers:
                attacker.flood(masked(TEXT, b'{"type":"ping"}') * 1000, times=1)
            for attacker in attackers:
                assert attacker.close_code() == TOO_MANY
                heard = attacker.rest()
                errors = [each for each in heard if each["type"] == "error"]
                pongs = [each["server_time_ms"] for each in heard if each["type"] == "pong"]
                # In each second that begins meanwhile it may send on, and is told once more.
                seconds = 1 + (pongs[-1] - pongs[0]) // 1000
                assert {each["code"] for each in errors} == {"rate_limited"}
                assert all(1 <= each["retry_after_ms"] <= 1000 for each in errors)
                assert 1 <= len(errors) <= 1 + seconds
                assert 0 <= len(pongs) - limits.message_burst <= seconds * limits.message_rate
                assert len(errors) + len(pongs) == len(heard)
            place.leave()


def test_a_room_that_is_full_refuses_the_next_and_takes_it_when_one_has_left(place: Arena) -> None:
    size = Limits().max_room_size
    with place.attack():
        crowd = [place.client() for _ in range(size)]
        for number, client in enumerate(crowd):
            assert client.register(str(number), "crowd")["type"] == "registered"
        for _ in lasting():
            late = place.client()
            assert late.register("late", "crowd")["code"] == "room_full"
            late.socket.close()

        late = place.client()
        assert late.register("late", "crowd")["code"] == "room_full"
        crowd[0].say(type="leave")
        assert crowd[1].hear_type("peer_left")["client_id"] == "0"
        assert len(late.register("late", "crowd")["peers"]) == size - 1


def crowd_of(place: Arena, room: str) -> list[Client]:
    """Return as many clients as a room takes."""
    crowd = [place.client() for _ in range(Limits().max_room_size)]
    for number, client in enumerate(crowd):
        assert client.register(str(number), room)["type"] == "registered"
    return crowd


def all_say(said: dict[Client, bytes]) -> None:
    """Let each client say its own, four times at once and again and again, until it is put out."""
    for _ in lasting(2):
        for client, data in said.items():
            client.send(data * 4)
        said = {client: data for client, data in said.items() if client.skip()}
        if not said:
            break


def test_a_full_room_whose_clients_come_and_go_does_not_slow_others_down(place: Arena) -> None:
    with place.attack():
        all_say(
            {
                client: masked(TEXT, b'{"type":"leave"}')
                + masked(TEXT, b'{"type":"register","client_id":"%d","room_id":"come"}' % number)
                for number, client in enumerate(crowd_of(place, "come"))
            }
        )


def test_messages_to_a_whole_room_do_not_slow_others_down(place: Arena) -> None:
    with place.attack():
        message = masked(TEXT, b'{"type":"message","data":"%b"}' % (b"x" * 1000))
        all_say(dict.fromkeys(crowd_of(place, "loud"), message))


def test_questions_who_is_in_a_full_room_do_not_slow_others_down(place: Arena) -> None:
    with place.attack():
        crowd = [place.client() for _ in range(Limits().max_room_size)]
        for number, client in enumerate(crowd):
            name = str(number).rjust(NAME_LENGTH, "\N{GRINNING FACE}")
            client.register(name, "asked", client_type="\N{GRINNING FACE}" * NAME_LENGTH)
        all_say(dict.fromkeys(crowd, masked(TEXT, b'{"type":"peers"}')))
