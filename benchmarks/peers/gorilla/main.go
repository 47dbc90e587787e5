// The README's protocol on gorilla/websocket.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

// A message of any type. The SDP and the candidate are not looked into.
type message struct {
	Type       string          `json:"type"`
	ClientID   string          `json:"client_id,omitempty"`
	RoomID     string          `json:"room_id,omitempty"`
	ClientType string          `json:"client_type,omitempty"`
	Peers      *[]string       `json:"peers,omitempty"`
	TargetID   string          `json:"target_id,omitempty"`
	SenderID   string          `json:"sender_id,omitempty"`
	SDP        json.RawMessage `json:"sdp,omitempty"`
	Candidate  json.RawMessage `json:"candidate,omitempty"`
}

type client struct {
	id         string
	connection *websocket.Conn
	writing    sync.Mutex // a connection takes one writer at a time
}

// A write that fails is followed by the end of the client's reads.
func (c *client) write(data []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.connection.WriteMessage(websocket.TextMessage, data)
}

func (c *client) say(m *message) {
	data, err := json.Marshal(m)
	if err == nil {
		c.write(data)
	}
}

type room struct {
	ids     []string // in the order they came
	members map[string]*client
}

var (
	guard sync.RWMutex // of the rooms and of what is in them
	rooms = map[string]*room{}
)

// others returns all members but one; the guard is held.
func (r *room) others(id string) []*client {
	all := make([]*client, 0, len(r.members))
	for _, other := range r.members {
		if other.id != id {
			all = append(all, other)
		}
	}
	return all
}

func join(c *client, m *message) *room {
	guard.Lock()
	in := rooms[m.RoomID]
	if in == nil {
		in = &room{members: map[string]*client{}}
		rooms[m.RoomID] = in
	}
	c.id = m.ClientID
	peers := append([]string{}, in.ids...)
	others := in.others(c.id)
	in.ids = append(in.ids, c.id)
	in.members[c.id] = c
	guard.Unlock()

	c.say(&message{Type: "registered", ClientID: c.id, RoomID: m.RoomID, Peers: &peers})
	joined, err := json.Marshal(&message{Type: "peer_joined", ClientID: c.id, ClientType: m.ClientType})
	if err == nil {
		for _, other := range others {
			other.write(joined)
		}
	}
	return in
}

func leave(c *client, roomID string, in *room) {
	guard.Lock()
	delete(in.members, c.id)
	for at, id := range in.ids {
		if id == c.id {
			in.ids = append(in.ids[:at], in.ids[at+1:]...)
			break
		}
	}
	if len(in.members) == 0 {
		delete(rooms, roomID)
	}
	others := in.others(c.id)
	guard.Unlock()
	for _, other := range others {
		other.say(&message{Type: "peer_left", ClientID: c.id})
	}
}

var upgrader websocket.Upgrader

// serve is one client's life. Go's TCP sockets have Nagle's algorithm off.
func serve(w http.ResponseWriter, r *http.Request) {
	connection, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer connection.Close()
	c := &client{connection: connection}
	var in *room
	var roomID string
	for {
		_, data, err := connection.ReadMessage()
		if err != nil {
			break
		}
		var m message
		if json.Unmarshal(data, &m) != nil {
			break
		}
		if m.Type == "register" {
			roomID = m.RoomID
			in = join(c, &m)
			continue
		}
		guard.RLock()
		target := in.members[m.TargetID]
		guard.RUnlock()
		m.TargetID, m.SenderID = "", c.id
		target.say(&m)
	}
	if in != nil {
		leave(c, roomID, in)
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	_ = http.Serve(listener, http.HandlerFunc(serve))
}
