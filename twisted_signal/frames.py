"""The ordinary frames of RFC 6455, section 5, read from a stream and built.

Ordinary is what a client in its right mind sends all day: masked text frames, whole or in
fragments, pings and pongs, and a Close in the end. Whatever else there is (binary frames, reserved
bits, lengths that are too large or written the long way, text that is no UTF-8) is left for
Autobahn, which knows what to say to it.
"""

from codecs import getincrementaldecoder
from struct import Struct

try:
    from websockets.speedups import apply_mask
except ImportError:  # pragma: no cover - where there is no wheel for the machine
    from websockets.utils import apply_mask

FIN = 0x80
# The first byte of a frame: FIN, no reserved bit, opcode.
TEXT = 0x81
TEXT_BEGINS = 0x01
TEXT_GOES_ON = 0x00
TEXT_ENDS = 0x80
CLOSE = 0x88
PING = 0x89
PONG = 0x8A

_ORDINARY = frozenset((TEXT, TEXT_BEGINS, TEXT_GOES_ON, TEXT_ENDS, CLOSE, PING, PONG))
_MAX_CONTROL_SIZE = 125
_MAX_SIZE = 2**63 - 1
# The second byte: masked, with the length in it, in two more bytes, or in eight.
_MASKED = 0x80
_MASKED_16 = 0xFE

_HEADER_16 = Struct(">BBH").pack
_utf8_decoder = getincrementaldecoder("utf-8")


# In the place of a first byte:
ODD = -1
"""The frame is none that is ordinary."""
CUT = -2
"""The frame is ordinary so far, and not all there."""


def read_frame(  # noqa: C901, PLR0911, PLR0912 - in one pass: calls would cost more than the frame
    data: bytes, start: int, max_size: int
) -> tuple[int, bytes, int]:
    """Read the frame that begins at a place in what a client sent.

    Args:
        data: not empty from there on.
        max_size: the largest payload that is ordinary, in bytes; 0 for any.

    Returns:
        Its first byte, its payload unmasked, and the place where it ends. Or `CUT`, nothing, and
        how many bytes it has in all, as far as that is known. Or `ODD`, nothing and nothing.
    """
    size = len(data) - start
    if size < 2:
        return CUT, b"", 2
    first = data[start]
    second = data[start + 1]
    if first not in _ORDINARY or second < _MASKED:
        return ODD, b"", 0
    if second < _MASKED_16:
        length = second - _MASKED
        head = 6
    elif first > TEXT:
        return ODD, b"", 0  # a control frame is short (RFC 6455, section 5.5)
    elif second == _MASKED_16:
        head = 8
        if size < head:
            return CUT, b"", head
        length = data[start + 2] << 8 | data[start + 3]
        if length <= _MAX_CONTROL_SIZE:
            return ODD, b"", 0
    else:
        head = 14
        if size < head:
            return CUT, b"", head
        length = int.from_bytes(data[start + 2 : start + 10], "big")
        if length <= 0xFFFF:
            return ODD, b"", 0
    if length > max_size > 0 or length > _MAX_SIZE:
        return ODD, b"", 0
    if size < head + length:
        return CUT, b"", head + length
    body = start + head
    end = body + length
    payload = apply_mask(data[body:end], data[body - 4 : body])
    if first == TEXT and not payload.isascii() and not is_utf8(payload):
        return ODD, b"", 0
    return first, payload, end


def is_utf8(payload: bytes) -> bool:
    """Tell whether a text may be sent as it is (RFC 6455, section 8.1)."""
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def frame(first_byte: int, payload: bytes) -> bytes:
    """Return a frame as a server sends it, unmasked."""
    size = len(payload)
    if size <= _MAX_CONTROL_SIZE:
        return b"%c%c%b" % (first_byte, size, payload)
    if size <= 0xFFFF:
        return _HEADER_16(first_byte, 126, size) + payload
    return b"%c\x7f%b%b" % (first_byte, size.to_bytes(8, "big"), payload)


class FragmentTrain:
    """A text message that comes in fragments (RFC 6455, section 5.4)."""

    __slots__ = ("_decoder", "_text")

    def __init__(self) -> None:
        self._decoder = _utf8_decoder()
        self._text = bytearray()  # a list of small fragments would take twenty times their size

    @property
    def size(self) -> int:
        """How many bytes have come so far."""
        return len(self._text)

    def add(self, payload: bytes, is_last: bool) -> bool:
        """Take a fragment. Returns False, and does not take it, if the text is no UTF-8 with it."""
        try:
            self._decoder.decode(payload, is_last)
        except UnicodeDecodeError:
            return False
        pending, _ = self._decoder.getstate()
        if pending[:1] == b"\xed" and pending[1:] >= b"\xa0":
            return False  # a surrogate, which the decoder waits to see the end of
        self._text += payload
        return True

    def message(self) -> bytes:
        """Return the whole text."""
        return bytes(self._text)

    def as_one_fragment(self) -> bytes:
        """Return what has come so far as one masked fragment, as a client could have sent it."""
        unmasked = frame(TEXT_BEGINS, self.message())
        head = len(unmasked) - self.size
        key_of_zeros = bytes(4)
        return b"%c%c%b%b%b" % (
            unmasked[0],
            unmasked[1] | _MASKED,
            unmasked[2:head],
            key_of_zeros,
            unmasked[head:],
        )
