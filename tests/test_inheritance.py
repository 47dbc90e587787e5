"""What a worker has from its parent."""

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as twisted_reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from twisted_signal.config.settings import Origin, Setting
from twisted_signal.inheritance import (
    HELP,
    VARIABLE,
    AdoptingReactor,
    Helper,
    Inheritance,
    Lifeline,
    Queue,
    adoptable,
)

REACTOR: Any = twisted_reactor
SETTINGS = {
    "port": Setting("8765", Origin.FILE, "/etc/signal.toml, line 3"),
    "endpoint": Setting(["tcp:1", "unix:/caf\udce9"], Origin.COMMAND_LINE),
    "qr": Setting(value=True, origin=Origin.DEMO),
    "tls-cert": Setting(None),
}


def test_it_comes_out_of_the_environment_as_it_went_in() -> None:
    inheritance = Inheritance(2, SETTINGS, [2, 1], "/run/x")

    assert Inheritance.of({VARIABLE: inheritance.encode()}) == inheritance
    assert inheritance.encode().isascii()
    assert Inheritance.of({}) is None


@pytest.mark.parametrize(
    ("number", "listener", "own", "others"),
    [(1, 0, 3, [4]), (2, 0, 4, [3]), (1, 1, 5, []), (2, 1, 5, []), (2, 2, 7, [6])],
)
def test_each_worker_has_a_socket_of_its_own_where_there_are_as_many(
    number: int, listener: int, own: int, others: list[int]
) -> None:
    found = Inheritance(number, {}, [2, 1, 2], "/run/x").reactor_for(REACTOR, listener)

    assert vars(found) == vars(AdoptingReactor(REACTOR, own, others))


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("tcp:8765", "tcp:8765"),
        ("haproxy:tcp:8765", "haproxy:tcp:8765"),
        ("systemd:domain=INET:index=0", "tcp:0"),
        ("haproxy:systemd:domain=INET:index=0", "haproxy:tcp:0"),
    ],
)
def test_what_systemd_has_handed_over_is_not_asked_for_again(
    description: str, expected: str
) -> None:
    assert adoptable(description) == expected


class Welcome(Protocol):
    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"welcome")
        self.transport.loseConnection()


FACTORY = Factory.forProtocol(Welcome)


def heard(family: socket.AddressFamily, address: Any) -> bytes:
    with socket.socket(family) as client:
        client.settimeout(10)
        client.connect(address)
        return client.recv(100)


@pytest_twisted.ensureDeferred
async def test_a_local_socket_stays_the_parents(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as parents:
        parents.bind(str(path))
        path.chmod(0o640)
        parents.listen()
        parents.settimeout(0)
        adopting = AdoptingReactor(REACTOR, os.dup(parents.fileno()), [])

        port = adopting.listenUNIX("elsewhere", FACTORY, mode=0o666)

        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert await deferToThread(heard, socket.AF_UNIX, str(path)) == b"welcome"
        await port.stopListening()
        assert path.exists()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))  # the others go on


def listening() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.settimeout(0)
    return made


@pytest_twisted.ensureDeferred
async def test_who_waits_for_another_worker_is_accepted_too() -> None:
    with listening() as own, listening() as other:
        adopting = AdoptingReactor(REACTOR, os.dup(own.fileno()), [os.dup(other.fileno())])
        port = adopting.listenTCP(0, FACTORY, backlog=5)

        for each in (own, other):
            address = each.getsockname()
            assert await deferToThread(heard, socket.AF_INET, address) == b"welcome"

        await port.stopListening()
        ended: Deferred[None] = Deferred()
        REACTOR.callLater(2 * HELP, ended.callback, None)
        await ended
        with socket.create_connection(other.getsockname()) as client:
            other.settimeout(10)
            other.accept()[0].close()  # it is left to its owner
            assert client.recv(1) == b""


def test_a_queue_that_fails_is_one_with_nobody_in_it() -> None:
    with listening() as broken:
        queue = Queue(os.dup(broken.fileno()))
        broken.shutdown(socket.SHUT_RDWR)  # as a parent does that stops

        with pytest.raises(BlockingIOError):
            queue.accept()
        queue.close()


def test_a_helper_ends_with_its_port() -> None:
    clock = Clock()
    port: Any = type("Port", (), {"disconnecting": False, "connected": True, "looked": 0})()
    port.socket, port.numberAccepts = "own", 7
    port.doRead = lambda: setattr(port, "looked", port.looked + 1)
    with listening() as other:
        queue = Queue(os.dup(other.fileno()))
        Helper(clock, port, [queue])

        clock.pump([HELP] * 3)
        assert (port.looked, port.socket, port.numberAccepts) == (3, "own", 7)

        port.connected = False
        clock.pump([HELP] * 3)
        assert port.looked == 3
        assert clock.getDelayedCalls() == []
        with pytest.raises(BlockingIOError):  # its descriptor is free
            queue.accept()


def test_the_lifeline_tells_once_that_the_parent_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr("twisted_signal.inheritance.LIFELINE", reading)
    watched: list[object] = []
    reactor: Any = type(
        "Reactor", (), {"addReader": watched.append, "removeReader": watched.remove}
    )
    told: list[str] = []
    lifeline = Lifeline(reactor, lambda: told.append("gone"))
    reason: Any = None

    lifeline.connectionLost(reason)  # a reactor that ends tells its readers so
    assert (told, watched) == ([], [lifeline])
    os.close(writing)
    lifeline.connectionLost(reason)
    lifeline.doRead()

    assert (told, watched) == (["gone"], [])
    os.close(reading)


def test_what_a_killed_parent_leaves_behind_is_removed(tmp_path: Path) -> None:
    directory = tmp_path / "sockets"
    directory.mkdir()
    inheritance = Inheritance(1, {}, [], str(directory))
    Path(inheritance.admin_path).touch()

    inheritance.remove()
    inheritance.remove()

    assert not directory.exists()
