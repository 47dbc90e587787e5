"""What ends a client for good, or keeps it from beginning.

SignalingError
├── CannotConnect   nobody answers there, or not as a signaling server does
├── Refused         the server does not want this client: an error's code, or http_403 and the like
└── Closed          the server closed the connection, and to come back is of no use

All are a `ConnectionError`, and with that an `OSError`. `str(error)` is a sentence for people.
"""


class SignalingError(ConnectionError):
    """There is no signaling any more. `str(error)` is the sentence.

    Attributes:
        code: for the program: the server's code (docs/protocol.md, Errors) where it gave one.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class CannotConnect(SignalingError):
    """The first connection did not come about. Another try may.

    Attributes:
        retry_after: seconds after which another try makes sense, where the server told; else None.
    """

    def __init__(self, url: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__("cannot_connect", f"Cannot connect to {url}: {reason}")
        self.retry_after = retry_after


class Refused(SignalingError):
    """The server does not want this client, now or later.

    Attributes:
        close_code: that with which the server closed the connection, or None.
    """

    def __init__(self, code: str, sentence: str, close_code: int | None = None) -> None:
        super().__init__(code, sentence)
        self.close_code = close_code


class Closed(SignalingError):
    """The server closed the connection with a code after which to come back is of no use.

    Attributes:
        close_code: RFC 6455, section 7.4, or docs/protocol.md, Frames.
    """

    def __init__(self, url: str, close_code: int, reason: str) -> None:
        name = CLOSE_NAMES.get(close_code, "closed")
        words = said(close_code, reason)
        super().__init__(name, f"The server closed the connection to {url}: {words}")
        self.close_code = close_code


CLOSE_NAMES = {
    1002: "protocol_error",
    1003: "protocol_error",
    1007: "protocol_error",
    1008: "flooded",
    1009: "too_large",
    4401: "unauthorized",
    4403: "forbidden",
    4408: "register_timeout",
    4409: "replaced",
    4410: "dismissed",
}
"""The `code` for close codes that no error went before. Others: `closed`."""


COMING_BACK_HELPS = frozenset((1001, 1006, 1011, 1012, 1013, 1014, 4429))
"""Close codes (RFC 6455, section 7.4.1) of what passes. 1006: there was no Close frame."""
UNAUTHORIZED, FORBIDDEN = 4401, 4403


def said(code: int | None, reason: str) -> str:
    """Return with which words a connection ended. `code`: of the Close frame, if there was one."""
    return reason if code is None else f"{code} {reason}".rstrip()


def end_after(
    url: str, close_code: int | None, reason: str, word: tuple[str, str] | None
) -> SignalingError | None:
    """Return why to come back is of no use after a connection ended so; None: it helps.

    Args:
        url: the server.
        close_code: of the Close frame; None: there was none.
        reason: what it said.
        word: code and sentence of the last error that the server told, if there was one.
    """
    if close_code is None or close_code in COMING_BACK_HELPS:
        return None
    code, sentence = word or ("", "")
    if close_code in (UNAUTHORIZED, FORBIDDEN) and code == CLOSE_NAMES[close_code]:
        return Refused(code, f"The server says: {sentence}", close_code)
    return Closed(url, close_code, reason)
