"""What has changed in the file of options, taken while the server runs."""

import json
import logging
import signal
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from certificates import make_certificate
from processes import PATIENCE, Server, server
from tokens import CLAIMS, NOW, SECRET, by_secret
from twisted.internet.task import Clock
from typed import parse
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from twisted_signal import logs, reconfiguration
from twisted_signal.limits import Limits
from twisted_signal.log_levels import Levels
from twisted_signal.option_table import BY_NAME, option_name
from twisted_signal.reconfiguration import Reconfiguration
from twisted_signal.registry import DuplicateId, Registry
from twisted_signal.server import SignalFactory

pytestmark = pytest.mark.usefixtures("started_logs")


class Running:
    """A server's options and its factory, without anything that listens."""

    def __init__(self, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.directory = directory
        self._caplog = caplog
        self._path = directory / "x.toml"

    def start(self, text: str, *arguments: str) -> None:
        self._path.write_text(text)
        self.options = parse("--config", str(self._path), *arguments)
        self.factory = SignalFactory(
            Clock(),
            Registry(self.options.limits, self.options.duplicate_id),
            limits=self.options.limits,
            verifier=self.options.verifier,
            proxies=self.options.proxies,
            origins=self.options.origins,
            ice=self.options.relays.provider,
        )
        self._reconfiguration = Reconfiguration(self.options, self.factory)

    def reload(self, text: str) -> list[str]:
        """Return what the log says."""
        self._path.write_text(text)
        self._caplog.clear()
        self._reconfiguration.reload()
        return self._caplog.messages

    def write(self, name: str, data: bytes) -> None:
        (self.directory / name).write_bytes(data)


@pytest.fixture
def levels(monkeypatch: pytest.MonkeyPatch) -> list[Levels]:
    """The levels that the log was set to; the test runner's stays."""
    found: list[Levels] = []
    monkeypatch.setattr(logs, "set_level", found.append)
    return found


@pytest.fixture
def running(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    levels: list[Levels],
    monkeypatch: pytest.MonkeyPatch,
) -> Running:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(reconfiguration, "raise_limit", lambda _: None)
    return Running(tmp_path, caplog)


def test_all_limits_can_change(running: Running) -> None:
    running.start("")
    limits = {limit.name: 70 + number for number, limit in enumerate(fields(Limits))}

    said = running.reload("".join(f"{option_name(name)} = {n}\n" for name, n in limits.items()))

    assert running.factory.limits == running.factory.registry.limits == Limits(**limits)
    assert running.factory.maxMessagePayloadSize == limits["max_message_size"]
    assert "Applied: message-rate, 50 → 71" in said
    assert len(said) == len(limits)


def test_a_limit_that_is_taken_out_goes_back_to_its_default(running: Running) -> None:
    running.start("max-clients = 5\n")

    assert running.reload("") == ["Applied: max-clients, 5 → 50000"]
    assert running.factory.limits == Limits()


def test_what_is_unchanged_is_told_in_one_line(running: Running) -> None:
    running.start("max-clients = 5\n")

    assert running.reload("# once more\nmax-clients = 5\n") == ["No option has changed"]


def test_what_the_command_line_says_stays(running: Running) -> None:
    running.start("", "--max-clients", "7")

    assert running.reload("max-clients = 5\n") == ["No option has changed"]
    assert running.factory.limits.max_clients == 7


def test_words_are_taken(running: Running, levels: list[Levels]) -> None:
    running.start("")

    said = running.reload(
        'log-level = "debug"\nduplicate-id = "reject"\ntrust-proxy = "unix"\n'
        'allowed-origin = ["null", "https://a.example"]\n'
    )

    assert levels == [Levels("DEBUG")]
    assert running.factory.registry.duplicate_id is DuplicateId.REJECT
    assert running.factory.proxies.trusts(None)
    assert not running.factory.origins.allows("https://b.example")
    assert said == [
        "Applied: trust-proxy, nothing → unix",
        "Applied: allowed-origin, nothing → null, https://a.example",
        "Applied: log-level, INFO → debug",
        "Applied: duplicate-id, probe → reject",
    ]


def test_what_cannot_change_is_told_each_time_and_all_else_is_taken(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.start("port = 0\n")

    for _ in range(2):
        said = running.reload('port = 1\nendpoint = "tcp:2"\nno-web = true\nmax-clients = 5\n')

        assert [line for line in said if line.startswith("Not applied")] == [
            "Not applied: port, 0 → 1, needs a restart",
            "Not applied: endpoint, nothing → tcp:2, needs a restart",
            "Not applied: no-web, off → on, needs a restart",
        ]
        warnings = [one for one in caplog.records if one.levelno == logging.WARNING]
        assert len(warnings) == 3
    assert running.factory.limits.max_clients == 5
    assert running.options["port"] == "0"


WRONG = [
    "max-clients = 5\nmax-client = 1\n",
    "max-clients = 5\nmessage-rate = -1\n",
    "max-clients = 5\nport = 70000\n",
    "max-clients = 5\nmessage-rate =\n",
    'max-clients = 5\nauth-secret-file = "/nowhere"\n',
    'max-clients = 5\nlog-level = "LOUD"\n',
    'max-clients = 5\nallowed-origin = "*"\n',
    'max-clients = 5\nturn-uri = "turn:a.example"\n',
    'max-clients = 5\ntls-cert = "/nowhere"\n',
]


@pytest.mark.parametrize("text", WRONG)
def test_a_file_that_is_wrong_is_one_warning_and_all_stays_as_it_was(
    text: str, running: Running, levels: list[Levels], caplog: pytest.LogCaptureFixture
) -> None:
    running.start('message-rate = 9\nallowed-origin = "null"\n')
    before = dict(running.options.settings)

    (line,) = running.reload(text)

    assert caplog.records[0].levelno == logging.WARNING
    assert line.startswith("The configuration stays as it was: ")
    assert line.isprintable()
    assert "x.toml" in line or "/nowhere" in line
    assert running.factory.limits == Limits(message_rate=9)
    assert running.factory.origins.allows("null")
    assert levels == []
    assert running.options.settings == before


def test_what_else_is_read_again_is_so_if_the_file_is_right(running: Running) -> None:
    running.start("")
    done: list[str] = []
    others = [lambda: done.append("token")]
    running._reconfiguration = Reconfiguration(running.options, running.factory, others)

    running.reload("max-clients =")
    assert done == []
    running.reload("max-clients = 5")

    assert done == ["token"]


def test_a_file_that_is_gone_leaves_all_as_it_was(running: Running) -> None:
    running.start("max-clients = 5\n")
    (running.directory / "x.toml").unlink()

    running._reconfiguration.reload()

    assert running.factory.limits.max_clients == 5


def test_keys_are_read_again_from_the_same_file_and_from_another(running: Running) -> None:
    running.write("a", b"x" * 32)
    running.write("b", SECRET)
    running.start('auth-secret-file = "a"\n')
    verifier = running.factory.verifier
    assert verifier is not None

    said = running.reload('auth-secret-file = "b"\n')

    assert said[-1] == "The keys for tokens were read again"
    assert verifier.verify(by_secret(CLAIMS), NOW)
    running.write("b", b"short")
    (line,) = running.reload('auth-secret-file = "b"\n')
    assert "holds a secret of 5 bytes" in line
    assert verifier.verify(by_secret(CLAIMS), NOW)


def test_whether_tokens_are_wanted_needs_a_restart(running: Running) -> None:
    running.write("a", SECRET)
    running.start("")

    said = running.reload('auth-secret-file = "a"\nmax-clients = 5\n')

    path = running.directory / "a"
    assert f"Not applied: auth-secret-file, nothing → {path}, needs a restart" in said
    assert running.factory.verifier is None
    assert running.factory.limits.max_clients == 5


def test_turn_servers_and_their_secret_are_taken(running: Running) -> None:
    running.write("turn", b"s" * 16)
    running.start('stun-uri = "stun:a.example"\n')
    provider = running.factory.ice

    said = running.reload('turn-uri = "turn:b.example"\nturn-secret-file = "turn"\nturn-ttl = 90\n')

    assert said[-1] == "The secret for TURN was read again"
    assert [server.urls for server in provider.for_client("pc", NOW)] == [["turn:b.example"]]
    assert (provider.ttl, provider.secret) == (90, b"s" * 16)


def test_a_certificate_is_taken_from_another_file(running: Running, tmp_path: Path) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
    first, second = (make_certificate(place) for place in places)
    running.start(f'tls-cert = "{first}"\n')
    renewal = running.options.renewal
    assert renewal is not None
    before = renewal.fingerprint

    said = running.reload(f'tls-cert = "{second}"\n')

    assert renewal.fingerprint != before
    assert said[0] == f"Applied: tls-cert, {first} → {second}"
    assert f"SHA-256 {renewal.fingerprint}" in said[1]
    assert running.reload("")[0] == f"Not applied: tls-cert, {second} → nothing, needs a restart"


def test_a_host_is_not_looked_up_again(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.start('host = "localhost"\n')
    monkeypatch.setattr("twisted_signal.options.ip_address", lambda _: pytest.fail("looked up"))

    assert running.reload('host = "localhost"\nmax-clients = 5\n') == [
        "Applied: max-clients, 50000 → 5"
    ]


def test_every_option_either_follows_or_needs_a_restart(running: Running) -> None:
    assert isinstance(running, Running)
    restart = [name for name, option in BY_NAME.items() if not option.is_live]

    assert {"host", "port", "endpoint", "tls-port", "no-web", "advertise"} <= set(restart)
    assert {option_name(limit.name) for limit in fields(Limits)}.isdisjoint(restart)


# A live server with live clients


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "vislam.toml"
    path.write_text("port = 0\nhost = '127.0.0.1'\n")
    return path


@pytest.fixture
def live(config: Path, tmp_path: Path) -> Iterator[Server]:
    with server(
        "--endpoint",
        "tcp:0:interface=127.0.0.1",
        "--config",
        config.name,
        "--port",
        "none",
        cwd=tmp_path,
    ) as started:
        yield started


def reload(live: Server, config: Path, text: str, said: str) -> None:
    config.write_text(text)
    live.process.send_signal(signal.SIGHUP)
    live.wait_for(said)


def say(client: Any, **message: object) -> None:
    client.send(json.dumps(message))


def hear(client: Any) -> Any:
    return json.loads(client.recv(timeout=PATIENCE))


def test_a_live_server_follows_and_so_does_a_live_client(live: Server, config: Path) -> None:
    url = live.url
    with connect(url) as client, connect(url) as other:
        for each, name in ((client, "a"), (other, "b")):
            say(each, type="register", client_id=name)
            assert hear(each)["type"] == "registered"
        hear(client)  # that the other has come

        reload(
            live, config, "max-message-size = 100\nport = 1\n", "Not applied|Applied: max-message"
        )
        reload(
            live,
            config,
            "max-message-size = 'x'\n",
            r"WARNING.* The configuration stays as it was: .*vislam\.toml:1: max-message-size must",
        )
        say(client, type="ping")
        assert hear(client)["type"] == "pong"
        client.send(b" " * 101, text=True)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=PATIENCE)
        assert client.close_code == 1009

        reload(
            live,
            config,
            "max-message-size = 200\nlog-level = 'debug'\n",
            "Applied: log-level, INFO → debug",
        )
        hear(other)  # that the other has left
        other.send(b" " * 150, text=True)
        assert hear(other)["type"] == "error"
        assert "Traceback" not in live.output
