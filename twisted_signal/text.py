"""Text from outside, made fit for a log line or a sentence."""

import json
import re
from typing import Self

_PLAIN_NAME = re.compile(r"[\w.:@+/-]+")

_SDP_LINE = re.compile(r"\b[a-z]=")

# A JWT begins with {" in base64url. Both stand at the beginning of a word and are taken whole, so
# that nothing is read twice: the text may be long and made to be slow.
_TOKEN = re.compile(
    r"(?<![\w-])(?:eyJ[\w-]*+(?:\.[\w-]*+)*+|((?i:token)=)[^\s&#;\"'<>]*+)", re.ASCII
)

QUOTED_LENGTH = 160
"""How many characters `quoted` shows of a longer text."""


def printable(text: str) -> str:
    r"""Return `text` with every character that a terminal could act on written as an escape.

    Control and format characters, line separators and surrogates become `\n`, `\x1b`,
    `\u2028` and the like, so that the result is one line and shows what it is.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def without_sdp(text: str) -> str:
    """Return a text up to where it begins to quote an SDP (RFC 8866): its contents are private."""
    sdp = _SDP_LINE.search(text)
    return text if sdp is None else text[: sdp.start()] + "…"


def without_tokens(text: str) -> str:
    """Return a text, such as a URL, with `…` for each token in it: who has a token may enter."""
    return _TOKEN.sub(lambda found: (found[1] or "") + "…", text)


class Shown(str):
    """A value as it stands in a sentence.

    Attributes:
        raw: as it is.
    """

    __slots__ = ("raw",)

    raw: object

    def __new__(cls, text: str, raw: object) -> Self:
        """Show a value as a text."""
        shown = super().__new__(cls, text)
        shown.raw = raw
        return shown


def raw(value: object) -> object:
    """Return a value as it is, if it is `Shown` in another way."""
    return value.raw if type(value) is Shown else value


def quoted(text: str) -> str:
    """Return a name as it stands if it is one plain word, else in JSON quotes and printable.

    The quotes keep an id such as `a (pc) in room b` from reading like part of the sentence it
    stands in, and are a `Shown`. A text longer than `QUOTED_LENGTH` is cut.
    """
    if len(text) > QUOTED_LENGTH:
        text = text[:QUOTED_LENGTH] + "…"
    elif _PLAIN_NAME.fullmatch(text):
        return text
    return Shown(printable(json.dumps(text, ensure_ascii=False)), text)
