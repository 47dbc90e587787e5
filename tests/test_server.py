"""A real server on real sockets, with the `websockets` library as the client."""

import json
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from processes import PATIENCE, Server
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect


class Client:
    """A client on a real socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, **message: object) -> None:
        self.connection.send(json.dumps(message, ensure_ascii=False))

    def hear(self) -> Any:
        """Return the next message."""
        return json.loads(self.connection.recv(timeout=PATIENCE))

    def hear_close(self) -> int | None:
        """Return the code of the Close frame, which comes next."""
        with pytest.raises(ConnectionClosed):
            self.connection.recv(timeout=PATIENCE)
        return self.connection.close_code

    def hears_nothing_more(self) -> bool:
        """Tell whether nothing is on its way: what the server says next is the answer to this."""
        self.say(type="is anything on its way?")
        return bool(self.hear()["type"] == "error")


Connect = Callable[..., Client]


@pytest.fixture
def join(signal_server: Server, request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connects a client and registers it, in a room of this test's own."""
    with ExitStack() as stack:

        def join(client_id: str | None = None, path: str = "/", room: str = "") -> Client:
            opened = connect(signal_server.url + path, close_timeout=PATIENCE)
            client = Client(stack.enter_context(opened))
            if client_id is not None:
                client.say(
                    type="register", client_id=client_id, room_id=request.node.name[:100] + room
                )
                assert client.hear()["type"] == "registered"
            return client

        yield join


def test_a_call_in_pieces_of_all_sizes(join: Connect) -> None:
    pc, phone = join("pc"), join("phone")
    assert pc.hear()["type"] == "peer_joined"
    for size in (0, 1, 125, 126, 4096, 65000):
        sdp = "é" * (size // 2)
        phone.say(type="offer", target_id="pc", sdp=sdp)
        assert pc.hear() == {"type": "offer", "sender_id": "phone", "sdp": sdp}
        pc.say(type="answer", target_id="phone", sdp={"sdp": sdp})
        assert phone.hear() == {"type": "answer", "sender_id": "pc", "sdp": {"sdp": sdp}}


def test_messages_keep_their_order(join: Connect) -> None:
    pc, phone = join("pc"), join("phone")
    pc.hear()

    for number in range(450):
        phone.say(type="ice_candidate", target_id="pc", candidate=number)

    assert [pc.hear()["candidate"] for _ in range(450)] == list(range(450))


def test_a_message_in_fragments_arrives_whole(join: Connect) -> None:
    pc, phone = join("pc"), join("phone")
    pc.hear()
    text = json.dumps({"type": "offer", "target_id": "pc", "sdp": "x" * 4000})

    phone.connection.send([text[:10], text[10:3000], "", text[3000:]])

    assert pc.hear()["sdp"] == "x" * 4000


def test_nobody_hears_of_another_room(join: Connect) -> None:
    here, there = join("pc", room="1"), join("pc", room="2")

    here.say(type="offer", target_id="pc", sdp="v=0")

    assert here.hear()["code"] == "peer_not_found"
    assert there.hears_nothing_more()


@pytest.mark.parametrize(
    ("data", "code"), [(b"\x00", 1003), (b"", 1003), ("x" * 65537, 1009), ("é" * 40000, 1009)]
)
def test_what_cannot_be_a_message_closes_its_connection_and_no_other(
    join: Connect, data: bytes | str, code: int
) -> None:
    bystander, client = join("b"), join("a")
    bystander.hear()

    client.connection.send(data)

    assert client.hear_close() == code
    assert bystander.hear() == {"type": "peer_left", "client_id": "a"}


def test_invalid_utf8_in_an_sdp_closes_its_connection_and_no_other(join: Connect) -> None:
    bystander, client = join("b"), join("a")
    bystander.hear()

    client.connection.send(b'{"type":"offer","target_id":"b","sdp":"\xff"}', text=True)

    assert client.hear_close() == 1007
    assert bystander.hear() == {"type": "peer_left", "client_id": "a"}


@pytest.mark.parametrize(
    "data",
    ["", "nonsense", "[" * 60000, '{"a":' * 10000, '{"type":"offer","sdp":' + "9" * 60000 + "}"],
)
def test_a_bad_message_is_answered_and_the_next_good_one_works(join: Connect, data: str) -> None:
    client, peer = join("a"), join("b")
    client.hear()

    client.connection.send(data)
    assert client.hear()["type"] == "error"
    client.say(type="offer", target_id="b", sdp=1)

    assert peer.hear()["sdp"] == 1


def tcp_reset(connection: ClientConnection) -> None:
    """End a connection as a network that went away does, when something is sent into it."""
    linger = struct.pack("ii", 1, 0)
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.socket.close()


def tcp_end(connection: ClientConnection) -> None:
    """End a connection without a Close frame."""
    connection.socket.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("end", [tcp_reset, tcp_end, ClientConnection.close])
def test_a_client_that_is_gone_is_announced_once(
    join: Connect, end: Callable[[ClientConnection], None]
) -> None:
    bystander, client = join("b"), join("a")
    bystander.hear()

    end(client.connection)

    assert bystander.hear() == {"type": "peer_left", "client_id": "a"}
    assert bystander.hears_nothing_more()


def test_a_process_that_is_killed_is_announced_once(join: Connect, signal_server: Server) -> None:
    bystander = join("b")
    bystander.say(type="register", client_id="b", room_id="killed")
    bystander.hear()
    code = (
        "from websockets.sync.client import connect\n"
        f"with connect({signal_server.url!r}) as client:\n"
        '    client.send(\'{"type":"register","client_id":"a","room_id":"killed"}\')\n'
        "    client.recv()\n"
        "    client.recv()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    assert bystander.hear()["type"] == "peer_joined"

    process.kill()
    process.wait()

    assert bystander.hear() == {"type": "peer_left", "client_id": "a"}
    assert bystander.hears_nothing_more()


def test_the_app_and_a_pc_talk_to_each_other(join: Connect) -> None:
    phone = join(path="/signaling?room=app&client_id=phone1")
    phone.say(type="offer", sdp="v=0\r\n")
    phone.say(type="ice_candidate", candidate="c", sdpMid="0", sdpMLineIndex=0)
    pc = join()
    pc.say(type="register", client_id="pc", room_id="app", client_type="pc")
    assert pc.hear()["peers"] == ["phone1"]
    assert pc.hear()["sdp"] == {"type": "offer", "sdp": "v=0\r\n"}
    assert pc.hear()["candidate"]["candidate"] == "c"

    pc.say(type="answer", target_id="phone1", sdp={"type": "answer", "sdp": "v=1\r\n"})

    assert phone.hear() == {"type": "answer", "sdp": "v=1\r\n"}


def test_the_app_that_waits_in_silence_is_called(join: Connect) -> None:
    pc = join()
    pc.say(type="register", client_id="pc", room_id="default", client_type="pc")
    pc.hear()
    phone = join(path="/signaling")
    joined = pc.hear()
    assert joined["client_type"] == "android"

    pc.say(type="offer", target_id=joined["client_id"], sdp={"type": "offer", "sdp": "v=0"})

    assert phone.hear() == {"type": "offer", "sdp": "v=0"}


def test_two_apps_talk_to_each_other(join: Connect) -> None:
    first, second = (join(path="/signaling?room=two") for _ in range(2))
    first.say(type="offer", sdp="v=0")
    assert second.hear() == {"type": "offer", "sdp": "v=0"}

    second.say(type="answer", sdp="v=1")

    assert first.hear() == {"type": "answer", "sdp": "v=1"}


def test_an_id_cannot_forge_a_line_of_the_log(join: Connect, signal_server: Server) -> None:
    forged = '2026-01-01 00:00:00 [INFO] session: Client registered: me (pc) in room "lab'
    client = join()
    client.say(type="register", client_id=forged, room_id="log", client_type="\u202e\u2028")
    client.hear()
    client.say(type="offer", target_id="\x1b[2J\n" + forged, sdp="not for the log")
    client.hear()
    client.connection.close()

    line = signal_server.wait_for("Client registered: .*2026-01-01.*")[0]
    signal_server.wait_for("Disconnected: .*2026-01-01")

    assert line.endswith(
        r'"2026-01-01 00:00:00 [INFO] session: Client registered: me (pc) in room \"lab"'
        r' ("\u202e\u2028") in room log'
    )
    assert not any(one.startswith("2026-01-01") for one in signal_server.lines)
    assert "\x1b" not in signal_server.output
    assert "not for the log" not in signal_server.output


def test_sighup_stops_nobody(join: Connect, signal_server: Server) -> None:
    pc, phone = join("pc"), join("phone")
    pc.hear()

    signal_server.process.send_signal(signal.SIGHUP)
    signal_server.wait_for("SIGHUP received, nothing to reload")

    phone.say(type="offer", target_id="pc", sdp="v=0")
    assert pc.hear()["sdp"] == "v=0"
