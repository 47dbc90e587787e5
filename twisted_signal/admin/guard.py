"""Who may ask what of the admin endpoint. No I/O.

With a token, whoever shows it. Without one the endpoint is for this machine alone; but a browser of
this machine runs pages of strangers, and these must not reach it either:

- A page under a name that its owner has let point to 127.0.0.1 (DNS rebinding) is of the endpoint's
  origin, so far as the browser knows. Its requests have that name in `Host`.
- A page of another origin may ask for anything, or send what a form can, and cannot read the answer
  (Fetch, section 3.3.5). Browsers say that it does so in `Sec-Fetch-Site` (Fetch Metadata, section
  2.4), older ones in `Origin` where something is sent. What changes anything must be JSON besides.
"""

import hmac
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from twisted_signal.admin.errors import ApiError
from twisted_signal.admin.routes import JSON
from twisted_signal.text import quoted

# With any port: a tunnel may have another one.
_LOCAL_HOST = re.compile(
    r"(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE
)
_CHALLENGE = (("WWW-Authenticate", 'Bearer realm="vislam-signal"'),)  # RFC 6750, section 3


class Asking(NamedTuple):
    """What of a request decides whether it is answered: headers, empty where there is none."""

    method: str
    host: str
    origin: str = ""
    authorization: str = ""
    content_type: str = ""
    fetch_site: str = ""


class Guard:
    """Decides who may ask.

    Attributes:
        checks_host: whether requests must name this machine in `Host`, where there is no token.
    """

    def __init__(self, token: Callable[[], bytes] | None = None, *, checks_host: bool) -> None:
        """
        Args:
            token: returns the token, as it is now; None: none is asked for.
            checks_host: see the class. It makes no sense where no browser comes: at a local socket.
        """
        self._token = token
        self.checks_host = checks_host

    def check(self, asking: Asking, *, is_open: bool) -> None:
        """Let a request pass.

        Args:
            asking: the request.
            is_open: what it asks for is for everybody.

        Raises:
            ApiError: it may not pass.
        """
        if not is_open:
            if self._token is not None:
                self._check_token(asking.authorization, self._token())
            elif self.checks_host and not _LOCAL_HOST.fullmatch(asking.host):
                raise ApiError(
                    HTTPStatus.FORBIDDEN,
                    "wrong_host",
                    f"The server is asked for as {quoted(asking.host)}, and without a token it"
                    " answers only as localhost, 127.0.0.1 or [::1]; --admin-token-file lets it"
                    " have other names.",
                )
            if asking.fetch_site not in ("", "same-origin", "none"):
                raise _wrong_origin(asking)
        if asking.method not in ("GET", "HEAD"):
            _check_origin(asking)

    def _check_token(self, authorization: str, token: bytes) -> None:
        scheme, _, shown = authorization.partition(" ")
        if scheme.lower() != "bearer" or not shown.strip():
            raise ApiError(
                HTTPStatus.UNAUTHORIZED,
                "token_missing",
                "Show the token of --admin-token-file: Authorization: Bearer TOKEN.",
                _CHALLENGE,
            )
        if not hmac.compare_digest(shown.strip().encode("utf-8", "replace"), token):
            raise ApiError(
                HTTPStatus.UNAUTHORIZED, "token_wrong", "The token is a wrong one.", _CHALLENGE
            )


def _check_origin(asking: Asking) -> None:
    origin = asking.origin.partition("://")[2] if asking.origin else asking.host
    if origin.lower() != asking.host.lower():
        raise _wrong_origin(asking)
    if asking.content_type.partition(";")[0].strip().lower() != JSON:
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "wrong_content_type",
            f"What changes something needs the header Content-Type: {JSON}.",
        )


def _wrong_origin(asking: Asking) -> ApiError:
    who = quoted(asking.origin) if asking.origin else "another origin"
    return ApiError(
        HTTPStatus.FORBIDDEN, "wrong_origin", f"Pages of {who} may ask for nothing here."
    )
