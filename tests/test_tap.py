"""The service that is made of options, and the server as an operator starts it."""

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest
from processes import BIN, PATIENCE, free_port, running, server
from redis_server import RedisServer
from tokens import SECRET
from typed import parse
from websockets.sync.client import connect

from twisted_signal.limits import Limits
from twisted_signal.service import SignalService
from twisted_signal.tap import makeService

pytestmark = pytest.mark.usefixtures("started_logs")

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def test_every_limit_is_an_option() -> None:
    limits = {limit.name: 7 + number for number, limit in enumerate(fields(Limits))}
    options = parse(*(f"--{name.replace('_', '-')}={number}" for name, number in limits.items()))

    service = makeService(options)

    assert isinstance(service, SignalService)
    assert service.factory.limits == options.limits == Limits(**limits)
    assert service.factory.maxMessagePayloadSize == limits["max_message_size"]


def test_what_is_sent_and_what_is_logged_is_gathered_in_one_place() -> None:
    options = parse()

    service = makeService(options)

    assert isinstance(service, SignalService)
    assert service.factory.outbox is options.outbox


def test_what_is_set_reaches_the_factory() -> None:
    options = parse("--trust-proxy", "unix", "--allowed-origin", "null", "--port", "0")
    service = makeService(options)
    assert isinstance(service, SignalService)

    assert service.factory.proxies is options.proxies
    assert service.factory.origins is options.origins


def test_pages_are_served_unless_they_are_left_out() -> None:
    services = [makeService(parse(*options)) for options in ([], ["--no-web"])]

    assert [service.factory.pages is None for service in services] == [False, True]  # type: ignore[attr-defined] # a SignalService


def test_clients_are_told_of_the_ice_servers(tmp_path: Path) -> None:
    (tmp_path / "turn").write_bytes(SECRET)
    options = parse(
        *("--stun-uri", "stun:a.example", "--turn-uri", "turn:b.example"),
        *("--turn-secret-file", str(tmp_path / "turn"), "--turn-ttl", "600"),
    )

    service = makeService(options)

    assert isinstance(service, SignalService)
    provider = service.factory.ice
    assert [each.urls for each in provider.for_client("pc", 0)] == [
        ["stun:a.example"],
        ["turn:b.example"],
    ]
    assert provider.ttl == 600
    assert options.relays.renew in service.reloads


def test_sighup_reads_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("")
    (tmp_path / "secret").write_bytes(SECRET)
    secret = ("--auth-secret-file", str(tmp_path / "secret"))

    def reloads(*arguments: str) -> list[str]:
        service = makeService(parse("--port", "0", *arguments))
        assert isinstance(service, SignalService)
        return [each.__qualname__ for each in service.reloads]

    assert reloads() == []
    assert reloads(*secret) == ["KeyFiles.renew"]
    # All at once, or not at all.
    assert reloads("--config", str(tmp_path / "x.toml"), *secret) == ["FileReload.reload"]


# As an operator types it


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=cwd,
        check=False,
    )


RUNNERS = [
    ["twistd", "-n", "--pidfile=", "vislam-signal"],
    ["twist", "vislam-signal"],
    ["vislam-signal", "serve"],
]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner[0])
def test_a_mistake_is_one_line_on_stderr_and_a_failure(runner: list[str], tmp_path: Path) -> None:
    done = run(*runner, "--port", "http", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == "vislam-signal: --port must be a number from 0 to 65535, not http\n"
    assert done.stdout == ""


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner[0])
def test_a_mistake_in_the_file_is_one_line_on_stderr_and_a_failure(
    runner: list[str], tmp_path: Path
) -> None:
    (tmp_path / "x.toml").write_text("max-client = 1\n")

    done = run(*runner, "--config", "x.toml", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == (
        f"vislam-signal: {tmp_path}/x.toml:1: there is no option max-client; did you mean"
        " max-clients?\n"
    )
    assert done.stdout == ""


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner[0])
def test_a_port_in_use_is_one_line_on_stderr_and_a_failure(
    runner: list[str], taken_port: int, tmp_path: Path
) -> None:
    done = run(*runner, "--port", str(taken_port), cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == (
        f"vislam-signal: cannot listen at 0.0.0.0:{taken_port}: Address already in use\n"
    )
    assert "Traceback" not in done.stdout


def test_a_failed_start_leaves_no_pid_file(taken_port: int, tmp_path: Path) -> None:
    done = run("twistd", "-n", "vislam-signal", "--port", str(taken_port), cwd=tmp_path)

    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner[0])
@pytest.mark.parametrize("number", [2, 15], ids=["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_server_with_status_0_and_a_goodbye(
    runner: list[str], number: int, tmp_path: Path
) -> None:
    with running(BIN / runner[0], *runner[1:], "--port", "0", cwd=tmp_path) as process:
        url = process.wait_for(r"Listening on (ws://127\.0\.0\.1:\d+)")[1]
        with connect(url) as client, connect(f"{url}/signaling?room=a") as app:
            process.wait_for("Client registered")
            assert process.stop(number) == 0
            goodbye = msgspec.json.decode(client.recv(timeout=PATIENCE))
            assert goodbye["type"] == "server_shutdown"
            assert 0 <= goodbye["reconnect_in_ms"] < 5000
            for either in (client, app):
                with pytest.raises(Exception, match="1001"):
                    either.recv(timeout=PATIENCE)

    assert "stopping" in process.output
    assert "Traceback" not in process.output


def test_a_second_signal_ends_a_server_at_once_whose_clients_do_not_go(tmp_path: Path) -> None:
    with server("--drain-timeout", "60", cwd=tmp_path) as process:
        port = int(process.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as mute:
            mute.sendall(REQUEST)
            process.wait_for("Connected")
            process.process.send_signal(signal.SIGTERM)
            process.wait_for("stopping")
            assert process.stop(signal.SIGTERM) == 0
            assert b"server_shutdown" in mute.recv(10_000)


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner[0])
def test_a_signal_as_soon_as_the_server_says_that_it_listens_is_heeded(
    runner: list[str], tmp_path: Path
) -> None:
    for _ in range(5):  # most signals met Python's own handler, before
        with running(BIN / runner[0], *runner[1:], "--port", "0", cwd=tmp_path) as process:
            process.wait_for("Listening on ")
            assert process.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner[0])
def test_every_line_of_the_log_has_the_form(runner: list[str], tmp_path: Path) -> None:
    with running(
        BIN / runner[0], *runner[1:], "--port", "0", "--log-level", "DEBUG", cwd=tmp_path
    ) as process:
        url = process.wait_for(r"Listening on (ws://127\.0\.0\.1:\d+)")[1]
        with connect(url) as client:
            client.send("nonsense\n2026-01-01 00:00:00 [INFO] session: forged")
            client.recv(timeout=PATIENCE)
            client.send(b"binary")
        process.stop()

    form = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(DEBUG|INFO|WARNING|ERROR)\] \w+: .+"
    for line in process.lines[:-1]:
        assert re.fullmatch(form, line), line


def test_a_daemon_logs_to_its_file_and_ends_cleanly(tmp_path: Path) -> None:
    log, pid = tmp_path / "signal.log", tmp_path / "signal.pid"
    done = run(
        "twistd",
        f"--pidfile={pid}",
        f"--logfile={log}",
        "vislam-signal",
        "--port",
        "0",
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    with running("tail", "-n", "+1", "-F", log) as watched:
        watched.wait_for("Listening on ws://127")
        subprocess.run(["kill", pid.read_text()], check=True)
        watched.wait_for("Server Shut Down")

    assert not pid.exists()


def test_a_daemon_that_cannot_start_says_so(taken_port: int, tmp_path: Path) -> None:
    done = run("twistd", "vislam-signal", "--port", str(taken_port), cwd=tmp_path)

    assert done.returncode == 1
    assert "cannot listen at" in done.stderr
    assert "Address already in use" in (tmp_path / "twistd.log").read_text()


def test_who_comes_by_haproxy_is_known_by_the_header(tmp_path: Path) -> None:
    options = ("--endpoint", "haproxy:tcp:0:interface=127.0.0.1", "--max-clients-per-address", "1")
    with server(*options, cwd=tmp_path) as started:
        port = int(started.url.rpartition(":")[2])

        def ask(host: str) -> tuple[socket.socket, bytes]:
            client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            client.sendall(f"PROXY TCP4 {host} 127.0.0.1 4711 80\r\n".encode() + REQUEST)
            return client, client.recv(4096)

        answers = [ask(host) for host in ("203.0.113.9", "203.0.113.10", "203.0.113.9")]

        assert [answer.split()[1] for _, answer in answers] == [b"101", b"101", b"429"]
        started.wait_for(r"Connected: 203\.0\.113\.9:4711, path /")
        refused = answers[2][0]
        assert refused.recv(4096) == b""  # it lingers; the end of the stream has come
        for client, _ in answers:
            client.close()
        assert "Traceback" not in started.output


# A node of a cluster


def test_a_server_by_itself_loads_nothing_of_redis(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from twisted_signal import tap\n"
        "options = tap.Options()\n"
        "options.parseOptions(['--port', '0'])\n"
        "tap.makeService(options)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('txredisapi', 'hiredis')"
        " or name in ('twisted_signal.cluster.redis', 'twisted_signal.cluster.node')])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_servers_of_one_redis_see_each_other_and_say_whether_it_is_there(
    redis: RedisServer, tmp_path: Path
) -> None:
    admin = f"127.0.0.1:{free_port()}"
    endpoint = f"tcp:{admin.partition(':')[2]}:interface=127.0.0.1"
    cluster = ("--redis-url", redis.url)
    with (
        server(*cluster, "--admin-endpoint", endpoint, cwd=tmp_path) as one,
        server(*cluster, cwd=tmp_path) as other,
    ):
        for each in (one, other):
            each.wait_for(rf"In the cluster at 127.0.0.1:{redis.port}, as node \S+-[0-9a-f]{{6}}$")
        with connect(one.url) as phone, connect(other.url) as pc:
            phone.send(json.dumps({"type": "register", "client_id": "phone"}))
            assert json.loads(phone.recv(PATIENCE))["type"] == "registered"
            pc.send(json.dumps({"type": "register", "client_id": "pc"}))
            assert json.loads(pc.recv(PATIENCE))["peers"] == ["phone"]
            assert json.loads(phone.recv(PATIENCE))["type"] == "peer_joined"
            pc.send(json.dumps({"type": "message", "target_id": "phone", "data": "x"}))
            assert json.loads(phone.recv(PATIENCE))["data"] == "x"
        assert _asked(admin, "/readyz") == (200, b'{"ready":true,"reasons":{}}')
        _, metrics = _asked(admin, "/metrics")
        assert b"\nvislam_signal_cluster_up 1.0\n" in metrics
        assert b"\nvislam_signal_cluster_messages_received_total 1.0\n" in metrics
        redis.kill()
        one.wait_for("Redis is away: ")
        status, body = _asked(admin, "/readyz")
        assert status == 503
        assert json.loads(body)["reasons"]["redis"].startswith("Redis is away: ")
        redis.start()
        one.wait_for(r"Redis is back after \d")
        assert _asked(admin, "/readyz")[0] == 200
        assert "Traceback" not in one.output + other.output


def _asked(place: str, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection(place, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
