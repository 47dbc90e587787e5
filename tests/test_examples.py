"""The example phone and PC: real WebRTC stacks that meet through a real server."""

import json
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import jwt
import pytest
from processes import PATIENCE, ROOT, Restarted, Server, Watched, running, server
from tokens import SECRET
from ways import Way

av = pytest.importorskip("av", reason="aiortc, and with it PyAV, is not installed")
pytest.importorskip("aiortc", reason="aiortc is not installed")

FRAMES, SAMPLES = 15, 50
UNTIL_ARRIVED = ("--frames", str(FRAMES), "--samples", str(SAMPLES), "--timeout", str(PATIENCE))


def example(name: str, url: str, *options: str | Path) -> list[str | Path]:
    return [sys.executable, ROOT / "examples" / name, "--url", url, *options]


def phone(server: Server, room: str, *options: str) -> AbstractContextManager[Watched]:
    return running(*example("phone.py", server.url, "--room", room, *options))


def pc(server: Server, room: str, *options: str | Path) -> AbstractContextManager[Watched]:
    return running(*example("pc.py", server.url, "--room", room, *options))


def wait_until_offered(server: Server, room: str, phone: Watched, *, app: bool) -> None:
    """Wait until a phone that is first in its room has said all that it can."""
    if app:
        phone.wait_for("^Offered to whoever is in the room$")
        server.wait_for(f"Kept offer from .* {room} yet$")
    else:
        phone.wait_for("^Waiting for a peer$")


def check_arrived(pc: Watched, phone: Watched) -> None:
    assert pc.wait() == 0, pc.output
    assert phone.wait() == 0, phone.output
    arrived = pc.wait_for(
        rf"^Complete; arrived: offers 1, frames (\d+) of {FRAMES}, samples (\d+) of {SAMPLES}$"
    )
    sent = phone.wait_for(r"^Sent (\d+) frames and (\d+) samples$")
    assert FRAMES <= int(arrived[1]) <= int(sent[1])
    assert SAMPLES <= int(arrived[2]) <= int(sent[2])
    sample = json.loads(pc.wait_for("^Last sample: (.*)$")[1])
    assert set(sample) == {"timestamp_ns", "acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z"}
    assert 9 < sample["acc_z"] < 11
    assert "Traceback" not in pc.output + phone.output


@pytest.mark.parametrize("trickle", [False, True], ids=["bundled", "trickle"])
@pytest.mark.parametrize("app", [False, True], ids=["readme", "app"])
class TestAPhoneAndAPc:
    def options(self, *, app: bool, trickle: bool) -> tuple[str, list[str], list[str]]:
        both = ["--trickle"] if trickle else []
        return f"app-{app}-trickle-{trickle}", [*both, *(["--app"] if app else [])], both

    def test_connect_when_the_phone_comes_second(
        self, signal_server: Server, app: bool, trickle: bool
    ) -> None:
        room, for_phone, for_pc = self.options(app=app, trickle=trickle)
        room = f"second-{room}"
        with pc(signal_server, room, *UNTIL_ARRIVED, *for_pc) as receiver:
            receiver.wait_for("^Registered as pc ")
            with phone(signal_server, room, *for_phone) as sender:
                check_arrived(receiver, sender)

    def test_connect_when_the_phone_comes_first(
        self, signal_server: Server, app: bool, trickle: bool
    ) -> None:
        room, for_phone, for_pc = self.options(app=app, trickle=trickle)
        room = f"first-{room}"
        with phone(signal_server, room, *for_phone) as sender:
            wait_until_offered(signal_server, room, sender, app=app)
            with pc(signal_server, room, *UNTIL_ARRIVED, *for_pc) as receiver:
                check_arrived(receiver, sender)


def test_trickled_candidates_go_through_the_server(signal_server: Server) -> None:
    with pc(signal_server, "candidates", "--id", "pc-c", *UNTIL_ARRIVED, "--trickle") as receiver:
        receiver.wait_for("^Registered as ")
        with phone(signal_server, "candidates", "--id", "phone-c", "--trickle") as sender:
            check_arrived(receiver, sender)
    signal_server.wait_for("Relayed candidate from phone-c to pc-c")
    signal_server.wait_for("Relayed candidate from pc-c to phone-c")


def test_the_first_frame_is_saved_as_a_png(signal_server: Server, tmp_path: Path) -> None:
    path = tmp_path / "first.png"
    with (
        pc(signal_server, "png", *UNTIL_ARRIVED, "--save-frame", path) as receiver,
        phone(signal_server, "png") as sender,
    ):
        check_arrived(receiver, sender)
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content[12:16] == b"IHDR"
    assert struct.unpack(">II", content[16:24]) == (640, 480)
    with av.open(path) as picture:
        luma = bytes(next(picture.decode(video=0)).reformat(format="gray").planes[0])
    assert max(luma) - min(luma) > 100
    assert len(set(luma)) > 50


def test_a_frame_that_cannot_be_saved_is_one_clear_line(
    signal_server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "missing" / "first.png"
    with (
        pc(signal_server, "no-png", *UNTIL_ARRIVED, "--save-frame", path) as receiver,
        phone(signal_server, "no-png"),
    ):
        assert receiver.wait() == 1
    receiver.wait_for(f"No such file or directory.*{path}")
    assert "Traceback" not in receiver.output


def test_the_pc_prints_rates_and_the_phone_ends_by_itself(signal_server: Server) -> None:
    with pc(signal_server, "rates") as receiver:
        receiver.wait_for("^Registered as ")
        with phone(signal_server, "rates", "--seconds", "1.5", "--size", "320x240") as sender:
            receiver.wait_for(r"^\d+\.\d frames/s \(320x240\), \d+\.\d samples/s$")
            assert sender.wait() == 0, sender.output
            sender.wait_for(r"^Sent \d+ frames and 300 samples$")


def test_the_pc_receives_from_one_phone_after_another(signal_server: Server) -> None:
    with pc(signal_server, "two", "--samples", "60", "--timeout", str(PATIENCE)) as receiver:
        receiver.wait_for("^Registered as ")
        with phone(signal_server, "two", "--seconds", "0.2") as sender:
            assert sender.wait() == 0, sender.output
            sender.wait_for(r"^Sent \d+ frames and 40 samples$")
        with phone(signal_server, "two") as sender:
            assert receiver.wait() == 0, receiver.output
            assert sender.wait() == 0, sender.output
    receiver.wait_for("^Complete; arrived: offers 2, ")


@pytest.mark.parametrize("name", ["phone.py", "pc.py"])
def test_connection_refused_is_one_clear_line(name: str) -> None:
    with socket.socket() as bound:  # and not listening: nobody else gets the port meanwhile
        bound.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{bound.getsockname()[1]}"
        ended = subprocess.run(
            example(name, url), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        f"Cannot connect to {url}: connection refused. Is the server running there?\n"
    )


def test_the_pc_gives_up_with_a_line_that_says_what_arrived(signal_server: Server) -> None:
    ended = subprocess.run(
        example(
            "pc.py",
            signal_server.url,
            "--room=nobody",
            "--frames=15",
            "--samples=50",
            "--timeout=0.5",
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "Gave up after 0.5 s; arrived: offers 0, frames 0 of 15, samples 0 of 50\n"
    )


@pytest.mark.parametrize("options", [["--id=pc"], ["--id=pc", "--app"]], ids=["readme", "app"])
def test_what_the_server_refuses_is_one_clear_line(
    signal_server: Server, options: list[str]
) -> None:
    room = f"taken-{len(options)}"
    with pc(signal_server, room) as receiver:
        receiver.wait_for("^Registered as pc ")
        with phone(signal_server, room, *options) as sender:
            assert sender.wait() == 1
    sender.wait_for(f"^The server says: Another connection is pc in room {room}")
    assert "Traceback" not in sender.output


def test_the_pc_that_is_put_out_says_so_in_one_clear_line(tmp_path: Path) -> None:
    with server("--duplicate-id=replace", cwd=tmp_path) as replacing, pc(replacing, "out") as first:
        first.wait_for("^Registered as pc ")
        with pc(replacing, "out"):
            assert first.wait() == 1
    first.wait_for("^The server closed the connection to .*: 4409 ")
    assert "Traceback" not in first.output


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    """A server with a certificate of its own that wants tokens, and where to find it."""
    folder = tmp_path_factory.mktemp("secure")
    (folder / "secret").write_bytes(SECRET)
    options = ("--tls-port=0", "--self-signed", "--auth-secret-file", str(folder / "secret"))
    with server(*options, "--state-dir", str(folder), cwd=folder) as started:
        yield started, started.wait_for(r"Listening on (wss://127\S+)")[1]


def certificate_of(url: str, folder: Path) -> Path:
    (folder / "server.pem").write_text(
        ssl.get_server_certificate(("127.0.0.1", urlsplit(url).port or 0))
    )
    return folder / "server.pem"


@pytest.mark.parametrize("app", [[], ["--app"]], ids=["readme", "app"])
@pytest.mark.parametrize("trust", ["--insecure", "--fingerprint", "--ca"])
def test_they_meet_at_a_server_with_a_certificate_of_its_own(
    secure: tuple[Server, str], tmp_path: Path, trust: str, app: list[str]
) -> None:
    started, url = secure
    argument = {
        "--insecure": (),
        "--fingerprint": (started.wait_for(r"((?:[0-9A-F]{2}:){31}[0-9A-F]{2})")[1],),
        "--ca": (certificate_of(url, tmp_path),),
    }[trust]
    token = jwt.encode({"exp": time.time() + 600, "room": "*"}, SECRET)
    options = ("--room", f"tls{trust}{app}", "--token", token, trust, *argument)
    with running(*example("pc.py", url, *options, *UNTIL_ARRIVED)) as receiver:
        receiver.wait_for("^Registered as ")
        with running(*example("phone.py", url, *options, *app)) as sender:
            check_arrived(receiver, sender)


@pytest.mark.parametrize("name", ["phone.py", "pc.py"])
def test_a_certificate_that_is_not_trusted_is_one_clear_line(
    secure: tuple[Server, str], name: str
) -> None:
    ended = subprocess.run(
        example(name, secure[1]), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"Cannot connect to {secure[1]}: ")
    assert "certificate" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let processes have SIGINT: what a shell starts with `&` ignores it, and so do its own."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", ["phone.py", "pc.py"])
def test_an_interrupt_ends_it_quietly(
    signal_server: Server, interruptible: None, name: str
) -> None:
    room = f"interrupt-{name}"
    with running(*example(name, signal_server.url, "--room", room)) as process:
        process.wait_for("^Registered as ")
        assert process.stop(signal.SIGINT) == 130
    assert "Traceback" not in process.output


@pytest.mark.alone
@pytest.mark.parametrize("options", [[], ["--app"]], ids=["readme", "app"])
def test_both_are_back_within_five_seconds_of_a_kill_and_a_new_call_goes_through(
    restarted: Restarted, interruptible: None, options: list[str]
) -> None:
    rooms = ("--room", "killed")
    forever = example("pc.py", restarted.url, *rooms)
    with (
        running(*forever) as receiver,
        running(*example("phone.py", restarted.url, *rooms, *options)) as sender,
    ):
        receiver.wait_for("frames/s")
        restarted.kill()
        killed = time.monotonic()
        restarted.start()
        restarted.server.wait_for("^.*Client registered: pc ")
        restarted.server.wait_for(r"^.*Client registered: phone \(android\)")
        assert time.monotonic() - killed < 5
        receiver.lines.clear()
        receiver.wait_for("frames/s")  # the call of before has gone on
        assert sender.stop(signal.SIGINT) == 130
        with running(*example("phone.py", restarted.url, *rooms, "--seconds=0.2")) as another:
            another.wait_for("^Offered to pc$")
            assert another.wait() == 0, another.output
            another.wait_for(r"^Sent \d+ frames and 40 samples$")
    assert "Traceback" not in receiver.output + sender.output


def test_a_phone_and_a_pc_meet_when_the_server_is_killed_while_the_phone_waits(
    restarted: Restarted,
) -> None:
    with running(*example("phone.py", restarted.url, "--room", "wait")) as sender:
        sender.wait_for("^Waiting for a peer$")
        restarted.kill()
        sender.wait_for("^The connection to .* broke")
        restarted.start()
        with running(*example("pc.py", restarted.url, "--room=wait", *UNTIL_ARRIVED)) as receiver:
            check_arrived(receiver, sender)


@pytest.mark.parametrize("options", [[], ["--app"]], ids=["readme", "app"])
def test_an_offer_that_was_not_answered_before_a_kill_is_made_again(
    restarted: Restarted, options: list[str]
) -> None:
    phone_of = example("phone.py", restarted.url, "--room=anew", *options)
    with socket.create_connection(("127.0.0.1", urlsplit(restarted.url).port or 0)) as deaf:
        say_as_a_deaf_pc(deaf)
        with running(*phone_of) as sender:
            sender.wait_for("^Offered to ")
            restarted.server.wait_for("Relayed offer from phone to pc")
            restarted.kill()
            restarted.start()
            with running(
                *example("pc.py", restarted.url, "--room=anew", *UNTIL_ARRIVED)
            ) as receiver:
                check_arrived(receiver, sender)


def say_as_a_deaf_pc(deaf: socket.socket) -> None:
    """Be in the room `anew` as `pc`, and answer nothing."""
    deaf.sendall(
        b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    deaf.recv(4096)
    message = b'{"type":"register","client_id":"pc","room_id":"anew","client_type":"pc"}'
    deaf.sendall(bytes([0x81, 0x80 | len(message)]) + bytes(4) + message)
    deaf.recv(4096)


def test_a_call_goes_on_when_a_connection_breaks_and_both_resume(
    signal_server: Server, cut: Way, interruptible: None
) -> None:
    with (
        running(*example("pc.py", cut.url, "--room", "resumed")) as receiver,
        running(*example("phone.py", cut.url, "--room", "resumed")) as sender,
    ):
        receiver.wait_for("frames/s")
        cut.cut()
        for one, name in ((receiver, "pc"), (sender, "phone")):
            one.wait_for(f"^Resumed as {name} in room resumed$")
            signal_server.wait_for(f"Client resumed: {name} in room resumed")
        receiver.lines.clear()
        receiver.wait_for("frames/s")
        # By the resumed connection the PC still hears that the phone leaves.
        assert sender.stop(signal.SIGINT) == 130
        receiver.wait_for("^Call with phone: closed$")


LOST = {
    "answer": lambda data, from_client: not from_client and b'"answer"' in data,
    "offer": lambda data, from_client: from_client and len(data) > 1000,
    "candidate": lambda data, from_client: not from_client and b'"ice_candidate"' in data,
}


@pytest.mark.parametrize("lost", LOST)
def test_a_call_comes_about_though_what_it_needs_is_lost_with_the_connection(
    signal_server: Server, cut: Way, lost: str
) -> None:
    room = f"lost-{lost}"
    with pc(signal_server, room, *UNTIL_ARRIVED, "--trickle") as receiver:
        receiver.wait_for("^Registered as ")
        cut.is_last = LOST[lost]
        with running(*example("phone.py", cut.url, "--room", room, "--trickle")) as sender:
            check_arrived(receiver, sender)
            sender.wait_for(f"^Resumed as phone in room {room}$")
