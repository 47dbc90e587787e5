"""Which web pages may connect (RFC 6455, section 10.2). No I/O.

A browser says from which page a WebSocket comes; a page cannot make it say anything else. Programs
that are no browser say nothing, or what they like: this keeps out pages, and nobody else.
"""

import re
from collections.abc import Iterable

_ORIGIN = re.compile(
    r"([a-z][a-z0-9+.-]*)://((?:\*\.)?[\w-]+(?:\.[\w-]+)*|\[[0-9a-f:.]+\])(?::(\d{1,5}))?", re.ASCII
)
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_NULL = "null"
_FILES = "file://"
"""What some browsers say of a page from a file, where others say `null`."""


class AllowedOrigins:
    """A list of origins (RFC 6454); all of them, if it is empty."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        """
        Args:
            origins: each `https://app.example.com`, with `:port` or without; with `*` in the place
                of the first label of the host; or `null`, which is what pages from files have.

        Raises:
            ValueError: one of them is none of that.
        """
        self._allowed = {_canonical(origin, is_pattern=True) for origin in origins}
        if None in self._allowed:
            raise ValueError("not all of them are origins")

    def __bool__(self) -> bool:
        """Whether any origin is kept out."""
        return bool(self._allowed)

    def allows(self, origin: str) -> bool:
        """Tell whether a page may connect.

        Args:
            origin: the header of that name; empty if there is none.
        """
        if not self._allowed or not origin:
            return True
        canonical = _canonical(origin)
        if canonical is None:
            return False
        if canonical in self._allowed:
            return True
        scheme, _, rest = canonical.partition("://")
        _, _, parent = rest.partition(".")
        return f"{scheme}://*.{parent}" in self._allowed


def is_origin(text: str) -> bool:
    """Tell whether a text is what an operator may allow."""
    return _canonical(text, is_pattern=True) is not None


def _canonical(origin: str, *, is_pattern: bool = False) -> str | None:
    """Return an origin in the one form that it has, or None if it is none (RFC 6454, section 4)."""
    lowered = origin.lower()
    if lowered in (_NULL, _FILES):
        return _NULL
    parts = _ORIGIN.fullmatch(lowered)
    if parts is None:
        return None
    scheme, host, port = parts.groups()
    if "*" in host and not is_pattern:
        return None
    port = port or _DEFAULT_PORTS.get(scheme, "")
    return f"{scheme}://{host}:{port.lstrip('0')}"
