import re

import pytest

from twisted_signal.membership import node_name


@pytest.mark.parametrize(
    ("host", "begins"),
    [
        ("lab-1.example.com", "lab-1.example.com-"),
        ('a b"{*}', "a-b-----"),
        ("é" * 100, "-" * 63),
        ("", "-"),
    ],
)
def test_a_node_is_called_by_its_host_and_never_the_same_again(host: str, begins: str) -> None:
    names = {node_name(host) for _ in range(20)}

    assert len(names) == 20
    for name in names:
        assert re.fullmatch(re.escape(begins) + r"-?[0-9a-f]{6}", name)
