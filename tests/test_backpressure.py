"""A client that does not read, with a real server and real sockets, plain and over TLS."""

import re
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from caller import Caller
from certificates import make_certificate
from processes import PATIENCE, Server, server

MIB = 1024 * 1024
SMALL = 16 * 1024
"""A receive buffer, in bytes; the kernel doubles it."""
SDP = "x" * 60_000
ENOUGH = 1000
"""Messages that no buffers of kernel and server could take (60 MB)."""


class Silent(Caller):
    """A client that registers, and reads only when it is told to."""

    def __init__(
        self, url: str, client_id: str, room: str, tls: ssl.SSLContext | None, *, resume: bool
    ) -> None:
        super().__init__(url, tls, receive_buffer=SMALL)
        self.say(type="register", client_id=client_id, room_id=room, resume=resume)
        registered = self.hear()
        assert registered["type"] == "registered"
        self.resume_token = registered.get("resume_token")

    def is_dropped(self) -> bool:
        """Read what the kernel still has; tell whether the connection ends after that."""
        self.socket.settimeout(PATIENCE)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:  # a reset
            pass
        return True


class Place:
    """A server, and its clients."""

    def __init__(self, started: Server, tls: ssl.SSLContext | None) -> None:
        self.server = started
        self.tls = tls

    @contextmanager
    def registered(self, client_id: str, room: str) -> Iterator[Caller]:
        with Caller(self.server.url, self.tls) as client:
            client.say(type="register", client_id=client_id, room_id=room)
            assert client.hear()["type"] == "registered"
            yield client

    @contextmanager
    def silent(self, client_id: str, room: str, *, resume: bool = False) -> Iterator[Silent]:
        client = Silent(self.server.url, client_id, room, self.tls, resume=resume)
        with client.socket:
            yield client

    def memory(self) -> int:
        """Return the resident memory of the server, in bytes."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    def has_dropped(self) -> bool:
        return any("Dropping the connection of" in line for line in self.server.lines)


Start = Callable[..., Any]


@pytest.fixture(params=["plain", "tls", "endpoint"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Starts a server."""

    @contextmanager
    def start(*options: str) -> Iterator[Place]:
        tls = None
        if request.param != "plain":
            pem = make_certificate(tmp_path)
            if request.param == "tls":
                place = ["--port", "none", "--tls-port", "0", "--tls-cert", str(pem)]
            else:
                place = ["--endpoint", f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"]
            options = (*place, *options)
            tls = ssl.create_default_context(cafile=str(pem))
        with server(*options, cwd=tmp_path) as started:
            yield Place(started, tls)

    return start


def offer(client: Caller, target: str, number: int) -> None:
    client.say(type="offer", target_id=target, sdp={"number": number, "sdp": SDP})


def is_done_with(client: Caller) -> None:
    """Wait until the server has done what the client asked for so far."""
    client.say(type="is everything done?")
    assert client.hear()["type"] == "error"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this machine")
def test_a_client_that_never_reads_is_dropped_and_nobody_else_suffers(start: Start) -> None:
    with (
        start() as place,
        place.registered("a", "elsewhere") as bystander,
        place.registered("b", "elsewhere") as friend,
        place.registered("witness", "here") as witness,
        place.registered("sender", "here") as sender,
        place.silent("silent", "here") as silent,
    ):
        assert bystander.hear()["type"] == "peer_joined"
        assert witness.hear()["client_id"] == "sender"
        assert witness.hear()["client_id"] == sender.hear()["client_id"] == "silent"
        before = most = place.memory()

        for number in range(ENOUGH):
            offer(sender, "silent", number)
            if number % 10 == 0:
                bystander.say(type="offer", target_id="b", sdp=number)
                assert friend.hear()["sdp"] == number
                most = max(most, place.memory())
            if place.has_dropped():
                break

        line = place.server.wait_for(r"\[WARNING\] sending: Dropping the connection of .*")[0]
        assert re.search(r"it does not read, and \d{4} KiB wait for it", line)
        assert sender.hear() == {"type": "peer_left", "client_id": "silent"}
        assert witness.hear() == {"type": "peer_left", "client_id": "silent"}
        offer(sender, "silent", 0)
        assert sender.hear()["code"] == "peer_not_found"
        bystander.say(type="offer", target_id="b", sdp="at last")
        assert friend.hear()["sdp"] == "at last"
        is_done_with(witness)
        assert silent.is_dropped()
        assert most - before < 16 * MIB
        assert sum("Dropping" in one for one in place.server.lines) == 1
        assert "Traceback" not in place.server.output


def test_a_slow_reader_below_the_limit_gets_everything_in_its_order(start: Start) -> None:
    # More than the buffers of the kernel take, and less than they and the limit.
    count = 120
    with (
        start("--max-buffer", str(16 * MIB)) as place,
        place.registered("sender", "here") as sender,
        place.silent("slow", "here") as slow,
    ):
        sender.hear()
        for number in range(count):
            offer(sender, "slow", number)
        is_done_with(sender)
        for number in range(count // 2):
            assert slow.hear()["sdp"]["number"] == number
        for number in range(count, 2 * count):
            offer(sender, "slow", number)
        is_done_with(sender)

        for number in range(count // 2, 2 * count):
            message = slow.hear()
            assert message["sdp"] == {"number": number, "sdp": SDP}

        offer(sender, "slow", 2 * count)
        assert slow.hear()["sdp"]["number"] == 2 * count
        assert not place.has_dropped()


def test_what_the_slow_reader_got_is_more_than_a_low_limit_allows(start: Start) -> None:
    with (
        start("--max-buffer", str(256 * 1024)) as place,
        place.registered("sender", "here") as sender,
        place.silent("slow", "here"),
    ):
        sender.hear()
        for number in range(120):
            offer(sender, "slow", number)

        place.server.wait_for("it does not read, and")


def test_without_a_limit_nobody_is_dropped(start: Start) -> None:
    with (
        start("--max-buffer", "0") as place,
        place.registered("sender", "here") as sender,
        place.silent("slow", "here") as slow,
    ):
        sender.hear()
        for number in range(200):
            offer(sender, "slow", number)
        is_done_with(sender)

        assert [slow.hear()["sdp"]["number"] for _ in range(200)] == list(range(200))
        assert not place.has_dropped()


def test_a_server_that_stops_does_not_wait_for_who_does_not_read(start: Start) -> None:
    with (
        start() as place,
        place.registered("sender", "here") as sender,
        place.silent("silent", "here"),
    ):
        sender.hear()
        for number in range(15):
            offer(sender, "silent", number)
        is_done_with(sender)

        assert place.server.stop() == 0
        assert "Traceback" not in place.server.output


@pytest.fixture
def missing(start: Start) -> Iterator[tuple[Place, Caller, Silent]]:
    """A phone that may resume, and has read nothing of 100 messages."""
    with (
        start() as place,
        place.registered("sender", "here") as sender,
        place.silent("phone", "here", resume=True) as phone,
    ):
        sender.hear()
        # At once: what is sent in one turn shares records of TLS, which arrive whole or not at all.
        texts = [[number, "x" * 4000] for number in range(100)]
        sender.say_all({"type": "message", "target_id": "phone", "data": text} for text in texts)
        is_done_with(sender)
        yield place, sender, phone


def resumed(place: Place, sender: Caller, phone: Silent) -> list[int]:
    """Return the numbers of the messages that the phone gets on another connection."""
    with Caller(place.server.url, place.tls) as again:
        again.say(type="resume", resume_token=phone.resume_token)
        assert again.hear()["type"] == "resumed"
        sender.say(type="message", target_id="phone", data=[100, ""])
        anew = [again.hear()["data"][0]]
        while anew[-1] != 100:
            anew.append(again.hear()["data"][0])
    assert anew == list(range(anew[0], 101))
    return anew


def test_who_resumes_gets_what_its_old_connection_did_not_deliver(
    missing: tuple[Place, Caller, Silent],
) -> None:
    _, _, phone = missing

    anew = resumed(*missing)

    arrived = [message["data"][0] for message in phone.hear_the_rest()]
    assert arrived == list(range(len(arrived)))
    assert len(anew) > 10, "the old connection took nearly all of it"
    # What is not acknowledged may have arrived; rather a message comes twice than never.
    assert anew[0] <= len(arrived)


def test_who_resumes_after_a_reset_gets_what_the_kernel_had_not_delivered(
    missing: tuple[Place, Caller, Silent],
) -> None:
    place, _, phone = missing
    phone.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    phone.socket.close()
    place.server.wait_for("Connection lost: phone")

    anew = resumed(*missing)

    assert anew[0] <= 2 * 2 * SMALL // 4000, "more than a client's buffer can have taken"
