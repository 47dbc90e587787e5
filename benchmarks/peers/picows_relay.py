"""The README's protocol on `picows` and uvloop, with msgspec: the fastest that Python has."""

import sys
from collections import defaultdict

import msgspec
import uvloop  # type: ignore[import-not-found] # not in the environment that checks the types
from picows import (  # type: ignore[import-not-found] # as above
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_create_server,
)


class Message(msgspec.Struct, omit_defaults=True):
    """A message of any type. The SDP and the candidate are not looked into."""

    type: str
    client_id: str = ""
    room_id: str = ""
    client_type: str = ""
    peers: list[str] | None = None
    target_id: str = ""
    sender_id: str = ""
    sdp: msgspec.Raw = msgspec.Raw()
    candidate: msgspec.Raw = msgspec.Raw()


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Message).decode
rooms: defaultdict[str, dict[str, WSTransport]] = defaultdict(dict)


class Client(WSListener):  # type: ignore[misc] # of an unknown type, see above
    """One client's connection."""

    client_id = ""
    room_id = ""

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The WebSocket is open; picows has switched Nagle's algorithm off."""
        self.room: dict[str, WSTransport] = {}

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame came."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            return
        message = decode(frame.get_payload_as_memoryview())
        if message.type == "register":
            self.register(transport, message)
        else:
            target = self.room[message.target_id]
            message.target_id = ""
            message.sender_id = self.client_id
            target.send(WSMsgType.TEXT, encode(message))

    def register(self, transport: WSTransport, message: Message) -> None:
        """Bring the client into its room."""
        self.client_id, self.room_id = message.client_id, message.room_id
        self.room = rooms[self.room_id]
        registered = Message(
            type="registered",
            client_id=self.client_id,
            room_id=self.room_id,
            peers=list(self.room),
        )
        transport.send(WSMsgType.TEXT, encode(registered))
        joined = encode(
            Message(type="peer_joined", client_id=self.client_id, client_type=message.client_type)
        )
        for other in self.room.values():
            other.send(WSMsgType.TEXT, joined)
        self.room[self.client_id] = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection has ended."""
        if self.room.pop(self.client_id, None) is not None:
            left = encode(Message(type="peer_left", client_id=self.client_id))
            for other in self.room.values():
                other.send(WSMsgType.TEXT, left)
            if not self.room:
                del rooms[self.room_id]


async def main() -> None:
    """Serve on the port that the command line names."""
    server = await ws_create_server(lambda _: Client(), "127.0.0.1", int(sys.argv[1]))
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
