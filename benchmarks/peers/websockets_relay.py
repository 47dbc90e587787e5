"""The README's protocol on `websockets` and asyncio, with the standard json module.

The library and the JSON module are those of the VI-SLAM project's first server.
"""

import asyncio
import contextlib
import json
import sys
from collections import defaultdict

from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

rooms: defaultdict[str, dict[str, ServerConnection]] = defaultdict(dict)


async def say(connection: ServerConnection, **message: object) -> None:
    """Send a message to a client, which may have gone."""
    with contextlib.suppress(ConnectionClosed):
        await connection.send(json.dumps(message))


async def serve_client(connection: ServerConnection) -> None:
    """Serve one client until it goes."""
    client_id = room_id = ""
    room: dict[str, ServerConnection] = {}
    try:
        async for text in connection:
            message = json.loads(text)
            if message["type"] == "register":
                client_id, room_id = message["client_id"], message["room_id"]
                room = rooms[room_id]
                peers = list(room)
                others = list(room.values())
                room[client_id] = connection
                await say(
                    connection,
                    type="registered",
                    client_id=client_id,
                    room_id=room_id,
                    peers=peers,
                )
                joined = {"client_id": client_id, "client_type": message["client_type"]}
                broadcast(others, json.dumps({"type": "peer_joined", **joined}))
            else:
                target = room[message.pop("target_id")]
                message["sender_id"] = client_id
                await say(target, **message)
    finally:
        if room.pop(client_id, None) is not None:
            broadcast(room.values(), json.dumps({"type": "peer_left", "client_id": client_id}))
            if not room:
                del rooms[room_id]


async def main() -> None:
    """Serve on the port that the command line names."""
    async with serve(serve_client, "127.0.0.1", int(sys.argv[1]), compression=None) as server:
        print("listening", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
