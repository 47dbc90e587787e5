"""Links as QR codes (ISO/IEC 18004), for the camera of a phone."""

import io
import re
from collections import OrderedDict

import segno

MAX_LINK = 512
"""Characters that a link may have: a code for more of them is hard to scan."""
KEPT = 64
"""Codes that are kept: a page asks for its own again."""

_QUIET = 4  # modules of margin, ISO/IEC 18004, section 6.3.8
_LINK = re.compile(r"https?://[\w.:\[\]-]+/demo/phone(?:#[!-~]*)?", re.ASCII)


def is_phone_link(link: str) -> bool:
    """Tell whether a text is a link to a phone's page: nothing else is made a code of here."""
    return len(link) <= MAX_LINK and _LINK.fullmatch(link) is not None


class QrCodes:
    """Pictures of links, the last ones kept: to make one takes 5 to 30 ms."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def __contains__(self, link: str) -> bool:
        """Whether the picture is there, and costs nothing."""
        return link in self._kept

    def svg(self, link: str) -> bytes:
        """Return a picture, dark on white as scanners want it, that scales."""
        picture = self._kept.get(link)
        if picture is None:
            stream = io.BytesIO()
            code = segno.make(link, micro=False)
            code.save(
                stream, kind="svg", border=_QUIET, light="#fff", omitsize=True, title="QR code"
            )
            picture = self._kept[link] = stream.getvalue()
        self._kept.move_to_end(link)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return picture


def terminal_picture(link: str) -> str:
    """Return a picture in characters: two modules of it in the height of each line."""
    stream = io.StringIO()
    segno.make(link, micro=False).terminal(stream, border=_QUIET, compact=True)
    return stream.getvalue()
