import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memory import NOW_NS, Memory, MemoryClient
from tokens import CLAIMS, SECRET, by_secret
from twisted.internet.testing import StringTransport
from websockets.frames import Frame, Opcode

from twisted_signal import __version__
from twisted_signal.keys import KeyFiles
from twisted_signal.limits import Limits
from twisted_signal.mailbox import MAX_MESSAGES
from twisted_signal.messages import PeerLeft
from twisted_signal.sending import CLOSE_TIMEOUT, SLACK
from twisted_signal.server import SPREAD_MS
from twisted_signal.websocket import SILENCE, SignalProtocol

HANDSHAKE_TIMEOUT = Limits().handshake_timeout
MAX_MESSAGE_SIZE = Limits().max_message_size


@pytest.fixture
def memory() -> Memory:
    return Memory()


# Opening


def test_nagle_is_off(memory: Memory) -> None:
    assert memory.connect().transport.no_delay


def test_a_local_socket_needs_no_tcp_options(memory: Memory) -> None:
    protocol = memory.factory.buildProtocol(None)
    assert isinstance(protocol, SignalProtocol)

    protocol.makeConnection(StringTransport(peerAddress=object()))

    assert protocol.address == "local socket"


@pytest.mark.parametrize("path", ["/", "/signaling", "/any/path?with=query", "/%0a"])
def test_any_path_opens(memory: Memory, path: str) -> None:
    client = memory.open(path)

    assert client.response is not None
    assert client.response.headers["Server"] == f"vislam-signal/{__version__}"


def test_a_plain_http_request_is_told_to_upgrade_and_never_redirected(memory: Memory) -> None:
    client = memory.connect()

    client.receive(b"GET /?redirect=http://elsewhere.example/ HTTP/1.1\r\nHost: test\r\n\r\n")

    assert client.transport.sent().startswith(b"HTTP/1.1 426 ")
    assert b"elsewhere" not in client.transport.sent()
    assert client.transport.ended


def test_a_page_from_a_file_may_connect(memory: Memory) -> None:
    client = memory.connect()

    client.receive(
        b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Origin: null\r\n\r\n"
    )

    assert client.transport.sent().startswith(b"HTTP/1.1 101 ")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in client.transport.sent()  # RFC 6455, section 1.3


def test_a_handshake_that_does_not_come_ends_the_connection(memory: Memory) -> None:
    client = memory.connect()
    client.receive(b"GET / HTTP/1.1\r\n")

    memory.wait(HANDSHAKE_TIMEOUT)
    assert not client.transport.ended
    memory.wait(1)

    assert client.transport.aborted
    assert memory.factory.connections == {}


def test_an_open_connection_may_be_silent(memory: Memory) -> None:
    client = memory.registered("a")

    for _ in range(100):
        memory.wait(1)
        client.take()  # sees the pings
        client.flush()  # and answers them

    assert not client.transport.ended


# Messages


def test_a_call_goes_through(memory: Memory) -> None:
    pc, phone = memory.registered("pc"), memory.registered("phone")
    assert pc.hear() == [{"type": "peer_joined", "client_id": "phone", "client_type": "unknown"}]

    phone.say(type="offer", target_id="pc", sdp="v=0")
    assert pc.hear() == [{"type": "offer", "sender_id": "phone", "sdp": "v=0"}]
    pc.say(type="answer", target_id="phone", sdp={"type": "answer", "sdp": "v=0"})
    assert phone.hear() == [
        {"type": "answer", "sender_id": "pc", "sdp": {"type": "answer", "sdp": "v=0"}}
    ]
    phone.say(type="ice_candidate", target_id="pc", candidate=None)
    assert pc.hear() == [{"type": "ice_candidate", "sender_id": "phone", "candidate": None}]


def test_a_bad_message_is_answered_and_the_next_good_one_works(memory: Memory) -> None:
    client = memory.open()

    client.say_text(b"nonsense")
    client.say(type="register", client_id="a")

    error, registered = client.hear()
    assert (error["type"], error["code"]) == ("error", "invalid_json")
    assert registered["type"] == "registered"


def test_a_message_in_fragments_with_a_ping_between_them_is_one_message(memory: Memory) -> None:
    client = memory.open()
    client.websocket.send_text(b'{"type":"register",', fin=False)
    client.websocket.send_ping(b"")
    client.websocket.send_continuation(b'"client_id":"a"}', fin=True)

    client.flush()

    assert [message["type"] for message in client.hear()] == ["registered"]


def test_bytes_that_arrive_one_by_one_are_a_message(memory: Memory) -> None:
    client = memory.open()
    client.websocket.send_text(b'{"type":"register","client_id":"a"}')

    for byte in b"".join(client.websocket.data_to_send()):
        client.receive(bytes([byte]))

    assert [message["type"] for message in client.hear()] == ["registered"]


def test_a_mistake_of_the_server_closes_with_1011_and_is_logged(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bystander, client = memory.registered("b"), memory.registered("a")
    monkeypatch.setattr("twisted_signal.session.Session.handle", lambda *_: 1 / 0)

    client.say(type="offer", target_id="b", sdp=1)

    assert client.close_code == 1011
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert record.message == "A message from a could not be handled"
    assert record.exc_info is not None
    assert [message["type"] for message in bystander.hear()] == ["peer_joined", "peer_left"]


def test_a_mistake_of_the_server_on_arrival_closes_with_1011_too(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twisted_signal.session.Session.handle", lambda *_: 1 / 0)

    client = memory.connect()

    client.request("/signaling?room=lab1")

    assert client.close_code == 1011


# Closing


def test_a_binary_frame_closes_with_1003(memory: Memory) -> None:
    client = memory.registered("a")
    client.websocket.send_binary(b'{"type":"register","client_id":"a"}')

    client.flush()

    assert client.close_code == 1003


@pytest.mark.parametrize(
    "data",
    [b"\xff", b'{"type":"offer","target_id":"b","sdp":"\xff"}', b'{"a":"\xed\xa0\x80"}', b"\xc3"],
)
def test_invalid_utf8_closes_with_1007_and_is_not_relayed(memory: Memory, data: bytes) -> None:
    client, peer = memory.registered("a"), memory.registered("b")
    client.hear()

    client.say_text(data)

    assert client.close_code == 1007
    assert [message["type"] for message in peer.hear()] == ["peer_left"]


def test_the_largest_message_is_taken_and_relayed_though_it_grows(memory: Memory) -> None:
    sender, target = memory.registered("a" * 128), memory.registered("b")
    sender.hear()
    head, tail = b'{"type":"offer","target_id":"b","sdp":"', b'"}'
    sdp = b"x" * (MAX_MESSAGE_SIZE - len(head + tail))

    sender.say_text(head + sdp + tail)

    (message,) = target.hear()
    assert message["sdp"] == sdp.decode()


@pytest.mark.parametrize("fragments", [1, 3])
def test_a_larger_message_closes_with_1009(memory: Memory, fragments: int) -> None:
    client = memory.registered("a")
    part = b"x" * (MAX_MESSAGE_SIZE // fragments + 1)
    client.websocket.send_text(part, fin=fragments == 1)
    for number in range(2, fragments + 1):
        client.websocket.send_continuation(part, fin=number == fragments)

    client.flush()

    assert client.close_code == 1009


@pytest.mark.parametrize(("limit", "code"), [(100, 1009), (0, None)])
def test_the_largest_size_is_an_option(limit: int, code: int | None) -> None:
    client = Memory(max_message_size=limit).registered("a")

    client.say_text(b" " * 1_000_000)

    assert client.close_code == code


def test_what_comes_after_the_closing_began_is_not_handled(memory: Memory) -> None:
    peer, client = memory.registered("b"), memory.registered("a")
    peer.hear()
    client.websocket.send_binary(b"")
    client.websocket.send_text(b'{"type":"register","client_id":"a"}')
    client.websocket.send_text(b'{"type":"offer","target_id":"b","sdp":1}')

    client.flush()

    assert [message["type"] for message in peer.hear()] == ["peer_left"]
    assert client.hear() == []


@pytest.mark.parametrize("code", [1000, 1001, 4000])
def test_a_clients_close_is_answered_with_a_code(memory: Memory, code: int) -> None:
    client = memory.open()
    client.websocket.send_close(code, "bye")

    client.flush()

    assert client.close_code == 1000
    assert client.transport.ended


def test_who_sends_close_and_then_nothing_is_gone_from_the_room_at_once(memory: Memory) -> None:
    peer, client = memory.registered("b"), memory.registered("a")
    peer.hear()
    client.transport.end = lambda: None  # type: ignore[method-assign] # it keeps its socket
    client.websocket.send_close(1000)

    client.flush()

    assert peer.hear() == [{"type": "peer_left", "client_id": "a"}]
    memory.wait(CLOSE_TIMEOUT + 1)
    assert client.transport.aborted


def test_who_does_not_answer_a_close_is_gone_from_the_room_at_once(memory: Memory) -> None:
    peer, client = memory.registered("b"), memory.registered("a")
    peer.hear()

    client.protocol.close(1003, "Text, please")

    assert peer.hear() == [{"type": "peer_left", "client_id": "a"}]
    assert not client.transport.ended
    memory.wait(CLOSE_TIMEOUT + 1)
    assert client.transport.aborted
    assert peer.hear() == []


def test_a_close_that_is_answered_leaves_no_timer(memory: Memory) -> None:
    client = memory.registered("a")

    client.protocol.close(1003, "Text, please")
    client.take()
    client.flush()

    assert client.transport.ended
    assert memory.clock.getDelayedCalls() == []


def test_a_connection_that_breaks_is_announced_once(memory: Memory) -> None:
    peer, client = memory.registered("b"), memory.registered("a")
    peer.hear()

    client.transport.end()

    assert peer.hear() == [{"type": "peer_left", "client_id": "a"}]
    assert list(memory.factory.registry.rooms["default"].members) == ["b"]


def test_closing_is_possible_before_the_handshake_and_after_the_end(memory: Memory) -> None:
    client = memory.connect()

    client.protocol.close(1001, "Going")
    client.protocol.close(1001, "Going")

    assert client.transport.aborted


def test_what_is_delivered_to_a_closing_client_is_dropped(memory: Memory) -> None:
    client = memory.registered("a")
    client.protocol.close(1001, "Going")
    client.take()
    client.protocol.deliver(PeerLeft("b"))

    assert client.transport.sent() == b""


def test_closing_all_ends_when_the_last_is_gone(memory: Memory) -> None:
    clients = [memory.registered("a"), memory.registered("b"), memory.connect()]

    gone = memory.factory.close_all()

    assert not gone.called
    for client in clients[:2]:
        (goodbye,) = [said for said in client.hear() if said["type"] == "server_shutdown"]
        assert 0 <= goodbye["reconnect_in_ms"] < SPREAD_MS
        assert client.close_code == 1001
        client.flush()
    assert gone.called
    assert memory.factory.connections == {}


def test_clients_are_asked_to_come_back_at_different_times(memory: Memory) -> None:
    clients = [memory.registered(str(number)) for number in range(20)]
    memory.factory.close_all()

    assert len({client.hear()[-1]["reconnect_in_ms"] for client in clients}) > 10


def test_the_app_is_not_told_of_a_shutdown(memory: Memory) -> None:
    app = memory.open("/signaling?room=a")
    memory.factory.close_all()

    assert app.hear() == []
    assert app.close_code == 1001


def test_all_connections_can_be_ended_at_once(memory: Memory) -> None:
    clients = [memory.registered("a"), memory.connect()]

    memory.factory.abort_all()

    assert all(client.transport.aborted for client in clients)


def test_closing_all_is_over_at_once_where_nobody_is(memory: Memory) -> None:
    assert memory.factory.close_all().called


# The app


def test_the_app_arrives_at_once_where_its_query_names_it(memory: Memory) -> None:
    pc = memory.registered("pc", "lab1")

    phone = memory.open("/signaling?room=lab1&client_id=phone1")

    assert pc.hear() == [{"type": "peer_joined", "client_id": "phone1", "client_type": "android"}]
    assert phone.hear() == []


def test_the_app_arrives_when_it_has_been_silent_for_a_while(memory: Memory) -> None:
    pc = memory.registered("pc")
    memory.open("/signaling")

    memory.clock.advance(SILENCE - 0.01)
    assert pc.hear() == []
    memory.clock.advance(0.01)

    (joined,) = pc.hear()
    assert joined["client_id"].startswith("android-")


def test_silence_elsewhere_means_nothing(memory: Memory) -> None:
    pc = memory.registered("pc")
    memory.open("/")

    memory.clock.advance(3600)

    assert pc.hear() == []


def test_a_slow_readme_client_on_the_apps_path_gets_what_waited_in_its_own_dialect(
    memory: Memory,
) -> None:
    phone = memory.open("/signaling?client_id=phone1")
    phone.say(type="offer", sdp="v=0")
    pc = memory.open("/signaling")
    memory.clock.advance(SILENCE)
    assert pc.hear() == [{"type": "offer", "sdp": "v=0"}]

    pc.say(type="register", client_id="pc", client_type="pc")

    registered, offer = pc.hear()
    assert registered["peers"] == ["phone1"]
    assert offer == {
        "type": "offer",
        "sender_id": "phone1",
        "sdp": {"type": "offer", "sdp": "v=0"},
    }


def test_a_connection_that_is_closed_for_a_reason_is_logged_as_a_warning(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    client = memory.registered("a")
    client.websocket.send_binary(b"")
    client.flush()
    client.websocket.receive_eof()
    memory.open().protocol.close(1001, "Going down")

    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.getMessage() for record in warnings] == [
        'Closing the connection of a: 1003 "Send text frames with one JSON object each"'
    ]


@pytest.mark.parametrize(
    "first", [b'{"type":"register","client_id":"a","room_id":"other"}', b"nonsense"]
)
def test_who_speaks_in_time_is_not_silent(memory: Memory, first: bytes) -> None:
    pc = memory.registered("pc")
    client = memory.open("/signaling")
    client.say_text(first)

    memory.clock.advance(3600)

    assert pc.hear() == []


def test_a_connection_that_ends_in_silence_leaves_no_timer(memory: Memory) -> None:
    memory.open("/signaling").transport.end()

    assert memory.clock.getDelayedCalls() == []


def test_the_apps_offer_waits_for_the_pc(memory: Memory) -> None:
    phone = memory.open("/signaling")
    phone.say(type="offer", sdp="v=0")
    phone.say(type="ice_candidate", candidate="c", sdpMid="0", sdpMLineIndex=0)
    pc = memory.open()

    pc.say(type="register", client_id="pc", client_type="pc")

    registered, offer, candidate = pc.hear()
    assert registered["peers"] == [offer["sender_id"]]
    assert offer["sdp"] == {"type": "offer", "sdp": "v=0"}
    assert candidate["candidate"] == {"candidate": "c", "sdpMid": "0", "sdpMLineIndex": 0}
    pc.say(type="answer", target_id=offer["sender_id"], sdp={"type": "answer", "sdp": "v=1"})
    assert phone.hear() == [{"type": "answer", "sdp": "v=1"}]


def test_connect_is_answered_with_the_servers_time(memory: Memory) -> None:
    client = memory.open("/signaling")

    client.say(type="connect", client_id="phone1", client_type="sensor")

    (connected,) = client.hear()
    assert connected["server_time_ns"] == NOW_NS


@pytest.mark.parametrize("query", ["room=a%0Ab", "client_id=" + "x" * 129])
def test_a_wrong_name_in_the_query_is_answered_in_the_apps_shape(
    memory: Memory, query: str
) -> None:
    client = memory.open(f"/signaling?{query}")

    (error,) = client.hear()

    assert set(error) == {"type", "message"}
    assert "URL's query" in error["message"]


def test_an_id_in_the_query_that_is_taken_is_answered_and_free_later(memory: Memory) -> None:
    holder = memory.open("/signaling?client_id=phone1")
    client = memory.open("/signaling?client_id=phone1")
    holder.answer()
    (error,) = client.hear()
    assert "phone1" in error["message"]
    holder.transport.end()
    pc = memory.registered("pc")

    client.say(type="offer", sdp="v=0")

    assert [message["type"] for message in pc.hear()] == ["peer_joined", "offer"]


# Registering in time


def test_who_is_in_no_room_in_time_is_closed() -> None:
    memory = Memory(register_timeout=3)
    client = memory.open()

    memory.wait(3)
    assert client.close_code is None
    memory.wait(1)

    assert client.close_code == 4408
    assert memory.factory.refusals.count == {"register_timeout": 1}


def test_what_is_refused_is_counted_by_the_errors_code(memory: Memory) -> None:
    client = memory.open()

    client.say_text(b"nonsense")
    client.say(type="peers")
    client.say(type="peers")

    assert memory.factory.refusals.count == {"invalid_json": 1, "not_registered": 2}


def test_a_message_that_is_too_large_is_counted() -> None:
    memory = Memory(max_message_size=10)
    client = memory.open()

    client.say_text(b"x" * 11)

    assert memory.factory.refusals.count == {"message_size": 1}


def test_who_registers_in_time_stays() -> None:
    memory = Memory(register_timeout=3)
    client = memory.registered("a")

    memory.wait(10)

    assert client.close_code is None


def test_without_a_time_nobody_needs_to_register() -> None:
    memory = Memory(register_timeout=0, ping_interval=0)
    client = memory.open()

    memory.wait(1000)

    assert client.close_code is None


def test_a_claim_that_is_not_decided_is_in_time() -> None:
    memory = Memory(register_timeout=1, probe_timeout=3)
    memory.registered("a")
    client = memory.open()
    client.say(type="register", client_id="a")

    memory.wait(4)

    assert client.close_code is None
    assert client.hear()[0]["type"] == "registered"


# Tokens


@pytest.fixture
def guarded(tmp_path: Path) -> Memory:
    """A server that lets in only who shows a token."""
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return Memory(KeyFiles(str(path)).verifier)


def token(seconds: float = 3600, **claims: object) -> str:
    """Return a token for room `lab1`, that is valid so long."""
    return by_secret(CLAIMS | {"exp": NOW_NS / 1e9 + seconds} | claims)


def test_a_token_in_register_opens_its_room(guarded: Memory) -> None:
    client = guarded.open()

    client.say(type="register", client_id="a", room_id="lab1", token=token())

    assert client.hear()[0]["type"] == "registered"


def test_a_token_in_the_handshake_opens_its_room(guarded: Memory) -> None:
    shown = token()
    by_query = guarded.open(f"/?token={shown}")
    by_header = guarded.connect()
    by_header.request(headers={"Authorization": f"Bearer {shown}"})
    by_subprotocol = guarded.connect()
    by_subprotocol.request(subprotocols=["vislam-signal", f"bearer.{shown}"])
    assert by_subprotocol.response is not None
    assert by_subprotocol.response.headers["Sec-WebSocket-Protocol"] == "vislam-signal"

    for client_id, client in enumerate((by_query, by_header, by_subprotocol)):
        client.say(type="register", client_id=str(client_id), room_id="lab1")
        assert client.hear()[0]["type"] == "registered"


def test_who_shows_no_token_is_told_and_closed(guarded: Memory) -> None:
    client = guarded.open()

    client.say(type="register", client_id="a", room_id="lab1")

    assert client.hear()[0]["code"] == "unauthorized"
    assert client.close_code == 4401


@pytest.mark.parametrize(
    ("register", "claims"),
    [
        ({"room_id": "lab2"}, {}),
        ({"room_id": "lab1"}, {"sub": "b"}),
        ({"room_id": "lab1", "client_type": "pc"}, {"client_type": "android"}),
    ],
)
def test_a_token_for_something_else_is_told_and_closed(
    guarded: Memory, register: dict[str, str], claims: dict[str, str]
) -> None:
    client = guarded.open()

    client.say(type="register", client_id="a", token=by_secret(CLAIMS | claims), **register)

    assert client.hear()[0]["code"] == "forbidden"
    assert client.close_code == 4403
    assert guarded.factory.registry.rooms == {}


def test_a_token_names_a_client_that_names_itself_not(guarded: Memory) -> None:
    shown = token(sub="phone1")
    guarded.open(f"/signaling?room=lab1&token={shown}")

    assert guarded.factory.registry.holder("lab1", "phone1") is not None


def test_the_app_without_a_token_is_told_and_closed(guarded: Memory) -> None:
    app = guarded.connect()

    app.request("/signaling?room=lab1")

    assert "token" in app.hear()[0]["message"]
    assert app.close_code == 4401


def test_a_move_needs_a_token_for_where_it_goes(guarded: Memory) -> None:
    client = guarded.open(f"/?token={token(room=['lab1', 'lab2'])}")
    client.say(type="register", client_id="a", room_id="lab1")
    client.say(type="register", client_id="a", room_id="lab2")
    assert [message["room_id"] for message in client.hear()] == ["lab1", "lab2"]

    client.say(type="register", client_id="a", room_id="lab3")

    assert client.hear()[0]["code"] == "forbidden"
    assert client.close_code == 4403


def test_who_stays_longer_than_its_token_and_a_minute_is_told_and_closed(guarded: Memory) -> None:
    client = guarded.open()
    client.say(type="register", client_id="a", room_id="lab1", token=token(10))
    client.hear()

    for _ in range(69):
        guarded.wait(1)
        client.answer()
    assert client.close_code is None
    guarded.wait(1)

    assert client.hear()[0]["code"] == "unauthorized"
    assert client.close_code == 4401


def test_a_fresh_token_lets_a_client_stay(guarded: Memory) -> None:
    client = guarded.open()
    client.say(type="register", client_id="a", room_id="lab1", token=token(10))
    client.hear()

    client.say(type="token", token=token(100))
    for _ in range(159):
        guarded.wait(1)
        client.answer()

    assert client.hear() == []
    assert client.close_code is None
    guarded.wait(1)
    assert client.close_code == 4401


@pytest.mark.parametrize(
    ("claims", "code"), [({"room": "lab2"}, 4403), ({"sub": "b"}, 4403), ({"exp": 1}, 4401)]
)
def test_a_fresh_token_for_something_else_ends_the_stay(
    guarded: Memory, claims: dict[str, object], code: int
) -> None:
    client = guarded.open(f"/?token={token()}")
    client.say(type="register", client_id="a", room_id="lab1")

    client.say(type="token", token=by_secret(CLAIMS | claims))

    assert client.close_code == code


def test_a_token_may_be_shown_before_registering(guarded: Memory) -> None:
    client = guarded.open()
    client.say(type="token", token=token())

    client.say(type="register", client_id="a", room_id="lab1")

    assert client.hear()[0]["type"] == "registered"


def test_without_keys_a_token_is_not_looked_at(memory: Memory) -> None:
    client = memory.open("/?token=nonsense")
    client.say(type="token", token="nonsense")

    client.say(type="register", client_id="a", token="nonsense")

    assert [message["type"] for message in client.hear()] == ["registered"]


def test_a_place_that_is_kept_ends_with_its_token(guarded: Memory) -> None:
    client = guarded.open()
    client.say(type="register", client_id="a", room_id="lab1", token=token(10), resume=True)
    (registered,) = client.hear()
    client.transport.end()

    again = guarded.open()
    again.say(type="resume", resume_token=registered["resume_token"])
    assert again.hear()[0]["type"] == "resumed"
    for _ in range(70):
        guarded.wait(1)
        again.answer()

    assert again.close_code == 4401


def test_a_place_can_be_resumed_with_a_fresh_token(guarded: Memory) -> None:
    client = guarded.open()
    client.say(type="register", client_id="a", room_id="lab1", token=token(10), resume=True)
    (registered,) = client.hear()
    client.transport.end()

    again = guarded.open(f"/?token={token(100)}")
    again.say(type="resume", resume_token=registered["resume_token"])
    for _ in range(150):
        guarded.wait(1)
        again.answer()

    assert again.close_code is None


@pytest.mark.parametrize(("shown", "code"), [({}, 4401), ({"exp": 2e9, "room": "lab2"}, 4403)])
def test_who_shows_a_wrong_token_when_it_resumes_may_show_another(
    guarded: Memory, shown: dict[str, object], code: int
) -> None:
    pc = guarded.open(f"/?token={token()}")
    pc.say(type="register", client_id="pc", room_id="lab1")
    client = guarded.open()
    client.say(type="register", client_id="a", room_id="lab1", token=token(10), resume=True)
    (registered,) = client.hear()
    client.transport.end()
    pc.hear()
    pc.say(type="offer", target_id="a", sdp="v=0")

    wrong = guarded.open(f"/?token={by_secret({**CLAIMS, 'exp': 1} | shown)}")
    wrong.say(type="resume", resume_token=registered["resume_token"])

    assert [message["type"] for message in wrong.hear()] == ["error"]
    assert wrong.close_code == code
    assert pc.hear() == []
    again = guarded.open(f"/?token={token()}")
    again.say(type="resume", resume_token=registered["resume_token"])
    assert [message["type"] for message in again.hear()] == ["resumed", "offer"]


def test_a_token_is_never_logged(guarded: Memory, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    shown = token()
    client = guarded.open(f"/signaling?token={shown}")
    client.say(type="register", client_id="a", room_id="lab1", token=shown)
    client.say(type="register", client_id="a", room_id="lab2", token=shown)
    app = guarded.open(f"/signaling?room=lab1&token={shown}")
    app.say(type="error", message=f"cannot reach ws://host/?token={shown}")

    ours = [record for record in caplog.records if record.name.startswith("twisted_signal")]
    said = "\n".join(record.getMessage() for record in ours)
    assert "/signaling" in said
    for part in shown.split("."):
        assert part not in said


# An id that is taken


def claimed(memory: Memory) -> tuple[MemoryClient, MemoryClient]:
    """Return who has the id `a`, and who wants it."""
    holder, claimant = memory.registered("a"), memory.open()
    holder.take()
    claimant.say(type="register", client_id="a")
    return holder, claimant


def test_a_holder_that_answers_the_ping_keeps_its_id(memory: Memory) -> None:
    holder, claimant = claimed(memory)

    holder.answer()

    assert claimant.hear()[0]["code"] == "id_taken"
    assert memory.clock.getDelayedCalls() != []
    memory.wait(2)
    assert holder.close_code is None


def test_a_claim_is_good_for_as_long_as_the_token_that_was_shown_for_it(guarded: Memory) -> None:
    memory = Memory(guarded.factory.verifier, max_room_size=1)
    for room_id in ("lab1", "lab2"):
        shown = token(room=room_id)
        memory.open().say(type="register", client_id="a", room_id=room_id, token=shown)
    claimant = memory.open()
    claimant.say(type="register", client_id="a", room_id="lab1", token=token(10))
    claimant.say(type="register", client_id="b", room_id="lab2", token=token(room="lab2"))
    assert claimant.hear()[0]["code"] == "room_full"

    memory.wait(2)
    assert claimant.hear()[0]["type"] == "registered"
    for _ in range(68):
        memory.wait(1)
        claimant.answer()

    assert claimant.close_code == 4401


def test_a_holder_that_says_nothing_is_dropped_after_a_time(memory: Memory) -> None:
    holder, claimant = claimed(memory)

    memory.clock.advance(1.9)
    assert claimant.hear() == []
    memory.clock.advance(0.1)

    assert claimant.hear()[0]["type"] == "registered"
    assert holder.close_code == 4409
    memory.wait(CLOSE_TIMEOUT + 1)
    assert holder.transport.aborted


def test_a_holder_that_says_something_else_is_alive(memory: Memory) -> None:
    holder, claimant = claimed(memory)

    memory.clock.advance(1)
    holder.say(type="ping")
    memory.clock.advance(1)

    assert claimant.hear()[0]["code"] == "id_taken"


def test_a_holder_whose_connection_ends_meanwhile_gives_way_at_once(memory: Memory) -> None:
    holder, claimant = claimed(memory)

    holder.transport.end()

    assert claimant.hear()[0]["type"] == "registered"


def test_all_who_ask_are_answered(memory: Memory) -> None:
    holder, first = claimed(memory)
    second = memory.open()
    second.say(type="register", client_id="a")

    holder.answer()

    assert first.hear()[0]["code"] == second.hear()[0]["code"] == "id_taken"


def test_the_app_that_comes_back_under_its_id_is_heard_at_once(memory: Memory) -> None:
    pc = memory.registered("pc")
    memory.open("/signaling?client_id=phone1")
    again = memory.open("/signaling?client_id=phone1")
    again.say(type="offer", sdp="v=0")
    pc.hear()

    memory.wait(2)

    assert [message["type"] for message in pc.hear()] == ["peer_left", "peer_joined", "offer"]
    assert again.hear() == []


# Coming back


def resumable(memory: Memory, client_id: str = "phone") -> tuple[MemoryClient, str]:
    """Return a client that may resume, and its token."""
    client = memory.open()
    client.say(type="register", client_id=client_id, resume=True)
    (registered,) = client.hear()
    return client, registered["resume_token"]


def resumed(memory: Memory, token: str) -> list[Any]:
    """Return what a client is told that resumes."""
    client = memory.open()
    client.say(type="resume", resume_token=token)
    return client.hear()


def test_a_place_is_kept_for_a_time(memory: Memory) -> None:
    pc = memory.registered("pc")
    phone, token = resumable(memory)
    pc.hear()
    phone.transport.end()

    memory.clock.advance(29.9)
    assert pc.hear() == []
    memory.clock.advance(0.1)

    assert pc.hear() == [{"type": "peer_left", "client_id": "phone"}]
    assert resumed(memory, token)[0]["code"] == "resume_expired"


def test_who_comes_back_in_time_keeps_its_place_for_good(memory: Memory) -> None:
    pc = memory.registered("pc")
    phone, token = resumable(memory)
    pc.hear()
    phone.transport.end()
    pc.say(type="offer", target_id="phone", sdp="v=0")

    told = resumed(memory, token)

    assert [message["type"] for message in told] == ["resumed", "offer"]
    memory.clock.advance(31)
    assert pc.hear() == []


@pytest.mark.parametrize(
    ("code", "is_kept"), [(1000, False), (None, False), (1001, True), (3000, True)]
)
def test_a_proper_close_gives_up_the_place(memory: Memory, code: int | None, is_kept: bool) -> None:
    pc = memory.registered("pc")
    phone, token = resumable(memory)
    pc.hear()

    phone.websocket.send_close(code)
    phone.flush()
    phone.transport.end()

    assert (pc.hear() == []) is is_kept
    assert (resumed(memory, token)[0]["type"] == "resumed") is is_kept


def test_who_is_put_out_gives_up_its_place(memory: Memory) -> None:
    phone, token = resumable(memory)

    phone.websocket.send_binary(b"x")
    phone.flush()

    assert phone.close_code == 1003
    assert resumed(memory, token)[0]["code"] == "resume_expired"


def test_a_client_that_does_not_answer_may_resume() -> None:
    memory = Memory(ping_interval=1, ping_timeout=1)
    phone, token = resumable(memory)

    memory.wait(3)

    assert phone.transport.aborted
    assert resumed(memory, token)[0]["type"] == "resumed"


def test_a_place_is_taken_up_while_the_old_connection_is_open(memory: Memory) -> None:
    pc = memory.registered("pc")
    phone, token = resumable(memory)
    pc.hear()

    assert resumed(memory, token)[0]["type"] == "resumed"

    assert phone.close_code == 4409
    phone.transport.end()
    memory.clock.advance(31)
    assert pc.hear() == []


def test_an_address_has_only_so_many_places_kept() -> None:
    memory = Memory(max_clients_per_address=2)
    pc = memory.registered("pc")
    for number in range(3):
        phone, _ = resumable(memory, f"phone{number}")
        phone.transport.end()
    pc.hear()

    assert list(memory.factory.registry.rooms["default"].members) == ["pc", "phone0", "phone1"]
    assert memory.factory.refusals.count["kept_places"] == 1
    memory.clock.advance(31)
    assert list(memory.factory.registry.rooms["default"].members) == ["pc"]
    phone, token = resumable(memory)
    phone.transport.end()
    assert resumed(memory, token)[0]["type"] == "resumed"


def test_a_place_that_is_kept_is_counted_once(memory: Memory) -> None:
    phone, _ = resumable(memory)
    place = phone.protocol.place
    assert place is not None

    phone.websocket.send_close(1001)
    phone.flush()
    phone.transport.end()

    assert place.kept == 1
    memory.clock.advance(31)
    assert place.kept == 0


@pytest.mark.parametrize(
    "message", [{"type": "resume"}, {"type": "register", "client_id": "phone"}]
)
def test_a_place_that_somebody_has_again_is_not_counted_as_kept(
    memory: Memory, message: dict[str, str]
) -> None:
    phone, token = resumable(memory)
    place = phone.protocol.place
    assert place is not None
    phone.transport.end()
    assert place.kept == 1

    memory.open().say(**message, resume_token=token)
    memory.wait(2)

    assert place.kept == 0
    memory.wait(30)
    assert list(memory.factory.registry.rooms["default"].members) == ["phone"]


def test_a_network_may_break_again_and_again() -> None:
    memory = Memory(max_clients_per_address=2)
    phone, token = resumable(memory)

    for _ in range(5):
        phone.transport.end()
        phone = memory.open()
        phone.say(type="resume", resume_token=token)
        (told,) = phone.hear()
        token = told["resume_token"]


@pytest.mark.parametrize(("unarrived", "lost"), [(0, 0), (SLACK, 0), (100, 1), (2050, 2)])
def test_what_the_network_lost_is_sent_anew(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, unarrived: int, lost: int
) -> None:
    pc = memory.registered("pc")
    phone, token = resumable(memory)
    for number in range(3):
        pc.say(type="message", target_id="phone", data=[number, "x" * 1000])
    monkeypatch.setattr(SignalProtocol, "unarrived", unarrived)

    _, *missed = resumed(memory, token)

    assert [message["data"][0] for message in missed] == [0, 1, 2][3 - lost :]
    # What is sent anew must not arrive by the old connection later.
    assert phone.transport.aborted is bool(lost)
    assert phone.close_code == (None if lost else 4409)


@pytest.mark.parametrize(
    ("count", "told"), [(MAX_MESSAGES, "resumed"), (MAX_MESSAGES + 1, "error")]
)
def test_who_lost_more_than_is_kept_registers_afresh(
    monkeypatch: pytest.MonkeyPatch, count: int, told: str
) -> None:
    memory = Memory(message_rate=0)
    pc = memory.registered("pc")
    _, token = resumable(memory)
    for _ in range(count):
        pc.say(type="message", target_id="phone", data="x")
    monkeypatch.setattr(SignalProtocol, "unarrived", 10**6)

    first, *missed = resumed(memory, token)

    assert first["type"] == told
    assert len(missed) == (count if told == "resumed" else 0)


def test_what_comes_between_a_drop_and_its_end_waits(memory: Memory) -> None:
    pc = memory.registered("pc")
    phone, token = resumable(memory)
    phone.transport.abortConnection = lambda: None  # type: ignore[method-assign] # it takes a turn
    phone.protocol.vanish()
    pc.say(type="message", target_id="phone", data="late")
    phone.transport.end()

    assert [message.get("data") for message in resumed(memory, token)] == [None, "late"]


def test_what_was_gathered_when_a_connection_ended_is_sent_anew(memory: Memory) -> None:
    pc = memory.registered("pc")
    phone, token = resumable(memory)
    with memory.factory.outbox:
        pc.say(type="message", target_id="phone", data="late")
        phone.transport.end()

    assert [message.get("data") for message in resumed(memory, token)] == [None, "late"]


def test_what_an_answered_ping_covers_need_not_be_kept() -> None:
    memory = Memory(ping_interval=1)
    pc = memory.registered("pc")
    phone, token = resumable(memory)
    pc.say(type="offer", target_id="phone", sdp="v=0")
    memory.wait(1)
    phone.answer()

    client = memory.open()
    client.say(type="resume", resume_token=token, received=0)

    assert client.hear()[0]["code"] == "resume_expired"


def test_a_close_that_was_answered_ends_the_connection_without_a_reset(memory: Memory) -> None:
    client = memory.registered("pc")

    client.protocol.close(4000, "enough")
    client.answer()

    assert client.close_code == 4000
    assert client.transport.ended
    assert not client.transport.aborted


# The log


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Do without the garbage collector, which frees what holds itself: seldom, and all at once."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("path", ["/", "/signaling?room=default"])
def test_a_connection_that_has_ended_is_freed_at_once(
    memory: Memory, uncollected: None, path: str, resume: bool
) -> None:
    client = memory.open(path)
    client.say(type="register", client_id="phone", resume=resume)
    transport = weakref.ref(client.transport)  # which only the protocol knows, then
    client.transport.end()
    vars(client.transport).clear()  # Twisted's transports forget their protocol, too

    del client
    memory.wait(61)

    assert transport() is None


def test_connections_and_disconnections_are_logged(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "twisted_signal.websocket")
    client = memory.open("/signaling?client_id=phone1&token=secret")
    client.websocket.send_close(1000, "bye\x1b[2J")
    client.flush()
    other = memory.open()
    other.protocol.close(1003, "Text, please")
    other.transport.end()

    last = memory.open()
    last.websocket.send_close()
    last.flush()

    assert [record.message for record in caplog.records if "websocket" in record.name] == [
        "Connected: 192.0.2.7:40001, path /signaling",
        r'Disconnected: phone1, code 1000 "bye\u001b[2J"',
        "Connected: 192.0.2.7:40002, path /",
        'Closing the connection of 192.0.2.7:40002: 1003 "Text, please"',
        'Disconnected: 192.0.2.7:40002, code 1003 "Text, please"',
        "Connected: 192.0.2.7:40003, path /",
        "Disconnected: 192.0.2.7:40003, code none",
    ]


def test_a_connection_without_a_handshake_is_a_matter_for_debugging(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    memory.connect().transport.end()

    assert [
        record.levelname for record in caplog.records if record.name.startswith("twisted_signal")
    ] == ["DEBUG"]


def test_frames_of_the_servers_are_whole_and_unmasked(memory: Memory) -> None:
    client = memory.open()
    client.say(type="register", client_id="a")

    (frame,) = client.take()

    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.fin) == (Opcode.TEXT, True)
