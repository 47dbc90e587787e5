"""When a worker is followed by another."""

from twisted_signal.workers.backoff import Backoff


def test_what_ends_soon_is_waited_for_twice_as_long_each_time() -> None:
    backoff = Backoff()

    assert [backoff.after(1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_after_a_minute_all_is_well_again() -> None:
    backoff = Backoff()
    for _ in range(3):
        backoff.after(59.9)

    assert backoff.after(60) == 0.5
    assert backoff.after(1) == 1
