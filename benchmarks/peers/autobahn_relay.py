"""The README's protocol on stock Autobahn and Twisted, with the standard json module."""

import json
import sys
from collections import defaultdict
from typing import cast

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ITCPTransport

rooms: defaultdict[str, dict[str, "Client"]] = defaultdict(dict)


class Client(WebSocketServerProtocol):
    """One client's connection."""

    client_id = ""
    room_id = ""
    transport: ITCPTransport

    def connectionMade(self) -> None:
        """A TCP connection came in. Autobahn's own tcpNoDelay does not take effect."""
        super().connectionMade()
        self.transport.setTcpNoDelay(True)
        self.room: dict[str, Client] = {}

    def say(self, **message: object) -> None:
        """Send a message to this client."""
        self.send(json.dumps(message).encode())

    def send(self, text: bytes) -> None:
        """Send a message to this client that is JSON already."""
        self.sendMessage(text)  # type: ignore[no-untyped-call] # Autobahn has no annotations here

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A message came."""
        message = json.loads(payload)
        if message["type"] == "register":
            self.register(message)
        else:
            target = self.room[message.pop("target_id")]
            message["sender_id"] = self.client_id
            target.say(**message)

    def register(self, message: dict[str, str]) -> None:
        """Bring the client into its room."""
        self.client_id, self.room_id = message["client_id"], message["room_id"]
        self.room = rooms[self.room_id]
        self.say(
            type="registered",
            client_id=self.client_id,
            room_id=self.room_id,
            peers=list(self.room),
        )
        joined = {"client_id": self.client_id, "client_type": message["client_type"]}
        text = json.dumps({"type": "peer_joined", **joined}).encode()
        for other in self.room.values():
            other.send(text)
        self.room[self.client_id] = self

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The connection has ended."""
        if self.room.pop(self.client_id, None) is not None:
            for other in self.room.values():
                if other.state == other.STATE_OPEN:
                    other.say(type="peer_left", client_id=self.client_id)
            if not self.room:
                del rooms[self.room_id]


def main() -> None:
    """Serve on the port that the command line names."""
    factory = WebSocketServerFactory()
    factory.protocol = Client
    port = reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
    address = cast("IPv4Address", port.getHost())
    print("listening", address.port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
