"""A node that stands still for longer than its lease, and goes on."""

import time
from pathlib import Path

from node_clients import (
    Numbered,
    bystanders,
    joined,
    left,
    register,
    settle,
    talk,
    told_of,
    wait_for_agreement,
)
from nodes import ANNOUNCED, LEASE, nodes
from redis_server import RedisServer

STILL = 15.0


def test_a_node_stands_still_and_goes_on(redis: RedisServer, tmp_path: Path) -> None:
    with (
        nodes(redis.url, redis.url, cwd=tmp_path) as (sleeper, awake),
        bystanders(awake),
        register(awake, "watch", "lab") as watch,
        register(sleeper, "plain", "lab") as plain,
        register(sleeper, "robbed", "lab") as robbed,
        register(sleeper, "resuming", "lab", resume=True) as resuming,
        register(sleeper, "goes on", "lab", resume=True) as goes_on,
        register(sleeper, "friend", "home") as friend,
    ):
        wait_for_agreement(watch, plain, robbed, resuming, goes_on)
        to_resuming = Numbered(watch, resuming)

        sleeper.freeze()
        frozen_at = time.monotonic()
        while told_of(watch)[4:] not in (
            [left("plain"), left("robbed")],
            [left("robbed"), left("plain")],
        ):
            watch.hear()
        assert time.monotonic() < frozen_at + ANNOUNCED
        with register(awake, "robbed", "lab", client_type="heir") as heir:
            assert set(heir.answer["peers"]) == {"watch", "resuming", "goes on"}
            assert watch.hear() == joined("robbed", "heir")
            elsewhere = goes_on.resume(awake, is_patient=True)
            talk(frozen_at + STILL - time.monotonic(), to_resuming)
            plain.say(type="message", target_id="watch", data="said to one that stands still")
            sleeper.thaw()

            assert robbed.hear_close() == 4409
            assert goes_on.hear_close() == 4409
            assert watch.hear_type("peer_joined") == joined("plain")
            settle(to_resuming)
            everybody = {watch, plain, heir, resuming, elsewhere}
            # What one had heard whose node did not answer is not known: it knows by `peers`.
            wait_for_agreement(watch, plain, heir, resuming, also=[elsewhere])
            for sender in everybody:
                sender.say(type="message", data=f"from {sender.client_id}")
            for target in everybody:
                for sender in everybody - {target}:
                    told = f"from {sender.client_id}"
                    if not any(message.get("data") == told for message in target.received):
                        target.hear_data(told)
            # Of those that may come back nobody heard.
            assert told_of(watch, "resuming", "goes on") == [joined("resuming"), joined("goes on")]
            assert told_of(watch)[-2:] == [joined("robbed", "heir"), joined("plain")]
            assert told_of(heir) == [joined("plain")]
            assert told_of(resuming, "robbed") == [left("robbed"), joined("robbed", "heir")]
            assert told_of(plain, "robbed", "watch") == [
                joined("robbed"),
                left("robbed"),
                joined("robbed", "heir"),
            ]
            with register(awake, "guest", "home") as guest:
                wait_for_agreement(friend, guest)


def test_a_node_that_stands_still_for_less_than_its_lease_is_missed_by_nobody(
    redis: RedisServer, tmp_path: Path
) -> None:
    with (
        nodes(redis.url, redis.url, cwd=tmp_path) as (sleeper, awake),
        bystanders(awake),
        register(awake, "watch", "lab") as watch,
        register(sleeper, "plain", "lab") as plain,
    ):
        talks = (Numbered(watch, plain), Numbered(plain, watch))
        settle(*talks)

        sleeper.freeze()
        talk(LEASE / 2, *talks)
        sleeper.thaw()

        settle(*talks)
        wait_for_agreement(watch, plain)
        assert [each.arrived for each in talks] == [list(range(each.sent)) for each in talks]
        assert told_of(watch) == [joined("plain")]
        assert told_of(plain) == []
