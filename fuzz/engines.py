"""Two ways to find input: atheris, which sees what code it reaches, and Hypothesis."""

import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzz import targets

LARGEST = 4096
"""Bytes of an input."""
FOUND = 77
"""The exit status of atheris that has found something."""


class Found(Exception):
    """An input that a target cannot take. `data`: the input."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


def with_hypothesis(name: str, seconds: float, *, examples: int = 200, once: bool = False) -> int:
    """Try variations of a target's cases.

    Args:
        name: the target's.
        seconds: how long.
        examples: how many in a round.
        once: try one round, the same each time.

    Returns:
        How many inputs were tried.

    Raises:
        Found: by what the target raised.
    """
    target = targets.TARGETS[name]
    tried = 0
    failing = b""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=once,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(_variations([path.read_bytes() for path in targets.cases(name)]))
    def round_(data: bytes) -> None:
        nonlocal tried, failing
        tried += 1
        try:
            target(data)
        except BaseException:
            failing = data
            raise

    deadline = time.monotonic() + seconds
    try:
        round_()
        while not once and time.monotonic() < deadline:
            round_()
    except Exception as error:
        raise Found(failing) from error
    return tried


def _variations(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    edits = st.lists(
        st.tuples(st.integers(0, LARGEST), st.integers(0, 8), st.binary(max_size=8)), max_size=6
    )
    return st.one_of(
        st.builds(_edited, st.sampled_from(seeds), edits),
        st.builds(
            lambda one, other, cut: one[: cut % (len(one) + 1)] + other[cut % (len(other) + 1) :],
            st.sampled_from(seeds),
            st.sampled_from(seeds),
            st.integers(0, LARGEST),
        ),
        st.binary(max_size=300),
    )


def _edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for where, removed, inserted in edits:
        place = where % (len(data) + 1)
        data = data[:place] + inserted + data[place + removed :]
    return data


def with_atheris(name: str, seconds: float) -> None:
    """Go on from a target's cases to whatever reaches more code. Ends the process.

    The status is `FOUND` if there is something, which lies in the target's folder of crashes then.
    """
    import atheris

    crashes = targets.CRASHES / name
    crashes.mkdir(parents=True, exist_ok=True)
    corpus = Path(targets.CRASHES).with_name("corpus") / name
    corpus.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={seconds:.0f}",
            f"-max_len={LARGEST}",
            f"-artifact_prefix={crashes}/",
            "-timeout=20",
            "-rss_limit_mb=2048",
            "-verbosity=0",
            "-print_final_stats=1",
            str(corpus),
            str(targets.CASES / name),
        ],
        targets.TARGETS[name],
    )
    atheris.Fuzz()
