"""Servers of several processes, as an operator has them."""

import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from caller import Caller
from parents import NO_REDIS, Ends, Parent, parent
from processes import BIN, found, free_port, running
from redis_server import redis_server
from service_manager import Manager


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parent]:
    """A server of two processes; what a test does to it, it survives."""
    directory = tmp_path_factory.mktemp("pair")
    file = directory / "signal.toml"
    file.write_text("max-clients = 500\n")
    options = ("--config", str(file))
    with (
        redis_server(directory) as redis,
        parent(*options, redis=redis.url, cwd=directory) as started,
    ):
        yield started


def worker_of(server: Parent, caller: Caller) -> int:
    """Return the number of the worker that serves a client: its log line has it."""
    host, port = caller.socket.getsockname()[:2]
    return int(server.wait_for(rf"websocket\[(\d)\]: Connected: {host}:{port}\b")[1])


def state_of(process: int) -> str:
    """Return how a process is, in a letter (proc_pid_stat(5))."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def is_served(caller: Caller) -> bool:
    """Tell whether somebody answers a client."""
    caller.say(type="nonsense")
    return bool(caller.hear()["type"] == "error")  # there is no such message


def one_of_each(server: Parent, stack: ExitStack) -> dict[int, Caller]:
    """Return a client of each worker. The kernel chooses: 2⁻¹⁰⁰ that they do not come."""
    callers: dict[int, Caller] = {}
    for _ in range(100):
        caller = stack.enter_context(Caller(server.url))
        callers.setdefault(worker_of(server, caller), caller)
        if len(callers) == server.count:
            break
    return callers


def test_clients_are_dealt_out_to_the_workers(pair: Parent) -> None:
    with ExitStack() as stack:
        workers = [worker_of(pair, stack.enter_context(Caller(pair.url))) for _ in range(60)]

    assert 12 <= workers.count(1) <= 48  # six standard deviations, or 1 in 300,000
    assert set(workers) == {1, 2}


def test_a_worker_that_is_killed_is_followed_by_another_and_its_neighbours_clients_stay(
    pair: Parent,
) -> None:
    with ExitStack() as stack:
        callers = one_of_each(pair, stack)
        before = pair.workers
        clients = pair.metric("vislam_signal_connections_total")

        os.kill(before[0], signal.SIGKILL)

        with pytest.raises((AssertionError, ConnectionError)):
            is_served(callers[1])
        callers[1].socket.close()
        assert is_served(callers[2])
        pair.wait_for(
            rf"Worker 1 \(process {before[0]}\) has ended: SIGKILL; another one starts in 0.5"
        )
        pair.wait_for_another(1)
        after = pair.workers
        assert (after[0] != before[0], after[1]) == (True, before[1])
        assert is_served(callers[2])
        # What it had counted is not lost: Prometheus would take a sum that falls for a restart.
        assert pair.metric("vislam_signal_connections_total") >= clients
        assert pair.metric("vislam_signal_worker_restarts_total") == 1
        again = ExitStack()
        with again:
            assert one_of_each(pair, again).keys() == {1, 2}


def test_clients_of_two_workers_are_in_one_room(pair: Parent) -> None:
    with ExitStack() as stack:
        first, second = one_of_each(pair, stack).values()
        for name, caller in (("phone", first), ("pc", second)):
            caller.say(type="register", client_id=name, room_id="lab1")
            assert caller.hear()["type"] == "registered"
        assert first.hear()["type"] == "peer_joined"

        second.say(type="offer", target_id="phone", sdp="v=0")

        heard = first.hear()
        assert (heard["type"], heard["sender_id"], heard["sdp"]) == ("offer", "pc", "v=0")


def test_who_waits_for_a_worker_that_stands_still_is_served_by_another(pair: Parent) -> None:
    stuck = pair.workers[1]
    os.kill(stuck, signal.SIGSTOP)
    try:
        while state_of(stuck) != "T":  # a signal takes a moment
            os.sched_yield()
        with ExitStack() as stack:
            callers = [stack.enter_context(Caller(pair.url)) for _ in range(30)]
            assert {worker_of(pair, caller) for caller in callers} == {1}
    finally:
        os.kill(stuck, signal.SIGCONT)


def test_sighup_reaches_all_workers(pair: Parent) -> None:
    pair.process.send_signal(signal.SIGHUP)

    for number in (1, 2):
        pair.wait_for(rf"signals\[{number}\]: SIGHUP received")


def test_a_file_that_has_changed_is_taken_by_all_and_by_those_who_follow(pair: Parent) -> None:
    file = pair.directory / "signal.toml"
    for text, sentence in (
        ('max-clients = "many"\n', "The configuration stays as it was"),
        ('max-clients = 700\nendpoint = ["tcp:0"]\n', "Not applied: endpoint"),
    ):
        file.write_text(text)
        pair.process.send_signal(signal.SIGHUP)
        pair.wait_for(rf"reconfiguration: {sentence}")
    for number in (1, 2):
        pair.wait_for(rf"reconfiguration\[{number}\]: Applied: max-clients, 500 → 700")
        pair.wait_for(rf"reconfiguration\[{number}\]: Not applied: endpoint")
    assert not pair.times(r"reconfiguration\[\d\]: The configuration stays as it was")
    assert pair.metric("vislam_signal_max_clients") == 1400

    os.kill(pair.workers[1], signal.SIGKILL)

    pair.wait_for_another(2)
    assert pair.metric("vislam_signal_max_clients") == 1400


def test_metrics_are_summed(pair: Parent) -> None:
    before = pair.metric("vislam_signal_connections_total")
    with ExitStack() as stack:
        for _ in range(10):
            assert is_served(stack.enter_context(Caller(pair.url)))

        assert pair.metric("vislam_signal_connections_total") == before + 10
        assert pair.metric("vislam_signal_workers_ready") == 2
        status, text = pair.ask("/metrics", Accept="application/openmetrics-text")
        assert (status, text[-6:]) == (200, b"# EOF\n")


def test_what_one_worker_can_tell_is_asked_of_one(pair: Parent) -> None:
    assert pair.ask("/")[1].startswith(b"<!doctype html>")
    assert pair.ask("/healthz") == (200, b"ok.\n")
    assert pair.ask_json("/api/v1/server")["urls"] == [pair.url]
    status, body = pair.ask("/api/v1/rooms/nowhere")
    assert (status, json.loads(body)["error"]["code"]) == (404, "unknown_room")
    assert pair.ask("/readyz?x=1")[0] == 400
    assert pair.ask("/metrics", "POST", Content_Type="application/json")[0] == 405
    assert pair.ask("/api/v1/rooms", Host="example.com")[0] == 403  # the guard is the parent's


def test_events_are_passed_on_as_they_come(pair: Parent) -> None:
    with socket.create_connection(("127.0.0.1", int(pair.admin.rpartition(":")[2]))) as reader:
        reader.settimeout(30)
        reader.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heard = b""

        def hear(wanted: bytes, times: int = 1) -> None:
            nonlocal heard
            while heard.count(wanted) < times:
                more = reader.recv(65536)
                assert more, heard
                heard += more

        hear(b"event: rates")
        seen = heard.count(b"event: server")
        with ExitStack() as stack:
            one_of_each(pair, stack)
            hear(b"event: server", seen + 1)

    assert b"200 OK" in heard
    assert b"text/event-stream" in heard
    assert pair.ask("/healthz")[0] == 200


def test_sigterm_ends_all_of_them_with_status_0(tmp_path: Path) -> None:
    with parent(
        "--log-format",
        "json",
        "--self-signed",
        "--tls-port",
        "0",
        "--state-dir",
        str(tmp_path),
        cwd=tmp_path,
    ) as server:
        ends = Ends(server.workers)
        sessions = {os.getsid(each) for each in server.workers}
        assert os.getsid(server.process.pid) not in sessions  # Ctrl-C is for the parent alone
        plain, secure = re.findall(r'Listening on (wss?://[^"]+)', server.output)[:2]
        tls = ssl.create_default_context(cafile=str(tmp_path / "self-signed.pem"))
        with ExitStack() as stack:
            callers = [stack.enter_context(Caller(plain))]
            callers += [stack.enter_context(Caller(secure, tls)) for _ in range(10)]
            server.process.send_signal(signal.SIGTERM)
            assert all(each.hear_the_rest()[-1]["type"] == "server_shutdown" for each in callers)

        assert server.wait() == 0
        assert ends.wait()
        lines = [json.loads(line) for line in server.lines[:-1]]
        assert {line.get("worker") for line in lines} == {None, 1, 2}
        assert len({line["sha256"] for line in lines if "sha256" in line}) == 1


def test_without_redis_it_runs_and_is_not_ready(tmp_path: Path) -> None:
    with parent(cwd=tmp_path) as server, Caller(server.url) as caller:
        assert is_served(caller)
        status, body = server.ask("/readyz")
        assert status == 503
        assert json.loads(body)["reasons"].keys() == {"worker_1", "worker_2"}
        assert server.ask("/healthz")[0] == 200


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    with parent(cwd=tmp_path) as server, Caller(server.url) as caller:
        ends = Ends(server.workers)
        server.process.kill()

        assert caller.hear_the_rest()[-1]["type"] == "server_shutdown"
        assert ends.wait()


def test_a_port_of_workers_is_taken_for_everybody_else(pair: Parent, tmp_path: Path) -> None:
    place = pair.url.removeprefix("ws://")
    options = ("--port", place.rpartition(":")[2], "--workers", "2", "--redis-url", NO_REDIS)

    done = subprocess.run(
        [BIN / "vislam-signal", "serve", "--host", "127.0.0.1", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    sentence = f"vislam-signal: cannot listen at {place}: Address already in use\n"
    assert done.stderr == sentence


def test_the_service_manager_hears_the_parent_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = Manager(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    place = tmp_path / "signal"

    with manager.socket, parent("--endpoint", f"unix:{place}:mode=600", cwd=tmp_path) as server:
        # A local socket is one for all, and stays as the parent has made it.
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        assert manager.hear() == ["READY=1", "STATUS=Serving; workers: 2 of 2, connections: 0"]
        manager.hear_until("WATCHDOG=1")
        for _ in range(4):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(30)
                connection.connect(str(place))
                with Caller("ws://localhost", over=connection) as caller:
                    assert is_served(caller)
        server.process.send_signal(signal.SIGHUP)
        manager.hear_until("RELOADING=1")
        manager.hear_until("READY=1")
        server.process.send_signal(signal.SIGTERM)
        manager.hear_until("STOPPING=1")
        assert server.wait() == 0
        assert not place.exists()


def test_workers_share_the_sockets_that_systemd_holds(tmp_path: Path) -> None:
    place = f"127.0.0.1:{free_port()}"
    with running(
        found("systemd-socket-activate"),
        "--fdname=vislam-signal.socket",
        *("--listen", place),
        *(BIN / "vislam-signal", "serve", "--admin-endpoint", "none"),
        *("--endpoint", "haproxy:systemd:domain=INET:index=0"),
        *("--workers", "2", "--redis-url", NO_REDIS),
        cwd=tmp_path,
    ) as process:
        process.wait_for(r"Listening on 127.0.0.1")
        host, port = place.split(":")
        for _ in range(4):  # the first client starts it, and waits meanwhile
            connection = socket.create_connection((host, int(port)), timeout=30)
            connection.sendall(b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n")
            with Caller(f"ws://{place}", over=connection) as caller:
                assert is_served(caller)
        process.wait_for(r"websocket\[\d\]: Connected: 192.0.2.7:4711")
        assert process.stop() == 0
