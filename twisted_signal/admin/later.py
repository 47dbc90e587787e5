"""What is known later, and coroutines that wait for it. No I/O, no clock, no event loop."""

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Later(Generic[Value]):
    """A value that comes some time. A coroutine that a `Task` runs may await it."""

    def __init__(self) -> None:
        self._has_come = False
        self._value: Value
        self._wanted: Callable[[], None] | None = None

    def come(self, value: Value) -> None:
        """Here it is. Only the first time counts."""
        if self._has_come:
            return
        self._has_come, self._value = True, value
        if self._wanted is not None:
            self._wanted()

    def when_come(self, do: Callable[[], None]) -> None:
        """Call a function when it comes. There is one who waits."""
        self._wanted = do

    def __await__(self) -> "Generator[Later[Value], None, Value]":
        if not self._has_come:
            yield self
        return self._value


class Task(Generic[Value]):
    """A coroutine that goes on whenever what it awaits has come.

    Attributes:
        is_done: whether it has ended.
    """

    def __init__(self, work: Coroutine[Later[Any], None, Value]) -> None:
        """Begin at once. `work`: awaits nothing but `Later`s."""
        self.is_done = False
        self._work = work
        self._value: Value
        self._error: Exception | None = None
        self._wanted: Callable[[], None] | None = None
        self._go_on()

    def result(self) -> Value:
        """Return what came of it, when it is done.

        Raises:
            Exception: it ended so.
        """
        assert self.is_done
        if self._error is not None:
            raise self._error
        return self._value

    def when_done(self, do: Callable[[], None]) -> None:
        """Call a function when it is done, at once if it is so. There is one who waits."""
        if self.is_done:
            do()
        else:
            self._wanted = do

    def _go_on(self) -> None:
        try:
            awaited = self._work.send(None)
        except StopIteration as end:
            self._value = end.value
        except Exception as error:  # whoever takes the result gets it
            self._error = error
        else:
            awaited.when_come(self._go_on)
            return
        self.is_done = True
        if self._wanted is not None:
            self._wanted()
