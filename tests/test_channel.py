# ruff: noqa: N803 - hooks of Autobahn
"""Our channel held against Autobahn as it comes: any frames, cut into any reads.

Both get the same reads. After each of them the application has been told the same by both, and at
the end of each frame both have sent the same bytes. Within a frame there is one thing in which they
may differ: Autobahn may see that it is wrong before it is all there, and have sent its Close frame.
"""

from itertools import chain, cycle
from typing import Any, NamedTuple

import pytest
from autobahn.twisted.websocket import WebSocketServerProtocol
from hypothesis import given, settings
from hypothesis import strategies as st
from stock import TurningTransport, connected, ours, stock

from twisted_signal.channel import Channel
from twisted_signal.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    TEXT_BEGINS,
    TEXT_ENDS,
    TEXT_GOES_ON,
    frame,
)

REQUEST = (
    b"GET /?a=b HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
BINARY, BINARY_BEGINS = 0x82, 0x02
OPEN = WebSocketServerProtocol.STATE_OPEN
CLOSED = WebSocketServerProtocol.STATE_CLOSED
SMALL, LARGE = 200, 70_000
"""The largest messages, in bytes."""
BYE = b"bye"
"""A message on which the application closes the connection."""


class Recording:
    """What both have in common: an application that writes down what it hears, and echoes it."""

    def __init__(self: Any) -> None:
        super().__init__()
        self.told: list[tuple[object, ...]] = []
        self.closed = None
        self.failed = False  # a mistake of the client's was why the server sent its Close frame

    def onMessage(self: Any, payload: bytes, isBinary: bool) -> None:
        self.told.append(("message", payload, isBinary))
        if payload == BYE:
            self.sendCloseFrame(4000, b"as you like")
        elif self.state == OPEN:
            self.sendData(frame(BINARY if isBinary else TEXT, payload))

    def onPing(self: Any, payload: bytes) -> None:
        if not self.failed:
            self.told.append(("ping", payload))
        super().onPing(payload)  # type: ignore[misc] # Autobahn's

    def onPong(self: Any, payload: bytes) -> None:
        if not self.failed:
            self.told.append(("pong", payload))

    def sendCloseFrame(
        self: Any, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        if self.state == OPEN:
            self.failed = self.failedByMe
        super().sendCloseFrame(code, reasonUtf8, isReply)  # type: ignore[misc] # Autobahn's

    def onClose(self: Any, wasClean: bool, code: int | None, reason: str | None) -> None:
        self.closed = wasClean, code


OURS = {limit: ours(type("Ours", (Recording, Channel), {}), limit) for limit in (SMALL, LARGE)}
STOCK = {
    limit: stock(type("Stock", (Recording, WebSocketServerProtocol), {}), like=factory)
    for limit, factory in OURS.items()
}


class Stream(NamedTuple):
    """What a client sends after its request: whole frames, and the beginning of one more."""

    frames: list[bytes]
    rest: bytes = b""

    def ends(self) -> set[int]:
        """Return the places where a frame ends."""
        ends = {len(REQUEST)}
        for data in self.frames:
            ends.add(max(ends) + len(data))
        return ends


class Pair:
    """A connection to each."""

    def __init__(self, limit: int) -> None:
        self.our, self._our_transport = connected(OURS[limit])
        self.their, self._their_transport = connected(STOCK[limit])

    def receive(self, data: bytes) -> None:
        for protocol, transport in self._sides():
            if not transport.ended:
                protocol.dataReceived(data)
                transport.turn()

    def close(self) -> None:
        """Let the application close the connections, where that is the first that closes them."""
        if self.our.state == self.their.state == OPEN:
            for protocol, transport in self._sides():
                protocol.sendCloseFrame(1001, b"going down")
                transport.turn()

    def end(self) -> None:
        """Let the client end its connections."""
        for _, transport in self._sides():
            transport.end()

    def check(self) -> None:
        """Hold them against each other where frames end."""
        assert self.our.told == self.their.told
        self._check_sent()
        assert self.our.failed == self.their.failed
        assert self.our.localCloseCode == self.their.localCloseCode
        assert self.our.localCloseReason == self.their.localCloseReason
        # A head that is wrong and comes in two reads is wrong twice to Autobahn, which ends the
        # connection then. How long it waits for the client's Close frame is not compared.
        if not self.their.failed:
            assert (self.our.state == CLOSED) == (self.their.state == CLOSED)
            assert self.our.closed == self.their.closed

    def check_within_a_frame(self) -> None:
        """Hold them against each other anywhere."""
        assert self.our.told == self.their.told
        self._check_sent(is_seen=self.our.failed)

    def _check_sent(self, *, is_seen: bool = True) -> None:
        """`is_seen`: whether ours has seen the client's mistake, if there is one."""
        # Where the client's Close frame comes in one read with what is answered or with a mistake,
        # or is one, Autobahn aborts the connection, and what it wrote is lost. Ours arrives.
        sent, expected = self.sent(), self._their_transport.sent() + self._their_transport.lost
        if self.their.failed and not is_seen:
            code: int = self.their.localCloseCode
            sent += frame(CLOSE, code.to_bytes(2, "big") + self.their.localCloseReason)
        assert sent == expected

    def sent(self) -> bytes:
        """Return what ours sent."""
        return self._our_transport.sent()

    def _sides(self) -> list[tuple[Any, TurningTransport]]:
        return [(self.our, self._our_transport), (self.their, self._their_transport)]


def compare(limit: int, stream: Stream, sizes: list[int], closes_after: int | None = None) -> Pair:
    """Let both have a stream.

    Args:
        limit: the largest message, in bytes.
        stream: the stream.
        sizes: of the reads, over and over.
        closes_after: the read after which the server closes the connection.
    """
    pair = Pair(limit)
    data = REQUEST + b"".join(stream.frames) + stream.rest
    ends = stream.ends()
    place = 0
    for number, size in enumerate(cycle(sizes)):
        pair.receive(data[place : place + size])
        place += size
        if place in ends or (place >= len(data) and not stream.rest):
            pair.check()
        else:
            pair.check_within_a_frame()
        if number == closes_after:
            pair.close()
        if place >= len(data):
            break
    pair.check_within_a_frame()
    pair.end()
    if not stream.rest:
        pair.check()
    return pair


# What a client may send


def masked(
    first: int, payload: bytes = b"", key: bytes = b"\x12\x34\x56\x78", length_bytes: int = 0
) -> bytes:
    """Return a client's frame.

    Args:
        first: its first byte.
        payload: what is in it.
        key: the mask; none if it is empty.
        length_bytes: how many say the length, 0, 2 or 8, if not as few as can be.
    """
    size = len(payload)
    length_bytes = max(length_bytes, 0 if size <= 125 else 2 if size <= 0xFFFF else 8)
    second = {0: size, 2: 126, 8: 127}[length_bytes]
    head = (
        bytes([first, second | (0x80 if key else 0)]) + size.to_bytes(8, "big")[8 - length_bytes :]
    )
    if not key:
        return head + payload
    return head + key + bytes(a ^ b for a, b in zip(payload, cycle(key), strict=False))


def train(first: int, fragments: list[bytes], between: list[bytes]) -> list[bytes]:
    """Return a message in fragments. `between`: a frame, or none, before each fragment but one."""
    frames = [masked(first, fragments[0])]
    for place, payload in enumerate(fragments[1:], start=2):
        frames.append(between[(place - 2) % len(between)] if between else b"")
        frames.append(masked(TEXT_ENDS if place == len(fragments) else TEXT_GOES_ON, payload))
    return [data for data in frames if data]


def pieces(payload: bytes, places: list[int]) -> list[bytes]:
    """Cut a message into two fragments, or more."""
    cuts = sorted(place % (len(payload) + 1) for place in places)
    return [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]


SIZES = [0, 1, 2, 20, 124, 125, 126, 127, SMALL - 1, SMALL]
MORE_SIZES = [SMALL + 1, 300, 0xFFFF, 0x10000, LARGE, LARGE + 1]
BAD_UTF8 = [
    *(b"\xff", b"\x80", b"ok\xc0\xaf", b"\xc3", b"\xe6\x9d", b"\xed\xa0\x80", b"\xed\xbf\xbf more"),
    *(b"\xf4\x90\x80\x80", b"\xf0\x80\x80\x80", "東京".encode() + b"\xc3(", b"x" * 190 + b"\xe6"),
]

keys = st.sampled_from([b"\0\0\0\0", b"\x12\x34\x56\x78", b"\xff\xff\xff\xff", b"\0\x80\0\x01"])
texts = st.one_of(
    st.text(max_size=20).map(str.encode),
    st.sampled_from(SIZES).map(lambda size: b"x" * size),
    st.sampled_from(["ü" * 62, "東" * 60, "\U0001f600" * 50, "a\U0010ffffb"]).map(str.encode),
    st.just(BYE),
)
places = st.lists(st.integers(0, 300), min_size=1, max_size=4)
controls = st.builds(
    masked,
    st.sampled_from([PING, PONG]),
    st.one_of(st.binary(max_size=10), st.sampled_from([b"p" * 124, b"\xff" * 125])),
    keys,
)
closes = st.builds(
    lambda code, reason, key: masked(CLOSE, code.to_bytes(2, "big") + reason, key),
    st.one_of(st.sampled_from([0, 999, 1000, 1001, 1005, 1011, 1012, 3000, 4999, 5000, 65535])),
    st.sampled_from([b"", b"bye", "grüß dich".encode(), b"\xff", b"r" * 123]),
    keys,
)
between = st.lists(st.one_of(st.just(b""), controls), max_size=3)
good = st.one_of(
    st.builds(masked, st.just(TEXT), texts, keys).map(lambda data: [data]),
    st.builds(masked, st.just(TEXT), texts, keys).map(lambda data: [data]),
    st.builds(
        lambda payload, cuts, inside: train(TEXT_BEGINS, pieces(payload, cuts), inside),
        *(texts, places, between),
    ),
    controls.map(lambda data: [data]),
    st.builds(
        lambda payload, key: [masked(BINARY, payload, key)],
        *(st.binary(max_size=20), keys),
    ),
    st.builds(
        lambda payload, cuts, inside: train(BINARY_BEGINS, pieces(payload, cuts), inside),
        *(st.binary(max_size=20), places, between),
    ),
)
large = st.one_of(
    st.sampled_from(MORE_SIZES).map(lambda size: [masked(TEXT, b"x" * size)]),
    st.builds(
        lambda size, cuts, inside: train(TEXT_BEGINS, pieces(b"x" * size, cuts), inside),
        *(st.sampled_from(MORE_SIZES), places, between),
    ),
)
odd = st.one_of(
    closes.map(lambda data: [data]),
    st.builds(  # anything at all
        lambda first, payload, key, length_bytes: [masked(first, payload, key, length_bytes)],
        st.integers(0, 255),
        st.one_of(texts, st.sampled_from(BAD_UTF8)),
        st.one_of(keys, st.just(b"")),
        st.sampled_from([0, 0, 2, 8]),
    ),
    st.builds(lambda payload: [masked(TEXT, payload, b"")], texts),
    st.builds(
        lambda payload, size: [masked(TEXT, payload, length_bytes=size)],
        texts,
        st.sampled_from([2, 8]),
    ),
    st.sampled_from(BAD_UTF8).map(lambda payload: [masked(TEXT, payload)]),
    st.builds(
        lambda payload, cuts, inside: train(TEXT_BEGINS, pieces(payload, cuts), inside),
        *(st.sampled_from(BAD_UTF8), places, between),
    ),
    st.builds(lambda payload: [masked(TEXT_ENDS, payload)], texts),  # continues nothing
    st.builds(  # two messages in each other
        lambda frames, place, others: frames[: place % len(frames)] + others,
        *(
            st.lists(good, min_size=1, max_size=2).map(lambda two: list(chain(*two))),
            st.integers(0, 9),
            good,
        ),
    ),
    st.sampled_from([PING, PONG, CLOSE]).map(lambda first: [masked(first, b"x" * 126)]),
)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    messages = draw(st.lists(good, max_size=4))
    if draw(st.booleans()):
        messages.append(draw(odd))
        messages += draw(st.lists(st.one_of(good, odd), max_size=3))
    elif draw(st.integers(0, 3)) == 0:
        messages.append(draw(large))
        messages += draw(st.lists(good, max_size=2))
    frames = [data for message in messages for data in message]
    if frames and draw(st.integers(0, 3)) == 0:
        last = frames.pop()
        return Stream(frames, last[: draw(st.integers(1, len(last) - 1))])
    if draw(st.integers(0, 9)) == 0:  # more is announced than will ever come
        length = draw(st.sampled_from([SMALL, LARGE, LARGE + 1, 2**63 - 1, 2**63, 2**64 - 1]))
        first = draw(st.sampled_from([TEXT, TEXT_BEGINS, TEXT_GOES_ON]))
        return Stream(frames, bytes([first, 0xFF]) + length.to_bytes(8, "big") + b"key!" + b"rest")
    return Stream(frames)


read_sizes = st.one_of(
    st.just([10**6]),
    st.just([len(REQUEST), 10**6]),
    st.just([len(REQUEST), *[1] * 400, 997]),
    st.lists(st.integers(1, 12), min_size=1, max_size=20).map(
        lambda sizes: [len(REQUEST), *sizes * 20, 501]
    ),
    st.lists(st.integers(1, 300), min_size=1, max_size=10).map(lambda sizes: [*sizes, 2003]),
)


@given(
    st.sampled_from([SMALL, SMALL, LARGE]),
    streams(),
    read_sizes,
    st.one_of(st.none(), st.none(), st.integers(0, 40)),
)
@settings(max_examples=300, deadline=None)
def test_any_frames_in_any_reads_come_to_what_autobahn_makes_of_them(
    limit: int, stream: Stream, sizes: list[int], closes_after: int | None
) -> None:
    compare(limit, stream, sizes, closes_after)


# What was wrong once, or could easily be

AT_ONCE = [len(REQUEST), 10**6]
FRAME_BY_FRAME: list[int] = []
BYTE_BY_BYTE = [len(REQUEST), *[1] * 1000]


def reads(sizes: list[int], stream: Stream) -> list[int]:
    if sizes is FRAME_BY_FRAME:
        return [len(REQUEST), *map(len, stream.frames)] + (
            [len(stream.rest)] if stream.rest else []
        )
    return sizes


each_way = pytest.mark.parametrize("sizes", [AT_ONCE, FRAME_BY_FRAME, BYTE_BY_BYTE])


@each_way
@pytest.mark.parametrize(
    ("frames", "code"),
    [
        # A train whose first fragment is refused leaves no train behind (the suite's 6.4.3, 6.4.4).
        ([masked(TEXT_BEGINS, b"\xce\xba\xf4\x90\x80"), masked(TEXT_ENDS, b"\x80")], 1007),
        ([masked(TEXT_BEGINS, b"\xce\xba\xf4"), masked(TEXT_ENDS, b"\x90\x80\x80")], 1007),
        ([masked(TEXT_BEGINS, b"x" * (SMALL + 1)), masked(TEXT_ENDS, b"")], 1009),
        ([masked(TEXT_BEGINS, b"x" * SMALL), masked(TEXT_GOES_ON), masked(TEXT_ENDS, b"x")], 1009),
        ([masked(TEXT_BEGINS, b"a"), masked(TEXT_BEGINS, b"b")], 1002),
        ([masked(TEXT_BEGINS, b"a"), masked(TEXT, b"b"), masked(TEXT_ENDS, b"c")], 1002),
        ([masked(TEXT_ENDS, b"a"), masked(TEXT, b"b")], 1002),
        ([masked(TEXT_GOES_ON), masked(TEXT_ENDS)], 1002),
        # Half a surrogate, which no decoder of Python's minds until the character ends.
        ([masked(TEXT_BEGINS, b"\xed\xa0"), masked(PING, b"p"), masked(TEXT_ENDS, b"\x80")], 1007),
        ([masked(TEXT_BEGINS, b"\xed"), masked(TEXT_GOES_ON, b"\xbf"), masked(PING)], 1007),
        ([masked(TEXT_BEGINS, b"\xe6\x9d"), masked(TEXT_ENDS)], 1007),
        # A message that Autobahn takes over where it is cut.
        ([masked(TEXT_BEGINS, b"\xe6"), masked(CLOSE), masked(TEXT_ENDS, b"\x9d\xb1")], 1000),
        ([masked(TEXT_BEGINS, b"a" * 150), masked(TEXT_ENDS, b"b" * 51)], 1009),
        ([masked(BINARY_BEGINS), masked(PING, b"p"), masked(TEXT_ENDS), masked(TEXT, b"a")], None),
        ([masked(TEXT, BYE), masked(TEXT, b"a"), masked(PING), masked(CLOSE)], 4000),
        ([masked(TEXT_BEGINS, b"b"), masked(TEXT_ENDS, b"ye"), masked(TEXT, b"a")], 4000),
        ([masked(TEXT, b"a"), masked(TEXT, b"b", b"")], 1002),
        ([masked(TEXT, b"a"), masked(PING, b"x" * 126)], 1002),
        ([masked(TEXT, b"a", length_bytes=2)], 1002),
        ([masked(CLOSE, b"\x03\xe8" + b"r" * 123)], 1000),
        ([masked(CLOSE, b"\x03\xec")], 1002),
        ([masked(CLOSE, b"\x03\xe8\xff"), masked(TEXT, b"a")], 1007),
        ([masked(CLOSE, b"\x03"), masked(TEXT, b"a")], 1002),
        ([masked(CLOSE), masked(CLOSE), masked(TEXT, b"a")], 1000),
        ([masked(TEXT_BEGINS, b"a"), masked(CLOSE, b"\x03"), masked(TEXT_ENDS, b"b")], 1002),
        # More than are handled before others have their turn.
        ([masked(TEXT, b"a"), masked(PING, b"p")] * 99 + [masked(CLOSE, b"\x03\xe8")], 1000),
    ],
)
def test_known_streams_come_to_what_autobahn_makes_of_them(
    frames: list[bytes], code: int | None, sizes: list[int]
) -> None:
    stream = Stream(frames)

    pair = compare(SMALL, stream, reads(sizes, stream))

    assert pair.our.localCloseCode == code


@pytest.mark.parametrize("rest", [b"", masked(TEXT_GOES_ON, b"more")[:3]])
@pytest.mark.parametrize("whole", [[], [masked(PING)]])
def test_a_message_that_begins_before_the_server_closes_ends_after_it(
    whole: list[bytes], rest: bytes
) -> None:
    begins, ends = masked(TEXT_BEGINS, "ü".encode()), masked(TEXT_ENDS, b"!")
    goes_on = masked(TEXT_GOES_ON, b"more")
    stream = Stream([begins, *whole, goes_on, ends, masked(CLOSE, b"\x03\xe9")])
    first_frames = begins + b"".join(whole) + rest

    pair = compare(SMALL, stream, [len(REQUEST), len(first_frames), 10**6], closes_after=1)

    assert pair.our.told[-1] == ("message", "ümore!".encode(), False)
    assert pair.our.closed == (True, 1001)
