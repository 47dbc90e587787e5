"""Takes a renewed certificate while the server runs: on request, and when its files change."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from twisted_signal import event_log, events
from twisted_signal.certificates import CertificateError, Pair, Source
from twisted_signal.text import Shown
from twisted_signal.tls import TlsContext

log = event_log.logger(__name__)

CHECK_INTERVAL = 15.0
"""Seconds from one look at the files to the next; what is broken then is tried again after that."""

DAY = 86_400
EXPIRES_SOON = timedelta(days=14)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Renewal(Service):
    """Keeps a TLS context at the newest certificate of a source.

    Connections that are there stay. While a new certificate cannot be used, the old one stays.

    Attributes:
        context: what new connections are made with.
    """

    def __init__(
        self,
        source: Source,
        clock: IReactorTime,
        now: Callable[[], datetime] = _utc_now,
        interval: float = CHECK_INTERVAL,
    ) -> None:
        """
        Args:
            source: where the certificate comes from.
            clock: where the timer runs.
            now: the wall clock, in UTC.
            interval: see `CHECK_INTERVAL`.

        Raises:
            CertificateError: the certificate cannot be used.
        """
        self._source = source
        self._clock = clock
        self._now = now
        self._interval = interval
        self._seen = source.state()
        self._pair = source.read(now())
        self.context = TlsContext(self._pair)
        self._complaint: str | None = None
        self._made = 0.0
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    @property
    def fingerprint(self) -> str:
        """See `certificates.Pair`."""
        return self._pair.fingerprint

    def startService(self) -> None:
        """Tell what certificate it is, and look after it from now on."""
        super().startService()
        self._made = self._clock.seconds()
        self._tell(events.CERTIFICATE)
        self._looking.start(self._interval, now=False)

    def stopService(self) -> None:
        """Look after it no more."""
        super().stopService()
        if self._looking.running:
            self._looking.stop()

    def reload(self) -> None:
        """Read the certificate now, and log what became of it."""
        self._complaint = None
        self._seen = self._source.state()
        self._read(tell=True)

    def take(self, other: "Renewal") -> None:
        """Take the source of another, and the certificate that it has read, from now on."""
        self._source, self._seen = other._source, other._seen  # noqa: SLF001 - its own kind
        self._complaint = None
        self._compare(other._pair, tell=True)  # noqa: SLF001 - its own kind

    def _look(self) -> None:
        try:
            state = self._source.state()
            if state != self._seen or self._complaint is not None or self._is_day_old():
                self._seen = state
                self._read()
            if self._is_day_old():
                # The key of session tickets must not live long (RFC 9325, section 3.4).
                self._use(self._pair)
                self._warn()
        except Exception:
            log.exception(events.CERTIFICATE_CHECK_FAILED)  # but the timer goes on

    def _read(self, *, tell: bool = False) -> None:
        """Take what the source has now. `tell`: even if that is what is there."""
        try:
            self._compare(self._source.read(self._now()), tell=tell)
            self._complaint = None
        except CertificateError as error:
            if str(error) != self._complaint:
                log.error(events.CERTIFICATE_UNUSABLE, error)  # noqa: TRY400 - it is no mistake of ours
            self._complaint = str(error)

    def _compare(self, pair: Pair, *, tell: bool) -> None:
        if pair.chain != self._pair.chain:
            self._use(pair)
            self._tell(events.CERTIFICATE_CHANGED)
        elif tell:
            log.info(events.CERTIFICATE_SAME)

    def _is_day_old(self) -> bool:
        return self._clock.seconds() - self._made > DAY

    def _use(self, pair: Pair) -> None:
        self.context.use(pair)
        self._pair = pair
        self._made = self._clock.seconds()

    def _tell(self, event: events.Event) -> None:
        log.info(
            event,
            Shown(f"{self._pair.expires:%Y-%m-%d %H:%M} UTC", self._pair.expires),
            self._pair.fingerprint,
        )
        self._warn()

    def _warn(self) -> None:
        left = self._pair.expires - self._now()
        if left < timedelta(0):
            log.error(events.CERTIFICATE_EXPIRED)
        elif left < EXPIRES_SOON:
            log.warning(events.CERTIFICATE_EXPIRES, left / timedelta(days=1))
