"""Random joins, moves, messages and disconnects, held against a model that fits on one screen."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from plain import NOW_NS, Party, party, plain, raw

from twisted_signal.messages import Answer, IceCandidate, Offer, Register, Relay
from twisted_signal.registry import Registry

CLIENTS = 5
clients = st.integers(0, CLIENTS - 1)
ids = st.sampled_from(["a", "b", "c"])
rooms = st.sampled_from(["lab1", "lab2"])
relays = st.sampled_from([Offer, Answer])


class Rooms(RuleBasedStateMachine):
    """Clients of the documented protocol; `expected` is what each must have been told."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry()
        self.parties: list[Party] = [party(self.registry) for _ in range(CLIENTS)]
        self.rooms: dict[str, list[int]] = {}  # the clients of each room, in order
        self.places: dict[int, tuple[str, str]] = {}  # the room and the id of each client in one
        self.expected: list[list[object]] = [[] for _ in range(CLIENTS)]

    def members(self, room: str) -> list[int]:
        return self.rooms.setdefault(room, [])

    def expect(self, client: int, **message: object) -> None:
        self.expected[client].append(message)

    def forget(self, client: int) -> list[int]:
        """Take a client out of its room; return who is left there."""
        room, _ = self.places.pop(client)
        self.members(room).remove(client)
        return self.members(room)

    @rule(client=clients, client_id=ids, room=rooms)
    def register(self, client: int, client_id: str, room: str) -> None:
        self.parties[client].say(Register(client_id, room, "pc"))
        before = self.places.get(client)
        others = [other for other in self.members(room) if other != client]
        if any(self.places[other] == (room, client_id) for other in others):
            self.expect(client, type="error", code="id_taken")
            return
        self.expect(
            client,
            type="registered",
            client_id=client_id,
            room_id=room,
            peers=[self.places[other][1] for other in others],
        )
        if before == (room, client_id):
            return
        if before is not None:
            for other in self.forget(client):
                self.expect(other, type="peer_left", client_id=before[1])
        for other in others:
            self.expect(other, type="peer_joined", client_id=client_id, client_type="pc")
        self.members(room).append(client)
        self.places[client] = (room, client_id)

    @rule(client=clients, target_id=ids, kind=relays, sdp=st.integers())
    def relay(self, client: int, target_id: str, kind: type[Offer | Answer], sdp: int) -> None:
        message: Relay = kind(raw(sdp), target_id)
        self.parties[client].say(message)
        self.expect_relayed(client, target_id, type=message.kind, sdp=sdp)

    @rule(client=clients, target_id=ids, candidate=st.none() | st.text())
    def trickle(self, client: int, target_id: str, candidate: str | None) -> None:
        self.parties[client].say(IceCandidate(raw(candidate), target_id))
        self.expect_relayed(client, target_id, type="ice_candidate", candidate=candidate)

    def expect_relayed(self, client: int, target_id: str, **message: object) -> None:
        if client not in self.places:
            self.expect(client, type="error", code="not_registered", target_id=target_id)
            return
        room, sender_id = self.places[client]
        for other in self.members(room):
            if other != client and self.places[other] == (room, target_id):
                self.expect(other, sender_id=sender_id, **message)
                return
        self.expect(client, type="error", code="peer_not_found", target_id=target_id)

    @rule(client=clients)
    def disconnect(self, client: int) -> None:
        self.parties[client].session.end(NOW_NS)
        if client in self.places:
            _, client_id = self.places[client]
            for other in self.forget(client):
                self.expect(other, type="peer_left", client_id=client_id)

    @precondition(lambda self: len(self.places) < CLIENTS)
    @rule(client=clients)
    def reconnect(self, client: int) -> None:
        if client not in self.places:
            self.parties[client] = party(self.registry)

    @invariant()
    def everybody_was_told_what_they_should(self) -> None:
        for client, one in enumerate(self.parties):
            told = [plain(message) for message in one.hear()]
            for message in told:
                assert isinstance(message, dict)
                if message["type"] == "error":
                    assert message.pop("message")
            assert told == self.expected[client]
            self.expected[client].clear()

    @invariant()
    def the_registry_holds_who_is_there(self) -> None:
        assert {room.room_id: list(room.members) for room in self.registry.rooms.values()} == {
            room: [self.places[client][1] for client in members]
            for room, members in self.rooms.items()
            if members
        }


Rooms.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestRooms = Rooms.TestCase
