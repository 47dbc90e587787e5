"""What is there at the start is not looked at by the garbage collector again."""

import gc
from typing import Any

import pytest

from twisted_signal.collector import spare_what_stays


class Reactor:
    def __init__(self) -> None:
        self.starting: list[Any] = []

    def callWhenRunning(self, function: Any) -> None:
        self.starting.append(function)


@pytest.fixture
def reactor() -> Any:
    yield Reactor()
    gc.unfreeze()


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_it_is_left_out_as_soon_as_the_server_runs(reactor: Any) -> None:
    stays = Cycle()
    spare_what_stays(reactor)
    assert any(each is stays for each in gc.get_objects())

    for function in reactor.starting:
        function()

    assert not any(each is stays for each in gc.get_objects())
    assert gc.get_freeze_count() > 0


def test_what_is_garbage_by_then_is_not_kept(reactor: Any) -> None:
    deleted: list[bool] = []

    class Garbage(Cycle):
        def __del__(self) -> None:
            deleted.append(True)

    Garbage()
    spare_what_stays(reactor)
    for function in reactor.starting:
        function()

    assert deleted == [True]
