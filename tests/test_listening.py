"""Where the server listens: from what an operator types to what answers there."""

import socket
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from caller import Caller
from certificates import make_certificate
from processes import PATIENCE, server
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.task import Clock
from twisted.python import usage
from websockets.sync.client import unix_connect

from twisted_signal.certificates import Files
from twisted_signal.listening import endpoint_listener, ip_address, tcp_listener
from twisted_signal.renewal import Renewal

REACTOR: Any = Clock()  # nobody listens in earnest


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize(
    ("address", "expected"), [("192.0.2.7", "192.0.2.7:80"), ("2001:db8::7", "[2001:db8::7]:80")]
)
def test_a_listener_is_called_by_its_address(address: str, expected: str) -> None:
    listener = tcp_listener(REACTOR, address, 80)

    assert listener.name == expected
    assert IStreamServerEndpoint.providedBy(listener.endpoint)
    assert not listener.secure


def test_a_listener_with_a_certificate_is_secure(certificate: Path) -> None:
    context = Renewal(Files(certificate, certificate), REACTOR).context

    assert tcp_listener(REACTOR, "127.0.0.1", 443, context).secure


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1"), ("0::1", "::1")],
)
def test_a_host_is_an_address_with_brackets_or_without(host: str, expected: str) -> None:
    assert ip_address(host) == expected


@pytest.mark.parametrize(
    ("description", "secure"),
    [
        ("tcp:0", False),
        ("haproxy:tcp:0", False),
        ("ssl:0:privateKey={0}:certKey={0}", True),
        ("haproxy:ssl:0:privateKey={0}:certKey={0}", True),
    ],
)
def test_an_endpoint_is_secure_where_it_speaks_tls(
    description: str, secure: bool, certificate: Path
) -> None:
    assert endpoint_listener(REACTOR, description.format(certificate)).secure == secure


@pytest.mark.parametrize("role", ["privateKey", "certKey"])
def test_a_certificate_that_is_none_is_one_sentence(
    role: str, certificate: Path, tmp_path: Path
) -> None:
    none = tmp_path / "none.pem"
    none.write_text("no certificate")
    files = {"privateKey": f"{certificate}.key", "certKey": f"{certificate}.crt", role: none}

    with pytest.raises(usage.UsageError, match="holds no PEM key or certificate") as caught:
        endpoint_listener(
            REACTOR, "ssl:0:privateKey={privateKey}:certKey={certKey}".format(**files)
        )

    assert str(caught.value).isprintable()


def test_a_key_of_another_certificate_is_one_sentence(certificate: Path, tmp_path: Path) -> None:
    other = make_certificate(tmp_path)

    with pytest.raises(usage.UsageError, match="do not belong together"):
        endpoint_listener(REACTOR, f"ssl:0:privateKey={certificate}.key:certKey={other}.crt")


# Real servers


def exchange(url: str, tls: ssl.SSLContext | None = None, **options: Any) -> str:
    with Caller(url, tls, **options) as client:
        client.say(type="register", client_id="a")
        return str(client.hear()["type"])


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_works(tmp_path: Path) -> None:
    with server("--host", "::1", cwd=tmp_path) as started:
        assert started.url.startswith("ws://[::1]:")
        assert exchange(started.url) == "registered"


@pytest.mark.parametrize("is_secure", [False, True])
def test_the_proxy_protocol_works(is_secure: bool, certificate: Path, tmp_path: Path) -> None:
    kind = f"ssl:0:privateKey={certificate}:certKey={certificate}" if is_secure else "tcp:0"
    with server("--endpoint", f"haproxy:{kind}:interface=127.0.0.1", cwd=tmp_path) as started:
        port = urlsplit(started.url).port
        wire = socket.create_connection(("127.0.0.1", port), PATIENCE)
        if is_secure:
            context = ssl.create_default_context(cafile=str(certificate))
            wire = context.wrap_socket(wire, server_hostname="localhost")
        wire.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 443\r\n")

        assert exchange("ws://localhost/", over=wire) == "registered"


def test_tls_works(certificate: Path, tmp_path: Path) -> None:
    endpoint = f"ssl:0:interface=127.0.0.1:privateKey={certificate}:certKey={certificate}"
    with server("--endpoint", endpoint, cwd=tmp_path) as started:
        assert started.url.startswith("wss://")

        tls = ssl.create_default_context(cafile=str(certificate))
        assert exchange(started.url, tls) == "registered"


def test_a_local_socket_works(tmp_path: Path) -> None:
    path = tmp_path / "signal.sock"
    with server("--endpoint", f"unix:{path}", cwd=tmp_path) as started:
        assert started.url == f"ws+unix://{path}"
        with unix_connect(str(path)) as client:
            client.send('{"type": "register", "client_id": "a"}')
            assert "registered" in str(client.recv(timeout=PATIENCE))
        started.wait_for("Connected: local socket")
