"""The listings of docs/clients.md: files of this repository, run where what they need is there."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from processes import PATIENCE, ROOT, Server, Watched, running, server
from ways import Way
from websockets.sync.client import ClientConnection, connect

PAGE = ROOT / "docs" / "clients.md"
EXAMPLES = ROOT / "examples"
LISTINGS = [
    *sorted((EXAMPLES / "kotlin").iterdir()),
    *sorted((EXAMPLES / "cpp").iterdir()),
    EXAMPLES / "gstreamer_pc.py",
]
SYSTEM_PYTHON = Path("/usr/bin/python3")
"""Debian's packages for GStreamer are for no other."""
NEEDS_OF_GSTREAMER = """
import gi, websockets
gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC
Gst.init(None)
for name in "webrtcbin", "nicesrc", "dtlsenc", "srtpenc", "sctpenc", "rtpvp8depay", "vp8dec":
    assert Gst.ElementFactory.find(name), name
"""
JARS = [
    Path(f"/usr/share/java/{name}.jar")
    for name in ("okhttp", "okio", "json-android", "kotlin-stdlib")
]
Command = list[str | Path]
LONG_SDP = "v=0 " + "a" * 2000
CANDIDATE = {"candidate": "candidate:1 1 udp …", "sdpMid": "0", "sdpMLineIndex": 0}


@pytest.mark.parametrize("path", LISTINGS, ids=lambda path: path.name)
def test_a_listing_is_the_text_of_its_file(path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    name = path.relative_to(ROOT)
    language = {"kt": "kotlin", "py": "python", "txt": "cmake"}.get(path.suffix[1:], "cpp")
    head = f"[`{name}`](../{name}):\n\n```{language}\n"
    assert head in page
    listing, _, _ = page.split(head, 1)[1].partition("```\n")
    assert listing == path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def signal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tells of a TURN server, where none is."""
    cwd = tmp_path_factory.mktemp("server")
    (cwd / "secret").write_text("s" * 32)
    (cwd / "secret").chmod(0o600)
    options = ("--turn-uri", "turn:127.0.0.1:9", "--turn-secret-file", "secret")
    with server(*options, cwd=cwd) as started:
        yield started


class Peer:
    """A client of the test's own, which says and hears messages."""

    def __init__(self, server: Server, room: str, client_id: str, stack: ExitStack) -> None:
        self._connection: ClientConnection = stack.enter_context(connect(server.url, proxy=None))
        self.say("register", client_id=client_id, room_id=room)
        assert self.hear()["type"] == "registered"

    def say(self, type_: str, **fields: object) -> None:
        self._connection.send(json.dumps({"type": type_, **fields}))

    def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._connection.recv(timeout=PATIENCE))
        return message


def check_that_it_registers_anew(cwd: Path, command: Callable[[str], Command], line: str) -> None:
    """Run a program for the URL of a server that is killed, and wait for its line once more."""
    with ExitStack() as stack:
        killed = Server("--port", "0", cwd=cwd)
        program = stack.enter_context(running(*command(killed.url)))
        program.wait_for(line)
        killed.stop(signal.SIGKILL)
        program.lines.clear()
        started = Server("--port", str(urlsplit(killed.url).port), cwd=cwd)
        stack.callback(started.stop)
        program.wait_for(line)


class TestGStreamer:
    @pytest.fixture(autouse=True)
    def gstreamer(self) -> None:
        pytest.importorskip("aiortc", reason="aiortc is not installed")
        tried = SYSTEM_PYTHON.exists() and subprocess.run(
            [SYSTEM_PYTHON, "-c", NEEDS_OF_GSTREAMER], capture_output=True, check=False
        )
        if not tried or tried.returncode:
            pytest.skip("GStreamer is not available")

    def wait_for_frames_and_samples(self, receiver: Watched) -> None:
        receiver.wait_for(r"^phone: [1-9]\d+ frames, [1-9]\d+ samples$")

    @pytest.mark.parametrize("options", [["--trickle"], ["--app"]], ids=["readme", "app"])
    def test_frames_and_samples_of_the_example_phone_arrive_and_a_break_does_not_end_the_call(
        self, signal_server: Server, cut: Way, options: list[str]
    ) -> None:
        room = ("--room", f"gstreamer{options[0]}")
        receiver_of = (SYSTEM_PYTHON, EXAMPLES / "gstreamer_pc.py", "--url", cut.url, *room)
        phone_of = (sys.executable, EXAMPLES / "phone.py", "--url", signal_server.url, *room)
        with running(*receiver_of) as receiver:
            receiver.wait_for("^registered, peers: ")
            with running(*phone_of, *options) as phone:
                self.wait_for_frames_and_samples(receiver)
                cut.cut()
                receiver.wait_for(r"^resumed, peers: \['phone'\]$")
                receiver.lines.clear()
                self.wait_for_frames_and_samples(receiver)
            assert "Traceback" not in receiver.output + phone.output

    def test_it_registers_anew_with_a_server_that_was_started_anew(self, tmp_path: Path) -> None:
        receiver = (SYSTEM_PYTHON, EXAMPLES / "gstreamer_pc.py", "--url")
        check_that_it_registers_anew(tmp_path, lambda url: [*receiver, url], "^registered, peers: ")


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (shutil.which("kotlinc") and all(jar.exists() for jar in JARS)):
        pytest.skip("a Kotlin compiler and OkHttp are not available")
    made = tmp_path_factory.mktemp("classes")
    sources = [*(EXAMPLES / "kotlin").iterdir(), *(ROOT / "tests" / "kotlin").iterdir()]
    path = ":".join(map(str, JARS))
    subprocess.run(["kotlinc", "-no-reflect", "-cp", path, "-d", made, *sources], check=True)
    return made


class TestKotlin:
    def talk(
        self, classes: Path, url: str, client_id: str, room: str, program: str = "Talk"
    ) -> Command:
        path = ":".join(map(str, (classes, *JARS)))
        return ["java", "-cp", path, f"vislam.{program}Kt", url, client_id, room]

    def test_what_is_lost_with_a_connection_arrives_after_it_has_resumed(
        self, signal_server: Server, cut: Way, classes: Path
    ) -> None:
        with ExitStack() as stack:
            pc = Peer(signal_server, "kotlin", "pc", stack)
            phone = stack.enter_context(running(*self.talk(classes, cut.url, "phone", "kotlin")))
            phone.wait_for(r"^entered anew=true peers=\[pc\]")
            assert pc.hear()["type"] == "peer_joined"
            cut.is_last = lambda data, from_client: from_client and len(data) > 1000
            phone.write(json.dumps({"type": "offer", "target_id": "pc", "sdp": LONG_SDP}))
            phone.write('{"type": "ice_candidate", "target_id": "pc", "candidate": null}')
            assert pc.hear() == {"type": "offer", "sender_id": "phone", "sdp": LONG_SDP}
            assert pc.hear()["type"] == "ice_candidate"
            phone.wait_for(r"^entered anew=false peers=\[pc\]")
            cut.is_last = lambda data, from_client: b'"answer"' in data
            pc.say("answer", target_id="phone", sdp="v=1")
            phone.wait_for('^told .*"answer"')
            pc.say("message", target_id="phone", data="last")
            phone.wait_for('^told .*"last"')
            assert sum('"answer"' in line for line in phone.lines) == 1

    def test_it_is_told_of_ice_servers_and_may_ask_again(
        self, signal_server: Server, classes: Path
    ) -> None:
        told = r'^ICE servers .*"turn:127\.0\.0\.1:9".*"\d+:phone"'
        with running(*self.talk(classes, signal_server.url, "phone", "kotlin-turn")) as phone:
            phone.wait_for(told)
            phone.wait_for("^entered ")
            phone.lines.clear()
            phone.write('{"type": "ice_servers"}')
            phone.wait_for(told)

    def test_what_the_server_refuses_for_good_ends_it_with_its_words(
        self, signal_server: Server, classes: Path
    ) -> None:
        with ExitStack() as stack:
            Peer(signal_server, "kotlin-taken", "pc", stack)
            with running(*self.talk(classes, signal_server.url, "pc", "kotlin-taken")) as phone:
                phone.wait_for("^ended Another connection is pc in room kotlin-taken, and alive")

    def test_it_registers_anew_with_a_server_that_was_started_anew(
        self, tmp_path: Path, classes: Path
    ) -> None:
        check_that_it_registers_anew(
            tmp_path,
            lambda url: self.talk(classes, url, "phone", "anew"),
            r"^entered anew=true peers=\[\]",
        )

    def test_a_phone_calls_who_is_there_and_calls_anew_a_peer_that_was_away(
        self, signal_server: Server, classes: Path
    ) -> None:
        """With a stand-in for org.webrtc, which runs on Android only."""
        room = "kotlin-call"
        with ExitStack() as stack:
            phone = stack.enter_context(
                running(*self.talk(classes, signal_server.url, "phone", room, "Phone"))
            )
            signal_server.wait_for(f"Client registered: phone .android. in room {room}")
            with ExitStack() as deaf:
                assert Peer(signal_server, room, "pc", deaf).hear()["type"] == "offer"
            phone.wait_for("^disposed$")
            phone.lines.clear()
            pc = Peer(signal_server, room, "pc", stack)
            assert pc.hear()["sdp"] == {"type": "offer", "sdp": "v=0 offered"}
            assert pc.hear()["candidate"]["sdpMid"] == "0"
            assert pc.hear()["candidate"] is None
            phone.wait_for(r"^ICE servers of the call: \[\[turn:127\.0\.0\.1:9\] \d+:phone 28\]$")
            pc.say("answer", target_id="phone", sdp={"type": "answer", "sdp": "v=0 answered"})
            pc.say("ice_candidate", target_id="phone", candidate=CANDIDATE)
            pc.say("ice_candidate", target_id="phone", candidate=None)
            phone.wait_for("^remote ANSWER v=0 answered$")
            phone.wait_for("^remote candidate candidate:1 1 udp … of 0$")
            phone.write('{"timestamp_ns": 1}')
            phone.wait_for('^imu sends {"timestamp_ns":1}$')


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (shutil.which("g++") and Path("/usr/include/nlohmann/json.hpp").exists()):
        pytest.skip("a C++ compiler and nlohmann/json.hpp are not available")
    made = tmp_path_factory.mktemp("cpp") / "pc"
    checked = ("-std=c++20", "-Wall", "-Wextra", "-Werror", "-pthread")
    source = EXAMPLES / "cpp" / "pc.cpp"
    stand_in = f"-I{ROOT / 'tests' / 'cpp'}"
    subprocess.run(["g++", *checked, stand_in, "-o", made, source], check=True)
    return made


class TestCpp:
    """With a stand-in for libdatachannel (tests/cpp), which answers without being asked twice."""

    def test_an_offer_is_answered_once_though_it_and_the_answer_are_lost_with_connections(
        self, signal_server: Server, cut: Way, program: Path
    ) -> None:
        with ExitStack() as stack:
            phone = Peer(signal_server, "cpp", "phone", stack)
            pc = stack.enter_context(running(program, cut.url, "cpp"))
            pc.wait_for(r'^"registered", peers: \["phone"\]$')
            assert phone.hear()["type"] == "peer_joined"
            cut.is_last = lambda data, from_client: b'"offer"' in data
            phone.say("offer", target_id="pc", sdp={"type": "offer", "sdp": LONG_SDP})
            pc.wait_for(r'^"resumed", peers: \["phone"\]$')
            assert phone.hear()["sdp"] == {"type": "answer", "sdp": "v=0 answered"}
            assert phone.hear()["candidate"]["sdpMid"] == "0"
            assert phone.hear()["candidate"] is None
            phone.say("ice_candidate", target_id="pc", candidate=CANDIDATE)
            phone.say("ice_candidate", target_id="pc", candidate=None)
            pc.wait_for("^remote candidate candidate:1 1 udp … of 0$")
            pc.wait_for("^phone: connected$")
            assert pc.lines.count(f"remote offer {LONG_SDP}") == 1
            pc.wait_for(r"^ICE server turn:127\.0\.0\.1:9 \d+:pc$")

    def test_what_the_server_refuses_for_good_ends_it_with_its_words(
        self, signal_server: Server, program: Path
    ) -> None:
        with ExitStack() as stack:
            Peer(signal_server, "cpp-taken", "pc", stack)
            with running(program, signal_server.url, "cpp-taken") as pc:
                assert pc.wait() == 1
        pc.wait_for('^The server says: "Another connection is pc in room cpp-taken, and alive')

    def test_it_registers_anew_with_a_server_that_was_started_anew(
        self, tmp_path: Path, program: Path
    ) -> None:
        check_that_it_registers_anew(
            tmp_path, lambda url: [program, url, "anew"], r'^"registered", peers: \[\]$'
        )
