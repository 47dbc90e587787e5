"""Where the admin endpoint is, on its own and as an operator types it."""

import http.client
import json
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from admin_stage import POST, Reply
from certificates import make_certificate
from processes import BIN, PATIENCE, Server, running, server
from twisted.internet.task import Clock
from twisted.python import usage
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from twisted_signal.admin.endpoint import admin_place, is_for_this_machine, is_unix

REACTOR: Any = Clock()  # nobody listens in earnest
HERE = "tcp:0:interface=127.0.0.1"
TOKEN = "0123456789abcdef"
NEXT_TOKEN = "fedcba9876543210"


@pytest.mark.parametrize(
    ("description", "is_here"),
    [
        ("tcp:8767:interface=127.0.0.1", True),
        ("tcp:interface=127.8.9.10:port=8767", True),
        (r"tcp6:8767:interface=\:\:1", True),
        ("tcp:8767:interface=localhost", True),
        ("ssl:8767:interface=127.0.0.1:privateKey=key.pem", True),
        ("unix:/run/admin.sock", True),
        ("systemd:domain=UNIX:index=0", True),
        ("tcp:8767", False),
        ("tcp:8767:interface=0.0.0.0", False),
        ("tcp:8767:interface=192.0.2.7", False),
        ("tcp:8767:interface=127.0.0.1.example", False),
        ("tcp:8767:interface=127.0.0.1:interface=0.0.0.0", False),
        ("tcp:8767:backlog=interface=127.0.0.1", False),
        (r"tcp:8767:interface=\:\:", False),
        ("systemd:domain=INET:index=0", False),
        ("haproxy:tcp:8767:interface=127.0.0.1", False),
        ("haproxy:unix:/run/admin.sock", False),
        ("fd:7", False),
    ],
)
def test_it_is_known_which_endpoints_are_for_this_machine(description: str, is_here: bool) -> None:
    assert is_for_this_machine(description) is is_here


def test_it_is_known_which_are_local_sockets() -> None:
    assert is_unix("unix:/run/admin.sock:mode=600")
    assert not is_unix("haproxy:unix:/run/admin.sock")


def token_file(path: Path, token: str = TOKEN) -> str:
    path.write_text(token + "\n", encoding="utf-8")
    return str(path)


def test_by_default_it_is_for_this_machine_alone() -> None:
    place = admin_place(REACTOR, None, None)

    assert place is not None
    assert place.is_default
    assert place.listener.name == "tcp:8767:interface=127.0.0.1"
    assert place.token_file is None


def test_it_can_be_switched_off() -> None:
    assert admin_place(REACTOR, "none", None) is None


@pytest.mark.parametrize(
    ("description", "token", "sentence"),
    [
        ("tcp:8767", None, "may be reached from other machines, so that it needs"),
        ("haproxy:" + HERE, None, "needs --admin-token-file; interface=127.0.0.1 keeps it"),
        ("nonsense:1", None, "--admin-endpoint nonsense:1: Twisted cannot use it"),
        ("none", TOKEN, "--admin-token-file is of no use with --admin-endpoint none"),
        (HERE, "short", "holds a token of 5 bytes, and 16 are the least; openssl rand"),
        (HERE, "with a space in the middle of it", "other characters than the printable ones"),
        (HERE, "schlüssel-schlüssel", "other characters than the printable ones of ASCII"),
        (HERE, "", "holds a token of 0 bytes"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(
    description: str, token: str | None, sentence: str, tmp_path: Path
) -> None:
    path = None if token is None else token_file(tmp_path / "token", token)
    with pytest.raises(usage.UsageError) as caught:
        admin_place(REACTOR, description, path)
    assert sentence in str(caught.value)


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(usage.UsageError, match=r"--admin-token-file .*/none cannot be read: No"):
        admin_place(REACTOR, HERE, str(tmp_path / "none"))


# As an operator types it.


def place_of(started: Server) -> tuple[str, int]:
    found = started.wait_for(r"Admin page on https?://([\d.]+):(\d+)/")
    return found[1], int(found[2])


def ask(
    connection: http.client.HTTPConnection, path: str, method: str = "GET", token: str = ""
) -> Reply:
    headers = dict(POST) if method == "POST" else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    return Reply(response.status, dict(response.headers), response.read())


def dial(started: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(*place_of(started), timeout=PATIENCE)


@contextmanager
def deaf(url: str) -> Iterator[socket.socket]:
    """Have a client that never closes."""
    host, port = url.removeprefix("ws://").split(":")
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.sendall(
            b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 101 ")
        yield connection


@pytest.mark.parametrize("by", ["drain", "signal"])
def test_it_answers_until_the_last_client_is_gone(by: str, tmp_path: Path) -> None:
    options = ("--admin-endpoint", HERE, "--drain-timeout", "60")
    with server(*options, cwd=tmp_path) as started, deaf(started.url) as client:
        admin = dial(started)
        assert ask(admin, "/readyz").status == 200
        if by == "drain":
            for _ in range(2):
                reply = ask(admin, "/api/v1/drain", "POST")
                assert reply.status == 202
                assert reply.json()["clients"] == 1
            started.wait_for("Drain asked for at the admin endpoint, stopping")
        else:
            started.process.send_signal(signal.SIGTERM)
        started.wait_for(r"\(TCP Port \d+ Closed\)")

        assert ask(admin, "/readyz").json()["reasons"].keys() == {"draining"}
        assert ask(admin, "/api/v1/server").json()["draining"] is True
        another = ask(dial(started), "/healthz")
        assert another.status == 200
        with pytest.raises(OSError, match="refused"), connect(started.url):
            pass

        client.close()
        assert started.wait() == 0


def test_a_default_that_is_taken_is_done_without(tmp_path: Path) -> None:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 8767))
            taken.listen()
        except OSError:
            pass  # another server has it already, which is just as well
        command = (BIN / "twistd", "-n", "--pidfile=", "vislam-signal", "--port", "0")
        with running(*command, cwd=tmp_path) as started:
            started.wait_for(r"Listening on ws://127\.0\.0\.1")
            line = started.wait_for("There is no admin page")
            assert line.string.endswith(
                "[WARNING] endpoint: There is no admin page: cannot listen at"
                ' "tcp:8767:interface=127.0.0.1": Address already in use'
            )
            assert started.stop() == 0
            assert "Traceback" not in started.output


def test_a_named_one_that_is_taken_is_an_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        where = f"tcp:{port}:interface=127.0.0.1"
        command = (BIN / "vislam-signal", "serve", "--port", "0", "--admin-endpoint", where)
        with running(*command, cwd=tmp_path) as started:
            assert started.wait() == 1
        assert f'vislam-signal: cannot listen at "{where}": Address already in use' in started.lines
        assert "Traceback" not in started.output


def test_a_place_for_all_without_a_token_is_an_error(tmp_path: Path) -> None:
    command = (BIN / "vislam-signal", "serve", "--port", "0", "--admin-endpoint", "tcp:0")
    with running(*command, cwd=tmp_path) as started:
        assert started.wait() == 1
    (line,) = [line for line in started.lines if not line.startswith("(")]
    assert line.startswith("vislam-signal: --admin-endpoint tcp:0 may be reached from other machi")


def test_a_token_is_read_again_on_sighup_and_streams_with_the_old_one_end(tmp_path: Path) -> None:
    path = tmp_path / "token"
    options = ("--admin-endpoint", "tcp:0", "--admin-token-file", token_file(path))
    with server(*options, cwd=tmp_path) as started:
        assert ask(dial(started), "/api/v1/rooms").status == 401
        assert ask(dial(started), "/api/v1/rooms", token=TOKEN).status == 200
        stream = dial(started)
        stream.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {TOKEN}"})
        events = stream.getresponse()
        assert events.readline().startswith(b"event: ")

        token_file(path, NEXT_TOKEN)
        started.process.send_signal(signal.SIGHUP)
        started.wait_for("The token of the admin endpoint was read again")

        assert events.read().endswith(b"\n\n")
        assert ask(dial(started), "/api/v1/rooms", token=TOKEN).status == 401
        assert ask(dial(started), "/api/v1/rooms", token=NEXT_TOKEN).status == 200
        token_file(path, "short")
        started.process.send_signal(signal.SIGHUP)
        started.wait_for("The token of the admin endpoint stays as it was: .* 5 bytes")
        assert ask(dial(started), "/api/v1/rooms", token=NEXT_TOKEN).status == 200
        assert TOKEN not in started.output
        assert NEXT_TOKEN not in started.output


def test_it_may_be_a_local_socket(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with server("--admin-endpoint", f"unix:{path}", cwd=tmp_path) as started:
        started.wait_for(rf"Admin page on http\+unix://{path}")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(b"GET /api/v1/server HTTP/1.1\r\nHost: any\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_it_may_speak_tls(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    where = f"ssl:0:privateKey={certificate}:certKey={certificate}:interface=127.0.0.1"
    with server("--admin-endpoint", where, cwd=tmp_path) as started:
        started.wait_for("Admin page on https://127")
        trusting = ssl.create_default_context(cafile=certificate)
        trusting.check_hostname = False
        admin = http.client.HTTPSConnection(*place_of(started), timeout=PATIENCE, context=trusting)
        assert ask(admin, "/api/v1/server").status == 200


def test_it_may_be_behind_a_proxy(tmp_path: Path) -> None:
    options = ("--admin-endpoint", f"haproxy:{HERE}", "--admin-token-file")
    with server(*options, token_file(tmp_path / "token"), cwd=tmp_path) as started:
        with socket.create_connection(place_of(started), PATIENCE) as connection:
            connection.sendall(
                b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 443\r\n"
                b"GET /api/v1/server HTTP/1.1\r\nHost: signal.example\r\n\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 401 ")
        started.wait_for("Refused a request to the admin endpoint from 192.0.2.7:4321: Show the")


def test_what_is_answered_is_what_happens(tmp_path: Path) -> None:
    with server("--admin-endpoint", HERE, cwd=tmp_path) as started:
        admin = dial(started)
        with connect(started.url) as phone:
            phone.send('{"type": "register", "client_id": "phone", "room_id": "a/b"}')
            assert json.loads(phone.recv(timeout=PATIENCE))["type"] == "registered"

            (client,) = ask(admin, "/api/v1/clients").json()["items"]
            assert (client["client_id"], client["room_id"]) == ("phone", "a/b")
            assert (client["dialect"], client["messages"]) == ("readme", 1)
            assert client["round_trip_ms"] is None or client["round_trip_ms"] >= 0
            assert ask(admin, "/api/v1/rooms/a%2Fb").json()["room"]["clients"] == 1

            done = ask(admin, f"/api/v1/clients/{client['key']}/disconnect", "POST")
            assert done.status == 200
            with pytest.raises(ConnectionClosed):
                phone.recv(timeout=PATIENCE)
            assert phone.close_code == 4410
            assert phone.close_reason == "Disconnected by the operator"
        assert ask(admin, "/api/v1/rooms").json()["total"] == 0
