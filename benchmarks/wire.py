"""What a client puts on the wire and takes off it: handshake, masked frames, frames counted."""

import json
from itertools import cycle

MASK = b"\x37\xfa\x21\x3d"
"""One key for all frames: a server has to unmask whatever it is, and frames are built once."""
FIN = 0x80
CONTINUATION, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
NORMAL_CLOSURE = 1000

HANDSHAKE = (
    b"GET / HTTP/1.1\r\n"
    b"Host: 127.0.0.1\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What RFC 6455, section 1.3, says about the key above."""


class WireError(Exception):
    """A server sent what no server of the workload sends."""


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """Build a client's whole frame, masked."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 1 << 16:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    masked = bytes(byte ^ key for byte, key in zip(payload, cycle(MASK), strict=False))
    return bytes((FIN | opcode,)) + length + MASK + masked


def message(**fields: object) -> bytes:
    """Build the frame of a JSON message."""
    return frame(json.dumps(fields, separators=(",", ":")).encode())


CLOSE_FRAME = frame(NORMAL_CLOSURE.to_bytes(2, "big"), CLOSE)


def measure(data: bytes | bytearray, at: int = 0) -> tuple[int, int] | None:
    """Return where the payload of the frame at a place begins and ends; None: not known yet."""
    if len(data) < at + 2:
        return None
    size = data[at + 1]
    if size & 0x80:
        raise WireError("A server's frame is masked.")
    if size < 126:
        return at + 2, at + 2 + size
    width = 2 if size == 126 else 8
    start = at + 2 + width
    if len(data) < start:
        return None
    return start, start + int.from_bytes(data[at + 2 : start], "big")


def split(data: bytes | bytearray) -> tuple[list[tuple[int, bytes]], int]:
    """Return the whole frames of some bytes, opcode and payload, and how many bytes they take."""
    frames = []
    at = 0
    while (place := measure(data, at)) is not None and place[1] <= len(data):
        start, end = place
        frames.append((data[at] & 0x0F, bytes(data[start:end])))
        at = end
    return frames, at


class Counter:
    """Counts the messages of one connection, which come in reads of any size, by their headers.

    Attributes:
        size: of every frame to come, header included, control frames left aside. A read that holds
            nothing but such frames costs a division. 0: they differ.
        pings: payloads of the pings that came in and were not taken yet.
    """

    __slots__ = ("_pending", "pings", "size")

    def __init__(self) -> None:
        self.size = 0
        self.pings: list[bytes] = []
        self._pending = b""  # the beginning of a frame that is not whole yet

    def feed(self, data: bytes) -> int:
        """Return how many messages ended in what was read, which is not empty."""
        if self._pending:
            data = self._pending + data
        elif self.size and data[0] == FIN | TEXT and len(data) % self.size == 0:
            return len(data) // self.size
        count = at = 0
        while (place := measure(data, at)) is not None and place[1] <= len(data):
            opcode = data[at] & 0x0F
            if opcode in (TEXT, CONTINUATION):
                count += data[at] >> 7
            elif opcode == PING:
                self.pings.append(data[place[0] : place[1]])
            at = place[1]
        self._pending = data[at:]
        return count
