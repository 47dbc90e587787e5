"""What the arena sees, or no attack would show anything."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from arena import MIB, Arena, arena

pytestmark = pytest.mark.alone  # it is seen how long others wait

STANDSTILL = 0.4


def stand_still(place: Arena) -> None:
    with place.attack():
        place.server.process.send_signal(signal.SIGSTOP)
        time.sleep(STANDSTILL)
        place.server.process.send_signal(signal.SIGCONT)


def use_memory(place: Arena) -> None:
    with place.attack(peak=8 * MIB):
        sender, silent = place.client(), place.client(receive_buffer=16 * 1024)
        sender.register("sender", "room")
        silent.register("silent", "room")
        for _ in range(500):
            sender.say(type="offer", target_id="silent", sdp="x" * 60_000)
        assert sender.hear()["type"] == "peer_joined"
        assert sender.is_served()


def replace_a_bystander(place: Arena) -> None:
    with place.attack():
        place.client().register("caller", "bystanders 0")


@pytest.mark.parametrize(
    ("harm", "seen"),
    [(stand_still, "p99"), (use_memory, "peak"), (replace_a_bystander, "failures")],
)
def test_harm_is_seen(tmp_path: Path, harm: Callable[[Arena], None], seen: str) -> None:
    vulnerable = ("--max-buffer", "0", "--message-burst", "0", "--duplicate-id", "replace")
    with arena(tmp_path, *vulnerable) as place, pytest.raises(AssertionError, match=seen):
        harm(place)
