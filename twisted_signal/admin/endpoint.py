"""Where the admin endpoint is, from options to a service; and its token."""

import re
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.python import usage

from twisted_signal import event_log, events
from twisted_signal.admin.site import AdminSite
from twisted_signal.keys import UnusableKey, read_secret
from twisted_signal.listening import endpoint_listener
from twisted_signal.option_table import DEFAULT_ADMIN_ENDPOINT, NO_PORT
from twisted_signal.service import Listening
from twisted_signal.signals import Reactor
from twisted_signal.text import quoted
from twisted_signal.web.links import page_links

log = event_log.logger(__name__)

LEAST_TOKEN = 16
"""Bytes that a token has at least."""

_COLON = re.compile(r"(?<!\\):")
_LOCAL_INTERFACE = re.compile(r"interface=(?:127(?:\.\d{1,3}){3}|::1|localhost)", re.ASCII)


class TokenFile:
    """The file with the token.

    Attributes:
        token: as last read.
    """

    def __init__(self, path: str) -> None:
        """
        Raises:
            UnusableKey: there is no token in it.
        """
        # Absolute, as twistd may change the directory before it is read again.
        self._path = Path(path).absolute()
        self.token = self._read()

    def renew(self) -> bool:
        """Read it again; the log tells what came of it. Returns whether the token is another."""
        before = self.token
        try:
            self.token = self._read()
        except UnusableKey as error:
            log.warning(events.ADMIN_TOKEN_UNUSABLE, error)
        else:
            log.info(events.ADMIN_TOKEN_READ)
        return self.token != before

    def _read(self) -> bytes:
        token = read_secret(self._path, LEAST_TOKEN, "token")
        if not token.isascii() or not token.decode("ascii").isprintable() or b" " in token:
            raise UnusableKey(
                self._path, "holds a token with other characters than the printable ones of ASCII"
            )
        return token


class AdminPlace:
    """Where the admin endpoint is, and who may ask there.

    Attributes:
        listener: listens there.
        is_default: nobody has named the place: that it is taken is no reason not to start.
        token_file: None: no token is asked for.
        is_unix: it is a local socket, where no browser comes.
    """

    def __init__(self, reactor: Reactor, description: str | None, token_file: str | None) -> None:
        """
        Args:
            reactor: listens.
            description: of the endpoint, as for Twisted; None: the default.
            token_file: the path of the file with the token; None: there is none.

        Raises:
            usage.UsageError: one of them is wrong, or the token is missing.
        """
        self.is_default = description is None
        text = DEFAULT_ADMIN_ENDPOINT if description is None else description
        self.listener = endpoint_listener(reactor, text, "--admin-endpoint")
        self.is_unix = is_unix(text)
        if token_file is None and not is_for_this_machine(text):
            raise usage.UsageError(
                f"--admin-endpoint {quoted(text)} may be reached from other machines, so that it"
                " needs --admin-token-file; interface=127.0.0.1 keeps it to this one"
            )
        try:
            self.token_file = None if token_file is None else TokenFile(token_file)
        except UnusableKey as error:
            raise usage.UsageError(f"--admin-token-file {error}") from None


def admin_place(
    reactor: Reactor, description: str | None, token_file: str | None
) -> AdminPlace | None:
    """Return where the admin endpoint is; None: it is switched off.

    Raises:
        usage.UsageError: see AdminPlace.
    """
    if description != NO_PORT:
        return AdminPlace(reactor, description, token_file)
    if token_file is not None:
        raise usage.UsageError("--admin-token-file is of no use with --admin-endpoint none")
    return None


def is_for_this_machine(description: str) -> bool:
    """Tell whether only programs of this machine can connect to an endpoint, so far as it says.

    Whom a proxy passes on may be anybody.
    """
    words = _COLON.split(description)
    if is_unix(description):
        return True
    interfaces = [word.replace("\\", "") for word in words if word.startswith("interface=")]
    return (
        words[0] in ("tcp", "tcp4", "tcp6", "ssl", "tls")
        and len(interfaces) == 1
        and _LOCAL_INTERFACE.fullmatch(interfaces[0]) is not None
    )


def is_unix(description: str) -> bool:
    """Tell whether an endpoint is a local socket."""
    words = _COLON.split(description)
    return words[0] == "unix" or (words[0] == "systemd" and "domain=UNIX" in words)


class AdminService(Listening):
    """Listens at the admin endpoint."""

    def __init__(self, place: AdminPlace, site: AdminSite) -> None:
        super().__init__(place.listener, site)
        self._site = site
        self._place = place

    def listens(self, port: IListeningPort) -> None:
        """See Listening."""
        if self.listener.is_inherited:
            return  # a parent asks there, and nobody else
        links = page_links(self.urls, "/")
        for link in links or [url.replace("ws", "http", 1) for url in self.urls]:
            log.info(events.ADMIN_LISTENING, link)

    def failed(self, sentence: str) -> None:
        """See Listening."""
        if not self._place.is_default:
            super().failed(sentence)

    def log_failure(self, sentence: str) -> None:
        """See Listening."""
        if self._place.is_default:
            log.warning(events.ADMIN_NOT_LISTENING, sentence)
        else:
            super().log_failure(sentence)

    def stopService(self) -> "Deferred[None] | None":
        """Accept nobody any more, and end what there is."""
        self._site.end()
        return super().stopService()
