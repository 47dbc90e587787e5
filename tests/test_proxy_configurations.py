"""The configurations in deploy/ for nginx and HAProxy: whole calls through the real programs.

The programs get the very files, and the server the options that these name. In a copy, ports are
replaced by free ones and paths by those of the test's directory, as `nginx` and `haproxy` say.
"""

import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from caller import Caller
from certificates import make_certificate
from processes import PATIENCE, ROOT, Server, Watched, found, free_port, running, server

from twisted_signal.limits import Limits

NGINX = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
HAPROXY = (ROOT / "deploy" / "haproxy.cfg").read_text(encoding="utf-8")
CLIENT = "127.0.0.2"
"""Where clients connect from: another address than the proxy's."""
FORGED = "203.0.113.9"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"


def replaced(text: str, replacements: dict[str, str]) -> str:
    """Return a copy of a configuration. What is to be replaced must be there."""
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@dataclass
class Ports:
    """Of a proxy, and where it finds the server: `HOST:PORT` or a path."""

    clear: int
    tls: int
    backend: str


@contextmanager
def nginx(configuration: str, ports: Ports, directory: Path) -> Iterator[Watched]:
    """Run nginx with a copy of the configuration, which is a part of its own."""
    certificate = make_certificate(directory)
    copy = replaced(
        configuration,
        {
            "listen 80;": f"listen 127.0.0.1:{ports.clear};",
            "listen 443 ssl;": f"listen 127.0.0.1:{ports.tls} ssl;",
            "[::]:80;": f"[::1]:{ports.clear};",
            "[::]:443 ssl;": f"[::1]:{ports.tls} ssl;",
            "/etc/letsencrypt/live/signal.example.com/fullchain.pem": f"{certificate}.crt",
            "/etc/letsencrypt/live/signal.example.com/privkey.pem": f"{certificate}.key",
            "/var/log/nginx/vislam-signal.log": "/dev/stdout",
            "signal.example.com": "localhost",
        },
    )
    (directory / "vislam-signal.conf").write_text(copy)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {directory}/{kind};\n" for kind in kinds)
    (directory / "nginx.conf").write_text(
        f"daemon off;\npid {directory}/pid;\nerror_log stderr notice;\n"
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        "events { worker_connections 256; }\n"
        f"http {{\n{temporary}include {directory}/vislam-signal.conf;\n}}\n"
    )
    command = (found("nginx"), "-e", "stderr", "-p", directory, "-c", directory / "nginx.conf")
    with running(*command) as proxy:
        proxy.wait_for("start worker process ")
        yield proxy
        proxy.stop()


@contextmanager
def haproxy(configuration: str, ports: Ports, directory: Path) -> Iterator[Watched]:
    """Run HAProxy with a copy of its configuration."""
    own_user = {f"    {line}\n": "" for line in ("user haproxy", "group haproxy")}
    own_root = {"    chroot /var/lib/haproxy\n": ""}
    copy = replaced(
        configuration,
        {
            "bind :80": f"bind 127.0.0.1:{ports.clear}",
            "bind :443": f"bind 127.0.0.1:{ports.tls}",
            "[::]:80": f"[::1]:{ports.clear}",
            "[::]:443": f"[::1]:{ports.tls}",
            "127.0.0.1:8765": ports.backend,
            "/etc/haproxy/certs/signal.example.com.pem": str(make_certificate(directory)),
            "log /dev/log": "log stdout format raw",
            "maxconn 60000": "maxconn 1000",  # for which it wants twice as many descriptors
            **({} if os.geteuid() == 0 else {**own_user, **own_root}),
        },
    )
    (directory / "haproxy.cfg").write_text(copy)
    with running(found("haproxy"), "-W", "-f", directory / "haproxy.cfg") as proxy:
        proxy.wait_for("Loading success|forked")
        yield proxy
        proxy.stop()


@dataclass
class Way:
    """A way through a proxy. `command`: how the configuration says that the server is started."""

    run: Callable[[str, Ports, Path], AbstractContextManager[Watched]]
    configuration: str
    command: list[str]


def ways() -> dict[str, Way]:
    """Return the ways: with the configurations as they are, and with the line that is a comment."""
    made = {}
    for run, text, active in (
        (nginx, NGINX, "    server 127.0.0.1:8765;\n"),
        (haproxy, HAPROXY, "    server signal 127.0.0.1:8765 check maxconn 50000\n"),
    ):
        usual, other = re.findall(r"# +vislam-signal serve (.*)", text)
        changed = replaced(text, {active: "", "    # server ": "    server "})
        made[run.__name__] = Way(run, text, usual.split())
        made[f"{run.__name__}, the other way"] = Way(run, changed, other.split())
    return made


@dataclass
class Proxied:
    """A server behind a proxy. `trust`: the proxy's certificate."""

    ports: Ports
    trust: ssl.SSLContext
    server: Server
    proxy: Watched

    def connect(self, path: str = "/", headers: dict[str, str] | None = None) -> Caller:
        """Return a client."""
        over = socket.create_connection(
            ("127.0.0.1", self.ports.tls), timeout=PATIENCE, source_address=(CLIENT, 0)
        )
        url = f"wss://localhost:{self.ports.tls}{path}"
        return Caller(url, self.trust, over=over, headers=headers)

    def get(self, path: str) -> int:
        """Return the status of a page."""
        try:
            with urlopen(f"https://localhost:{self.ports.tls}{path}", context=self.trust) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code


@pytest.fixture(scope="module", params=list(ways()))
def proxied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    way = ways()[request.param]
    directory = tmp_path_factory.mktemp("proxy")
    options = " ".join(way.command)
    options = options.replace("tcp:8765", "tcp:0").replace("/run/vislam-signal", str(directory))
    with server(*options.split(), cwd=directory) as started:
        scheme, _, place = started.url.partition("://")
        ports = Ports(free_port(), free_port(), place)
        configuration = way.configuration
        if scheme == "ws+unix":
            configuration = replaced(configuration, {"/run/vislam-signal": str(directory)})
        elif way.run is nginx:
            configuration = replaced(configuration, {"127.0.0.1:8765": place})
        with way.run(configuration, ports, directory) as proxy:
            trust = ssl.create_default_context(cafile=directory / "both.pem")
            yield Proxied(ports, trust, started, proxy)


def test_a_whole_call_goes_through(proxied: Proxied) -> None:
    with proxied.connect() as phone, proxied.connect() as pc:
        for client, client_id in ((phone, "phone1"), (pc, "pc")):
            client.say(type="register", client_id=client_id, room_id="a call")
            assert client.hear()["type"] == "registered"
        assert phone.hear()["client_id"] == "pc"

        for sender, target, kind, content in (
            (phone, pc, "offer", {"sdp": {"type": "offer", "sdp": "v=0\r\n" + "a=x\r\n" * 4000}}),
            (pc, phone, "answer", {"sdp": {"type": "answer", "sdp": "v=0\r\n"}}),
            (phone, pc, "ice_candidate", {"candidate": {"candidate": "candidate:1"}}),
            (pc, phone, "ice_candidate", {"candidate": {"candidate": "candidate:2"}}),
        ):
            ids = ("phone1", "pc") if sender is phone else ("pc", "phone1")
            sender.say(type=kind, target_id=ids[1], **content)
            assert target.hear() == {"type": kind, "sender_id": ids[0], **content}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Forwarded-For": FORGED},
        {"Forwarded": f"for={FORGED}"},
        {"X-Forwarded-For": f"{FORGED}, 127.0.0.1", "Forwarded": f"for={FORGED}"},
    ],
    ids=lambda headers: " and ".join(headers) or "none",
)
def test_the_server_knows_the_clients_address_whatever_it_says(
    proxied: Proxied, headers: dict[str, str], request: pytest.FixtureRequest
) -> None:
    path = f"/{len(headers)}{'-'.join(headers)}"
    with proxied.connect(path, headers):
        line = proxied.server.wait_for(rf"Connected: (\S+), path {re.escape(path)}$")

    assert line[1].partition(":")[0] == CLIENT
    assert FORGED not in proxied.server.output


def test_the_pages_go_through_and_what_is_the_operators_alone_does_not(proxied: Proxied) -> None:
    assert proxied.get("/healthz") == 200
    assert proxied.get("/client.js") == 200
    for path in ("/metrics", "/readyz", "/api/v1/rooms", "/api/v1/server"):
        assert proxied.get(path) == 404


def test_the_proxy_logs_no_tokens(proxied: Proxied) -> None:
    with proxied.connect(f"/logged?token={TOKEN}"):
        proxied.server.wait_for("path /logged")

    proxied.proxy.wait_for("GET /logged 101")
    assert TOKEN not in proxied.proxy.output


def test_who_comes_without_tls_is_sent_to_where_it_is(proxied: Proxied) -> None:
    with socket.create_connection(("127.0.0.1", proxied.ports.clear), PATIENCE) as connection:
        connection.sendall(b"GET /demo/pc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(1000), b""))

    assert answer.startswith(b"HTTP/1.1 301 ")
    assert b"\r\nlocation: https://localhost/demo/pc\r\n" in answer.lower()


def test_the_proxies_wait_for_longer_than_a_living_client_is_silent() -> None:
    silence = Limits().ping_interval + Limits().ping_timeout
    timeouts = [
        *re.findall(r"^ *(proxy_read_timeout|proxy_send_timeout) (\d+)s;", NGINX, re.MULTILINE),
        *re.findall(r"^ *(timeout tunnel) (\d+)s$", HAPROXY, re.MULTILINE),
    ]

    assert len(timeouts) == 3
    assert all(int(seconds) > silence for _, seconds in timeouts)
