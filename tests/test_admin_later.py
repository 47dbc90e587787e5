"""Coroutines that wait for what comes later."""

import pytest

from twisted_signal.admin.later import Later, Task


async def doubled(number: Later[int]) -> int:
    return 2 * await number


def test_what_waits_for_nothing_is_done_at_once() -> None:
    number = Later[int]()
    number.come(4)

    task = Task(doubled(number))

    assert task.is_done
    assert task.result() == 8


def test_what_waits_goes_on_when_it_comes() -> None:
    number, done = Later[int](), []
    task = Task(doubled(number))
    task.when_done(lambda: done.append(task.result()))
    assert not task.is_done

    number.come(4)

    assert done == [8]


def test_one_that_is_done_says_so_at_once() -> None:
    number, done = Later[int](), []
    task = Task(doubled(number))
    number.come(1)
    task.when_done(lambda: done.append(task.result()))

    assert done == [2]


def test_only_the_first_time_counts() -> None:
    number = Later[int]()
    task = Task(doubled(number))
    number.come(4)
    number.come(5)

    assert task.result() == 8


def test_it_may_wait_more_than_once() -> None:
    first, second = Later[int](), Later[int]()

    async def both() -> int:
        return await doubled(first) + await doubled(second)

    task = Task(both())
    second.come(2)
    assert not task.is_done
    first.come(1)

    assert task.result() == 6


def test_an_error_is_the_result_and_not_the_matter_of_whoever_answered() -> None:
    number = Later[int]()

    async def fail() -> int:
        await number
        raise LookupError("a mistake")

    task = Task(fail())
    number.come(1)

    assert task.is_done
    with pytest.raises(LookupError, match="a mistake"):
        task.result()
