"""TLS on real sockets, with the ssl module as the client."""

import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_twisted
from caller import Caller
from certificates import DAY, Issued, issue
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from processes import PATIENCE, Server, server
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.threads import deferToThread
from twisted.protocols.haproxy import proxyEndpoint

from twisted_signal.certificates import CertificateError, Files, Pair
from twisted_signal.renewal import Renewal
from twisted_signal.server import SignalFactory
from twisted_signal.tls import TlsContext, TlsEndpoint

ROOT = issue("root", is_authority=True)
BETWEEN = issue("between", ROOT, is_authority=True)
REQUEST = (
    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def leaf() -> Issued:
    return issue(by=BETWEEN, ends=90 * DAY)


def trusting() -> ssl.SSLContext:
    """Return what a client connects with that knows the root, and nothing between."""
    return ssl.create_default_context(cadata=ROOT.chain_pem.decode())


class Place:
    """A server, and the files with its certificate."""

    def __init__(self, directory: Path, issued: Issued, started: Server) -> None:
        self.file = directory / "both.pem"
        self.issued = issued
        self.server = started
        self.port = urlsplit(started.url).port

    def shake_hands(
        self, context: ssl.SSLContext, session: ssl.SSLSession | None = None
    ) -> ssl.SSLSocket:
        """Return a connection on which the server has answered."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        try:
            secure = context.wrap_socket(plain, server_hostname="localhost", session=session)
            secure.sendall(REQUEST)
            assert secure.recv(1000).startswith(b"HTTP/1.1 101 ")
        except BaseException:
            plain.close()
            raise
        return secure

    def shown(self) -> str:
        """Return the fingerprint of the certificate that a new connection is shown."""
        with self.shake_hands(trusting()) as secure:
            return fingerprint(secure)

    def call(self) -> Caller:
        return Caller(f"wss://localhost:{self.port}", trusting(), over=self.plain())

    def plain(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


def fingerprint(secure: ssl.SSLSocket) -> str:
    der = secure.getpeercert(binary_form=True)
    assert der is not None
    return Issued(x509.load_der_x509_certificate(der), ROOT.key).fingerprint


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("tls")
    issued = leaf()
    (directory / "both.pem").write_bytes(issued.both_pem)
    options = ("--tls-cert", "both.pem", "--tls-port", "0", "--port", "none", "--host", "127.0.0.1")
    with server(*options, "--log-level", "DEBUG", cwd=directory) as started:
        yield Place(directory, issued, started)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_that_knows_the_root_only_shakes_hands(
    version: ssl.TLSVersion, place: Place
) -> None:
    context = trusting()
    context.minimum_version = context.maximum_version = version

    with place.shake_hands(context) as secure:
        assert secure.version() == version.name.replace("_", ".")
        assert fingerprint(secure) == place.issued.fingerprint


def test_a_client_registers(place: Place) -> None:
    with place.call() as client:
        client.say(type="register", client_id="a")
        assert client.hear()["type"] == "registered"


# Python warns of what the client means to do.
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(place: Place) -> None:
    context = trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version|no_protocols"):
        place.shake_hands(context)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), ([], None)],
)
def test_http_1_1_is_chosen_where_it_is_offered(
    offered: list[str], chosen: str | None, place: Place
) -> None:
    context = trusting()
    context.set_alpn_protocols(offered)

    with place.shake_hands(context) as secure:
        assert secure.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_that_comes_back_resumes_its_session(
    version: ssl.TLSVersion, place: Place
) -> None:
    context = trusting()
    context.minimum_version = context.maximum_version = version
    reused = []
    session = None

    for _ in range(3):
        with place.shake_hands(context, session) as secure:
            reused.append(secure.session_reused)
            session = secure.session

    assert reused == [False, True, True]


@pytest.mark.parametrize("said", [REQUEST, b"\x16\x03\x01" + bytes(range(200)), b"\0" * 100_000])
def test_what_is_no_tls_ends_its_connection_without_an_error_in_the_log(
    said: bytes, place: Place
) -> None:
    with place.plain() as plain:
        port = plain.getsockname()[1]
        plain.sendall(said)
        try:
            while plain.recv(1000):
                pass
        except ConnectionResetError:
            pass

    place.server.wait_for(f"No WebSocket came of the connection from 127.0.0.1:{port}: TLS failed")
    assert place.shown() == place.issued.fingerprint
    assert "[ERROR]" not in place.server.output
    assert "Traceback" not in place.server.output


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_reload_changes_the_certificate_for_those_who_come(
    version: ssl.TLSVersion, tmp_path: Path
) -> None:
    old, new = leaf(), leaf()
    both = tmp_path / "both.pem"
    both.write_bytes(old.both_pem)
    with server(
        "--tls-cert",
        str(both),
        "--tls-port",
        "0",
        "--port",
        "none",
        "--host",
        "127.0.0.1",
        cwd=tmp_path,
    ) as started:
        place = Place(tmp_path, old, started)
        started.wait_for(f"The certificate is valid until .* SHA-256 {old.fingerprint}")
        context = trusting()
        context.minimum_version = context.maximum_version = version
        with place.shake_hands(context) as secure:
            session = secure.session
        with place.call() as client:
            both.write_bytes(new.both_pem)
            started.process.send_signal(signal.SIGHUP)
            started.wait_for(f"The certificate is now valid until .* SHA-256 {new.fingerprint}")

            assert place.shown() == new.fingerprint
            # The ticket from before is worth nothing now, and does no harm.
            with place.shake_hands(context, session) as secure:
                assert not secure.session_reused
                assert fingerprint(secure) == new.fingerprint
                session = secure.session
            with place.shake_hands(context, session) as secure:
                assert secure.session_reused

            both.write_bytes(old.chain_pem)
            started.process.send_signal(signal.SIGHUP)
            started.wait_for("The certificate stays as it was: .* holds no PEM private key")
            assert place.shown() == new.fingerprint

            client.say(type="register", client_id="a")
            assert client.hear()["type"] == "registered"


# In this process


def endpoint() -> Any:
    real: Any = reactor
    return TCP4ServerEndpoint(real, 0, interface="127.0.0.1")


def exchange(port: int, first: bytes = b"") -> str:
    """Register; return the answer and the fingerprint."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    plain.sendall(first)
    with Caller(f"wss://localhost:{port}", trusting(), over=plain) as client:
        client.say(type="register", client_id="a")
        answer: str = client.hear()["type"]
        assert isinstance(client.socket, ssl.SSLSocket)
        return answer + fingerprint(client.socket)


@pytest_twisted.ensureDeferred
async def test_a_change_of_the_files_is_noticed(tmp_path: Path) -> None:
    real: Any = reactor
    both = tmp_path / "both.pem"
    old, new = leaf(), leaf()
    both.write_bytes(old.both_pem)
    renewal = Renewal(Files(both, both), real, interval=0.01)
    renewal.startService()
    port: Any = await TlsEndpoint(endpoint(), renewal.context, real).listen(SignalFactory(real))
    assert old.fingerprint in await deferToThread(exchange, port.getHost().port)

    both.write_bytes(new.both_pem)

    while new.fingerprint not in await deferToThread(exchange, port.getHost().port):
        pass
    renewal.stopService()
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_it_goes_over_the_proxy_protocol() -> None:
    real: Any = reactor
    issued = leaf()
    context = TlsContext(Pair((issued.certificate, *issued.above), issued.key))
    over = TlsEndpoint(proxyEndpoint(endpoint()), context, real)
    port: Any = await over.listen(SignalFactory(real))

    first = b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 443\r\n"
    assert "registered" in await deferToThread(exchange, port.getHost().port, first)
    await port.stopListening()


def test_a_key_that_openssl_takes_for_too_weak_is_one_sentence() -> None:
    key = rsa.generate_private_key(65537, 1024)
    made = issue(key=key)

    with pytest.raises(CertificateError, match=r"^OpenSSL does not take the certificate: .*small"):
        TlsContext(Pair((made.certificate,), key))
