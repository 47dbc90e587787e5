"""A wall clock that is set does not move timers."""

import contextlib
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from processes import BIN, PATIENCE, running
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.selectreactor import SelectReactor
from websockets.sync.client import connect

from twisted_signal.clock import run_steadily


class Wall:
    """A clock that a test sets."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@pytest.fixture(params=[1.8e9, 0.0], ids=["ahead", "behind"])
def wall(request: pytest.FixtureRequest) -> Wall:
    """The wall clock of a machine, ahead of its steady clock, or behind (without a battery)."""
    return Wall(request.param)


@pytest.fixture
def steady() -> Wall:
    return Wall(1000.0)


@pytest.fixture
def reactor(wall: Wall) -> Any:
    """A reactor of the test's own, which does not run."""
    made: Any = SelectReactor()
    made.seconds = wall
    return made


def due(reactor: Any) -> float:
    timeout: float = reactor.timeout()
    return timeout


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_moves_no_timer(
    step: float, reactor: Any, wall: Wall, steady: Wall
) -> None:
    run_steadily(reactor, steady)
    fired: list[str] = []
    reactor.callLater(5, fired.append, "timer")

    wall.at += step
    reactor.runUntilCurrent()
    assert (fired, due(reactor)) == ([], 5)
    steady.at += 5
    reactor.runUntilCurrent()

    assert fired == ["timer"]


@pytest.mark.parametrize("have_been_seen", [True, False])
def test_calls_that_wait_already_wait_as_long_as_they_would_have(
    have_been_seen: bool, reactor: Any, wall: Wall, steady: Wall
) -> None:
    fired: list[int] = []
    calls = {after: reactor.callLater(after, fired.append, after) for after in (7, 3, 9, 1, 5)}
    calls[3].cancel()
    calls[5].delay(3)
    if have_been_seen:
        reactor.runUntilCurrent()  # the reactor keeps those that it has not seen yet elsewhere
    wall.at += 0.5

    run_steadily(reactor, steady)

    reactor.runUntilCurrent()
    assert due(reactor) == 0.5
    for _ in range(30):
        steady.at += 0.25
        reactor.runUntilCurrent()
        order = {1: 1, 7: 7, 5: 8, 9: 9}
        expected = [after for after, at in order.items() if steady.at >= 999.5 + at]
        assert fired == expected


def test_a_call_can_still_be_moved_and_cancelled(reactor: Any, steady: Wall) -> None:
    fired: list[str] = []
    moved = reactor.callLater(100, fired.append, "moved")
    cancelled = reactor.callLater(1, fired.append, "cancelled")
    run_steadily(reactor, steady)

    moved.reset(2)
    cancelled.cancel()
    steady.at += 2
    reactor.runUntilCurrent()

    assert fired == ["moved"]


def test_twice_is_no_different(reactor: Any, steady: Wall) -> None:
    reactor.callLater(5, print)

    run_steadily(reactor, steady)
    run_steadily(reactor, steady)

    assert due(reactor) == 5


def test_it_works_on_top_of_asyncio(wall: Wall) -> None:
    import asyncio

    loop = asyncio.new_event_loop()
    reactor: Any = AsyncioSelectorReactor(loop)
    reactor.seconds = wall
    fired: list[str] = []
    reactor.callLater(0.01, fired.append, "before")

    run_steadily(reactor)
    wall.at -= 3600
    reactor.callLater(0.02, fired.append, "after")
    reactor.callLater(0.03, loop.stop)
    loop.run_forever()
    loop.close()

    assert fired == ["before", "after"]


@pytest.mark.parametrize(
    "runner", [["twistd", "-n", "--pidfile="], ["twist"]], ids=lambda one: one[0]
)
def test_a_server_whose_wall_clock_is_set_back_keeps_its_times(
    runner: list[str], tmp_path: Path
) -> None:
    program = tmp_path / "stepped.py"
    program.write_text(
        "import pathlib, runpy, sys, time\n"
        "wall = time.time\n"
        "stepped = pathlib.Path('stepped')\n"
        "time.time = lambda: wall() - 3600 * stepped.exists()\n"
        "sys.argv.pop(0)\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    options = ["vislam-signal", "--port", "0", "--host", "127.0.0.1", "--handshake-timeout", "1"]
    with running(
        BIN / "python", program, BIN / runner[0], *runner[1:], *options, cwd=tmp_path
    ) as process:
        port = int(process.wait_for(r"Listening on ws://127.0.0.1:(\d+)")[1])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as silent:
            silent.sendall(b"G")  # who has said nothing at all is not told of in the log
            with connect(f"ws://127.0.0.1:{port}") as client:
                client.send("{}")
                client.recv(timeout=PATIENCE)  # so the silent one was accepted before
            (tmp_path / "stepped").touch()
            begun = time.monotonic()

            with contextlib.suppress(ConnectionResetError):
                assert silent.recv(1) == b""

        assert time.monotonic() - begun < PATIENCE / 2
        process.wait_for("The WebSocket handshake was not there")
