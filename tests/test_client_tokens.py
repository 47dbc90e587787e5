"""What a client reads in its token."""

import pytest
from tokens import by_secret

from twisted_signal.client.tokens import life


def test_a_token_tells_how_long_it_is_good() -> None:
    assert life(by_secret({"exp": 1060, "room": "lab1"}), 1000) == 60
    assert life(by_secret({"exp": 1060.5}), 1000) == 60.5
    assert life(by_secret({"exp": 900}), 1000) == 0


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b.c",
        "a.é.c",
        "....",
        by_secret({"room": "lab1"}),
        by_secret({"exp": "soon"}),
        by_secret("[]"),
        by_secret(b"\xff"),
        by_secret('{"exp":' + "[" * 100_000),
        by_secret('{"more":' + "[" * 100_000),
    ],
    ids=lambda token: token[:40],
)
def test_what_tells_nothing_is_no_mistake(token: str) -> None:
    assert life(token, 1000) is None
