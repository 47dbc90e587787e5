"""The page about clusters: what it says of Redis is what the code does, and its commands work."""

import re
import shlex
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from caller import Caller
from certificates import make_certificate
from processes import BIN, ROOT, Watched, found, free_port, running
from test_proxy_configurations import HAPROXY, Ports, haproxy, replaced

from twisted_signal.cluster import scripts
from twisted_signal.option_table import BY_NAME

PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
CODE = ROOT / "twisted_signal" / "cluster"
LUA = {path.stem: path.read_text(encoding="utf-8") for path in CODE.glob("scripts/*.lua")}
READY = "Ready to accept connections"


def section(heading: str) -> str:
    """Return what stands under a heading."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def first_cells(heading: str) -> list[str]:
    """Return the first column of the table under a heading."""
    return re.findall(r"^\| `([^`]+)` \|", section(heading), re.MULTILINE)


def blocks(heading: str) -> list[str]:
    """Return the blocks of commands and files under a heading."""
    return re.findall(r"^```\w*\n(.*?)^```", section(heading), re.MULTILINE | re.DOTALL)


def test_the_page_names_every_script() -> None:
    before = re.findall(r"`(\w+)`", section("Scripts").rpartition("|")[2])

    assert sorted(first_cells("Scripts")) == sorted(scripts.NAMES)
    assert sorted([*scripts.NAMES, *before]) == sorted(LUA)


def test_the_page_names_every_key_and_channel() -> None:
    code = [*LUA.values(), *(path.read_text(encoding="utf-8") for path in CODE.glob("*.py"))]
    used = {name for text in code for name in re.findall(r"""["'](vislam:[a-z]+:?)""", text)}

    rows = [*first_cells("Keys"), *first_cells("Channels")]
    assert {re.sub("[A-Z]+$", "", row) for row in rows} == used


def test_the_user_on_the_page_may_do_what_the_scripts_do() -> None:
    (user,) = re.findall(r"^user vislam .*", PAGE, re.MULTILINE)
    calls = {call for text in LUA.values() for call in re.findall(r"call\('(\w+)'(, '\w+')?", text)}
    called = {"pubsub|numsub" if name == "PUBSUB" else name.lower() for name, _ in calls}
    assert {rest for name, rest in calls if name == "PUBSUB"} == {", 'NUMSUB'"}

    allowed = set(re.findall(r"\+(\S+)", user))
    others = {"ping", "select", "role", "client|setname", "script|load", "evalsha", "subscribe"}
    assert allowed == called | others


def test_the_times_on_the_page_are_those_of_the_code() -> None:
    assert f"given up {scripts.LEASE_MS // 1000} s after" in PAGE


def test_the_options_on_the_page_are_there() -> None:
    ours = [
        line
        for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
        for line in block.splitlines()
    ]
    named = {
        name for line in ours if "vislam-signal" in line for name in re.findall("--([a-z-]+)", line)
    }
    named |= set(re.findall("`--([a-z-]+)", PAGE))

    assert named <= BY_NAME.keys()


@contextmanager
def started(command: str, replacements: dict[str, str], directory: Path) -> Iterator[Watched]:
    """Run a command of the page, with other ports and paths, all of which must be there."""
    words = shlex.split(replaced(command, replacements))
    program = BIN / words[0] if words[0] == "vislam-signal" else found(words[0])
    with running(program, *words[1:], cwd=directory) as process:
        yield process


def meet(first: str, second: str) -> None:
    """Let two clients meet in a room and talk, and one of them come back to where the other is."""
    with Caller(first) as phone, Caller(second) as pc, Caller(second) as again:
        phone.say(type="register", client_id="phone1", room_id="lab1", resume=True)
        token = phone.hear()["resume_token"]
        pc.say(type="register", client_id="pc", room_id="lab1")
        assert pc.hear()["peers"] == ["phone1"]
        assert phone.hear()["type"] == "peer_joined"
        pc.say(type="offer", target_id="phone1", sdp={"type": "offer", "sdp": "v=0\r\n"})
        assert phone.hear()["sender_id"] == "pc"
        phone.socket.close()
        again.say(type="resume", resume_token=token, received=2)
        assert again.hear()["type"] == "resumed"
        pc.say(type="leave")
        assert again.hear()["type"] == "peer_left"
        again.say(type="leave")


def url_of(node: Watched) -> str:
    return node.wait_for(r"Listening on (ws://\S+)")[1]


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[str]:
    """The port of a Redis that is started as the page says."""
    command = blocks("Two nodes")[0].splitlines()[0]
    port = str(free_port())
    with started(command, {"6379": port}, tmp_path) as redis:
        redis.wait_for(READY)
        yield port


def test_two_nodes_are_started_as_the_page_says(redis_port: str, tmp_path: Path) -> None:
    _, first, second = blocks("Two nodes")[0].splitlines()
    elsewhere = {"6379": redis_port, "--port 8765": "--port 0"}
    with (
        started(first, elsewhere, tmp_path) as a,
        started(second, {"6379": redis_port, "8865": "0", "tcp:8867": "tcp:0"}, tmp_path) as b,
    ):
        meet(url_of(a), url_of(b))


def test_workers_are_started_as_the_page_says(redis_port: str, tmp_path: Path) -> None:
    (command,) = blocks("One machine, several cores")
    places = "--workers 2 --port 0 --admin-endpoint none"
    with started(command, {"6379": redis_port, "--workers 2": places}, tmp_path) as parent:
        url = url_of(parent)
        for _ in range(8):  # whichever workers take them
            meet(url, url)


def test_a_redis_that_is_protected_as_the_page_says_serves_nodes_and_nobody_else(
    tmp_path: Path,
) -> None:
    file, commands = blocks("Redis belongs to the servers alone")
    certificate = make_certificate(tmp_path)
    password, port = "correct-horse", str(free_port())
    (tmp_path / "redis.conf").write_text(
        replaced(
            file,
            {
                "tls-port 6379": f"tls-port {port}",
                "/etc/redis/redis.crt": f"{certificate}.crt",
                "/etc/redis/redis.key": f"{certificate}.key",
                "PASSWORD": password,
            },
        )
    )
    write_password, serve = commands.splitlines()
    subprocess.run(
        ["sh", "-euc", replaced(write_password, {"PASSWORD": password})], cwd=tmp_path, check=True
    )
    there = {
        "redis.example.com:6379": f"localhost:{port}",
        "ca.crt": f"{certificate}.crt",
        "vislam-signal serve": "vislam-signal serve --port 0 --admin-endpoint none",
    }
    with running(found("redis-server"), "redis.conf", cwd=tmp_path) as redis:
        redis.wait_for(READY)
        with started(serve, there, tmp_path) as a, started(serve, there, tmp_path) as b:
            meet(url_of(a), url_of(b))
            assert "NOPERM" not in a.output + b.output
        asked = [found("redis-cli"), "-p", port, "--tls", "--cacert", f"{certificate}.crt"]
        answers = [
            subprocess.run([*asked, *words], capture_output=True, text=True, check=False).stdout
            for words in (
                ["PING"],
                ["--user", "vislam", "--pass", password, "--no-auth-warning", "FLUSHALL"],
                ["--user", "vislam", "--pass", password, "--no-auth-warning", "GET", "other"],
            )
        ]
    assert answers[0].startswith("NOAUTH")
    assert [answer.split()[0] for answer in answers[1:]] == ["NOPERM", "NOPERM"]


def test_any_node_behind_the_load_balancer_on_the_page_will_do(
    redis_port: str, tmp_path: Path
) -> None:
    backend = blocks("Two nodes")[1]
    before, line, _ = HAPROXY.rpartition("backend vislam_signal\n")
    assert line
    shared = {"6379": redis_port, "--port 8765": "--port 0 --trust-proxy 127.0.0.1"}
    serve = blocks("Two nodes")[0].splitlines()[1]
    with ExitStack() as stack:
        nodes = [stack.enter_context(started(serve, shared, tmp_path)) for _ in range(2)]
        places = [url_of(node).removeprefix("ws://") for node in nodes]
        # The first one in the place of the only one that there is in deploy/.
        of_the_page = {"10.0.0.11:8765": "127.0.0.1:8765", "10.0.0.12:8765": places[1]}
        configuration = before + replaced(backend, of_the_page)
        ports = Ports(free_port(), free_port(), places[0])
        stack.enter_context(haproxy(configuration, ports, tmp_path))
        clients = []
        for number in range(4):
            over = socket.create_connection(("127.0.0.1", ports.tls))
            trust = ssl.create_default_context(cafile=tmp_path / "both.pem")
            client = stack.enter_context(Caller(f"wss://localhost:{ports.tls}/", trust, over=over))
            client.say(type="register", client_id=f"client{number}", room_id="lab1")
            assert len(client.hear()["peers"]) == number
            clients.append(client)
        assert [clients[0].hear()["client_id"] for _ in range(3)] == [
            "client1",
            "client2",
            "client3",
        ]
        for node in nodes:
            node.wait_for("Client registered: client")
