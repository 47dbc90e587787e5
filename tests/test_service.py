import io
import logging
import os
import pty
import re
import signal
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from processes import BIN, running
from signalled import Running
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.threads import deferToThread
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from zope.interface import implementer

from twisted_signal.auth import Verifier
from twisted_signal.limits import Limits
from twisted_signal.server import SignalFactory
from twisted_signal.service import CannotStart, Listener, SignalService

LOOPBACK = "127.0.0.1"

pytestmark = pytest.mark.usefixtures("restored_signals")


@implementer(IStreamServerEndpoint)
class SlowEndpoint:
    """An endpoint that listens, or fails to, when the test says so."""

    def __init__(self, listening: "Deferred[IListeningPort] | None" = None) -> None:
        self.listening: Deferred[IListeningPort] = listening or Deferred()

    def listen(self, _factory: object) -> "Deferred[IListeningPort]":
        return self.listening


def service(
    *endpoints: IStreamServerEndpoint, secure: bool = False, **limits: int
) -> SignalService:
    real: Any = reactor
    listeners = [Listener("here", endpoint, secure) for endpoint in endpoints]
    return SignalService(real, SignalFactory(real, limits=Limits(**limits)), listeners)


def receive_all(connection: socket.socket) -> bytes:
    """Return what comes until the end of a connection."""
    return b"".join(iter(lambda: connection.recv(1000), b""))


def free_endpoint() -> IStreamServerEndpoint:
    real: Any = reactor
    endpoint: IStreamServerEndpoint = TCP4ServerEndpoint(real, 0, interface=LOOPBACK)
    return endpoint


def connected(url: str) -> ClientConnection:
    """Return a connection, in a thread of its own: the server lives in this process."""
    return connect(url).__enter__()


def listening_url(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.messages[-1].removeprefix("Listening on ")


@pytest_twisted.ensureDeferred
async def test_a_stopping_server_says_goodbye_with_1001(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = service(free_endpoint())
    server.startService()
    url = listening_url(caplog)
    connection = await deferToThread(connected, url)

    await server.stopService()

    assert server.factory.connections == {}
    assert "server_shutdown" in await deferToThread(connection.recv)
    with pytest.raises(ConnectionClosed):
        await deferToThread(connection.recv)
    assert connection.close_code == 1001
    with pytest.raises(ConnectionRefusedError):
        await deferToThread(connected, url)


@pytest_twisted.ensureDeferred
async def test_a_stopping_server_does_not_wait_long_for_who_does_not_answer(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    server = service(free_endpoint(), drain_timeout=0)
    server.startService()
    port = int(listening_url(caplog).rpartition(":")[2])
    real: Any = reactor
    with socket.create_connection((LOOPBACK, port)) as mute:
        mute.sendall(
            b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await deferToThread(mute.recv, 1000)

        await server.stopService()

        with pytest.raises(ConnectionResetError):
            await deferToThread(receive_all, mute)
    assert real.running


@pytest.mark.parametrize(
    ("interface", "tokens", "is_warned"),
    [("", False, True), (LOOPBACK, False, False), ("", True, False)],
)
@pytest_twisted.ensureDeferred
async def test_the_operator_is_warned_once_where_anybody_may_enter(
    interface: str, tokens: bool, is_warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    real: Any = reactor
    endpoints = [TCP4ServerEndpoint(real, 0, interface=interface) for _ in range(2)]
    server = service(*endpoints)
    server.factory.verifier = Verifier([]) if tokens else None

    server.startService()

    assert sum("Anybody" in message for message in caplog.messages) == is_warned
    assert sum("--allowed-origin" in message for message in caplog.messages) == is_warned
    await server.stopService()


def test_it_listens_when_all_its_places_have_been_tried() -> None:
    first, second = SlowEndpoint(), SlowEndpoint()
    server = service(first, second)
    server.privilegedStartService()
    listening = server.when_listening()

    port: Any = SimpleNamespace(getHost=lambda: None)
    first.listening.callback(port)
    assert not listening.called
    second.listening.callback(port)

    assert listening.result is True


def test_one_place_that_fails_is_not_listening_everywhere() -> None:
    slow = SlowEndpoint()
    server = service(slow)
    server.privilegedStartService()
    slow.listening.errback(CannotListenError(LOOPBACK, 1, OSError(98, "Address already in use")))

    assert server.when_listening().result is False


@pytest_twisted.ensureDeferred
async def test_privileges_are_used_for_listening(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = service(free_endpoint(), free_endpoint())

    server.privilegedStartService()
    server.startService()

    assert sum(message.startswith("Listening on ws://") for message in caplog.messages) == 2
    await server.stopService()


@pytest_twisted.ensureDeferred
async def test_where_tls_is_spoken_the_url_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = service(free_endpoint(), secure=True)

    server.startService()

    assert listening_url(caplog).startswith(f"wss://{LOOPBACK}:")
    await server.stopService()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CannotListenError(LOOPBACK, 1, OSError(98, "Address already in use")), "Address already"),
        (CannotListenError("/x", None, "the socket file is locked"), "the socket file is locked"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (OverflowError("port must be 0-65535."), "port must be 0-65535"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_a_place_that_cannot_be_listened_at_ends_the_start_with_a_sentence(
    error: Exception,
    reason: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", stderr)
    server = service(SlowEndpoint(fail(error)))

    with pytest.raises(CannotStart) as caught:
        server.privilegedStartService()

    assert str(caught.value).startswith("cannot listen at here: ")
    assert reason in str(caught.value)
    assert caught.value.code == 1
    assert stderr.getvalue() == f"vislam-signal: {caught.value}\n"
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_process_without_stderr_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stderr__", None)

    with pytest.raises(CannotStart):
        service(SlowEndpoint(fail(OSError()))).startService()


@pytest_twisted.ensureDeferred
async def test_a_place_that_fails_later_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = SlowEndpoint()
    server = service(endpoint)
    server.startService()

    endpoint.listening.errback(OSError(99, "No such network"))

    assert caplog.messages == ["Listening failed: cannot listen at here: No such network"]
    await server.stopService()


def test_the_server_has_a_list_of_what_to_reload(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []
    running: Any = Running()
    server = SignalService(running, SignalFactory(running), [])
    server.reloads.append(lambda: done.append("keys"))
    for each in server.services:
        each.startService()

    signal.raise_signal(signal.SIGHUP)

    assert done == ["keys"]


SERVE = (str(BIN / "twistd"), "--nodaemon", "--pidfile=", "vislam-signal", "--port", "0")


def in_a_terminal(directory: Path, *command: str) -> tuple[int, int]:
    """Run a command in a terminal of its own; return its process and the terminal's other end."""
    process, terminal = pty.fork()
    if process == 0:
        try:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may be run under nohup
            os.chdir(directory)
            os.execvp(command[0], command)
        finally:
            os._exit(127)  # or there were two test runs
    return process, terminal


def read_until(terminal: int, pattern: str) -> None:
    said = ""
    while not re.search(pattern, said):
        said += os.read(terminal, 10_000).decode()


def test_a_server_ends_with_its_terminal(tmp_path: Path) -> None:
    process, terminal = in_a_terminal(tmp_path, *SERVE)
    try:
        read_until(terminal, "Listening on")
        os.kill(process, signal.SIGHUP)
        read_until(terminal, "SIGHUP received, nothing to reload")
    except BaseException:
        os.kill(process, signal.SIGKILL)
        raise
    finally:
        os.close(terminal)  # which hangs up
    _, status = os.waitpid(process, 0)

    assert os.waitstatus_to_exitcode(status) == 0


def test_a_server_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    process, terminal = in_a_terminal(tmp_path, "nohup", *SERVE)
    log_file = tmp_path / "nohup.out"
    try:
        with running("tail", "-n", "+1", "-F", log_file, cwd=tmp_path) as watched:
            watched.wait_for("Listening on")
            os.close(terminal)
            watched.wait_for("SIGHUP received, nothing to reload")
            os.kill(process, signal.SIGTERM)
            _, status = os.waitpid(process, 0)
            assert os.waitstatus_to_exitcode(status) == 0
    except BaseException:
        os.kill(process, signal.SIGKILL)
        raise


@pytest.mark.parametrize("how", ["daemon", "background"])
def test_a_server_that_is_not_in_the_foreground_needs_no_terminal(how: str, tmp_path: Path) -> None:
    log_file, pid_file = tmp_path / "log", tmp_path / "pid"
    options = ["--logfile", str(log_file), "--pidfile", str(pid_file), "vislam-signal", "-p", "0"]
    if how == "daemon":
        process, terminal = in_a_terminal(tmp_path, str(BIN / "twistd"), *options)
    else:
        script = 'set -m; "$@" & wait'
        command = ["sh", "-c", script, "sh", str(BIN / "twistd"), "-n", *options]
        process, terminal = in_a_terminal(tmp_path, *command)
    with running("tail", "-n", "+1", "-F", log_file, cwd=tmp_path) as watched:
        watched.wait_for("Listening on")
        server_process = int(pid_file.read_text())
        try:
            os.close(terminal)
            os.waitpid(process, 0)
            os.kill(server_process, signal.SIGHUP)
            watched.wait_for("SIGHUP received, nothing to reload")
        finally:
            os.kill(server_process, signal.SIGTERM)
            watched.wait_for("Server Shut Down")
