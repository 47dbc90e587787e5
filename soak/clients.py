"""A client that can do what clients should not: go without a word, or stay and say nothing."""

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Mapping
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

PATIENCE = 20.0
"""Seconds to wait for what must come."""

Message = dict[str, Any]


class Unexpected(Exception):
    """The server did not do what it should have done."""


class Client:
    """One connection. It answers pings while it hears, and at no other time.

    Attributes:
        received: how many messages came since it was `registered` or `resumed`.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: ClientProtocol
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = protocol
        self._heard: deque[Message] = deque()
        self.received = 0

    @classmethod
    async def connect(cls, url: str, path: str = "/") -> "Client":
        """Return a client whose WebSocket is open.

        Raises:
            Unexpected: the server does not want it.
            OSError: there is no connection.
        """
        uri = parse_uri(f"{url}{path}")
        reader, writer = await asyncio.open_connection(uri.host, uri.port)
        protocol = ClientProtocol(uri)
        client = cls(reader, writer, protocol)
        protocol.send_request(protocol.connect())
        client._flush()
        while protocol.state is State.CONNECTING:
            await client._read()
        if protocol.state is not State.OPEN:
            raise Unexpected(f"the handshake was refused: {protocol.handshake_exc}")
        return client

    def say(self, **message: object) -> None:
        """Send a message."""
        self.say_text(json.dumps(message).encode())

    def say_text(self, text: bytes) -> None:
        """Send a text frame."""
        self._protocol.send_text(text)
        self._flush()

    def say_binary(self, data: bytes) -> None:
        """Send a binary frame."""
        self._protocol.send_binary(data)
        self._flush()

    async def hear(self, **expected: object) -> Message:
        """Return the next message, which has at least these fields.

        Raises:
            Unexpected: it has not.
        """
        while not self._heard:
            await self._read()
        message = self._heard.popleft()
        if expected.items() - _flat(message).items():
            raise Unexpected(f"instead of {expected} came {message}")
        self.received = 0 if message["type"] in ("registered", "resumed") else self.received + 1
        return message

    async def register(self, client_id: str, room_id: str, **fields: object) -> Message:
        """Enter a room; return the answer."""
        self.say(type="register", client_id=client_id, room_id=room_id, **fields)
        return await self.hear(type="registered", client_id=client_id, room_id=room_id)

    async def ended(self) -> int | None:
        """Wait until the server has closed the connection; return the close code."""
        async with asyncio.timeout(PATIENCE):
            while self._protocol.state is not State.CLOSED:
                await self._read(ends=True)
        self._writer.close()
        code: int | None = self._protocol.close_code
        return code

    async def close(self) -> None:
        """Take leave properly."""
        self._protocol.send_close(1000)
        self._flush()
        await self.ended()

    def abort(self) -> None:
        """Be gone without a word: the server gets a RST."""
        if not self._writer.is_closing():
            endpoint: socket.socket = self._writer.get_extra_info("socket")
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _read(self, *, ends: bool = False) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                data = await self._reader.read(65536)
        except ConnectionResetError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            match event:
                case Response() if event.status_code != 101:
                    raise Unexpected(f"the handshake was answered by {event.status_code}")
                case Frame(opcode=Opcode.TEXT):
                    self._heard.append(json.loads(bytes(event.data)))
        self._flush()
        if not data and not ends:
            raise Unexpected(f"the connection ended: {self._protocol.close_exc}")

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)
            elif self._writer.can_write_eof():
                self._writer.write_eof()


def _flat(message: Message) -> Mapping[str, object]:
    """Return the fields of a message that can be members of a set."""
    return {name: value for name, value in message.items() if not isinstance(value, list | dict)}
