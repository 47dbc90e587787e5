"""STUN and TURN servers, as the command line names them: from options to what clients are told."""

from collections.abc import Sequence
from pathlib import Path

from twisted.python import usage

from twisted_signal import event_log, events
from twisted_signal.keys import UnusableKey, read_secret
from twisted_signal.text import quoted
from twisted_signal.turn import IceProvider, is_stun_uri, is_turn_uri

log = event_log.logger(__name__)

LEAST_SECRET = 16
"""Bytes that a secret should have: a username and its credential are enough to guess it by."""
LEAST_TTL = 60
"""Seconds that credentials are good at least: a call takes some to come about."""


class Relays:
    """What clients are told, and the file with the secret in it.

    Attributes:
        provider: tells clients.
        is_turn: whether there is any TURN server.
    """

    def __init__(
        self, stun_uris: Sequence[str], turn_uris: Sequence[str], secret: str | None, ttl: int
    ) -> None:
        """
        Args:
            stun_uris, turn_uris: the servers, by RFC 7064 and RFC 7065.
            secret: the path of a file with the secret that is shared with the TURN servers.
            ttl: seconds that credentials are good.

        Raises:
            usage.UsageError: they do not go together, or one of them is wrong.
        """
        for uri in stun_uris:
            if not is_stun_uri(uri):
                raise usage.UsageError(
                    f"--stun-uri must be such as stun:stun.example.com:3478, not {quoted(uri)}"
                )
        for uri in turn_uris:
            if not is_turn_uri(uri):
                raise usage.UsageError(
                    "--turn-uri must be such as turn:turn.example.com:3478?transport=udp,"
                    f" not {quoted(uri)}"
                )
        if turn_uris and secret is None:
            raise usage.UsageError(
                "--turn-uri needs --turn-secret-file: the static-auth-secret of the TURN server"
            )
        if secret is not None and not turn_uris:
            raise usage.UsageError("--turn-secret-file is of no use without --turn-uri")
        if ttl < LEAST_TTL:
            raise usage.UsageError(f"--turn-ttl must be {LEAST_TTL} seconds or more, not {ttl}")
        self.is_turn = bool(turn_uris)
        # Absolute, as twistd may change the directory before it is read again.
        self._path = None if secret is None else Path(secret).absolute()
        try:
            self.provider = IceProvider(stun_uris, turn_uris, self._secret(), ttl)
        except UnusableKey as error:
            raise usage.UsageError(f"--turn-secret-file {error}") from None

    def take(self, other: "Relays") -> None:
        """Tell clients from now on what another would tell them, those that are connected too."""
        self.is_turn = other.is_turn
        self._path = other._path  # noqa: SLF001 - it is one of its own kind
        self.provider.take(other.provider)

    def renew(self) -> None:
        """Read the secret again; the log tells what came of it."""
        try:
            self.provider.secret = self._secret()
        except UnusableKey as error:
            log.warning(events.TURN_SECRET_UNUSABLE, error)
        else:
            log.info(events.TURN_SECRET_READ)

    def _secret(self) -> bytes:
        if self._path is None:
            return b""
        advice = ", for this file and for the TURN server"
        return read_secret(self._path, LEAST_SECRET, advice=advice)
