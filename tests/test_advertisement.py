"""The server as other programs find it in the network."""

import threading
from pathlib import Path

from processes import PATIENCE, Server, server
from zeroconf import ServiceBrowser, ServiceListener, Zeroconf

from twisted_signal import __version__
from twisted_signal.advertisement import LABEL_LENGTH, TYPE, announcements

URLS = [
    "ws://127.0.0.1:8765",
    "ws://192.0.2.7:8765",
    "wss://127.0.0.1:8766",
    "wss://192.0.2.7:8766",
    "ws+unix:///run/signal.sock",
]


def test_each_port_is_announced_with_what_an_app_must_know() -> None:
    plain, secure = announcements(URLS, "lab.example.com", wants_token=False)

    assert (plain.name, plain.port, plain.addresses) == ("lab", 8765, ["192.0.2.7"])
    assert plain.properties == {
        "txtvers": "1",
        "scheme": "ws",
        "path": "/",
        "token": "none",
        "version": __version__,
    }
    assert (secure.name, secure.port, secure.addresses) == ("lab (TLS)", 8766, ["192.0.2.7"])
    assert secure.properties["scheme"] == "wss"


def test_that_a_token_is_wanted_is_announced_too() -> None:
    (announced,) = announcements(URLS[:1], "lab", wants_token=True)

    assert announced.properties["token"] == "required"
    assert announced.addresses == ["127.0.0.1"]


def test_a_name_is_no_longer_than_a_label() -> None:
    _, secure = announcements(URLS, "ü" * 100, wants_token=False)

    assert len(secure.name.encode()) <= LABEL_LENGTH
    assert secure.name.endswith("ü (TLS)")


class Listener(ServiceListener):
    """Hears of what is announced on the loopback interface."""

    def __init__(self) -> None:
        self.found: dict[str, int | None] = {}
        self._changed = threading.Condition()

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        info = zc.get_service_info(type_, name)
        with self._changed:
            self.found[name] = None if info is None else info.port
            self._changed.notify_all()

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        pass

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        with self._changed:
            self.found.pop(name, None)
            self._changed.notify_all()

    def wait_for(self, ports: set[int]) -> bool:
        """Wait until exactly the servers at these ports are announced."""
        with self._changed:
            return self._changed.wait_for(lambda: set(self.found.values()) == ports, PATIENCE)


def port_of(running: Server) -> int:
    return int(running.url.rpartition(":")[2])


def test_an_app_hears_of_servers_that_come_and_go(tmp_path: Path) -> None:
    listener = Listener()
    browsing = Zeroconf(interfaces=["127.0.0.1"])
    options = ("--host", "127.0.0.1", "--advertise")
    try:
        ServiceBrowser(browsing, TYPE, listener)
        with server(*options, cwd=tmp_path) as first:
            assert listener.wait_for({port_of(first)}), listener.found
            with server(*options, cwd=tmp_path) as second:
                assert listener.wait_for({port_of(first), port_of(second)}), listener.found
            assert listener.wait_for({port_of(first)}), listener.found
        assert listener.wait_for(set()), listener.found
    finally:
        browsing.close()
