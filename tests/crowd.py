"""Many clients that do nothing but be there."""

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from processes import PATIENCE

_REQUEST = (
    b"GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@contextmanager
def crowd(url: str, places: Iterable[tuple[str, str]]) -> Iterator[None]:
    """Have clients in rooms for as long as the block takes.

    Args:
        url: where the server listens; its limits must allow so many.
        places: a room and an id for each.
    """
    address = (urlsplit(url).hostname, urlsplit(url).port)
    with ExitStack() as stack:
        clients = []
        for room_id, client_id in places:
            client = stack.enter_context(socket.create_connection(address, PATIENCE))
            message = {"type": "register", "room_id": room_id, "client_id": client_id}
            payload = json.dumps(message).encode()
            assert len(payload) < 126
            # All at once, without waiting for the handshake; masked with zeros (RFC 6455, 5.3).
            client.sendall(_REQUEST + b"\x81" + bytes([0x80 | len(payload)]) + bytes(4) + payload)
            clients.append(client)
        for client in clients:
            heard = b""
            while b'"registered"' not in heard:
                data = client.recv(4096)
                assert data, heard
                heard += data
        yield
