"""Which page a request is for. No I/O beside the package's own files, and no clock."""

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from urllib.parse import parse_qs

from twisted_signal.admission import Bucket
from twisted_signal.web.answers import Answer, in_words, kept, of_the_moment
from twisted_signal.web.files import read_files
from twisted_signal.web.links import phone_links
from twisted_signal.web.qr import QrCodes, is_phone_link

QR_RATE = 4
"""QR codes a second that are made in the long run: one takes as long as a thousand messages."""
QR_BURST = 16
"""The same, at once."""

_HOST = re.compile(r"(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?", re.ASCII)

_NOT_THERE = in_words(
    HTTPStatus.NOT_FOUND,
    "There is no such page here. The start page is /, and WebSocket clients may use any path",
)
_HEALTHY = in_words(HTTPStatus.OK, "ok")
_NO_LINK = in_words(HTTPStatus.BAD_REQUEST, "link must be the address of the page /demo/phone")
_TOO_MANY_CODES = in_words(
    HTTPStatus.SERVICE_UNAVAILABLE, "Too many QR codes are asked for", (("Retry-After", "1"),)
)


class Website:
    """The pages and what they need of the server."""

    def __init__(self, urls: Callable[[], Iterable[str]], *, wants_token: bool, now: float) -> None:
        """
        Args:
            urls: tells where the server listens.
            wants_token: whether clients must show a token.
            now: seconds.
        """
        self._urls = urls
        self._wants_token = wants_token
        self._files = read_files()
        self._codes = QrCodes()
        self._code_bucket = Bucket(QR_RATE, QR_BURST, now)

    def answer(self, path: str, query: str, now: float) -> Answer:
        """Return what is answered to a GET. `now`: seconds."""
        found = self._files.get(path)
        if found is not None:
            return found
        match path:
            case "/healthz":
                return _HEALTHY
            case "/demo/links.json":
                links = phone_links(self._urls())
                return of_the_moment({"phone": links, "token_required": self._wants_token})
            case "/demo/qr.svg":
                return self._code(parse_qs(query).get("link", [""])[0], now)
            case _:
                return _NOT_THERE

    def _code(self, link: str, now: float) -> Answer:
        if not is_phone_link(link):
            return _NO_LINK
        if link not in self._codes and self._code_bucket.take(now):
            return _TOO_MANY_CODES
        return kept("image/svg+xml", self._codes.svg(link))


def security_headers(host: str, *, secure: bool) -> list[tuple[str, str]]:
    """Return what tells a browser that a page needs nothing from outside.

    Args:
        host: the request's header of that name, or nothing.
        secure: whether it came by TLS.
    """
    # 'self' did not mean WebSockets of the same host to all browsers (Safari before 16).
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
        f" media-src 'self' blob:; connect-src 'self'{sockets}; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    )
    headers = [
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    ]
    if secure:  # else browsers complain of it (HTML, section 7.1.3)
        headers.append(("Cross-Origin-Opener-Policy", "same-origin"))
    return headers
