"""Plays the examples of docs/migrating.md, and the messages of a client of the original server."""

import json
import re
from collections.abc import Iterator

import pytest
from processes import PATIENCE, ROOT, Server, server
from stage import examples_of, play
from websockets.sync.client import ClientConnection, connect

PAGE = ROOT / "docs" / "migrating.md"
EXAMPLES = examples_of(PAGE)
README: dict[str, dict[str, object]] = {
    "offer": {"sdp": {"type": "offer", "sdp": "..."}},
    "answer": {"sdp": {"type": "answer", "sdp": "..."}},
    "ice_candidate": {"candidate": {"candidate": "...", "sdpMid": "0", "sdpMLineIndex": 0}},
}
"""What the original's README shows of its messages, besides who they are for."""


@pytest.fixture(scope="module")
def signal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that is started as the original's README says it."""
    cwd = tmp_path_factory.mktemp("server")
    with server("--host", "localhost", "--log-level", "DEBUG", cwd=cwd) as started:
        yield started


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split("\n")[0][:60])
def test_the_example_is_true(signal_server: Server, example: str) -> None:
    play(signal_server.url, example)


def register(client: ClientConnection, client_id: str, room_id: str, client_type: str) -> object:
    """Register as the original's README shows it; return the answer."""
    names = {"client_id": client_id, "room_id": room_id, "client_type": client_type}
    client.send(json.dumps({"type": "register", **names}))
    return json.loads(client.recv(timeout=PATIENCE))


@pytest.mark.parametrize("path", ["", "/", "/any/path"])
def test_a_client_of_the_original_is_served_and_logged_in_the_same_words(
    signal_server: Server, path: str
) -> None:
    room = f"original{path.replace('/', '-')}"
    with connect(signal_server.url + path) as pc, connect(signal_server.url + path) as phone:
        answer = {"type": "registered", "client_id": "pc_client_1", "room_id": room, "peers": []}
        assert register(pc, "pc_client_1", room, "pc") == answer
        register(phone, "android_client_1", room, "android")
        assert json.loads(pc.recv(timeout=PATIENCE))["type"] == "peer_joined"
        for type_, fields in README.items():
            for sender, sender_id, target, target_id in (
                (pc, "pc_client_1", phone, "android_client_1"),
                (phone, "android_client_1", pc, "pc_client_1"),
            ):
                sender.send(json.dumps({"type": type_, "target_id": target_id, **fields}))
                told = json.loads(target.recv(timeout=PATIENCE))
                assert told == {"type": type_, "sender_id": sender_id, **fields}
    head = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "
    signal_server.wait_for(
        rf"{head}\[INFO\] \w+: Client registered: pc_client_1 \(pc\) in room {room}$"
    )
    for words in ("INFO.* Relayed offer", "INFO.* Relayed answer", "DEBUG.* Relayed candidate"):
        signal_server.wait_for(rf"{head}\[{words} from pc_client_1 to android_client_1$")
    signal_server.wait_for(rf"Client left: pc_client_1, room {room}$")


def test_a_client_that_asks_for_compression_does_without(signal_server: Server) -> None:
    with connect(signal_server.url, compression="deflate") as client:
        assert client.protocol.extensions == []


def test_every_option_on_the_page_is_one_of_the_server() -> None:
    page = PAGE.read_text(encoding="utf-8")
    options = set(re.findall(r"`(--[a-z-]+)", page))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert options
    assert {option for option in options if f"`{option}`" not in readme} == set()
