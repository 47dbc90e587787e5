"""The connections to a real Redis, which is restarted, frozen, cut off and failed over."""

import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
import pytest_twisted
from certificates import issue
from processes import free_port
from recorded_core import RecordedCore
from redis_server import RedisServer, redis_server, sentinel
from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import ConnectError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from ways import way

from twisted_signal import events
from twisted_signal.cluster.address import redis_address
from twisted_signal.cluster.endpoints import CONNECT_TIMEOUT, Endpoints
from twisted_signal.cluster.redis import CHANNEL, RedisLink
from twisted_signal.cluster.scripts import LOST
from twisted_signal.outbox import Outbox

SCRIPTS = {
    "echo": "return ARGV",
    "count": "return redis.call('incr', 'count')",
    "fail": "return redis.error_reply('OOM there is no memory')",
}


@asynccontextmanager
async def linked(core: RecordedCore, url: str) -> AsyncIterator[RedisLink]:
    """Have a link for as long as the block takes."""
    made = RedisLink(reactor, Outbox(), Endpoints(redis_address(url)), core, SCRIPTS)
    made.startService()
    try:
        yield made
    finally:
        await maybeDeferred(made.stopService)


@pytest.fixture
def core() -> RecordedCore:
    return RecordedCore()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Redis be away when it says nothing for half a second; it is asked five times a second."""
    monkeypatch.setattr("twisted_signal.cluster.redis.SILENT_TICKS", 2)
    monkeypatch.setattr("twisted_signal.cluster.redis.TICKS_A_PING", 1)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "twisted_signal")
    return caplog


def told_of_redis(logged: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return what the log says of Redis: names of events, and texts."""
    return [
        (events.name_of(record.msg), record.getMessage())
        for record in logged.records
        if record.name == "twisted_signal.cluster.redis"
    ]


@pytest_twisted.ensureDeferred
async def test_what_is_called_and_published_is_done_and_answered_in_order(
    core: RecordedCore, redis: RedisServer
) -> None:
    async with linked(core, redis.url):
        await core.until_told("connected")
        core.call("echo", "é", 7)
        core.call("count")
        core.publish("one", b"\x00to itself")
        core.publish("nobody", b"x")
        core.call("count")
        await core.until(lambda: len(core.told) == 7)

        assert [each for each in core.told if isinstance(each, tuple)] == [
            ("answer", ["é".encode(), b"7"]),
            ("answer", 1),
            ("answer", 1),
            ("answer", 0),
            ("answer", 2),
        ]
        assert b"\x00to itself" in core.told


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("is_gathered", [True, False])
async def test_what_is_published_in_one_turn_goes_out_at_once(
    is_gathered: bool, core: RecordedCore, redis: RedisServer
) -> None:
    async with linked(core, redis.url) as link:
        await core.until_told("connected")
        reads_before = _info(redis, "stats", "total_reads_processed")
        with link._outbox if is_gathered else nullcontext():
            for number in range(1000):
                core.publish("one", b"%d" % number)
        await core.until(lambda: len(core.told) == 1 + 2 * 1000)

        assert core.told.count(("answer", 1)) == 1000
        heard = [each for each in core.told if isinstance(each, bytes)]
        assert heard == [b"%d" % number for number in range(1000)]
        assert _info(redis, "stats", "total_reads_processed") - reads_before < 20


def _info(redis: RedisServer, section: str, name: str) -> int:
    lines = redis.execute("INFO", section).decode().splitlines()
    return next(int(line.partition(":")[2]) for line in lines if line.startswith(f"{name}:"))


@pytest_twisted.ensureDeferred
async def test_redis_that_forgot_its_scripts_gets_them_again(
    core: RecordedCore, redis: RedisServer
) -> None:
    async with linked(core, redis.url):
        await core.until_told("connected")
        redis.execute("SCRIPT", "FLUSH")
        core.call("count")
        await core.until_told("connected", ("answer", 1))


@pytest_twisted.ensureDeferred
async def test_a_script_that_is_not_there_never_comes_after_what_was_called_later(
    core: RecordedCore, redis: RedisServer
) -> None:
    async with linked(core, redis.url):
        await core.until_told("connected")
        redis.execute("SCRIPT", "FLUSH")
        redis.execute("SCRIPT", "LOAD", SCRIPTS["echo"])
        core.call("count")
        core.call("echo", "later")
        await core.until(lambda: core.told[-1] == "connected" and len(core.told) > 1)

        assert core.told[1:] == ["disconnected", ("answer", LOST), ("answer", LOST), "connected"]
        core.call("count")
        await core.until_told("connected", ("answer", 1))


@pytest_twisted.ensureDeferred
async def test_redis_that_is_restarted_is_away_and_back_and_both_are_logged_once(
    core: RecordedCore, redis: RedisServer, logged: pytest.LogCaptureFixture
) -> None:
    async with linked(core, redis.url) as link:
        await core.until_told("connected")
        assert link.complaint() is None
        redis.kill()
        core.call("count")
        await core.until_told("disconnected", ("answer", LOST))
        await core.until(lambda: "refused" in str(link.complaint()))
        ticks = len(core.ticks)
        await core.until(lambda: len(core.ticks) > ticks + 5)  # it tries, again and again
        redis.start()
        await core.until_told("connected")
        await core.until(lambda: len(told_of_redis(logged)) == 3)

        core.call("count")
        await core.until_told("connected", ("answer", 1))
        names, texts = zip(*told_of_redis(logged), strict=True)
        assert names == ("redis_connected", "redis_away", "redis_back")
        assert texts[0] == f"In the cluster at 127.0.0.1:{redis.port}, as node one"
        assert texts[1].startswith("Redis is away: ")


@pytest_twisted.ensureDeferred
async def test_redis_that_is_not_there_at_the_start_is_told_of_and_waited_for(
    core: RecordedCore, redis: RedisServer, logged: pytest.LogCaptureFixture
) -> None:
    redis.kill()
    async with linked(core, redis.url) as link:
        await core.until(lambda: len(core.ticks) > 5)
        assert link.complaint() == "Redis is away: connection refused"
        redis.start()
        await core.until_told("connected")
        await core.until(lambda: len(told_of_redis(logged)) == 2)

        assert [name for name, _ in told_of_redis(logged)] == ["redis_away", "redis_connected"]


@pytest_twisted.ensureDeferred
async def test_redis_that_stands_still_is_away_until_it_goes_on(
    core: RecordedCore, redis: RedisServer
) -> None:
    async with linked(core, redis.url) as link:
        await core.until_told("connected")
        redis.freeze()
        core.call("count")
        await core.until_told("disconnected", ("answer", LOST))
        assert link.complaint() == "Redis is away: Redis does not answer"
        redis.thaw()
        await core.until_told("connected")


@pytest_twisted.ensureDeferred
async def test_redis_that_is_silent_is_away_even_if_nobody_asks_it_anything(
    core: RecordedCore, redis: RedisServer, hasty: None
) -> None:
    async with linked(core, redis.url):
        await core.until_told("connected")
        redis.pause_clients(1500)
        await core.until_told("disconnected")
        await core.until_told("connected")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("is_cut", [True, False])
async def test_a_network_that_drops_all_is_noticed(
    is_cut: bool, core: RecordedCore, redis: RedisServer, hasty: None
) -> None:
    with way(redis.port) as to_redis:
        async with linked(core, f"redis://127.0.0.1:{to_redis.port}"):
            await core.until_told("connected")
            if is_cut:
                to_redis.cut()
            else:
                to_redis.stall()
            await core.until_told("disconnected")
            to_redis.flow()
            await core.until_told("connected")


@pytest_twisted.ensureDeferred
async def test_both_connections_are_there_or_none(core: RecordedCore, redis: RedisServer) -> None:
    async with linked(core, redis.url):
        for kind in ("normal", "pubsub"):
            await core.until_told("connected")
            redis.execute("CLIENT", "KILL", "TYPE", kind)
            await core.until_told("disconnected")
            await core.until_told("connected")
            assert _info(redis, "clients", "connected_clients") == 2 + 1  # and the one that asks


@pytest_twisted.ensureDeferred
async def test_a_script_that_fails_begins_all_anew(
    core: RecordedCore, redis: RedisServer, logged: pytest.LogCaptureFixture
) -> None:
    async with linked(core, redis.url):
        await core.until_told("connected")
        core.call("fail")
        core.call("count")
        await core.until(lambda: len(core.told) == 5)

        assert core.told[1:] == ["disconnected", ("answer", LOST), ("answer", LOST), "connected"]
        assert told_of_redis(logged)[1][1] == "Redis is away: Redis says: OOM there is no memory"


@pytest_twisted.ensureDeferred
async def test_redis_that_lets_no_node_in_is_told_of_once(
    core: RecordedCore, redis: RedisServer, logged: pytest.LogCaptureFixture
) -> None:
    core.hello = lambda: core.call("fail")
    async with linked(core, redis.url):
        await core.until(lambda: core.told.count("connected") == 4)

        assert [name for name, _ in told_of_redis(logged)] == ["redis_away"]


@pytest_twisted.ensureDeferred
async def test_nothing_is_heard_after_a_restart_from_within(
    core: RecordedCore, redis: RedisServer
) -> None:
    def heard(payload: bytes) -> None:
        if payload == b"first":
            assert core.link is not None
            core.link.restart("it is a test")

    core.on_heard = heard
    async with linked(core, redis.url) as link:
        await core.until_told("connected")
        channel = CHANNEL + core.name
        with redis.client() as client:
            client.send("EVAL", _say_both(channel), 0)
        await core.until_told("connected", b"first", "disconnected")
        assert link.complaint() == "Redis is away: it is a test"
        await core.until_told("disconnected", "connected")


def _say_both(channel: str) -> str:
    return "".join(f"redis.call('publish', '{channel}', '{each}') " for each in ("first", "second"))


@pytest_twisted.ensureDeferred
async def test_a_mistake_of_the_nodes_begins_all_anew(
    core: RecordedCore, redis: RedisServer, logged: pytest.LogCaptureFixture
) -> None:
    def heard(payload: bytes) -> None:
        raise ValueError(payload)

    core.on_heard = heard
    async with linked(core, redis.url):
        await core.until_told("connected")
        core.publish(core.name, b"poison")
        await core.until(lambda: core.told[-1] == "connected" and len(core.told) > 1)

        assert "disconnected" in core.told
        assert events.CLUSTER_FAILED in [record.msg for record in logged.records]


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("userinfo", "complaint"),
    [
        ("", "Redis says: NOAUTH Authentication required"),
        (":wrong@", "Redis refuses the user or the password (WRONGPASS)"),
        ("nobody:secret@", "Redis refuses the user or the password (WRONGPASS)"),
    ],
)
async def test_redis_does_not_let_everybody_in(
    userinfo: str,
    complaint: str,
    core: RecordedCore,
    tmp_path: Path,
    logged: pytest.LogCaptureFixture,
) -> None:
    with redis_server(tmp_path, password="secret") as redis:
        async with linked(core, f"redis://{userinfo}127.0.0.1:{redis.port}") as link:
            await core.until(lambda: len(core.ticks) > 2)

            assert link.complaint() == f"Redis is away: {complaint}"
            assert "secret" not in logged.text


@pytest_twisted.ensureDeferred
async def test_user_password_and_database_are_those_of_the_url(
    core: RecordedCore, redis: RedisServer
) -> None:
    redis.execute("ACL", "SETUSER", "lab", "on", ">p@ss/word", "~*", "&*", "+@all")
    async with linked(core, f"redis://lab:p%40ss%2Fword@127.0.0.1:{redis.port}/3"):
        await core.until_told("connected")
        core.call("count")
        await core.until_told("connected", ("answer", 1))

        with redis.client() as client:
            client.execute("SELECT", 3)
            assert client.execute("GET", "count") == b"1"
        listed = redis.execute("CLIENT", "LIST").decode()
        assert listed.count("name=vislam-signal:one") == listed.count("user=lab") == 2


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A directory for a local socket, whose path has 107 bytes at most."""
    with TemporaryDirectory(prefix="redis") as directory:
        yield Path(directory)


@pytest_twisted.ensureDeferred
async def test_redis_is_reached_by_a_local_socket(
    core: RecordedCore, short_directory: Path
) -> None:
    path = short_directory / "of redis"
    with redis_server(short_directory, "--unixsocket", str(path)):
        async with linked(core, f"unix://{short_directory}/of%20redis?db=1") as link:
            await core.until_told("connected")
            path.unlink()
            core.publish("one", b"it goes on")
            await core.until(lambda: b"it goes on" in core.told)
            assert link.complaint() is None


@pytest_twisted.ensureDeferred
async def test_redis_speaks_tls_with_a_certificate_that_is_checked(
    core: RecordedCore, tmp_path: Path
) -> None:
    authority = issue("authority", is_authority=True)
    (tmp_path / "ca.pem").write_bytes(authority.chain_pem)
    (tmp_path / "both.pem").write_bytes(issue(by=authority).both_pem)
    files = ("--tls-cert-file", "both.pem", "--tls-key-file", "both.pem")
    options = ("--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no")
    port = free_port()
    with redis_server(tmp_path, "--tls-port", str(port), *files, *options):
        for host in ("localhost", "127.0.0.1"):
            core = RecordedCore()
            async with linked(core, f"rediss://{host}:{port}?ca-file={tmp_path}/ca.pem"):
                await core.until_told("connected")
                core.call("echo", "x" * 100_000)
                await core.until_told("connected", ("answer", [b"x" * 100_000]))
        core = RecordedCore()
        async with linked(core, f"rediss://localhost:{port}") as link:
            await core.until(lambda: len(core.ticks) > 3)
            assert str(link.complaint()).startswith("Redis is away: TLS failed: ")


@pytest_twisted.ensureDeferred
async def test_what_is_no_redis_is_told_of(core: RecordedCore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.sendall(b"SSH-2.0-OpenSSH_10.0\r\n")
                    client.recv(1000)

        threading.Thread(target=greet, daemon=True).start()
        async with linked(core, f"redis://127.0.0.1:{listener.getsockname()[1]}") as link:
            await core.until(lambda: "no Redis" in str(link.complaint()))
        listener.shutdown(socket.SHUT_RDWR)


@pytest_twisted.ensureDeferred
async def test_redis_that_has_too_many_clients_says_so(
    core: RecordedCore, redis: RedisServer
) -> None:
    redis.execute("CONFIG", "SET", "maxclients", 1)
    with redis.client():
        async with linked(core, redis.url) as link:
            await core.until(lambda: len(core.ticks) > 3)
            assert link.complaint() == (
                "Redis is away: Redis says: ERR max number of clients reached"
            )


@pytest_twisted.ensureDeferred
async def test_the_master_is_followed_when_sentinel_fails_over(
    core: RecordedCore, tmp_path: Path
) -> None:
    with (
        redis_server(tmp_path) as one,
        redis_server(tmp_path, "--replicaof", f"127.0.0.1 {one.port}") as two,
        sentinel(tmp_path, one) as watcher,
    ):
        gone = free_port()
        url = f"redis+sentinel://127.0.0.1:{gone},127.0.0.1:{watcher.port}/main/1"
        async with linked(core, url) as link:
            await core.until_told("connected")
            core.call("count")
            await core.until_told("connected", ("answer", 1))
            watcher.watched.wait_for(r"\+slave ")
            one.kill()
            await core.until_told("connected")  # to the other

            assert link.complaint() is None
            core.call("count")
            await core.until(lambda: len(core.told) == 5)
            with two.client() as client:
                client.execute("SELECT", 1)
                assert client.execute("GET", "count") is not None


@pytest_twisted.ensureDeferred
async def test_a_replica_is_not_taken_for_the_master(core: RecordedCore, tmp_path: Path) -> None:
    with (
        redis_server(tmp_path, "--replicaof", "127.0.0.1 1") as replica,
        sentinel(tmp_path, replica) as watcher,
    ):
        async with linked(core, watcher.url) as link:
            await core.until(lambda: len(core.ticks) > 2)
            assert link.complaint() == "Redis is away: the Sentinels' master is a slave"


@pytest_twisted.ensureDeferred
async def test_sentinels_that_do_not_know_the_master_are_named(
    core: RecordedCore, redis: RedisServer, tmp_path: Path
) -> None:
    gone = free_port()
    with sentinel(tmp_path, redis) as watcher:
        url = f"redis+sentinel://127.0.0.1:{gone},127.0.0.1:{watcher.port}/other"
        async with linked(core, url) as link:
            await core.until(lambda: len(core.ticks) > 2)
            assert link.complaint() == (
                "Redis is away: no Sentinel tells of a master"
                f" (127.0.0.1:{gone}: connection refused;"
                f" 127.0.0.1:{watcher.port} knows no master other)"
            )


@pytest_twisted.ensureDeferred
async def test_a_sentinel_that_asks_for_the_password_gets_it(
    core: RecordedCore, tmp_path: Path
) -> None:
    with (
        redis_server(tmp_path, password="secret") as redis,
        sentinel(tmp_path, redis, password="secret") as watcher,
    ):
        url = f"redis+sentinel://:secret@127.0.0.1:{watcher.port}/main"
        async with linked(core, url):
            await core.until_told("connected")


@pytest_twisted.ensureDeferred
async def test_a_node_that_stops_says_goodbye_first(core: RecordedCore, redis: RedisServer) -> None:
    def farewell(done: Callable[[], None]) -> None:
        assert core.link is not None
        core.link.call("count", [], [], lambda reply: done())

    core.farewell = farewell
    async with linked(core, redis.url):
        await core.until_told("connected")

    assert core.told[-1] == "stop"
    assert redis.execute("GET", "count") == b"1"


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("freezes", [True, False])
async def test_a_goodbye_that_nobody_hears_is_not_waited_for(
    freezes: bool, core: RecordedCore, redis: RedisServer, hasty: None
) -> None:
    def farewell(done: Callable[[], None]) -> None:
        if freezes:
            redis.freeze()
        else:
            redis.kill()

    core.farewell = farewell
    async with linked(core, redis.url):
        await core.until_told("connected")

    assert core.told == ["connected", "stop", "disconnected"]


@pytest_twisted.ensureDeferred
async def test_a_node_that_stops_while_redis_is_away_just_stops(
    core: RecordedCore, redis: RedisServer
) -> None:
    redis.freeze()
    async with linked(core, redis.url):
        await core.until(lambda: len(core.ticks) > 1)

    assert core.told == []
    assert [call for call in reactor.getDelayedCalls() if "Link" in str(call)] == []


def test_tries_become_rare_up_to_every_two_seconds(core: RecordedCore) -> None:
    network = MemoryReactorClock()
    address = redis_address("redis://127.0.0.1")
    link = RedisLink(network, Outbox(), Endpoints(address), core, SCRIPTS)
    link.startService()
    pauses = []
    for attempt in range(8):
        assert len(network.tcpClients) == attempt + 1
        *_, (_, _, factory, _, _) = network.tcpClients
        factory.clientConnectionFailed(cast("Any", None), Failure(ConnectError()))
        began = network.seconds()
        while len(network.tcpClients) == attempt + 1:
            network.advance(0.01)
        pauses.append(network.seconds() - began)

    for pause, longest in zip(pauses, (0.1, 0.2, 0.4, 0.8, 1.6, 2, 2, 2), strict=True):
        assert longest / 2 <= pause <= longest + 0.02
    link.stopService()
    assert network.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("redis://127.0.0.1", "Redis does not answer"),
        (
            "redis+sentinel://127.0.0.1,127.0.0.2/main",
            (
                "no Sentinel tells of a master (127.0.0.1:26379: Redis does not answer;"
                " 127.0.0.2:26379: Redis does not answer)"
            ),
        ),
    ],
)
def test_a_network_that_answers_nothing_is_told_of(
    url: str, complaint: str, core: RecordedCore
) -> None:
    network = MemoryReactorClock()
    link = RedisLink(network, Outbox(), Endpoints(redis_address(url)), core, SCRIPTS)
    link.startService()

    network.pump([CONNECT_TIMEOUT / 2] * 5)

    assert link.complaint() == f"Redis is away: {complaint}"
    link.stopService()


def test_a_node_that_stops_asks_no_other_sentinel(core: RecordedCore) -> None:
    network = MemoryReactorClock()
    address = redis_address("redis+sentinel://127.0.0.1,127.0.0.2/main")
    link = RedisLink(network, Outbox(), Endpoints(address), core, SCRIPTS)
    link.startService()

    link.stopService()

    assert len(network.tcpClients) == 1
    assert network.getDelayedCalls() == []
