import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_signal.frames import (
    CLOSE,
    CUT,
    ODD,
    PING,
    PONG,
    TEXT,
    TEXT_BEGINS,
    TEXT_ENDS,
    TEXT_GOES_ON,
    FragmentTrain,
    frame,
    is_utf8,
    read_frame,
)

KEY = b"\x11\x22\x33\x44"


def masked(first: int, payload: bytes, length: bytes | None = None, key: bytes = KEY) -> bytes:
    """Return a client's frame. `length`: how it says it, if not in the shortest way."""
    if length is None:
        size = len(payload)
        if size <= 125:
            length = bytes([size])
        elif size <= 0xFFFF:
            length = b"\x7e" + size.to_bytes(2, "big")
        else:
            length = b"\x7f" + size.to_bytes(8, "big")
    body = bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))
    return bytes([first, length[0] | 0x80]) + length[1:] + key + body


Frame = tuple[int, bytes, int]
"""First byte, payload, and the place where it begins."""


def split(data: bytes, max_size: int) -> tuple[list[Frame], int, int]:
    """Return the frames at the beginning; where they end; how long the next one is, or 0: odd."""
    frames: list[Frame] = []
    start = 0
    while start < len(data):
        first, payload, end = read_frame(data, start, max_size)
        if first in (CUT, ODD):
            assert payload == b""
            assert (end == 0) == (first == ODD)
            return frames, start, end
        frames.append((first, payload, start))
        start = end
    return frames, start, 2


def payloads(frames: list[Frame]) -> list[bytes]:
    return [payload for _, payload, _ in frames]


# read_frame


@pytest.mark.parametrize("first", [TEXT, TEXT_BEGINS, TEXT_GOES_ON, TEXT_ENDS, PING, PONG, CLOSE])
def test_each_ordinary_frame_is_read(first: int) -> None:
    data = masked(first, b"hello")

    assert split(data, 0) == ([(first, b"hello", 0)], len(data), 2)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 0xFFFF, 0x10000, 70_000])
def test_lengths_of_each_kind_are_read(size: int) -> None:
    data = masked(TEXT, b"x" * size)

    frames, end, _ = split(data, 0)

    assert payloads(frames) == [b"x" * size]
    assert end == len(data)


def test_frames_come_in_order_with_their_places() -> None:
    one, two, three = masked(TEXT, b"1"), masked(PING, b""), masked(TEXT, "ü".encode())

    frames, end, missing = split(one + two + three, 0)

    assert frames == [
        (TEXT, b"1", 0),
        (PING, b"", len(one)),
        (TEXT, "ü".encode(), len(one + two)),
    ]
    assert (end, missing) == (len(one + two + three), 2)


def test_nothing_is_no_frame_and_two_bytes_are_missing() -> None:
    assert split(b"", 0) == ([], 0, 2)


@pytest.mark.parametrize(("size", "head"), [(0, 2), (5, 2), (126, 8), (70_000, 14)])
def test_a_frame_cut_at_each_place_says_how_much_of_it_there_is(size: int, head: int) -> None:
    whole = masked(PING, b"before")
    data = masked(TEXT, b"x" * size)
    cuts = [*range(min(len(data), 40)), len(data) - 1]

    for cut in cuts:
        frames, end, missing = split(whole + data[:cut], 0)

        assert payloads(frames) == [b"before"]
        assert end == len(whole)
        # First the two bytes that every frame has, then those that say its length, then all.
        assert missing == (2 if cut < 2 else head if cut < head else len(data))


@pytest.mark.parametrize(
    ("payload", "length"),
    [
        (b"x" * 5, b"\x7e\x00\x05"),
        (b"x" * 125, b"\x7e\x00\x7d"),
        (b"x" * 5, b"\x7f" + bytes(7) + b"\x05"),
        (b"x" * 0xFFFF, b"\x7f" + bytes(6) + b"\xff\xff"),
    ],
)
def test_a_length_that_is_written_the_long_way_is_not_ordinary(
    payload: bytes, length: bytes
) -> None:
    before = masked(TEXT, b"before")

    frames, end, missing = split(before + masked(TEXT, payload, length), 0)

    assert payloads(frames) == [b"before"]
    assert (end, missing) == (len(before), 0)


@pytest.mark.parametrize("first", [TEXT, TEXT_BEGINS, TEXT_GOES_ON, TEXT_ENDS, PING, PONG, CLOSE])
@pytest.mark.parametrize("second", [0x00, 0x05, 0x7E, 0x7F])
def test_a_frame_without_a_mask_is_not_ordinary(first: int, second: int) -> None:
    assert split(bytes([first, second]) + b"hello", 0) == ([], 0, 0)


def test_every_other_first_byte_is_not_ordinary() -> None:
    ordinary = {TEXT, TEXT_BEGINS, TEXT_GOES_ON, TEXT_ENDS, PING, PONG, CLOSE}

    for first in set(range(256)) - ordinary:
        assert split(masked(first, b""), 0) == ([], 0, 0)


@pytest.mark.parametrize("first", [PING, PONG, CLOSE])
@pytest.mark.parametrize("size", [126, 0x10000])
def test_a_control_frame_that_is_too_long_is_not_ordinary(first: int, size: int) -> None:
    data = masked(first, b"x" * size)

    assert split(data, 0) == ([], 0, 0)
    assert split(data[:2], 0) == ([], 0, 0)


@pytest.mark.parametrize("first", [TEXT, TEXT_BEGINS, TEXT_ENDS])
@pytest.mark.parametrize("limit", [100, 200, 70_000])
def test_a_frame_is_ordinary_up_to_the_largest_size(first: int, limit: int) -> None:
    largest, larger = masked(first, b"x" * limit), masked(first, b"x" * (limit + 1))

    assert payloads(split(largest, limit)[0]) == [b"x" * limit]
    assert split(larger, limit) == ([], 0, 0)
    assert split(larger[:14], limit) == ([], 0, 0)  # known by its head


def test_a_length_of_more_than_63_bits_is_not_ordinary() -> None:
    longest, longer = b"\x7f\x7f" + b"\xff" * 7, b"\x7f\x80" + bytes(7)

    assert split(masked(TEXT, b"x", longest), 0) == ([], 0, 2**63 - 1 + 14)
    assert split(masked(TEXT, b"x", longer), 0) == ([], 0, 0)


@pytest.mark.parametrize("payload", [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"])
def test_a_text_that_is_no_utf8_is_not_ordinary(payload: bytes) -> None:
    assert split(masked(TEXT, payload), 0) == ([], 0, 0)


@pytest.mark.parametrize("first", [TEXT_BEGINS, TEXT_GOES_ON, TEXT_ENDS, PING, PONG, CLOSE])
def test_what_is_no_whole_text_is_not_read_as_utf8(first: int) -> None:
    assert payloads(split(masked(first, b"\xff"), 0)[0]) == [b"\xff"]


@given(st.lists(st.tuples(st.sampled_from([TEXT, TEXT_BEGINS, PING, PONG]), st.text(max_size=30))))
def test_what_a_client_masked_is_unmasked(said: list[tuple[int, str]]) -> None:
    expected = [(first, text.encode()) for first, text in said]
    data = b"".join(
        masked(first, payload, key=bytes([place % 256, 0, 255, 7]))
        for place, (first, payload) in enumerate(expected)
    )

    frames, end, _ = split(data, 0)

    assert [(first, payload) for first, payload, _ in frames] == expected
    assert end == len(data)


# is_utf8


@given(st.binary(max_size=8))
def test_utf8_is_what_python_can_decode(payload: bytes) -> None:
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        assert not is_utf8(payload)
    else:
        assert is_utf8(payload)


@pytest.mark.parametrize("text", ["", "a", "\0", "ü", "東京", "\U0010ffff", "\ufffe"])
def test_each_text_is_utf8(text: str) -> None:
    assert is_utf8(text.encode())


# frame


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (0xFFFF, b"\x81\x7e\xff\xff"),
        (0x10000, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_servers_frame_says_its_length_in_the_shortest_way(size: int, head: bytes) -> None:
    assert frame(TEXT, b"x" * size) == head + b"x" * size


# FragmentTrain


def test_the_text_of_a_train_is_that_of_its_fragments() -> None:
    train = FragmentTrain()

    for payload in (b"a", b"", b"bc"):
        assert train.add(payload, is_last=False)
    assert train.add(b"d", is_last=True)

    assert train.message() == b"abcd"
    assert train.size == 4


def test_a_character_may_be_spread_over_fragments() -> None:
    train = FragmentTrain()

    for byte in "東".encode():
        assert train.add(bytes([byte]), is_last=False)

    assert train.add(b"", is_last=True)
    assert train.message() == "東".encode()


@pytest.mark.parametrize(
    "fragments",
    [[b"\xff"], [b"\xc3", b"\xc3"], [b"\xed", b"\xa0"], [b"\xe6", b"\x9d", b"x"], [b"ok", b"\x80"]],
)
def test_a_fragment_that_makes_it_no_utf8_is_not_taken(fragments: list[bytes]) -> None:
    *good, bad = fragments
    train = FragmentTrain()
    assert all(train.add(payload, is_last=False) for payload in good)

    assert not train.add(bad, is_last=False)

    assert train.message() == b"".join(good)
    assert train.size == len(b"".join(good))


@pytest.mark.parametrize("last", [b"", b"\xe6", b"\x9d"])
def test_a_text_may_not_end_within_a_character(last: bytes) -> None:
    train = FragmentTrain()
    assert train.add(b"a" if last == b"\xe6" else b"\xe6", is_last=False)

    assert not train.add(last, is_last=True)


@pytest.mark.parametrize("payload", [b"", b"ab"])
def test_small_fragments_take_no_more_than_what_they_say(payload: bytes) -> None:
    train = FragmentTrain()
    tracemalloc.start()
    for _ in range(10_000):
        assert train.add(bytes(bytearray(payload)), is_last=False)

    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert now < 2 * train.size + 1000


@pytest.mark.parametrize("size", [0, 1, 125, 126, 0xFFFF, 0x10000])
def test_a_train_so_far_can_be_told_as_one_fragment(size: int) -> None:
    train = FragmentTrain()
    train.add(b"x" * (size // 2), is_last=False)
    train.add(b"x" * (size - size // 2), is_last=False)

    told = train.as_one_fragment()

    assert split(told, 0) == ([(TEXT_BEGINS, b"x" * size, 0)], len(told), 2)
