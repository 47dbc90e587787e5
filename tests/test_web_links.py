"""Links to the pages, for another machine and for this one."""

import pytest

from twisted_signal.web.links import is_loopback, pc_link, phone_links

URLS = [
    "ws://127.0.0.1:8765",
    "ws://192.0.2.7:8765",
    "wss://127.0.0.1:8766",
    "wss://192.0.2.7:8766",
    "ws+unix:///run/signal.sock",
]


def test_a_phone_is_sent_to_where_its_camera_works_first() -> None:
    assert phone_links(URLS) == [
        "https://192.0.2.7:8766/demo/phone",
        "http://192.0.2.7:8765/demo/phone",
    ]


def test_this_machines_own_address_is_better_than_nothing() -> None:
    assert phone_links(["ws://127.0.0.1:8765"]) == ["http://127.0.0.1:8765/demo/phone"]


def test_a_browser_here_needs_no_certificate() -> None:
    assert pc_link(URLS) == "http://127.0.0.1:8765/demo/pc"


def test_without_a_plain_listener_it_gets_one_by_tls() -> None:
    assert pc_link(["wss://127.0.0.1:8766", "wss://192.0.2.7:8766"]) == (
        "https://127.0.0.1:8766/demo/pc"
    )


def test_another_address_of_this_machine_will_do() -> None:
    assert pc_link(["ws://192.0.2.7:8765"]) == "http://192.0.2.7:8765/demo/pc"


def test_there_may_be_none() -> None:
    assert pc_link(["ws+unix:///run/signal.sock"]) is None
    assert phone_links([]) == []


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("http://127.0.0.9/", True),
        ("https://[::1]:8766/demo/pc", True),
        ("http://localhost:8765/", True),
        ("http://192.0.2.7/", False),
        ("https://example.com/", False),
    ],
)
def test_loopback_is_this_machine_alone(link: str, expected: bool) -> None:
    assert is_loopback(link) is expected
