"""Targets below the messages: frames and opening handshakes, cut anywhere."""

import re
from collections.abc import Iterator
from itertools import chain, repeat

import test_handshake
from memory import Memory, MemoryClient
from test_channel import LARGE, REQUEST, SMALL, Stream, compare, masked

from fuzz import mistakes
from fuzz.supply import Supply
from twisted_signal.frames import CLOSE, PING, PONG, TEXT, TEXT_BEGINS, TEXT_ENDS, TEXT_GOES_ON
from twisted_signal.origins import AllowedOrigins
from twisted_signal.proxies import TrustedProxies

NO_LIMITS = {
    "message_rate": 0,
    "frame_rate": 0,
    "connect_rate_per_address": 0,
    "max_clients_per_address": 0,
}
RESPONSE = re.compile(rb"HTTP/1\.[01] \d{3} [ -~]+\r\n([A-Za-z0-9-]+: [ -~]*\r\n)*")
FIRST_BYTES = [TEXT, TEXT_BEGINS, TEXT_GOES_ON, TEXT_ENDS, PING, PONG, CLOSE, 0x82, 0x02, TEXT]
FILLERS = [0, 1, 124, 125, 126, 127, SMALL - 1, SMALL, SMALL + 1, 0xFFFF, 0x10000, LARGE + 1]
KEYS = [b"\x12\x34\x56\x78", b"\0\0\0\0", b"\xff\xff\xff\xff", b""]
PATHS = ["/", "/signaling", "/signaling?room=default", "/signaling?client_id=%00", "/?a=b"]


def frames(data: bytes) -> None:
    """Our channel comes to what Autobahn makes of a stream."""
    supply = Supply(data)
    limit = supply.choice([SMALL, LARGE])
    sizes = _read_sizes(supply)
    closes_after = supply.choice([None, None, None, 0, 1, 2, 3, 5])
    compare(limit, split(_stream(supply)), sizes, closes_after)


def connection(data: bytes) -> None:
    """A server takes any stream: no mistake of its own, and what it sends is well-formed."""
    with mistakes.none_logged():
        supply = Supply(data)
        memory = Memory(None, **NO_LIMITS)
        bystander = memory.registered("pc")
        client = memory.open(supply.choice(PATHS))
        sizes = _read_sizes(supply)
        stream = _stream(supply)
        for part in _parts(stream, sizes):
            client.receive(part)
        memory.clock.advance(1)
        check_sent(client)
        for message in bystander.hear():
            assert isinstance(message["type"], str), message
        client.transport.end()
        memory.wait(31)
        # The bystander has not answered pings, and has not been dropped yet.
        assert set(memory.factory.registry.rooms["default"].members) == {"pc"}


def handshake(data: bytes) -> None:
    """An ordinary request is answered as by Autobahn, and any in the same way however it is cut."""
    supply = Supply(data)
    kind = supply.below(3)
    sizes = _read_sizes(supply)
    request = supply.rest()
    test_handshake.check(request)
    with mistakes.none_logged():
        assert _answer(kind, iter([request])) == _answer(kind, _parts(request, sizes))


def pages(data: bytes) -> None:
    """Whatever asks for pages is answered in the same way however it is cut, and nothing stays."""
    supply = Supply(data)
    sizes = _read_sizes(supply)
    requests = supply.rest()
    with mistakes.none_logged():
        assert _pages(iter([requests])) == _pages(_parts(requests, sizes))


def check_sent(client: MemoryClient) -> None:
    """See that what the server sent is well-formed, and that it made no mistake."""
    code = client.close_code  # reads, too
    assert code != 1011
    assert isinstance(client.websocket.parser_exc, EOFError | None), client.websocket.parser_exc
    client.hear()


def _answer(kind: int, parts: Iterator[bytes]) -> bytes:
    memory = Memory(None, **NO_LIMITS)
    if kind == 1:
        memory.factory.proxies = TrustedProxies(["192.0.2.0/24"])
    elif kind == 2:
        memory.factory.origins = AllowedOrigins(["https://a.example"])
    client = memory.connect()
    for part in parts:
        client.receive(part)
    head, _, _ = client.transport.sent().partition(b"\r\n\r\n")
    client.transport.end()
    memory.wait(1)
    if head:
        assert RESPONSE.fullmatch(head + b"\r\n"), head
    return head


def _pages(parts: Iterator[bytes]) -> bytes:
    memory = Memory(None, **NO_LIMITS)
    memory.serve_pages()
    client = memory.connect()
    for part in parts:
        client.transport.receive(part)
    sent = client.transport.sent()
    head, _, _ = sent.partition(b"\r\n\r\n")
    if head:
        assert RESPONSE.fullmatch(head + b"\r\n"), head
    client.transport.end()
    memory.wait(1)
    assert not memory.factory.connections
    assert not memory.factory.keep_alive
    return sent


def split(data: bytes) -> Stream:
    """Return a stream as the frames that their heads say."""
    found = []
    place = 0
    while len(data) >= place + 2:
        length = data[place + 1] & 0x7F
        length_bytes = {126: 2, 127: 8}.get(length, 0)
        end = place + 2 + length_bytes
        if length_bytes:
            length = int.from_bytes(data[place + 2 : end], "big")
        end += length + (4 if data[place + 1] & 0x80 else 0)
        if end > len(data):
            break
        found.append(data[place:end])
        place = end
    return Stream(found, data[place:])


def _stream(supply: Supply) -> bytes:
    """Return what a client sends: bytes as they are, or frames that are made of them."""
    if supply.below(2):
        return supply.rest()
    sent = []
    while supply:
        first = supply.byte()
        if first < 250:
            first = FIRST_BYTES[first % len(FIRST_BYTES)]
        size = supply.byte()
        key, length_bytes = KEYS[0], 0
        if size == 255:
            key, length_bytes = supply.choice(KEYS), supply.choice([0, 2, 8])
            size = supply.byte()
        payload = b"x" * supply.choice(FILLERS) if size == 254 else supply.take(size)
        sent.append(masked(first, payload, key, length_bytes))
    return b"".join(sent)


def _read_sizes(supply: Supply) -> list[int]:
    """Return how many bytes each read takes, over and over."""
    sizes = [1 + supply.byte() for _ in range(supply.below(8))]
    return [*(supply.choice([[len(REQUEST)], []])), *sizes * 20, 4096]


def _parts(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    place = 0
    for size in chain(sizes, repeat(4096)):
        if place >= len(data):
            return
        yield data[place : place + size]
        place += size
