import pytest
from memory import Memory
from websockets.frames import Opcode

from twisted_signal.keepalive import KeepAlive

INTERVAL = 20
TIMEOUT = 10


class Connection:
    def __init__(self) -> None:
        self.heard = self.due = 0
        self.is_expected = False
        self.probed = 0
        self.vanished = False
        self.expired = False

    def probe(self) -> None:
        self.probed += 1

    def vanish(self) -> None:
        self.vanished = True

    def expire(self) -> None:
        self.expired = True


@pytest.fixture
def wheel() -> KeepAlive:
    return KeepAlive(INTERVAL, TIMEOUT)


def turn(wheel: KeepAlive, ticks: int) -> None:
    for _ in range(ticks):
        wheel.tick()


def test_a_silent_connection_is_probed_and_then_gone(wheel: KeepAlive) -> None:
    connection = Connection()
    wheel.add(connection)

    turn(wheel, INTERVAL - 1)
    assert connection.probed == 0
    turn(wheel, 1)
    assert connection.probed == 1
    turn(wheel, TIMEOUT - 1)
    assert not connection.vanished
    turn(wheel, 1)
    assert connection.vanished
    assert not wheel


def test_a_connection_that_answers_each_probe_stays(wheel: KeepAlive) -> None:
    connection = Connection()
    wheel.add(connection)

    for _ in range(10 * INTERVAL):
        turn(wheel, 1)
        if connection.probed:
            connection.probed = 0
            connection.heard = wheel.now

    assert not connection.vanished
    assert wheel


def test_a_connection_that_speaks_is_not_probed(wheel: KeepAlive) -> None:
    connection = Connection()
    wheel.add(connection)

    for _ in range(10 * INTERVAL):
        turn(wheel, 1)
        connection.heard = wheel.now

    assert connection.probed == 0


def test_one_that_speaks_once_between_is_probed_a_full_interval_later(wheel: KeepAlive) -> None:
    connection = Connection()
    wheel.add(connection)
    turn(wheel, 5)
    connection.heard = wheel.now

    turn(wheel, INTERVAL - 1)
    assert connection.probed == 0
    turn(wheel, 1)
    assert connection.probed == 1


def test_one_that_is_removed_is_left_alone(wheel: KeepAlive) -> None:
    gone, there = Connection(), Connection()
    wheel.add(gone)
    wheel.add(there)

    wheel.remove(gone)
    wheel.remove(gone)
    turn(wheel, INTERVAL)

    assert (gone.probed, there.probed) == (0, 1)


def test_one_that_is_removed_by_another_s_end_is_left_alone(wheel: KeepAlive) -> None:
    class Takes(Connection):
        def vanish(self) -> None:
            super().vanish()
            for connection in connections:
                wheel.remove(connection)

    connections = [Takes(), Takes()]
    for connection in connections:
        wheel.add(connection)

    turn(wheel, INTERVAL + TIMEOUT)

    assert sum(connection.vanished for connection in connections) == 1
    assert not wheel


def test_one_of_which_something_is_expected_expires_after_that_time(wheel: KeepAlive) -> None:
    connection = Connection()
    turn(wheel, 7)
    wheel.expect(connection, 5)

    turn(wheel, 5)
    assert not connection.expired  # some of the first tick was over
    turn(wheel, 1)

    assert connection.expired
    assert connection.probed == 0
    assert not wheel


def test_what_is_heard_does_not_put_an_end_off(wheel: KeepAlive) -> None:
    connection = Connection()
    wheel.expect(connection, 2 * INTERVAL)

    for _ in range(2 * INTERVAL + 1):
        connection.heard = wheel.now
        turn(wheel, 1)

    assert connection.expired


def test_one_that_did_what_was_expected_is_watched_like_others(wheel: KeepAlive) -> None:
    connection = Connection()
    wheel.expect(connection, 5)
    turn(wheel, 2)
    wheel.add(connection)

    turn(wheel, INTERVAL)

    assert not connection.expired
    assert connection.probed == 1


def test_one_that_is_watched_may_be_expected_to_end(wheel: KeepAlive) -> None:
    connection = Connection()
    wheel.add(connection)
    wheel.expect(connection, 5)

    turn(wheel, INTERVAL + TIMEOUT)

    assert connection.expired
    assert connection.probed == 0


def test_without_an_interval_only_what_is_expected_is_watched() -> None:
    wheel = KeepAlive(0, TIMEOUT)
    connection = Connection()
    wheel.expect(connection, 5)
    assert wheel

    wheel.add(connection)

    assert not wheel
    assert not connection.expired


def test_one_that_is_removed_by_its_own_end_does_no_harm(wheel: KeepAlive) -> None:
    class Takes(Connection):
        def vanish(self) -> None:
            super().vanish()
            wheel.remove(self)

    connections = [Takes(), Takes()]
    for connection in connections:
        wheel.add(connection)

    turn(wheel, INTERVAL + TIMEOUT)

    assert all(connection.vanished for connection in connections)


def test_a_client_is_pinged_and_dropped_when_it_stays_silent() -> None:
    memory = Memory(ping_interval=2, ping_timeout=3)
    silent, answering = memory.registered("silent"), memory.registered("answering")
    silent.hear()
    for _ in range(4):
        memory.clock.advance(1)
        answering.hear()  # takes the ping
        answering.flush()  # and sends the pong

    assert not silent.transport.ended
    memory.clock.advance(1)

    assert silent.transport.aborted
    assert not answering.transport.ended
    assert answering.hear() == [{"type": "peer_left", "client_id": "silent"}]


def test_the_ping_is_an_empty_frame() -> None:
    memory = Memory(ping_interval=1)
    client = memory.registered("a")
    client.take()

    memory.clock.advance(1)

    assert client.transport.sent() == bytes([0x80 | Opcode.PING, 0])


def test_without_an_interval_nobody_is_pinged() -> None:
    memory = Memory(ping_interval=0)
    client = memory.registered("a")
    client.take()

    for _ in range(100):
        memory.clock.advance(1)

    assert client.transport.sent() == b""
    client.transport.end()
    assert memory.clock.getDelayedCalls() == []


def test_the_timer_ends_with_the_last_client() -> None:
    memory = Memory()
    clients = [memory.open(), memory.open()]

    clients[0].transport.end()
    assert len(memory.clock.getDelayedCalls()) == 1
    clients[1].transport.end()

    assert memory.clock.getDelayedCalls() == []


# Other times


def watched(wheel: KeepAlive, count: int = 1) -> list[Connection]:
    connections = [Connection() for _ in range(count)]
    for connection in connections:
        connection.heard = wheel.now
        wheel.add(connection)
    return connections


def test_a_shorter_interval_holds_for_those_that_are_watched(wheel: KeepAlive) -> None:
    (connection,) = watched(wheel)
    turn(wheel, 3)

    wheel.set_times(5, 2)

    turn(wheel, 1)
    assert connection.probed == 0
    turn(wheel, 1)
    assert connection.probed == 1
    turn(wheel, 1)
    assert not connection.vanished
    turn(wheel, 1)
    assert connection.vanished


def test_who_was_silent_as_long_as_it_might_be_is_asked_before_it_is_given_up(
    wheel: KeepAlive,
) -> None:
    (connection,) = watched(wheel)
    turn(wheel, INTERVAL - 1)

    wheel.set_times(2, 3)
    turn(wheel, 3)
    assert (connection.probed, connection.vanished) == (1, False)
    connection.heard = wheel.now
    turn(wheel, 2)
    assert (connection.probed, connection.vanished) == (2, False)
    turn(wheel, 3)

    assert connection.vanished


def test_a_timeout_of_nothing_leaves_who_is_asked_a_tick(wheel: KeepAlive) -> None:
    (connection,) = watched(wheel)
    turn(wheel, INTERVAL - 1)

    wheel.set_times(2, 0)
    while not connection.probed:
        turn(wheel, 1)

    assert not connection.vanished
    turn(wheel, 1)
    assert connection.vanished


def test_not_all_are_asked_in_one_tick(wheel: KeepAlive) -> None:
    connections = watched(wheel, 20)
    turn(wheel, INTERVAL - 1)

    wheel.set_times(10, TIMEOUT)

    for tick in range(1, 11):
        turn(wheel, 1)
        assert sum(connection.probed for connection in connections) == 2 * tick


def test_a_longer_interval_holds_too(wheel: KeepAlive) -> None:
    (connection,) = watched(wheel)

    wheel.set_times(2 * INTERVAL, TIMEOUT)

    turn(wheel, 2 * INTERVAL - 1)
    assert connection.probed == 0
    turn(wheel, 1)
    assert connection.probed == 1


def test_an_interval_of_nothing_ends_all_watching_but_what_is_expected(wheel: KeepAlive) -> None:
    (connection,) = watched(wheel)
    expected = Connection()
    wheel.expect(expected, INTERVAL)

    wheel.set_times(0, TIMEOUT)
    turn(wheel, 10 * INTERVAL)

    assert (connection.probed, connection.vanished, connection.due) == (0, False, -1)
    assert expected.expired


def test_those_that_were_not_watched_can_be() -> None:
    wheel = KeepAlive(0, TIMEOUT)
    (connection,) = watched(wheel)
    turn(wheel, 10 * INTERVAL)
    assert connection.due < 0

    wheel.set_times(INTERVAL, TIMEOUT)
    wheel.watch_anew([connection])
    turn(wheel, TIMEOUT - 1)

    assert (connection.probed, connection.vanished) == (1, False)


def test_one_that_goes_before_it_is_asked_is_forgotten(wheel: KeepAlive) -> None:
    (connection,) = watched(wheel)
    turn(wheel, INTERVAL - 1)
    wheel.set_times(2, 3)

    wheel.remove(connection)
    turn(wheel, INTERVAL)

    assert (connection.probed, connection.vanished) == (0, False)
    assert not wheel._unasked


def test_the_same_times_change_nothing(wheel: KeepAlive) -> None:
    (connection,) = watched(wheel)
    due = connection.due

    wheel.set_times(INTERVAL, TIMEOUT)

    assert connection.due == due
