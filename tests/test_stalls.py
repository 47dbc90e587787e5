import pytest

from twisted_signal.stalls import Stalls

SIZE, PATIENCE = 100, 3


class Connection:
    def __init__(self, stalls: Stalls, size: int) -> None:
        self.stalls = stalls
        self.size = size
        self.taken = 0
        self.is_dropped = False
        self.drops_too: Connection | None = None

    def backlog(self) -> tuple[int, object]:
        return self.size, self.taken

    def stalled(self) -> None:
        assert not self.is_dropped
        self.is_dropped = True
        if self.drops_too is not None:
            self.stalls.remove(self.drops_too)


@pytest.fixture
def stalls() -> Stalls:
    return Stalls(SIZE, PATIENCE)


def waiting(stalls: Stalls, size: int = SIZE + 1) -> Connection:
    connection = Connection(stalls, size)
    stalls.add(connection)
    return connection


def turn(stalls: Stalls, ticks: int) -> None:
    for _ in range(ticks):
        stalls.tick()


def test_one_that_takes_nothing_is_dropped_in_time(stalls: Stalls) -> None:
    connection = waiting(stalls)

    turn(stalls, PATIENCE)
    assert not connection.is_dropped
    turn(stalls, 1)

    assert connection.is_dropped
    assert not stalls
    turn(stalls, 10)


def test_one_that_takes_a_little_now_and_then_is_not(stalls: Stalls) -> None:
    connection = waiting(stalls)

    for _ in range(20):
        turn(stalls, PATIENCE)
        connection.taken += 1
    assert not connection.is_dropped
    turn(stalls, PATIENCE + 1)

    assert connection.is_dropped


def test_one_for_which_little_waits_is_not_until_it_is_more(stalls: Stalls) -> None:
    connection = waiting(stalls, SIZE)
    turn(stalls, 100)

    connection.size += 1
    turn(stalls, PATIENCE - 1)
    assert not connection.is_dropped
    turn(stalls, 1)

    assert connection.is_dropped


def test_one_that_is_removed_is_left_alone(stalls: Stalls) -> None:
    connection = waiting(stalls)
    turn(stalls, PATIENCE)

    stalls.remove(connection)
    stalls.remove(connection)
    turn(stalls, 10)

    assert not connection.is_dropped


def test_one_that_is_removed_by_another_s_end_is_left_alone(stalls: Stalls) -> None:
    first, second = waiting(stalls), waiting(stalls)
    first.drops_too = second

    turn(stalls, 10)

    assert first.is_dropped
    assert not second.is_dropped


def test_without_a_size_nobody_is_looked_at() -> None:
    stalls = Stalls(0, PATIENCE)
    connection = waiting(stalls, 10**9)

    turn(stalls, 10)

    assert not connection.is_dropped


def test_a_size_that_is_set_later_holds_for_those_that_wait_already() -> None:
    stalls = Stalls(0, PATIENCE)
    connection = waiting(stalls)
    turn(stalls, 10)

    stalls.size = SIZE
    turn(stalls, PATIENCE + 1)

    assert connection.is_dropped
