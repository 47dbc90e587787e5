"""The client on asyncio and on Twisted: the same calls on real sockets, with a real server."""

import asyncio
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from certificates import issue
from processes import PATIENCE, ROOT, Restarted, Server
from processes import server as a_server
from stub import Peer, stub
from tokens import SECRET, by_secret
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.ssl import Certificate
from twisted.python.failure import Failure
from ways import Way

import twisted_signal.client.asyncio
import twisted_signal.client.twisted
from twisted_signal.admin_client import AdminClient
from twisted_signal.client.errors import CannotConnect, Closed, Refused
from twisted_signal.client.events import (
    Answer,
    Disconnected,
    Error,
    Event,
    IceCandidate,
    Message,
    Offer,
    PeerJoined,
    PeerLeft,
    Reconnected,
)
from twisted_signal.client.signal import Signal


class OnAsyncio:
    """Coroutines run on asyncio."""

    connect = staticmethod(twisted_signal.client.asyncio.connect)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run(asyncio.wait_for(work, PATIENCE))

    def sleep(self, seconds: float) -> Awaitable[None]:
        return asyncio.sleep(seconds)

    def start(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.create_task(work)

    def trust(self, pem: bytes) -> Any:
        return ssl.create_default_context(cadata=pem.decode())


class OnTwisted:
    """Coroutines run on Twisted, on a reactor of their own, for pytest-twisted's runs the test."""

    def __init__(self) -> None:
        self.reactor = SelectReactor()

    def connect(self, url: str, **options: Any) -> Signal:
        return twisted_signal.client.twisted.connect(url, reactor=self.reactor, **options)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        failures: list[Failure] = []

        def begin() -> None:
            done = Deferred.fromCoroutine(work).addTimeout(PATIENCE, self.reactor)
            done.addErrback(failures.append).addCallback(lambda _: self.reactor.stop())

        self.reactor.callWhenRunning(begin)
        self.reactor.run(installSignalHandlers=False)
        if failures:
            failures[0].raiseException()

    def sleep(self, seconds: float) -> Awaitable[None]:
        slept: Deferred[None] = Deferred()
        self.reactor.callLater(seconds, slept.callback, None)
        return slept

    def start(self, work: Coroutine[Any, Any, Any]) -> Any:
        return Deferred.fromCoroutine(work).addErrback(lambda failure: failure.trap(CancelledError))

    def trust(self, pem: bytes) -> Any:
        return Certificate.loadPEM(pem)


Shell = OnAsyncio | OnTwisted


@pytest.fixture(params=[OnAsyncio, OnTwisted], ids=["asyncio", "twisted"])
def shell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Shell:
    made: Shell = request.param()
    if isinstance(made, OnTwisted):  # TLS writes by the global reactor, wherever it is
        monkeypatch.setattr("twisted.protocols.tls._get_default_clock", lambda: made.reactor)
    return made


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    name: str = request.node.name
    return name[-100:]


async def until(events: Signal, kind: type[Event]) -> Any:
    """Return the next event of a kind, and let others go."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError("it ended")


async def until_true(shell: Shell, condition: Callable[[], object]) -> None:
    while not condition():
        await shell.sleep(0.01)


def test_a_call_and_what_an_application_says(
    shell: Shell, signal_server: Server, room: str
) -> None:
    async def work() -> None:
        url = signal_server.url
        async with shell.connect(url, room=room, client_id="pc", client_type="pc") as pc:
            assert pc.client_id == "pc"
            assert pc.room == room
            assert pc.peers == {}
            assert pc.ice_servers == []
            async with shell.connect(
                url, room=room, client_id="phone", client_type="android", ice_servers=True
            ) as phone:
                assert phone.peers == {"pc": "pc"}
                assert phone.is_connected
                assert await anext(phone) == PeerJoined("pc", "pc")
                assert await anext(pc) == PeerJoined("phone", "android")
                await phone.send_offer("pc", "v=0 offer")
                candidate = {"candidate": "candidate:1 1 udp", "sdpMid": "0"}
                await phone.send_ice_candidate("pc", candidate)
                await phone.send_ice_candidate("pc", None)
                assert await anext(pc) == Offer("phone", "v=0 offer")
                assert await anext(pc) == IceCandidate("phone", candidate)
                assert await anext(pc) == IceCandidate("phone", None)
                await pc.send_answer("phone", {"type": "answer", "sdp": "v=0 answer"})
                assert await anext(phone) == Answer("pc", "v=0 answer")
                await pc.send_message({"to": "all"})
                assert await anext(phone) == Message("pc", {"to": "all"})
                await phone.send_message("to one", "pc")
                assert await anext(pc) == Message("phone", "to one")
                await phone.send_offer("nobody", "v=0")
                error = await anext(phone)
                assert isinstance(error, Error)
                assert (error.code, error.target_id) == ("peer_not_found", "nobody")
            assert await anext(pc) == PeerLeft("phone")
            assert pc.peers == {}
            await pc.leave()
            assert [event async for event in pc] == []

    shell.run(work())


def test_large_messages_arrive_whole(shell: Shell, signal_server: Server, room: str) -> None:
    async def work() -> None:
        async with (
            shell.connect(signal_server.url, room=room, client_id="pc") as pc,
            shell.connect(signal_server.url, room=room, client_id="phone") as phone,
        ):
            data = "ä" * 30_000
            await phone.send_message(data, "pc")
            assert (await until(pc, Message)).data == data

    shell.run(work())


def test_nobody_listens(shell: Shell) -> None:
    async def work() -> None:
        with pytest.raises(CannotConnect) as caught:
            async with shell.connect("ws://127.0.0.1:1", client_id="pc"):
                pass
        assert str(caught.value) == (
            "Cannot connect to ws://127.0.0.1:1: connection refused. Is the server running there?"
        )

    shell.run(work())


@pytest.mark.parametrize("url", ["http://127.0.0.1:8765", "127.0.0.1", "ws://"])
def test_a_url_that_is_none_is_the_callers_mistake(shell: Shell, url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        shell.connect(url, client_id="pc")


def test_an_id_that_is_taken(shell: Shell, signal_server: Server, room: str) -> None:
    async def work() -> None:
        pc = shell.connect(signal_server.url, room=room, client_id="pc")
        async with pc:
            with pytest.raises(Refused, match="Another connection") as caught:
                async with shell.connect(signal_server.url, room=room, client_id="pc"):
                    pass
            assert caught.value.code == "id_taken"

    shell.run(work())


def test_a_place_that_another_connection_takes(shell: Shell, tmp_path: Path) -> None:
    async def work(url: str) -> None:
        async with shell.connect(url, client_id="pc") as one, shell.connect(url, client_id="pc"):
            with pytest.raises(Closed) as caught:
                await anext(one)
            assert caught.value.code == "replaced"
            assert caught.value.close_code == 4409
            with pytest.raises(Closed):
                await one.send_message(1)

    with a_server("--duplicate-id", "replace", cwd=tmp_path) as server:
        shell.run(work(server.url))


def test_one_that_the_operator_sends_away_stays_away(shell: Shell, tmp_path: Path) -> None:
    async def work(url: str, admin: AdminClient) -> None:
        async with shell.connect(url, client_id="pc") as pc:
            (client,) = admin.get("/api/v1/clients")["items"]
            admin.post(f"/api/v1/clients/{client['key']}/disconnect")
            with pytest.raises(Closed, match="4410 Disconnected by the operator") as caught:
                await anext(pc)
            assert caught.value.code == "dismissed"
        assert admin.get("/api/v1/clients")["total"] == 0

    with a_server("--admin-endpoint", "tcp:0:interface=127.0.0.1", cwd=tmp_path) as server:
        admin = AdminClient(server.wait_for(r"Admin page on (\S+)/")[1])
        shell.run(work(server.url, admin))


def test_subscriptions_take_the_calls_of_one_peer(
    shell: Shell, signal_server: Server, room: str
) -> None:
    async def work() -> None:
        async with (
            shell.connect(signal_server.url, room=room, client_id="pc") as pc,
            shell.connect(signal_server.url, room=room, client_id="phone") as phone,
            shell.connect(signal_server.url, room=room, client_id="tablet") as tablet,
        ):
            await phone.send_offer("pc", "v=0 phone")
            await phone.send_ice_candidate("pc", None)
            await tablet.send_offer("pc", "v=0 tablet")
            await until_true(shell, lambda: len(pc._driver.inbox.events) == 5)
            with pc.subscribe("phone") as calls:
                assert await anext(calls) == Offer("phone", "v=0 phone")
                assert await anext(calls) == IceCandidate("phone", None)
                assert await until(pc, Offer) == Offer("tablet", "v=0 tablet")
                with pytest.raises(ValueError, match="already"):
                    pc.subscribe("phone")
                await phone.leave()
                assert await anext(calls) == PeerLeft("phone")
                assert await anext(pc) == PeerLeft("phone")
            assert [event async for event in calls] == []

    shell.run(work())


def test_a_connection_that_breaks_is_resumed_and_nothing_is_lost(
    shell: Shell, signal_server: Server, cut: Way, room: str
) -> None:
    async def work() -> None:
        async with (
            shell.connect(cut.url, room=room, client_id="pc") as pc,
            shell.connect(signal_server.url, room=room, client_id="phone") as phone,
        ):
            assert await anext(pc) == PeerJoined("phone", "unknown")
            cut.cut()
            await phone.send_message("while it was away", "pc")
            assert isinstance(await anext(pc), Disconnected)
            await pc.send_message("when it is back", "phone")
            assert await anext(pc) == Reconnected(resumed=True)
            assert await anext(pc) == Message("phone", "while it was away")
            assert await until(phone, Message) == Message("pc", "when it is back")
            assert pc.peers == {"phone": "unknown"}

    shell.run(work())


LOST = {
    "to the client": lambda data, from_client: not from_client and b"number" in data,
    "to the server": lambda data, from_client: from_client and len(data) > 1000,
}


@pytest.mark.parametrize("way", LOST)
def test_what_is_on_its_way_when_the_connection_breaks_is_told_once(
    shell: Shell, signal_server: Server, cut: Way, room: str, way: str
) -> None:
    async def work() -> None:
        async with (
            shell.connect(cut.url, room=room, client_id="pc") as pc,
            shell.connect(signal_server.url, room=room, client_id="phone") as phone,
        ):
            cut.is_last = LOST[way]
            for number in range(5):
                await phone.send_ice_candidate("pc", {"candidate": f"number {number}"})
            for number in range(5):
                sdp = f"{number}" * 1000
                await pc.send_offer("phone", sdp)
                assert await until(phone, Offer) == Offer("pc", sdp)
            for number in range(5):
                candidate = (await until(pc, IceCandidate)).candidate
                assert candidate == {"candidate": f"number {number}"}

    shell.run(work())
    assert cut.is_last is not LOST[way]  # it was cut


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_a_server_that_is_restarted_has_everybody_back(
    shell: Shell, restarted: Restarted, number: int
) -> None:
    async def work() -> None:
        async with (
            shell.connect(restarted.url, client_id="pc", client_type="pc") as pc,
            shell.connect(restarted.url, client_id="phone", client_type="android") as phone,
        ):
            await until(pc, PeerJoined)
            killed = time.monotonic()
            restarted.server.stop(number)
            await until(pc, Disconnected)
            await until(phone, Disconnected)
            restarted.start()
            assert await until(pc, Reconnected) == Reconnected(resumed=False)
            assert await until(phone, Reconnected) == Reconnected(resumed=False)
            assert number == signal.SIGTERM or time.monotonic() - killed < 5
            await until_true(shell, lambda: pc.peers == {"phone": "android"})
            await until_true(shell, lambda: phone.peers == {"pc": "pc"})
            await phone.send_offer("pc", "v=0")
            assert await until(pc, Offer) == Offer("phone", "v=0")

    shell.run(work())


def test_what_is_over_the_rate_arrives_later(shell: Shell, tmp_path: Path) -> None:
    async def work(url: str) -> None:
        async with (
            shell.connect(url, client_id="pc") as pc,
            shell.connect(url, client_id="phone") as phone,
        ):
            for number in range(30):
                await phone.send_ice_candidate("pc", {"candidate": str(number)})
            for number in range(30):
                event = await until(pc, IceCandidate)
                assert event.candidate == {"candidate": str(number)}

    with a_server("--message-rate=16", "--message-burst=16", cwd=tmp_path) as limited:
        shell.run(work(limited.url))
        limited.wait_for("Refused a message from phone: rate_limited")


def test_tls_with_a_certificate_that_signed_itself(shell: Shell, tmp_path: Path) -> None:
    certificate = issue()
    path = tmp_path / "both.pem"
    path.write_bytes(certificate.both_pem)

    async def work(url: str) -> None:
        trust = shell.trust(certificate.chain_pem)
        async with shell.connect(url, client_id="pc", ssl=trust) as pc:
            assert pc.is_connected
        with pytest.raises(CannotConnect, match=r"(?i)certificate"):
            async with shell.connect(url, client_id="pc"):
                pass

    with a_server("--port=none", "--tls-port=0", "--tls-cert", str(path), cwd=tmp_path) as server:
        shell.run(work(server.url))


def a_token(seconds: float = 60, **claims: object) -> str:
    return by_secret({"exp": time.time() + seconds, "room": "default", **claims})


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    with a_server("--auth-secret-file", str(path), cwd=tmp_path) as server:
        yield server


def test_tokens(shell: Shell, guarded: Server) -> None:
    async def fresh() -> str:
        await shell.sleep(0)
        return a_token()

    def broken() -> str:
        raise LookupError("nobody makes one")

    async def work() -> None:
        for good in (a_token(), a_token, fresh):
            async with shell.connect(guarded.url, client_id="pc", token=good) as pc:
                assert pc.is_connected
                pc.renew_token(a_token())
                await pc.send_message(1)
        for bad, code in (
            (None, "unauthorized"),
            (a_token(-1), "unauthorized"),
            (a_token(room="lab2"), "forbidden"),
        ):
            with pytest.raises(Refused, match="The server says") as caught:
                async with shell.connect(guarded.url, client_id="pc", token=bad):
                    pass
            assert caught.value.code == code
        with pytest.raises(CannotConnect, match="nobody makes one"):
            async with shell.connect(guarded.url, client_id="pc", token=broken):
                pass

    shell.run(work())


def test_a_fresh_token_is_shown_before_one_expires(
    shell: Shell, guarded: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twisted_signal.client.renewal.PAUSE", 0.1)
    made: list[str] = []

    def fresh() -> str:
        made.append("asked")
        if len(made) == 2:
            raise LookupError("not now")
        return a_token(2 if len(made) == 1 else 60)

    async def work() -> None:
        async with shell.connect(guarded.url, client_id="pc", token=fresh):
            await until_true(shell, lambda: len(made) == 3)

    shell.run(work())


def test_it_obeys_a_server_that_goes_down_and_a_refused_handshake(shell: Shell) -> None:
    async def go_down(peer: Peer) -> None:
        await peer.register()
        await peer.say(type="server_shutdown", reconnect_in_ms=700)
        await peer.websocket.close(1001)

    async def stay(peer: Peer) -> None:
        await peer.register()
        await peer.websocket.wait_closed()

    async def work(url: str) -> None:
        async with shell.connect(url, room="lab1", client_id="pc") as pc:
            assert await until(pc, Reconnected) == Reconnected(resumed=False)

    busy = (HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"})
    with stub(go_down, stay, refusals={2: busy}) as server:
        shell.run(work(server.url))
        first, second, third = server.came
    assert second - first >= 0.7
    assert third - second >= 1


@pytest.mark.parametrize("is_first", [True, False])
def test_a_handshake_that_is_refused_for_good_ends_it(shell: Shell, is_first: bool) -> None:
    async def register(peer: Peer) -> None:
        await peer.register()

    async def work(url: str) -> None:
        with pytest.raises(Refused, match="403") as caught:
            async with shell.connect(url, room="lab1", client_id="pc") as pc:
                await until(pc, Reconnected)
        assert caught.value.code == "http_403"

    with stub(register, refusals={1 if is_first else 2: (HTTPStatus.FORBIDDEN, {})}) as server:
        shell.run(work(server.url))


def test_what_was_sent_goes_out_before_it_leaves(
    shell: Shell, signal_server: Server, room: str
) -> None:
    async def work() -> None:
        async with shell.connect(signal_server.url, room=room, client_id="pc") as pc:
            async with shell.connect(signal_server.url, room=room, client_id="phone") as phone:
                for number in range(50):
                    await phone.send_message(number, "pc")
            for number in range(50):
                assert (await until(pc, Message)).data == number

    shell.run(work())


def test_it_does_not_wait_for_ever_for_a_server_that_wants_to_hear_nothing(shell: Shell) -> None:
    async def be_strict(peer: Peer) -> None:
        await peer.register()
        await peer.say(type="error", code="rate_limited", message="No.", retry_after_ms=60_000)
        await peer.websocket.wait_closed()

    async def work(url: str) -> None:
        async with shell.connect(url, room="lab1", client_id="pc") as pc:
            await until_true(shell, lambda: pc._driver.core._patience.not_before)
            await pc.send_message(1)

    with stub(be_strict) as server:
        shell.run(work(server.url))


def test_a_connection_that_does_not_open_is_given_up(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twisted_signal.client.core.OPEN_TIMEOUT", 0.2)

    async def work(url: str) -> None:
        with pytest.raises(CannotConnect, match="did not open a WebSocket"):
            async with shell.connect(url, client_id="pc"):
                pass

    with socket.create_server(("127.0.0.1", 0)) as silent:
        shell.run(work(f"ws://127.0.0.1:{silent.getsockname()[1]}"))


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 101 \r\n\r\n"])
def test_what_is_no_websocket_server_is_a_clear_error(shell: Shell, answer: bytes) -> None:
    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    async def work(url: str) -> None:
        with pytest.raises(CannotConnect, match=r"Cannot connect to ws://.*: \w+"):
            async with shell.connect(url, client_id="pc"):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=[listener], daemon=True).start()
        shell.run(work(f"ws://127.0.0.1:{listener.getsockname()[1]}"))


def test_who_does_not_wait_for_the_connection_leaves_nothing_behind(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE)

        async def work(url: str) -> None:
            signal = shell.connect(url, client_id="pc")
            entering = shell.start(signal.__aenter__())
            await shell.sleep(0.1)
            connection, _ = silent.accept()
            entering.cancel()
            await until_true(shell, lambda: signal._driver.has_ended)
            connection.settimeout(0)
            with connection:
                await until_true(shell, lambda: ended(connection))

        shell.run(work(f"ws://127.0.0.1:{silent.getsockname()[1]}"))


def ended(connection: socket.socket) -> bool:
    """Tell whether the other end is gone."""
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        pass
    return True


def test_it_does_not_wait_for_a_server_that_never_answers_a_close(shell: Shell) -> None:
    async def be_deaf(peer: Peer) -> None:
        await peer.register()
        peer.websocket.transport.pause_reading()
        await asyncio.sleep(2.5)

    async def work(url: str) -> None:
        async with shell.connect(url, room="lab1", client_id="pc"):
            pass

    with stub(be_deaf) as server:
        shell.run(work(server.url))


def test_what_is_not_taken_is_not_read(
    shell: Shell, signal_server: Server, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twisted_signal.client.inbox.MOST_WAITING", 5)

    async def work() -> None:
        async with (
            shell.connect(signal_server.url, room=room, client_id="pc") as pc,
            shell.connect(signal_server.url, room=room, client_id="phone") as phone,
        ):
            for number in range(100):
                await phone.send_message(number, "pc")
            await until_true(shell, lambda: pc._driver.inbox.is_full)
            for number in range(100):
                assert (await until(pc, Message)).data == number

    shell.run(work())


def test_who_sends_too_much_while_the_connection_is_away_waits(
    shell: Shell, signal_server: Server, cut: Way, room: str
) -> None:
    async def work() -> None:
        async with (
            shell.connect(cut.url, room=room, client_id="pc") as pc,
            shell.connect(signal_server.url, room=room, client_id="phone") as phone,
        ):
            await until(pc, PeerJoined)
            cut.cut()
            await until(pc, Disconnected)
            for number in range(400):  # more than may wait
                await pc.send_message(number, "phone")
            for number in range(400):
                assert (await until(phone, Message)).data == number

    shell.run(work())


@pytest.mark.parametrize(
    ("module", "others"),
    [
        ("asyncio", ("twisted.", "autobahn")),
        ("twisted", ("websockets", "twisted_signal.client.asyncio")),
        ("core", ("twisted.", "autobahn", "websockets", "asyncio", "socket")),
    ],
)
def test_a_shell_imports_nothing_of_the_other_nor_of_the_server(
    module: str, others: tuple[str, ...]
) -> None:
    code = (
        f"import sys, twisted_signal.client.{module}\nprint(*sorted(name for name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    names = done.stdout.split()
    assert not [name for name in names if name.startswith(others)]
    own = {name.split(".")[1] for name in names if name.startswith("twisted_signal.")}
    assert own == {"client", "messages"}
