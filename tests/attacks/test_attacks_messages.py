"""Messages that are meant to be too much, or to be taken for something else."""

from collections.abc import Iterator

import pytest
from arena import Arena, arena


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with arena(tmp_path_factory.mktemp("messages")) as started:
        yield started


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        '{"type":"offer","target_id":"peer","sdp":' + "[" * 30_000 + "]" * 30_000 + "}",
    ],
    ids=["of nothing else", "in an SDP"],
)
def test_json_that_is_nested_deeply_is_refused_and_reaches_nobody(place: Arena, text: str) -> None:
    with place.attack():
        attacker, peer = place.client(), place.client()
        attacker.register("attacker", "deep")
        peer.register("peer", "deep")
        attacker.hear()

        for _ in range(100):
            attacker.say_text(text)

        assert {attacker.hear()["code"] for _ in range(100)} == {"invalid_json"}
        assert peer.is_served()
