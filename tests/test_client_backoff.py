"""How long a client waits before it comes back."""

import random

from twisted_signal.client.backoff import Patience, pause


def test_the_first_try_is_at_once_and_later_ones_are_further_apart_and_random() -> None:
    source = random.Random(7)
    tries = [[pause(number, source.random()) for number in range(20)] for _ in range(50)]
    assert all(waits[0] == 0 for waits in tries)
    assert all(0.5 <= wait <= 1 for waits in tries for wait in waits[1:7])
    assert all(5 <= wait <= 10 for waits in tries for wait in waits[10:])
    assert len({waits[1] for waits in tries}) > 40
    assert all(max(waits) <= 10 for waits in tries)


def test_a_server_that_lets_nobody_stay_is_not_asked_all_the_time() -> None:
    patience = Patience(lambda: 1.0)
    now, waits = 0.0, []
    for _ in range(9):
        patience.connecting()
        patience.entered(now)
        patience.broke(now)
        patience.try_later(now)
        waits.append(patience.next_try_at - now)
        now = patience.next_try_at
    assert waits == [0, 1, 1, 1, 1, 1, 1, 2, 4]
