"""Many clients that do nothing but be there."""

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from processes import PATIENCE

_REQUEST = (
    "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{}\r\n"
)


@contextmanager
def crowd(
    url: str, places: Iterable[tuple[str, ...]], addresses: Iterable[str] = ()
) -> Iterator[None]:
    """Have clients in rooms for as long as the block takes.

    Args:
        url: where the server listens; its limits must allow so many.
        places: a room and an id for each, and a type where it tells one.
        addresses: what a proxy tells of where they come from.
    """
    from_where = iter(addresses)
    address = (urlsplit(url).hostname, urlsplit(url).port)
    with ExitStack() as stack:
        clients = []
        for place in places:
            client = stack.enter_context(socket.create_connection(address, PATIENCE))
            message = dict(zip(("room_id", "client_id", "client_type"), place, strict=False))
            payload = json.dumps({"type": "register", **message}).encode()
            assert len(payload) < 126
            origin = next(from_where, None)
            header = "" if origin is None else f"X-Forwarded-For: {origin}\r\n"
            request = _REQUEST.format(header).encode()
            # All at once, without waiting for the handshake; masked with zeros (RFC 6455, 5.3).
            client.sendall(request + b"\x81" + bytes([0x80 | len(payload)]) + bytes(4) + payload)
            clients.append(client)
        for client in clients:
            heard = b""
            while b'"registered"' not in heard:
                data = client.recv(4096)
                assert data, heard
                heard += data
        yield
