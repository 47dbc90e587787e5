"""The servers under test: how each is built and started, and which version it is."""

import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
PEERS = HERE / "peers"
BUILD = HERE / "build"
PATIENCE = 30.0
"""Seconds that a server may take to listen."""
LISTENING = re.compile(r"(?:listening|Listening on ws://127\.0\.0\.1:) ?(\d+)$", re.MULTILINE)
"""What a peer says on its standard output, or our server in its log."""

MUCH = 1_000_000
RAISED = (
    *("message-rate", "message-burst", "frame-rate", "max-room-size"),
    *("max-clients", "max-clients-per-address", "connect-rate-per-address", "log-rate-per-address"),
)
"""The limits of ours that a workload would meet: they stay on, with this value."""


class MissingError(Exception):
    """What a server needs is not on this machine."""


class StartError(Exception):
    """A server did not start."""


@dataclass(frozen=True)
class Server:
    """A server that can be started.

    Attributes:
        name: short, for tables and the command line.
        title: what it is, with versions.
        command: starts it on a free port.
        environment: what it needs there besides what is there.
    """

    name: str
    title: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Where things are. `python`: of the environment with peers/requirements.txt."""

    python: Path
    ours_options: str = ""


def output(*command: str | Path, **options: str | Path) -> str:
    """Run a command to its end and return what it prints; a failure is told as what is missing."""
    words = [str(word) for word in command]
    try:
        environment = {**os.environ, **{k: str(v) for k, v in options.items()}}
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    except FileNotFoundError:
        raise MissingError(f"there is no {Path(words[0]).name}") from None
    except subprocess.CalledProcessError as error:
        raise MissingError(f"{Path(words[0]).name} failed: {error.stderr.strip()[-300:]}") from None
    return done.stdout.strip()


def _ours(settings: Settings) -> Server:
    python = ".".join(map(str, sys.version_info[:3]))
    libraries = ", ".join(f"{name} {version(name)}" for name in ("Twisted", "autobahn", "msgspec"))
    return Server(
        "ours",
        f"vislam-signal {version('vislam-signal')} under twistd, INFO log on"
        f" ({libraries}, CPython {python})",
        [
            *(str(Path(sys.executable).parent / "twistd"), "-n", "--pidfile=", "vislam-signal"),
            *("--port", "0", "--host", "127.0.0.1"),
            *(f"--{limit}={MUCH}" for limit in RAISED),
            *shlex.split(settings.ours_options),
        ],
    )


def _python_peer(settings: Settings, name: str, script: str, text: str, *libraries: str) -> Server:
    """Describe a peer in Python. `text`: with the libraries' versions at the braces."""
    program = (
        "import platform, sys; from importlib.metadata import version;"
        "print(*map(version, sys.argv[1:]), platform.python_version())"
    )
    versions = output(settings.python, "-c", program, *libraries).split()
    title = text.format(*versions[:-1]) + f", CPython {versions[-1]}"
    return Server(name, title, [str(settings.python), str(PEERS / script), "0"])


def _websockets(settings: Settings) -> Server:
    text = "websockets {} on asyncio, standard json"
    return _python_peer(settings, "websockets", "websockets_relay.py", text, "websockets")


def _picows(settings: Settings) -> Server:
    text = "picows {} on uvloop {}, msgspec {}"
    libraries = ("picows", "uvloop", "msgspec")
    return _python_peer(settings, "picows", "picows_relay.py", text, *libraries)


def _autobahn(settings: Settings) -> Server:
    text = "stock Autobahn {} on Twisted {}, standard json"
    libraries = ("autobahn", "twisted")
    return _python_peer(settings, "autobahn", "autobahn_relay.py", text, *libraries)


def _stale(made: Path, *sources: Path) -> bool:
    return not made.exists() or any(
        source.stat().st_mtime > made.stat().st_mtime for source in sources
    )


def _ws(_: Settings) -> Server:
    node = output("node", "--version")
    home = BUILD / "ws"
    home.mkdir(parents=True, exist_ok=True)
    package = PEERS / "ws" / "package.json"
    made = home / "node_modules" / "ws" / "package.json"
    if _stale(made, package):
        shutil.copy(package, home)
        output("npm", "install", "--prefix", home, "--no-audit", "--no-fund")
        made.touch()
    found = re.search(r'"version": "([^"]+)"', made.read_text())
    library = found[1] if found else "?"
    return Server(
        "ws",
        f"ws {library} on Node.js {node}",
        ["node", str(PEERS / "ws" / "relay.js"), "0"],
        {"NODE_PATH": str(home / "node_modules")},
    )


def _gorilla(_: Settings) -> Server:
    go = output("go", "version").split()[2].removeprefix("go")
    source, made = PEERS / "gorilla" / "main.go", BUILD / "gorilla"
    BUILD.mkdir(exist_ok=True)
    if _stale(made, source):
        path = "/usr/share/gocode"  # where Debian's packages of Go libraries are
        output("go", "build", "-o", made, source, GO111MODULE="off", GOPATH=path)
    package = "golang-github-gorilla-websocket-dev"
    try:
        library = output("dpkg-query", "-W", "-f", "${Version}", package)
    except MissingError:
        library = "of unknown version"
    title = f"gorilla/websocket {library} on Go {go}, GOMAXPROCS=1"
    return Server("gorilla", title, [str(made), "0"], {"GOMAXPROCS": "1"})


SERVERS: dict[str, Callable[[Settings], Server]] = {
    "ours": _ours,
    "websockets": _websockets,
    "ws": _ws,
    "gorilla": _gorilla,
    "picows": _picows,
    "autobahn": _autobahn,
}


def cores() -> tuple[int, int]:
    """Return the cores of the server and of the generator; the same, where there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


@dataclass(frozen=True)
class Started:
    """A server that listens."""

    pid: int
    port: int


@contextmanager
def running(server: Server, usable: Iterable[int], home: Path) -> Iterator[Started]:
    """Run a server for as long as the block takes; its output goes to a file in `home`.

    Args:
        server: that is run.
        usable: the cores that it may use.
        home: where it runs.

    The caller's cores and limit of open files are what a process inherits from it.
    """
    output = home / f"{server.name}.log"
    mine = os.sched_getaffinity(0)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with output.open("wb") as file:
        os.sched_setaffinity(0, usable)
        try:
            process = subprocess.Popen(
                server.command,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **server.environment},
            )
        finally:
            os.sched_setaffinity(0, mine)
    try:
        yield Started(process.pid, _port(server, process, output))
    finally:
        process.kill()
        process.wait()


def _port(server: Server, process: "subprocess.Popen[bytes]", output: Path) -> int:
    """Wait until a server says which port it listens at."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        if found := LISTENING.search(output.read_text()):
            return int(found[1])
        time.sleep(0.02)
    raise StartError(f"{server.name} does not listen. It said:\n{output.read_text()[-2000:]}")
