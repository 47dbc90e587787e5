"""What a person reads at the start: where the pages are, and a QR code for the phone."""

from collections.abc import Callable, Iterable
from typing import TextIO

from twisted.application.service import Service

from twisted_signal.renewal import Renewal
from twisted_signal.signals import Reactor
from twisted_signal.web.links import is_loopback, pc_link, phone_links
from twisted_signal.web.qr import terminal_picture

ROOM = "demo"
"""The room that both pages are invited to."""

# Scanners want dark on light, whatever the colours of the terminal (ECMA-48, section 8.3.117).
_WHITE_ON_BLACK, _AS_BEFORE = "\x1b[97;40m", "\x1b[0m"

_WARNING = """\
Its browser will warn of the certificate, as this machine has signed it itself. Let it go on:
"Advanced" and then "Proceed" in Chrome, "Show Details" and then "visit this website" in Safari.
The certificate's SHA-256 fingerprint is
    {fingerprint}"""
_NO_NETWORK = """\
This machine has no address that a phone could reach: connect it to a network, and start anew."""
_NO_TLS = """\
Without TLS a phone's browser gives no page the camera: --self-signed or --tls-cert speak TLS."""
_OTHER_NETWORK = """\
The phone must be in the network of that address; --host chooses another one of this machine."""


def invitation(
    urls: Iterable[str], fingerprint: str | None, picture: Callable[[str], str] | None
) -> str:
    """Return what a person reads.

    Args:
        urls: where the server listens, for WebSockets.
        fingerprint: the certificate's, where browsers will warn of it.
        picture: makes a QR code of a link; None: it could not be shown.
    """
    urls = list(urls)
    on_pc = pc_link(urls)
    links = phone_links(urls)
    if on_pc is None or not links:
        return "There is no address that a browser can open: the pages need a TCP port.\n"
    on_phone = f"{links[0]}#room={ROOM}"
    lines = [f"On this PC, open    {on_pc}#room={ROOM}", f"On the phone, scan  {on_phone}"]
    if picture is not None:
        lines += ["", picture(on_phone)]
    if is_loopback(on_phone):
        lines.append(_NO_NETWORK)
    elif not on_phone.startswith("https:"):
        lines.append(_NO_TLS)
    else:
        lines.append(_OTHER_NETWORK)
        if fingerprint is not None:
            lines.append(_WARNING.format(fingerprint=fingerprint))
    lines += ["Ctrl-C ends the server.", ""]
    return "\n".join(lines)


class Invitation(Service):
    """Writes the invitation when the server listens."""

    def __init__(
        self,
        reactor: Reactor,
        stream: TextIO,
        urls: Callable[[], Iterable[str]],
        signed_here: Renewal | None,
    ) -> None:
        """
        Args:
            stream: where it goes; a terminal gets colours.
            urls: tells where the server listens.
            signed_here: has a certificate of which browsers will warn; None: they will not.
        """
        self._reactor = reactor
        self._stream = stream
        self._urls = urls
        self._signed_here = signed_here

    def startService(self) -> None:
        """Write it as soon as the server is there."""
        super().startService()
        self._reactor.callWhenRunning(self._write)

    def _write(self) -> None:
        fingerprint = None if self._signed_here is None else self._signed_here.fingerprint
        picture = self._picture if self._can_show("▀") else None
        self._stream.write(f"\n{invitation(self._urls(), fingerprint, picture)}\n")
        self._stream.flush()

    def _picture(self, link: str) -> str:
        picture = terminal_picture(link)
        if not self._stream.isatty():
            return picture
        return "".join(f"{_WHITE_ON_BLACK}{line}{_AS_BEFORE}\n" for line in picture.splitlines())

    def _can_show(self, character: str) -> bool:
        try:
            character.encode(self._stream.encoding or "ascii")
        except (LookupError, UnicodeError):
            return False
        return True
