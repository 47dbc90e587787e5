"""What comes in from one client: how many frames a second, and what happens to one that goes on."""

import logging
from itertools import cycle
from pathlib import Path

import pytest
from caller import Caller
from memory import Memory, MemoryClient
from processes import server

from twisted_signal.frames import CLOSE, PING, PONG, TEXT, TEXT_BEGINS, TEXT_ENDS, TEXT_GOES_ON
from twisted_signal.sending import CLOSE_TIMEOUT, LINGER_SIZE

RATE = 10
AT_ONCE = 2 * RATE
BINARY, BINARY_BEGINS = 0x82, 0x02
POLICY_VIOLATION = 1008


@pytest.fixture
def memory() -> Memory:
    return Memory(frame_rate=RATE, register_timeout=0)


def masked(first: int, payload: bytes = b"") -> bytes:
    return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload


def send(client: MemoryClient, count: int, *frames: bytes) -> None:
    """Send frames one after the other, from the first again after the last."""
    for _, data in zip(range(count), cycle(frames), strict=False):
        client.receive(data)


FLOODS = {
    "texts": [masked(TEXT, b"{}")],
    "pings": [masked(PING, b"p")],
    "pongs": [masked(PONG)],
    "empty fragments": [masked(TEXT_BEGINS), *[masked(TEXT_GOES_ON)] * 100],
    "messages in fragments": [masked(TEXT_BEGINS, b"{"), masked(PING), masked(TEXT_ENDS, b"}")],
    "empty fragments of a binary message": [masked(BINARY_BEGINS), *[masked(TEXT_GOES_ON)] * 100],
    "frames in pieces": [masked(PONG, b"pong")[:5], masked(PONG, b"pong")[5:]],
}


@pytest.mark.parametrize("kind", FLOODS)
@pytest.mark.parametrize("at_once", [False, True])
def test_frames_of_any_kind_count(memory: Memory, kind: str, *, at_once: bool) -> None:
    client = memory.open()
    reads = FLOODS[kind]
    count = AT_ONCE * (2 if kind == "frames in pieces" else 1)
    data = [piece for _, piece in zip(range(count), cycle(reads), strict=False)]

    for read in [b"".join(data)] if at_once else data:
        client.receive(read)
    assert client.close_code is None
    # A whole text counts as a message; that there are no more of them is this limit here, too.
    client.receive(masked(TEXT, b"{}") if kind == "texts" else masked(PONG))

    assert client.close_code == POLICY_VIOLATION
    assert memory.factory.refusals.count["frame_rate"] == 1


def test_the_client_is_told_why_and_the_log_once(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    client = memory.open()
    client.transport.is_stubborn = True

    with caplog.at_level(logging.INFO):
        client.receive(masked(PONG) * 1000)
        send(client, 1000, masked(PONG))

    assert client.close_code == POLICY_VIOLATION
    assert client.websocket.close_rcvd is not None
    assert client.websocket.close_rcvd.reason == "More than 10 frames came in a second"
    lines = [record.getMessage() for record in caplog.records if "frames" in record.getMessage()]
    assert len(lines) == 1
    assert "1008" in lines[0]


def test_a_client_may_send_at_the_rate_for_ever(memory: Memory) -> None:
    client = memory.open()

    for _ in range(100):
        send(client, RATE, masked(PONG))
        memory.wait(1)

    assert client.close_code is None


def test_what_was_not_sent_is_saved_for_two_seconds_and_no_longer(memory: Memory) -> None:
    client = memory.open()
    send(client, AT_ONCE, masked(PONG))
    memory.wait(1)
    send(client, RATE, masked(PONG))
    memory.wait(5)
    send(client, AT_ONCE, masked(PONG))
    assert client.close_code is None

    client.receive(masked(PONG))

    assert client.close_code == POLICY_VIOLATION


def test_time_passes_where_nobody_is_pinged() -> None:
    memory = Memory(frame_rate=RATE, ping_interval=0, register_timeout=0)
    client = memory.open()

    for _ in range(100):
        send(client, RATE, masked(PONG))
        memory.wait(1)

    assert client.close_code is None


def test_0_is_no_limit() -> None:
    memory = Memory(frame_rate=0)
    client = memory.open()

    client.receive(masked(PONG) * 10_000)

    assert client.close_code is None


def test_one_client_s_flood_is_not_another_s(memory: Memory) -> None:
    flooder, bystander = memory.open(), memory.open()

    send(flooder, AT_ONCE + 1, masked(PONG))
    send(bystander, AT_ONCE, masked(PONG))

    assert flooder.close_code == POLICY_VIOLATION
    assert bystander.close_code is None


def test_a_flood_after_the_server_s_close_is_not_looked_at(memory: Memory) -> None:
    client = memory.open()
    client.transport.is_stubborn = True
    client.protocol.close(4000, "as you like")

    send(client, AT_ONCE + 1, masked(PONG))

    assert client.close_code == 4000
    assert client.transport.half_closed


def test_messages_of_a_closed_flood_reach_nobody(memory: Memory) -> None:
    friend, flooder = memory.registered("friend"), memory.registered("flooder")
    friend.hear()
    flooder.transport.is_stubborn = True
    message = masked(TEXT, b'{"type":"offer","target_id":"friend","sdp":"x"}')

    flooder.receive(message * 100)
    flooder.receive(message)

    said = [message["type"] for message in friend.hear()]
    assert said == [*["offer"] * (AT_ONCE - 1), "peer_left"]  # the register was a frame too


def test_what_a_closed_flood_still_sends_is_taken_up_to_a_size(memory: Memory) -> None:
    client = memory.open()
    client.transport.is_stubborn = True
    client.receive(masked(PONG) * 100)

    client.receive(bytes(LINGER_SIZE - 1))
    assert client.transport.producerState == "producing"
    client.receive(b"!")

    assert client.transport.producerState == "paused"


def test_a_closed_flood_is_cut_off_after_a_while(memory: Memory) -> None:
    client = memory.open()
    client.transport.is_stubborn = True
    client.receive(masked(PONG) * 100)

    memory.wait(CLOSE_TIMEOUT)
    assert not client.transport.ended
    memory.wait(1)

    assert client.transport.aborted
    assert memory.factory.connections == {}
    assert memory.clock.getDelayedCalls() == []


@pytest.mark.parametrize("first", [CLOSE, BINARY, 0x83, TEXT])
def test_an_announced_frame_that_is_too_large_is_not_read(first: int) -> None:
    memory = Memory()
    client = memory.open()
    client.transport.is_stubborn = True

    client.receive(bytes([first, 0xFF]) + (2**40).to_bytes(8, "big") + bytes(4))
    client.receive(bytes(LINGER_SIZE))

    assert client.close_code in (1002, 1009)
    assert client.transport.producerState == "paused"


# Messages


def test_a_client_may_send_a_burst_of_messages_and_no_more(memory: Memory) -> None:
    memory = Memory(message_rate=5, message_burst=20)
    client = memory.open()
    for _ in range(20):
        client.say(type="ping")
    assert [message["type"] for message in client.hear()] == ["pong"] * 20
    memory.clock.advance(0.25)

    for _ in range(5):
        client.say(type="ping")

    (error,) = client.hear()
    assert (error["code"], error["retry_after_ms"]) == ("rate_limited", 750)
    assert memory.factory.refusals.count["message_rate"] == 5
    memory.clock.advance(0.75)
    client.say(type="ping")
    assert client.hear()[0]["type"] == "pong"


def test_who_waits_as_it_was_told_is_heard_even_where_the_timer_comes_late() -> None:
    memory = Memory(message_rate=4, message_burst=20)
    client = memory.open()
    for _ in range(21):
        client.say(type="ping")
    assert client.hear()[-1]["retry_after_ms"] == 1000

    for _ in range(3):
        memory.clock.rightNow += 1  # what comes in is read first, and timers after that
        for _ in range(4):
            client.say(type="ping")
        assert [message["type"] for message in client.hear()] == ["pong"] * 4
        memory.clock.advance(0)

        client.say(type="ping")  # that second's messages were said before it began
        assert client.hear()[0]["code"] == "rate_limited"


def test_who_sends_on_before_a_late_timer_gets_no_more_than_a_seconds_messages() -> None:
    memory = Memory(message_rate=5, message_burst=20)
    client = memory.open()
    memory.clock.rightNow += 3

    for _ in range(40):
        client.say(type="ping")

    assert [message["type"] for message in client.hear()] == ["pong"] * 25 + ["error"]
    assert client.close_code == 4429


def test_who_keeps_on_sending_too_many_is_told_once_a_second_and_closed() -> None:
    memory = Memory(message_rate=5, message_burst=20)
    client = memory.open()
    for _ in range(20):
        client.say(type="ping")
    client.hear()

    for second in range(3):
        for _ in range(4 if second == 0 else 9):
            client.say(type="ping")
        told = [message for message in client.hear() if message["type"] == "error"]
        assert len(told) == (second < 3)
        if second < 2:
            assert client.close_code is None
            memory.wait(1)

    assert client.close_code == 4429


def test_who_sends_too_many_now_and_then_is_not_closed() -> None:
    memory = Memory(message_rate=5, message_burst=20)
    client = memory.open()

    client.say(type="register", client_id="a")
    for _ in range(10):
        client.hear()
        for _ in range(25):
            client.say(type="ping")
        assert [m["code"] for m in client.hear() if m["type"] == "error"] == ["rate_limited"]
        memory.wait(5)

    assert client.close_code is None


def test_the_default_burst_can_be_told_before_the_frames_are_too_many() -> None:
    client = Memory().open()

    for _ in range(501):
        client.say(type="ping")
    assert client.hear()[-1]["code"] == "rate_limited"
    for _ in range(250):
        client.say(type="ping")

    assert client.close_code == 4429


@pytest.mark.parametrize(("rate", "burst"), [(0, 500), (50, 0)])
def test_messages_without_a_limit_are_never_used_up(rate: int, burst: int) -> None:
    client = Memory(frame_rate=0, message_rate=rate, message_burst=burst).open()

    for _ in range(2000):
        client.say(type="ping")

    assert {message["type"] for message in client.hear()} == {"pong"}


def told_to_others(memory: Memory) -> list[MemoryClient]:
    """Return the clients of a room of eleven."""
    return [memory.registered(str(number)) for number in range(11)]


def test_what_a_whole_room_is_told_counts_once_for_each_who_is_told() -> None:
    memory = Memory(message_rate=5, message_burst=40)
    first, *others = told_to_others(memory)
    for _ in range(3):  # one message was the registration
        first.say(type="message", data="to all")
    assert [message["type"] for message in others[-1].hear()] == ["message"] * 3
    first.hear()

    for _ in range(9):
        first.say(type="message", target_id="1", data="to one")
    assert first.hear() == []
    first.say(type="ping")

    (error,) = first.hear()
    assert error["code"] == "rate_limited"


def test_the_question_who_is_there_counts_once_for_each_who_is() -> None:
    memory = Memory(message_rate=5, message_burst=40)
    client = told_to_others(memory)[-1]  # whose registration has counted for ten
    client.hear()

    for _ in range(4):
        client.say(type="peers")

    heard = client.hear()
    assert [message["type"] for message in heard] == ["peers"] * 3 + ["error"]
    assert heard[-1]["code"] == "rate_limited"


@pytest.mark.parametrize("there", ["register", "leave"])
def test_coming_and_going_counts_once_for_each_who_is_told(there: str) -> None:
    memory = Memory(message_rate=5, message_burst=40)
    others = told_to_others(memory)[1:]
    client = memory.open()
    client.say(type="register", client_id="moving")
    client.say(type=there, client_id="moving", room_id="elsewhere")
    client.say(type="register", client_id="moving")
    others[0].hear()
    client.hear()

    for _ in range(8):
        client.say(type="ping")

    assert [message["type"] for message in client.hear()] == ["pong"] * 7 + ["error"]


def test_what_waits_to_be_told_to_a_room_counts_for_each_who_will_be_told() -> None:
    memory = Memory(message_rate=5, message_burst=40)
    others = told_to_others(memory)
    others[0].hear()
    claimant = memory.open()
    claimant.say(type="register", client_id="1")  # who does not answer

    for _ in range(10):
        claimant.say(type="message", data="to all")
    memory.wait(2)

    assert claimant.hear()[0]["code"] == "rate_limited"
    heard = [message["type"] for message in others[0].hear()]
    assert heard == ["peer_left", "peer_joined", "message", "message", "message"]


def test_a_client_may_say_something_to_the_largest_room_for_ever() -> None:
    memory = Memory(message_rate=5, message_burst=40)
    first, *others = told_to_others(memory)
    for _ in range(10):
        others[0].hear()
        first.say(type="message", data="to all")
        assert [message["type"] for message in others[0].hear()] == ["message"]
        memory.wait(1)


def test_a_room_is_told_as_often_as_one_likes_without_a_limit() -> None:
    memory = Memory(message_rate=0)
    first, *others = told_to_others(memory)
    others[0].hear()

    for _ in range(100):
        first.say(type="message", data="to all")

    assert len([each for each in others[0].hear() if each["type"] == "message"]) == 100
    assert first.close_code is None


# A server as it comes


def test_a_whole_call_at_once_meets_no_limit(tmp_path: Path) -> None:
    call = [("offer", {"sdp": {"type": "offer", "sdp": "v" * 16_000}})]
    call += [
        ("ice_candidate", {"candidate": {"candidate": f"candidate:{number} " + "c" * 150}})
        for number in range(100)
    ]
    with (
        server("--host", "127.0.0.1", cwd=tmp_path) as started,
        Caller(started.url) as phone,
        Caller(started.url) as pc,
    ):
        for client, client_id in (phone, "phone1"), (pc, "pc"):
            client.say(type="register", client_id=client_id)
            assert client.hear()["type"] == "registered"
        assert phone.hear()["type"] == "peer_joined"

        for client, target_id in (phone, "pc"), (pc, "phone1"):
            for kind, content in call:
                client.say(type=kind, target_id=target_id, **content)

        for client, sender_id in (phone, "pc"), (pc, "phone1"):
            for kind, content in call:
                heard = client.hear()
                assert (heard["type"], heard["sender_id"]) == (kind, sender_id)
                assert {key: heard[key] for key in content} == content
            client.say(type="ping")
            assert client.hear()["type"] == "pong"  # nothing else was said
