"""The installed server, as the files in deploy/ run it: in a container, with coturn, under systemd.

What deploy/Dockerfile and deploy/compose.yaml say is run as it stands, without an engine, but for
the paths, which lie in a directory of the test's, and for ports, which are free ones. The units run
under a systemd of the test's, which has what the image has.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from caller import Caller
from dockerfile import Context, Image, as_user, instructions
from processes import ROOT, Watched, found, free_port, running
from system_manager import SystemManager, system_manager
from test_coturn import relayed_connection

from twisted_signal.option_table import DEFAULT_ADMIN_ENDPOINT, DEFAULT_PORT, DEFAULT_TLS_PORT

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
CLUSTER = (ROOT / "deploy" / "compose.cluster.yaml").read_text(encoding="utf-8")
MOST_MB = 45
"""What may be installed, in 10^6 bytes: the base has about as much (docs/deploy.md)."""

USER = "65532:65532"
"""`nonroot` in the images of the distroless project."""


def python_for_anybody() -> Path:
    """Return a Python that can make environments, and that the image's user may run."""
    check = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    for path in ("/usr/bin/python3", f"{sys.base_prefix}/bin/python3"):
        command = [*as_user(USER), path, "-c", check]
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            return Path(path)
    pytest.skip("python3-venv is not installed")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """The image, built where others may look into it."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    yield Image(DOCKERFILE, Context(ROOT), root, python_for_anybody())
    shutil.rmtree(root)


@contextmanager
def container(image: Image, *arguments: str) -> Iterator[Watched]:
    """Run the image, with arguments in the place of its own, as `docker run` does."""
    command = image.inside(*image.command("ENTRYPOINT"), *arguments)
    with running(*command, cwd=Path(image.here(image.settings["WORKDIR"]))) as process:
        yield process


def test_hadolint_finds_nothing() -> None:
    linter = found("hadolint")
    done = subprocess.run(
        [linter, "--no-color", ROOT / "deploy" / "Dockerfile"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_the_engine_is_given_what_the_image_needs_and_nothing_else() -> None:
    context = Context(ROOT)
    copied = [
        word
        for name, text in instructions(DOCKERFILE)
        if name == "COPY" and "--from" not in text
        for word in text.split()[:-1]
    ]

    assert sorted(path.name for path in ROOT.iterdir() if context.has(path)) == sorted(copied)
    assert not context.has(ROOT / "twisted_signal" / "__pycache__" / "a.pyc")
    assert context.has(ROOT / "twisted_signal" / "web" / "static" / "client.js")


def test_the_stages_have_one_system_and_so_one_python(image: Image) -> None:
    first, last = (re.findall(r"debian:?(\d+)", base) for base in image.bases)

    assert first == last != []


def test_the_image_is_about_100_mb(image: Image) -> None:
    installed = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
    copied = image.root / "opt"

    assert sum(path.stat().st_size for path in installed if copied in path.parents) < MOST_MB * 1e6


def test_a_container_serves_is_healthy_and_ends_when_it_is_told_to(image: Image) -> None:
    port = free_port()
    places = ("--port=0", "--tls-port=0", f"--admin-endpoint=tcp:{port}:interface=127.0.0.1")
    (health,) = [word for word in image.command("HEALTHCHECK") if "healthz" in word]
    assert DEFAULT_ADMIN_ENDPOINT == "tcp:8767:interface=127.0.0.1"
    assert "'127.0.0.1', 8767" in health
    check = image.inside(
        *(word.replace("8767", str(port)) for word in image.command("HEALTHCHECK"))
    )

    assert subprocess.run(check, check=False, capture_output=True).returncode == 1
    with container(image, *image.command("CMD"), *places, "--self-signed") as process:
        url = process.wait_for(r"Listening on (ws://\S+)")[1]
        process.wait_for("Admin page on")
        with Caller(url) as client:
            client.say(type="register", client_id="phone1", room_id="lab1")
            assert client.hear()["type"] == "registered"
        assert subprocess.run(check, check=False).returncode == 0
        if os.geteuid() == 0:
            status = Path(f"/proc/{process.process.pid}/status").read_text()
            assert "Uid:\t65532\t65532" in status
        assert process.stop(signal.Signals[image.settings["STOPSIGNAL"]]) == 0
    assert "plugin cache" not in process.output  # it need not be written at each start
    assert list(Path(image.here(image.settings["VOLUME"])).iterdir()) != []


def test_the_image_says_what_it_is_and_where_it_listens(image: Image) -> None:
    assert "org.opencontainers.image.title" in image.settings["LABEL"]
    assert image.settings["EXPOSE"].split() == [str(DEFAULT_PORT), str(DEFAULT_TLS_PORT)]


def read(compose: str) -> Any:
    """Return the services of a file, read by the specification's rules."""
    compose_spec = pytest.importorskip("compose_spec", reason="compose-spec is not installed")
    project = compose_spec.PyCompose.from_yaml(compose)
    project.validate()  # volumes and secrets that are used are there
    return project.to_dict()["services"]


@pytest.fixture(scope="module")
def services() -> Any:
    """What compose.yaml says, with values for its variables."""
    return read(COMPOSE)


def filled_in(words: list[str], replacements: dict[str, str]) -> list[str]:
    """Return a command as Compose runs it. What is to be replaced must be there."""
    for old in replacements:
        assert any(old in word for word in words), old
    places = re.compile("|".join(map(re.escape, replacements)))
    words = [places.sub(lambda place: replacements[place[0]], word) for word in words]
    words = [re.sub(r"\$\{PUBLIC_ADDRESS(:\?[^}]*)?\}", "127.0.0.1", word) for word in words]
    return [word.replace("$$", "$") for word in words]


async def own_description(ice_servers: list[dict[str, Any]]) -> str:
    """Return the SDP of a connection that has no way but by these servers."""
    connection = relayed_connection(ice_servers)
    connection.createDataChannel("talk")
    await connection.setLocalDescription()
    sdp: str = connection.localDescription.sdp
    await connection.close()
    return sdp


def test_a_client_of_the_composed_server_gets_a_relay_of_the_composed_turn_server(
    services: Any, image: Image, tmp_path: Path
) -> None:
    turn_port = str(free_port())
    secrets = image.root / "secrets"
    secrets.mkdir()
    for name in services["signal"]["secrets"]:
        (secrets / name).write_text(os.urandom(32).hex())
    found("turnserver")
    turn = services["turn"]
    (script,) = turn["command"]
    turn_command = filled_in(
        [*turn["entrypoint"], f"{script.rstrip()} --listening-ip=127.0.0.1 --relay-ip=127.0.0.1"],
        {"/run/secrets": str(secrets), "/tmp": str(tmp_path), "3478": turn_port},
    )
    signal_command = filled_in(
        services["signal"]["command"],
        {"/run/secrets": str(secrets), "tcp:8767": "tcp:0", "3478": turn_port},
    )
    token = re.findall(r"docker compose run --rm signal (token .*)", COMPOSE)[0]
    token_command = filled_in(shlex.split(token), {"/run/secrets": str(secrets)})
    with running(*turn_command) as coturn, container(image, *signal_command, "--tls-port=0") as it:
        coturn.wait_for("SQLite DB connection success")
        url = it.wait_for(r"Listening on (wss://\S+)")[1]
        with container(image, *token_command) as printing:
            assert printing.wait() == 0
        (certificate,) = Path(image.here(image.settings["VOLUME"])).rglob("*.pem")
        trust = ssl.create_default_context(cafile=certificate)
        shown = {"token": printing.lines[0]}
        with Caller(url, trust) as client:
            client.say(type="register", room_id="lab-1", client_id="a", ice_servers=True, **shown)
            registered = client.hear()
        assert registered["type"] == "registered", registered
        assert "typ relay" in asyncio.run(own_description(registered["ice_servers"]))


def test_the_composed_server_is_let_in_by_the_composed_redis(image: Image, tmp_path: Path) -> None:
    services = read(CLUSTER)
    found("redis-server")
    port = str(free_port())
    password = image.root / "redis-password"
    password.write_text(os.urandom(32).hex())
    password.chmod(0o644)
    command = filled_in(
        services["redis"]["command"],
        {"/run/secrets": str(image.root), "/tmp": str(tmp_path), "6379": port},
    )
    assert set(services["signal"]["secrets"]) <= set(services["redis"]["secrets"])
    given = services["signal"]["environment"]
    assert given["VISLAM_SIGNAL_REDIS_URL"] == "redis://${REDIS_HOST:-redis}:6379"
    assert given["VISLAM_SIGNAL_REDIS_PASSWORD_FILE"] == "/run/secrets/redis-password"
    options = (f"--redis-url=redis://127.0.0.1:{port}", f"--redis-password-file={password}")
    with (
        running(*command, cwd=tmp_path) as redis,
        container(image, "serve", "--port=0", "--admin-endpoint=none", *options) as server,
    ):
        redis.wait_for("Ready to accept connections")
        server.wait_for(rf"In the cluster at 127.0.0.1:{port}, ")


CLIENT = """
import json, sys
from websockets.sync.client import connect
with connect("ws://127.0.0.1:8765") as client:
    client.send(json.dumps({"type": "register", "client_id": "pc", "token": sys.argv[1]}))
    print(client.recv())
"""
"""Registers and prints the answer. It needs what the server needs."""
SERVICE = "vislam-signal.service"
CONFIGURATION = "/etc/vislam-signal/vislam-signal.toml"


class Installed:
    """The server installed as docs/deploy.md says, where systemd runs."""

    def __init__(self, manager: SystemManager) -> None:
        self.manager = manager
        self.log = manager.host / "log"

    def configure(self, settings: str = "", configuration: str = "") -> None:
        """Stop it, and let it have other settings of the unit and of its own."""
        self.manager.run("systemctl", "stop", "vislam-signal.socket", SERVICE)
        self.log.write_text("")
        logging = "StandardOutput=append:/host/log\nStandardError=inherit\n"
        self._write(f"/units/{SERVICE}.d/test.conf", f"[Service]\n{logging}{settings}")
        self._write(CONFIGURATION, configuration)
        self.manager.run("systemctl", "daemon-reload")

    def _write(self, path: str, text: str) -> None:
        script = 'mkdir -p "$(dirname "$1")"; printf %s "$2" > "$1"'
        self.manager.run("sh", "-euc", script, "-", path, text)

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        try:
            self.manager.run("systemctl", "start", SERVICE)
        except AssertionError as error:
            why = self.manager.tell(SERVICE, "Result", "ExecMainStatus", "StatusText")
            raise AssertionError(f"{error}\n{why}\n{self.log.read_text()}") from None

    def register(self, token: str = "") -> Any:
        """Return what the server tells a client that registers."""
        python = "/opt/vislam-signal/bin/python"
        return json.loads(self.manager.run(python, "-c", CLIENT, token))

    def shows(self, *names: str) -> list[str]:
        """Return properties of the service."""
        return self.manager.tell(SERVICE, *names)


@pytest.fixture(scope="module")
def installed(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    files = tmp_path_factory.mktemp("files")
    shutil.copytree(image.root / "opt", files / "opt", symlinks=True)
    program = files / "opt" / "vislam-signal" / "bin" / "vislam-signal"
    program.write_text(program.read_text().replace(f"{image.root}/opt", "/opt"))
    (files / "units").mkdir()
    for kind in ("service", "socket"):
        shutil.copy(ROOT / "deploy" / f"vislam-signal.{kind}", files / "units")
    with system_manager(files, tmp_path_factory.mktemp("systemd")) as manager:
        yield Installed(manager)


def test_the_service_starts_with_its_secrets_as_a_user_that_may_do_next_to_nothing(
    installed: Installed,
) -> None:
    unit = (ROOT / "deploy" / SERVICE).read_text(encoding="utf-8")
    secrets = "\n".join(re.findall("^#((?:LoadCredential|Environment)=.*)$", unit, re.MULTILINE))
    configuration = 'self-signed = true\nturn-uri = "turn:127.0.0.1:3478"\n'
    installed.configure(secrets, configuration)
    make = (
        "umask 077; cd /etc/vislam-signal; for name in auth turn; do echo {} > $name-secret; done"
    )
    secret = os.urandom(32).hex()
    installed.manager.run("sh", "-euc", f"{make.format(secret)}; echo {secret} > admin-token")

    installed.start()

    active, status, process = installed.shows("ActiveState", "StatusText", "MainPID")
    assert (active, status) == ("active", "Serving; connections: 0, rooms: 0")
    of_process = installed.manager.run("cat", f"/proc/{process}/status")
    for line in (r"Uid:\t(?!0)\d+\t", r"CapBnd:\t0+$", r"NoNewPrivs:\t1", r"Seccomp:\t2"):
        assert re.search(line, of_process, re.MULTILINE), line
    assert installed.register()["code"] == "unauthorized"
    token = installed.manager.run(
        "/opt/vislam-signal/bin/vislam-signal",
        *("token", "--secret-file=/etc/vislam-signal/auth-secret", "--room=*", "--ttl=1h"),
    )
    assert installed.register(token)["type"] == "registered"

    installed.manager.run("systemctl", "reload", SERVICE)
    installed.manager.run("systemctl", "stop", SERVICE)
    assert installed.shows("ActiveState", "Result") == ["inactive", "success"]
    log = installed.log.read_text()
    assert "SIGHUP received, reloading" in log
    assert "Traceback" not in log
    assert "plugin cache" not in log


def test_a_service_that_is_stuck_is_started_anew(installed: Installed) -> None:
    installed.configure("WatchdogSec=1\nTimeoutAbortSec=1\nRestartSec=0\n")
    installed.start()
    (process,) = installed.shows("MainPID")

    with running("tail", "--lines=0", "--follow", installed.log) as log:
        installed.manager.run("kill", "-STOP", process)
        log.wait_for("Listening on")

    assert installed.shows("MainPID") != [process]
    assert int(installed.shows("NRestarts")[0]) > 0


def test_systemd_holds_the_port_and_starts_the_service_for_its_first_client(
    installed: Installed,
) -> None:
    socket_unit = (ROOT / "deploy" / "vislam-signal.socket").read_text(encoding="utf-8")
    endpoints = re.findall(r"^#\s+(endpoint = .*)$", socket_unit, re.MULTILINE)[0]
    installed.configure(configuration=f"{endpoints}\n")

    installed.manager.run("systemctl", "start", "vislam-signal.socket")
    assert installed.shows("ActiveState") == ["inactive"]
    for _ in range(2):
        assert installed.register()["type"] == "registered"
        assert installed.shows("ActiveState") == ["active"]
        installed.manager.run("systemctl", "stop", SERVICE)


def test_workers_are_one_service(installed: Installed) -> None:
    workers = 'workers = 2\nredis-url = "redis://127.0.0.1:1"\nself-signed = true\n'
    installed.configure(configuration=workers)

    installed.start()

    status, process = installed.shows("StatusText", "MainPID")
    assert status == "Serving; workers: 2 of 2, connections: 0"
    children = f"/proc/{process}/task/{process}/children"
    first, second = installed.manager.run("cat", children).split()
    with running("tail", "--lines=0", "--follow", installed.log) as log:
        installed.manager.run("kill", "-KILL", first)
        log.wait_for("Worker . is ready")
    assert installed.shows("MainPID", "NRestarts") == [process, "0"]
    assert second in installed.manager.run("cat", children).split()

    installed.manager.run("systemctl", "stop", SERVICE)
    assert installed.shows("ActiveState", "Result") == ["inactive", "success"]
    log_text = installed.log.read_text()
    assert "Traceback" not in log_text
    assert len(re.findall("has stopped: status 0", log_text)) == 2
