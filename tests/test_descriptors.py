import errno
import json
import logging
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from processes import BIN, PATIENCE, Watched, running
from twisted.internet.protocol import ServerFactory
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock
from twisted.internet.tcp import Port
from websockets.sync.client import ClientConnection, connect

from twisted_signal.descriptors import LOG_INTERVAL, OTHERS, RETRY, Patience, raise_limit

LIMIT = 100


class Listening:
    """A port that listens in vain, on a socket that fails as the test says."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.reactor = SelectReactor()
        self.error: OSError | None = None
        self.port = Port(0, ServerFactory(), interface="127.0.0.1", reactor=self.reactor)
        self.port.startListening()
        self.real = self.port.socket
        self.port.socket = self
        Patience(self.clock).teach(self.port)

    def accept(self) -> Any:
        assert self.error is not None
        raise self.error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    @property
    def is_reading(self) -> bool:
        return self.port in self.reactor.getReaders()


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.real.close()


def fail_with(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_port_pauses_when_there_is_no_descriptor_and_goes_on(
    number: int, listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    listening.error = fail_with(number)
    listening.port.doRead()
    assert not listening.is_reading
    (message,) = caplog.messages
    assert message.startswith(f"New connections wait until others end: {os.strerror(number)} (")

    listening.clock.advance(RETRY)

    assert listening.is_reading


def test_it_is_logged_once_a_minute(listening: Listening, caplog: pytest.LogCaptureFixture) -> None:
    listening.error = fail_with(errno.EMFILE)
    for _ in range(int(3 * LOG_INTERVAL / RETRY)):
        listening.port.doRead()
        listening.clock.advance(RETRY)

    assert len(caplog.messages) == 3


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ECONNABORTED])
def test_other_errors_are_twisteds(
    number: int, listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    listening.error = fail_with(number)

    listening.port.doRead()

    assert listening.is_reading
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_port_that_is_closed_meanwhile_stays_closed(listening: Listening) -> None:
    listening.error = fail_with(errno.EMFILE)
    listening.port.doRead()
    listening.port.stopListening()

    listening.clock.advance(RETRY)

    assert not listening.is_reading
    listening.reactor.runUntilCurrent()
    assert listening.real.fileno() == -1


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What the process may open: the last of these."""
    had = [(256, 4096)]

    def setrlimit(_which: int, now: tuple[int, int]) -> None:
        if now[0] == resource.RLIM_INFINITY:
            raise ValueError("current limit exceeds maximum limit")
        had.append(now)

    monkeypatch.setattr(resource, "getrlimit", lambda _: had[-1])
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    return had


@pytest.mark.parametrize("max_clients", [0, 4096 - OTHERS])
def test_the_limit_is_raised(
    max_clients: int, limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    raise_limit(max_clients)

    assert limits[-1] == (4096, 4096)
    assert caplog.messages == []


def test_a_limit_that_is_too_low_even_so_is_a_warning(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    raise_limit(50_000)

    (message,) = caplog.messages
    assert message.startswith("This process may open 4096 files, too few for --max-clients 50000:")


def test_a_limit_that_cannot_be_raised_stays(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    limits.append((256, resource.RLIM_INFINITY))

    raise_limit(500)

    assert limits[-1][0] == 256
    assert caplog.messages[0].startswith("This process may open 256 files")


def test_there_may_be_no_limit(
    limits: list[tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    limits.append((resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    raise_limit(50_000)

    assert caplog.messages == []


# A real server that may open few files


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Watched]:
    with running(
        "/bin/sh",
        "-c",
        f'ulimit -n {LIMIT}; exec "$0" "$@"',
        BIN / "twistd",
        "--nodaemon",
        "--pidfile=",
        "vislam-signal",
        "--port",
        "0",
        "--host",
        "127.0.0.1",
        "--max-clients",
        "10",
        cwd=tmp_path,
    ) as process:
        yield process


def seconds_of_cpu(process: Watched) -> float:
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # proc(5)


def call(caller: ClientConnection, callee: ClientConnection) -> None:
    caller.send('{"type": "offer", "target_id": "callee", "sdp": "v=0"}')
    assert json.loads(callee.recv(timeout=PATIENCE))["type"] == "offer"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")
def test_a_server_without_descriptors_goes_on_and_recovers(started: Watched) -> None:
    port = int(started.wait_for(r"Listening on ws://127.0.0.1:(\d+)")[1])
    url = f"ws://127.0.0.1:{port}"
    with connect(url) as caller, connect(url) as callee:
        for client, name in ((caller, "caller"), (callee, "callee")):
            client.send(f'{{"type": "register", "client_id": "{name}"}}')
            client.recv(timeout=PATIENCE)
        with ExitStack() as crowd:
            for _ in range(LIMIT + 20):
                crowd.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            started.wait_for("New connections wait until others end: Too many open files")
            before, began = seconds_of_cpu(started), time.monotonic()
            while time.monotonic() - began < 2:
                call(caller, callee)
                time.sleep(0.05)
            assert seconds_of_cpu(started) - before < 1
        with connect(url) as late:
            late.send('{"type": "register", "client_id": "late", "room_id": "late"}')
            assert "registered" in str(late.recv(timeout=PATIENCE))
        call(caller, callee)

    assert started.output.count("New connections wait") == 1
    assert "EMFILE" not in started.output
    assert "Traceback" not in started.output
