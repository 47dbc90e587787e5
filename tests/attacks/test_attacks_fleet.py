"""Many clients at once, and what is taken from those who are away."""

import json
import re
import resource
import signal
import socket
import ssl
import struct
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from arena import Arena, Client, Wire, arena, lasting, masked, until
from certificates import issue, make_certificate

from twisted_signal.descriptors import raise_limit
from twisted_signal.frames import TEXT
from twisted_signal.limits import Limits

pytestmark = pytest.mark.alone  # it is seen how long others wait

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
STORM = 2000
ROOM_SIZE = 4
STORM_LASTS = 5.0
"""Seconds after which all must be there again, on the slowest of machines."""
UNLIMITED = ("--max-clients-per-address", "0", "--connect-rate-per-address", "0")
RESUME_TOKEN = re.compile(r'"resume_token":"(\w+)"')


def break_off(wire: Wire) -> None:
    """End a connection as a network that went away does: by a reset, without a word."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.socket.close()


class Fleet:
    """Clients that do the same at the same time. What each of them says goes out before any reads.

    A client that looked at every frame would cost more than the server.
    """

    def __init__(self, place: Arena, size: int) -> None:
        raise_limit(size)  # there are as many descriptors here as in the server
        self.wires = [place.wire() for _ in range(size)]
        self._got = dict.fromkeys(self.wires, b"")

    def say(self, *said: bytes) -> None:
        """Send each client's own."""
        for wire, data in zip(self.wires, said, strict=True):
            assert wire.send(data)

    def hear(self, pattern: bytes) -> list[re.Match[bytes]]:
        """Return what comes to each client, up to the pattern."""
        return [self.hear_one(wire, pattern) for wire in self.wires]

    def hear_one(self, wire: Wire, pattern: bytes) -> re.Match[bytes]:
        """Return what comes to one client, up to the pattern."""
        got = self._got[wire]
        while (found := re.search(pattern, got)) is None:
            data = wire.socket.recv(65536)
            assert data, got
            got += data
        self._got[wire] = got[found.end() :]
        return found

    def open(self) -> None:
        self.say(*[REQUEST] * len(self.wires))
        self.hear(rb"HTTP/1.1 101 [^\0]*?\r\n\r\n")

    def register(self, **fields: object) -> list[re.Match[bytes]]:
        self.say(
            *(
                masked(
                    TEXT,
                    json.dumps(
                        {
                            "type": "register",
                            "client_id": str(number),
                            "room_id": f"fleet {number // ROOM_SIZE}",
                            **fields,
                        }
                    ).encode(),
                )
                for number in range(len(self.wires))
            )
        )
        return self.hear(rb'"type":"registered"[^}]*}')

    def break_off(self) -> None:
        for wire in self.wires:
            break_off(wire)


@pytest.mark.parametrize("before", ["a reset", "no Close frame"])
def test_2000_clients_that_come_back_at_once_are_all_there_again(
    tmp_path: Path, before: str
) -> None:
    with arena(tmp_path, *UNLIMITED) as place, place.attack():
        fleet = Fleet(place, STORM)
        fleet.open()
        fleet.register()
        if before == "a reset":
            fleet.break_off()
        else:
            for wire in fleet.wires:
                wire.socket.close()
        began = time.monotonic()

        fleet = Fleet(place, STORM)
        fleet.open()
        fleet.register()

        assert time.monotonic() - began < STORM_LASTS
        assert place.cost().descriptors >= STORM


def is_let_in(place: Arena) -> bool:
    client = place.client()
    client.socket.close()
    return client.status == 101


def test_2000_clients_from_one_address_are_told_when_to_come_again(tmp_path: Path) -> None:
    bystanders = 4
    with arena(tmp_path) as place, place.attack():
        raise_limit(STORM)
        answers = Counter[bytes]()
        wires = []
        for _ in range(STORM):
            try:
                wires.append(place.wire())
            except ConnectionResetError:
                answers[b""] += 1
        for wire in wires:
            wire.send(REQUEST)

        for wire in wires:
            answer = wire.first()
            answers[answer[:12]] += 1
            if answer.startswith(b"HTTP/1.1 429"):
                (seconds,) = re.findall(rb"\r\nRetry-After: (\d+)\r\n", answer)
                assert 1 <= int(seconds) <= 60
        # Who has twice as many connections as clients are allowed gets no answer for the rest.
        assert set(answers) <= {b"HTTP/1.1 101", b"HTTP/1.1 429", b""}
        assert answers[b"HTTP/1.1 101"] == Limits().max_clients_per_address - bystanders
        assert answers[b"HTTP/1.1 429"] >= Limits().max_clients_per_address

        place.leave()
        until(lambda: place.cost().descriptors < 100, "they are still there")
        assert place.client(source="127.0.0.2").status == 101
        until(lambda: is_let_in(place), "nobody gets in any more")


def test_without_descriptors_calls_go_on_and_others_get_in_later(tmp_path: Path) -> None:
    with arena(tmp_path, *UNLIMITED) as place, place.attack():
        _, hard = resource.prlimit(place.pid, resource.RLIMIT_NOFILE)
        before = place.cost().descriptors
        resource.prlimit(place.pid, resource.RLIMIT_NOFILE, (before + 20, hard))
        friend = place.client()
        friend.register("friend", "room")

        crowd = [place.wire() for _ in range(60)]
        place.server.wait_for("New connections wait until others end: Too many open files")
        for _ in lasting(2):
            assert friend.is_served()
            time.sleep(0.05)
        for wire in crowd:
            wire.socket.close()

        assert place.client().register("late", "room")["peers"] == ["friend"]
        assert place.server.output.count("New connections wait") == 1


def test_a_certificate_is_changed_under_load_and_nobody_is_lost(tmp_path: Path) -> None:
    pem = make_certificate(tmp_path)
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    with arena(tmp_path, pem=pem) as place, place.attack(secure=True):
        clients = [place.client(secure=True) for _ in range(20)]
        for number, client in enumerate(clients):
            client.register(str(number), "room")
        for _ in range(10):
            renewed = issue()
            fresh = tmp_path / "fresh.pem"
            fresh.write_bytes(renewed.both_pem)
            fresh.rename(pem)

            place.server.process.send_signal(signal.SIGHUP)

            place.server.wait_for(f"The certificate is now valid .* SHA-256 {renewed.fingerprint}")
            wire = place.wire(place.secure_url)
            wire.socket = unverified.wrap_socket(wire.socket)
            shown = wire.socket.getpeercert(binary_form=True)
            assert sha256(shown or b"").hexdigest().upper() == renewed.fingerprint.replace(":", "")
            wire.socket.close()
            for number, client in enumerate(clients):
                to = (number + 1) % len(clients)
                client.say(type="offer", target_id=str(to), sdp=renewed.fingerprint)
                message = clients[to].hear_type("offer")
                assert message["sdp"] == renewed.fingerprint
            time.sleep(0.1)


# Places that are kept


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Arena]:
    with arena(tmp_path, *UNLIMITED) as started:
        yield started


def away(place: Arena, room: str) -> str:
    """Let a client register as `owner` and lose its connection; return its token."""
    owner = place.client()
    token: str = owner.register("owner", room, resume=True)["resume_token"]
    break_off(owner)
    place.server.wait_for(f"Connection lost: owner, room {room} keeps its place")
    return token


def test_a_kept_place_is_not_given_to_who_guesses_its_token(place: Arena) -> None:
    with place.attack():
        for number in lasting():
            room = f"kept-{number}"
            peer = place.client()
            peer.register("peer", room)
            token = away(place, room)
            peer.hear_type("peer_joined")
            peer.say(type="offer", target_id="owner", sdp="secret")
            guesses = ["", "0", "0" * 48, token[:-1], token + "0", token.upper() + " ", f" {token}"]
            guesses += [token[:-1] + ("0" if token[-1] != "0" else "1"), token[::-1], "x" * 60_000]
            attacker = place.client()
            for guess in guesses:
                attacker.say(type="resume", resume_token=guess)
                assert attacker.hear()["code"] in ("resume_expired", "invalid_message")
            for other in (None, 0, [token], {"token": token}):
                attacker.say(type="resume", resume_token=other)
                assert attacker.hear()["code"] == "invalid_message"

            owner = place.client()
            owner.say(type="resume", resume_token=token)
            assert owner.hear()["type"] == "resumed"
            assert owner.hear() == {"type": "offer", "sender_id": "peer", "sdp": "secret"}
            attacker.say(type="resume", resume_token=token)
            assert attacker.hear()["code"] == "resume_expired"
            assert owner.is_served()
            assert peer.is_served()
            place.leave()


def test_who_guesses_tokens_without_end_is_closed(place: Arena) -> None:
    with place.attack():
        token = away(place, "guessed")
        attackers = [place.client() for _ in range(10)]
        for attacker in attackers:
            guess = json.dumps({"type": "resume", "resume_token": "0" * 48}).encode()
            attacker.flood(masked(TEXT, guess) * 1000, times=1)
        assert {attacker.close_code() for attacker in attackers} == {4429}
        owner = place.client()
        owner.say(type="resume", resume_token=token)
        assert owner.hear()["type"] == "resumed"


def test_the_id_of_who_comes_back_within_the_probe_time_is_not_given_away(place: Arena) -> None:
    with place.attack():
        tokens = {room: away(place, room) for room in map("claimed-{}".format, range(20))}
        thieves = []
        for room in tokens:
            thief = place.client()
            thief.say(type="register", client_id="owner", room_id=room, resume=True)
            thieves.append(thief)
        time.sleep(1)  # of the two seconds that a holder has to answer
        owners: list[Client] = []
        for token in tokens.values():
            owner = place.client()
            owner.say(type="resume", resume_token=token)
            assert owner.hear()["type"] == "resumed"
            owners.append(owner)

        for thief, owner in zip(thieves, owners, strict=True):
            assert thief.hear()["code"] == "id_taken"
            thief.say(type="offer", target_id="owner", sdp="x")
            assert thief.hear()["code"] == "not_registered"
            assert owner.is_served()


def test_1000_clients_that_resume_at_once_all_get_their_places_and_what_waited(
    place: Arena,
) -> None:
    with place.attack():
        fleet = Fleet(place, STORM // 2)
        fleet.open()
        tokens = [RESUME_TOKEN.search(each[0].decode()) for each in fleet.register(resume=True)]
        fleet.break_off()
        until(lambda: place.cost().descriptors < 100, "they are still there")
        sender = place.client()
        sender.register("sender", "fleet 0")
        for number in range(ROOM_SIZE):
            sender.say(type="offer", target_id=str(number), sdp="missed")
        assert sender.is_served()
        began = time.monotonic()

        said = [
            masked(TEXT, json.dumps({"type": "resume", "resume_token": token[1]}).encode())
            for token in tokens
            if token is not None
        ]
        fleet = Fleet(place, STORM // 2)
        fleet.open()
        fleet.say(*said)
        resumed = fleet.hear(rb'"type":"resumed"[^}]*}')

        assert time.monotonic() - began < STORM_LASTS
        assert len({RESUME_TOKEN.findall(each[0].decode())[0] for each in resumed}) == STORM // 2
        for wire in fleet.wires[:ROOM_SIZE]:
            assert b'"missed"' in fleet.hear_one(wire, rb'"type":"offer"[^}]*}')[0]
        fleet.say(*said)  # by then each token was used
        answers = fleet.hear(rb'"code":"\w+"')
        assert {each[0] for each in answers} == {b'"code":"invalid_message"'}
