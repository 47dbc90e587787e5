"""The sockets that a parent opens for its workers."""

import logging
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as twisted_reactor
from twisted.internet.endpoints import serverFromString

from twisted_signal.service import CannotStart, Listener
from twisted_signal.workers.sockets import SharedListening

REACTOR: Any = twisted_reactor
ON_LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel does not deal connections out"
)


def opened(description: str, workers: int = 3, name: str = "") -> SharedListening:
    listener = Listener(name or description, serverFromString(REACTOR, description))
    made = SharedListening(listener, workers)
    made.startService()
    return made


@ON_LINUX
@pytest.mark.parametrize("host", ["127.0.0.1", r"\:\:1"])
@pytest_twisted.ensureDeferred
async def test_each_worker_has_a_socket_and_the_kernel_deals_out_to_them(host: str) -> None:
    shared = opened(f"tcp:0:interface={host}")
    place = shared.sockets[0].getsockname()
    assert {one.getsockname() for one in shared.sockets} == {place}
    family = shared.sockets[0].family

    clients = [socket.socket(family) for _ in range(90)]
    for client in clients:
        client.connect(place[:2])

    came: Counter[int] = Counter()
    for number, one in enumerate(shared.sockets):
        try:
            while True:
                one.accept()[0].close()
                came[number] += 1
        except BlockingIOError:
            pass
    for client in clients:
        client.close()
    assert came.total() == 90
    assert len(came) == 3  # or 1 in 10¹⁵
    await shared.stopService()


@ON_LINUX
@pytest_twisted.ensureDeferred
async def test_nobody_else_listens_there_and_nobody_does_when_it_has_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    shared = opened("tcp:0:interface=127.0.0.1")
    port = shared.sockets[0].getsockname()[1]
    assert f"Listening on ws://127.0.0.1:{port}" in caplog.messages

    with pytest.raises(CannotStart):
        opened(f"tcp:{port}:interface=127.0.0.1")

    await shared.stopService()
    assert shared.sockets == []
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(("127.0.0.1", port))


@pytest_twisted.ensureDeferred
async def test_a_local_socket_and_one_of_systemds_are_one_for_all(tmp_path: Path) -> None:
    for shared in (
        opened(f"unix:{tmp_path / 'socket'}"),
        opened("tcp:0:interface=127.0.0.1", name="haproxy:systemd:domain=INET:index=0"),
    ):
        assert len(shared.sockets) == 1
        await shared.stopService()


@pytest_twisted.ensureDeferred
async def test_where_there_cannot_be_more_there_is_one_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[socket.socket] = []

    def companion(first: socket.socket, _backlog: int) -> socket.socket:
        if made:
            raise OSError(24, "Too many open files")
        made.append(first.dup())
        return made[0]

    monkeypatch.setattr("twisted_signal.workers.sockets._companion", companion)
    shared = opened("tcp:0:interface=127.0.0.1")

    assert len(shared.sockets) == 1
    assert made[0].fileno() == -1
    await shared.stopService()


@pytest_twisted.ensureDeferred
async def test_elsewhere_than_on_linux_there_is_one_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    shared = opened("tcp:0:interface=127.0.0.1")

    assert len(shared.sockets) == 1
    await shared.stopService()
