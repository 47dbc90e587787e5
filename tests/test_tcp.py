import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sockets import Wires
from twisted.internet.protocol import Protocol

from twisted_signal.tcp import is_stuck, round_trip_ms, unacknowledged

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
SMALL, LARGE = 4 * 1024, 256 * 1024

linux_only = pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="Linux tells how much")


@pytest.fixture
def wires() -> Iterator[Wires]:
    made = Wires()
    yield made
    made.close()


def fill(transport: Any) -> int:
    """Send until the socket takes no more; return how many bytes it took."""
    size = 0
    try:
        while True:
            size += transport.socket.send(b"x" * 4096)
    except BlockingIOError:
        return size


def wait_for(wires: Wires, condition: Callable[[], object]) -> None:
    """Wait for what the kernel does in its own time."""
    for _ in range(1000):
        if condition():
            return
        wires.turn(0.01)
    raise AssertionError("it does not happen")


def reset(theirs: socket.socket) -> None:
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    theirs.close()


@linux_only
def test_what_the_other_end_does_not_take_is_not_acknowledged(wires: Wires) -> None:
    transport, _ = wires.connect(Protocol(), send_buffer=LARGE, receive_buffer=SMALL)
    assert (unacknowledged(transport), is_stuck(transport)) == (0, False)

    size = fill(transport)

    wait_for(wires, lambda: is_stuck(transport))
    assert 0 < unacknowledged(transport) <= size


@linux_only
@pytest.mark.parametrize("end", [reset, socket.socket.close])
def test_how_much_was_lost_is_known_after_the_end(
    wires: Wires, end: Callable[[socket.socket], None]
) -> None:
    transport, theirs = wires.connect(Protocol(), send_buffer=LARGE, receive_buffer=SMALL)
    fill(transport)
    wait_for(wires, lambda: is_stuck(transport))
    lost = unacknowledged(transport)

    end(theirs)
    wires.turn_until(lambda: not transport.connected)

    assert transport.fileno() == -1
    assert is_stuck(transport)
    assert unacknowledged(transport) == lost


def test_nothing_is_lost_where_all_was_taken(wires: Wires) -> None:
    transport, theirs = wires.connect(Protocol())
    transport.socket.send(b"x" * 4096)
    wires.receive(theirs, 4096)
    wait_for(wires, lambda: not unacknowledged(transport))
    theirs.close()

    wires.turn_until(lambda: not transport.connected)

    assert unacknowledged(transport) == 0


def test_of_a_local_socket_the_kernel_tells_nothing_of_this(wires: Wires) -> None:
    class Local:
        def __init__(self) -> None:
            self.socket, self.other = socket.socketpair()

        def fileno(self) -> int:
            return self.socket.fileno()

    local = Local()
    with local.socket, local.other:
        assert not is_stuck(local)
        assert unacknowledged(local) == 0
        assert round_trip_ms(local) is None


@linux_only
def test_the_round_trip_of_the_loopback_is_short(wires: Wires) -> None:
    transport, theirs = wires.connect(Protocol())
    theirs.sendall(b"x")

    wires.turn()

    found = round_trip_ms(transport)
    assert found is not None
    assert 0 < found < 1000


def test_a_connection_that_has_ended_has_no_round_trip(wires: Wires) -> None:
    transport, theirs = wires.connect(Protocol())
    theirs.close()

    wires.turn_until(lambda: not transport.connected)

    assert round_trip_ms(transport) is None
