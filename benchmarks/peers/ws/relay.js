// The README's protocol on `ws`.
'use strict';
const { WebSocket, WebSocketServer } = require('ws');

const rooms = new Map();

// ws switches Nagle's algorithm off by itself.
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(process.argv[2]),
  perMessageDeflate: false,
});

function say(socket, message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

server.on('connection', (socket) => {
  let clientId = null;
  let roomId = null;
  let room = null;

  socket.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.type === 'register') {
      clientId = message.client_id;
      roomId = message.room_id;
      room = rooms.get(roomId);
      if (!room) rooms.set(roomId, (room = new Map()));
      say(socket, {
        type: 'registered',
        client_id: clientId,
        room_id: roomId,
        peers: [...room.keys()],
      });
      const joined = JSON.stringify({
        type: 'peer_joined',
        client_id: clientId,
        client_type: message.client_type,
      });
      for (const other of room.values()) {
        if (other.readyState === WebSocket.OPEN) other.send(joined);
      }
      room.set(clientId, socket);
    } else {
      const { target_id: targetId, ...relayed } = message;
      relayed.sender_id = clientId;
      say(room.get(targetId), relayed);
    }
  });

  socket.on('error', () => {}); // 'close' follows
  socket.on('close', () => {
    if (room === null) return;
    room.delete(clientId);
    for (const other of room.values()) say(other, { type: 'peer_left', client_id: clientId });
    if (room.size === 0) rooms.delete(roomId);
  });
});

server.on('listening', () => console.log('listening', server.address().port));
