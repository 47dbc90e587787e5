"""Announces the server in the local network, so that an app finds it without typing (mDNS, DNS-SD).

RFC 6762 and RFC 6763, by python-zeroconf, which has a thread of its own: the reactor waits for
nothing of it.
"""

import socket
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from twisted_signal import __version__, event_log, events
from twisted_signal.text import quoted

if TYPE_CHECKING:
    from zeroconf import Zeroconf

log = event_log.logger(__name__)

TYPE = "_vislam-signal._tcp.local."
LABEL_LENGTH = 63
"""Bytes that a label of a name may have (RFC 1035, section 2.3.4)."""


class Announced(NamedTuple):
    """A service instance (RFC 6763, section 4.1).

    Attributes:
        name: for people, who choose by it.
        port: where it listens.
        addresses: of this machine, which others can reach.
        properties: of the TXT record (RFC 6763, section 6).
    """

    name: str
    port: int
    addresses: list[str]
    properties: dict[str, str]


def announcements(urls: Iterable[str], host: str, *, wants_token: bool) -> list[Announced]:
    """Return what is announced: an instance for each port.

    Args:
        urls: where the server listens, for WebSockets; a local socket cannot be announced.
        host: this machine's name.
        wants_token: whether clients must show a token.
    """
    by_port: dict[tuple[int, str], list[str]] = {}
    for url in urls:
        parts = urlsplit(url)
        if parts.scheme in ("ws", "wss") and parts.hostname and parts.port:
            by_port.setdefault((parts.port, parts.scheme), []).append(parts.hostname)
    found = []
    for (port, scheme), addresses in by_port.items():
        reachable = [each for each in addresses if not ip_address(each).is_loopback]
        properties = {
            "txtvers": "1",
            "scheme": scheme,
            "path": "/",
            "token": "required" if wants_token else "none",
            "version": __version__,
        }
        suffix = " (TLS)" if scheme == "wss" else ""
        name = _shortened(host.partition(".")[0], LABEL_LENGTH - len(suffix)) + suffix
        found.append(Announced(name, port, reachable or addresses, properties))
    return found


def _shortened(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


class Advertisement(Service):
    """Announces while the server runs, and takes it back when it stops."""

    def __init__(
        self, reactor: Any, urls: Callable[[], Iterable[str]], *, wants_token: bool
    ) -> None:
        """
        Args:
            urls: tells where the server listens.
            wants_token: whether clients must show a token.
        """
        self._reactor = reactor
        self._urls = urls
        self._wants_token = wants_token
        self._zeroconf: Zeroconf | None = None
        self._announcing: Deferred[None] | None = None

    def startService(self) -> None:
        """Announce as soon as the server listens."""
        super().startService()
        self._reactor.callWhenRunning(self._start)

    def stopService(self) -> "Deferred[None] | None":
        """Take it back; the Deferred fires when that is done."""
        super().stopService()
        if self._announcing is None:
            return None
        return self._announcing.addCallback(lambda _: self._in_thread(self._withdraw))

    def _start(self) -> None:
        urls, host = self._urls(), socket.gethostname()
        found = announcements(urls, host, wants_token=self._wants_token)
        self._announcing = self._in_thread(self._announce, found).addErrback(_failed)

    def _in_thread(self, function: Callable[..., None], *arguments: Any) -> "Deferred[None]":
        pool = self._reactor.getThreadPool()
        return deferToThreadPool(self._reactor, pool, function, *arguments)

    def _announce(self, announced: list[Announced]) -> None:
        from zeroconf import ServiceInfo, Zeroconf  # an extra, and slow to import

        if not announced:
            return
        interfaces = sorted({address for each in announced for address in each.addresses})
        self._zeroconf = zeroconf = Zeroconf(interfaces=interfaces)
        for each in announced:
            info = ServiceInfo(
                TYPE,
                f"{each.name}.{TYPE}",
                port=each.port,
                parsed_addresses=each.addresses,
                properties=dict(each.properties),
                server=f"{_shortened(socket.gethostname().partition('.')[0], LABEL_LENGTH)}.local.",
            )
            zeroconf.register_service(info, allow_name_change=True)
            name = info.name.removesuffix(f".{TYPE}")
            log.info(events.ANNOUNCED, quoted(name), TYPE, each.port)

    def _withdraw(self) -> None:
        if self._zeroconf is not None:
            self._zeroconf.close()


def _failed(failure: Failure) -> None:
    log.warning(events.NOT_ANNOUNCED, failure.getErrorMessage())
