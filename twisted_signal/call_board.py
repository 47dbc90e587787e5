"""The calls for an operator who looks every second, without the work for all of them each time."""

from twisted_signal.case import SECOND
from twisted_signal.diagnosis import CallView, call_view, in_order, nearest_to, quiet_rooms
from twisted_signal.registry import Registry
from twisted_signal.timeline import Call

AT_ONCE = 16
"""How many views are made anew in one look although nothing happened: some 0.15 ms each."""
SHARE = 20
"""A view may be older by this part of the time for which nothing has happened, which is 5 %."""
OLDEST = 30 * SECOND
"""How old a view may be in any case."""
QUIET = 5 * SECOND
"""How old the views of rooms may be in which nobody calls: each look goes through a thousand."""
LATE = 10 * SECOND
"""From what on a view is made anew, however many are: nobody has looked for so long."""


class CallBoard:
    """The views of all calls.

    A view is made anew when something happens in the call. What is said of it may change by time
    alone, too, but the later the longer nothing has happened.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._kept: dict[int, _Kept] = {}
        self._quiet: list[CallView] = []
        self._quiet_at_ns = 0

    def views(self, now_ns: int) -> list[CallView]:
        """Return what `diagnosis.call_views` does, but for what changed by time a little ago.

        Args:
            now_ns: the wall clock, in nanoseconds since 1970.
        """
        registry = self._registry
        calls = registry.calls.latest()
        stale, due = [], []
        for call in calls:
            had = self._kept.get(call.number)
            if had is None or had.is_useless(call, now_ns):
                stale.append(call)
            elif now_ns >= had.good_until_ns:
                due.append((had.good_until_ns, call.number, call))
        stale += [call for _, _, call in sorted(due)[:AT_ONCE]]
        nearest = nearest_to(registry, stale)
        made = {
            call.number: _Kept(call_view(call, registry, nearest, now_ns), call, now_ns)
            for call in stale
        }
        self._kept = {
            call.number: made.get(call.number) or self._kept[call.number] for call in calls
        }
        if not 0 <= now_ns - self._quiet_at_ns < QUIET:
            self._quiet = list(quiet_rooms(registry, nearest, now_ns))
            self._quiet_at_ns = now_ns
        return in_order([kept.view for kept in self._kept.values()], self._quiet)


class _Kept:
    """A view, and how long it is right. `now_ns`: when it was made."""

    __slots__ = ("_last_ns", "_made_at_ns", "good_until_ns", "view")

    def __init__(self, view: CallView, call: Call, now_ns: int) -> None:
        self.view = view
        self._last_ns = call.last_ns
        self._made_at_ns = now_ns
        good_for = min(max((now_ns - call.last_ns) // SHARE, SECOND), OLDEST)
        self.good_until_ns = now_ns + good_for

    def is_useless(self, call: Call, now_ns: int) -> bool:
        """Tell whether it must be made anew. The wall clock may have been set back."""
        return (
            self._last_ns != call.last_ns
            or now_ns < self._made_at_ns
            or now_ns >= self.good_until_ns + LATE
        )
