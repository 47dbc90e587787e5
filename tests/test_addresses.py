import socket
from pathlib import Path

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress
from zope.interface import implementer

from twisted_signal import addresses
from twisted_signal.addresses import host_port, is_local, lan_address, peer_text, urls


@implementer(IAddress)
class OtherAddress:
    """An address of a kind that is yet to be invented."""

    def __str__(self) -> str:
        return "elsewhere"


@pytest.fixture
def lan(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an address of each family."""
    found = {socket.AF_INET: "192.0.2.7", socket.AF_INET6: "2001:db8::7"}
    monkeypatch.setattr(addresses, "lan_address", found.get)


def test_an_ipv6_address_stands_in_brackets_before_a_port() -> None:
    assert host_port("192.0.2.7", 80) == "192.0.2.7:80"
    assert host_port("::1", 80) == "[::1]:80"


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (IPv4Address("TCP", "192.0.2.7", 4321), "192.0.2.7:4321"),
        (IPv6Address("TCP", "2001:db8::7", 4321), "[2001:db8::7]:4321"),
        (UNIXAddress(b"/run/x"), "local socket"),
    ],
)
def test_a_client_is_called_by_its_address(address: IAddress, text: str) -> None:
    assert peer_text(address) == text


@pytest.mark.parametrize(
    ("address", "secure", "expected"),
    [
        (IPv4Address("TCP", "192.0.2.9", 8765), False, ["ws://192.0.2.9:8765"]),
        (IPv6Address("TCP", "::1", 8766), True, ["wss://[::1]:8766"]),
        (
            IPv4Address("TCP", "0.0.0.0", 8765),
            False,
            ["ws://127.0.0.1:8765", "ws://192.0.2.7:8765"],
        ),
        (
            IPv6Address("TCP", "::", 8766),
            True,
            ["wss://[::1]:8766", "wss://[2001:db8::7]:8766", "wss://192.0.2.7:8766"],
        ),
        (UNIXAddress(b"/run/x.sock"), False, ["ws+unix:///run/x.sock"]),
        (UNIXAddress(b"x.sock"), True, [f"wss+unix://{Path.cwd()}/x.sock"]),
        (OtherAddress(), False, ["ws: elsewhere"]),
    ],
)
def test_urls_are_such_as_a_client_can_use(
    lan: None, address: IAddress, secure: bool, expected: list[str]
) -> None:
    assert urls(address, secure) == expected


def test_without_a_network_the_loopback_address_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "lan_address", lambda family: None)

    assert urls(IPv4Address("TCP", "0.0.0.0", 1), secure=False) == ["ws://127.0.0.1:1"]


def test_the_address_towards_other_networks_is_one_of_this_machine() -> None:
    found = lan_address(socket.AF_INET)

    if found is None:
        pytest.skip("this machine has no address but the loopback one")
    with socket.socket(socket.AF_INET) as probe:
        probe.bind((found, 0))


def test_a_family_that_the_machine_lacks_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(socket, "socket", refuse)

    assert lan_address(socket.AF_INET6) is None


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (IPv4Address("TCP", "127.0.0.1", 1), True),
        (IPv4Address("TCP", "127.1.2.3", 1), True),
        (IPv4Address("TCP", "0.0.0.0", 1), False),
        (IPv4Address("TCP", "192.0.2.7", 1), False),
        (IPv6Address("TCP", "::1", 1), True),
        (IPv6Address("TCP", "::", 1), False),
        (UNIXAddress(b"/run/signal.sock"), True),
    ],
)
def test_an_address_is_local_or_not(address: IAddress, local: bool) -> None:
    assert is_local(address) is local
