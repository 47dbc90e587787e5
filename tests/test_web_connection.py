"""Connections that ask for pages, on the port of the WebSockets."""

import http.client
import logging
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from caller import Caller
from memory import Memory, MemoryClient
from processes import PATIENCE, Server, server

from twisted_signal.admission import BURST
from twisted_signal.limits import Limits
from twisted_signal.web import connection
from twisted_signal.web.connection import IDLE, LIFETIME, REQUESTS

GET = b"GET /static/icon.svg HTTP/1.1\r\nHost: test\r\n\r\n"
END = b"\r\n\r\n"


class WebMemory(Memory):
    """A factory on a Clock that has pages too."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = self.serve_pages()

    def browser(self) -> MemoryClient:
        """Return a client whose connection asks for pages, once it has said so."""
        return self.connect()


def ask(client: MemoryClient, request: bytes = GET) -> tuple[bytes, dict[str, str], bytes]:
    """Send a request to whatever serves the connection; return status line, headers and body."""
    client.transport.take()
    client.transport.receive(request)
    head, _, body = client.transport.sent().partition(END)
    status, *lines = head.decode().split("\r\n")
    return status.encode(), dict(line.split(": ", 1) for line in lines), body


@pytest.fixture
def memory() -> WebMemory:
    return WebMemory()


def test_a_page_is_sent_and_the_connection_stays(memory: WebMemory) -> None:
    browser = memory.browser()

    for _ in range(2):
        status, headers, body = ask(browser)

        assert status == b"HTTP/1.1 200 OK"
        assert headers["Content-Type"] == "image/svg+xml"
        assert headers["Server"] == "test"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert int(headers["Content-Length"]) == len(body)
        assert "Connection" not in headers
    assert not browser.transport.ended


def test_a_request_may_come_in_pieces(memory: WebMemory) -> None:
    browser = memory.browser()

    for byte in GET[:-1]:
        browser.receive(bytes([byte]))
    assert browser.transport.sent() == b""
    browser.receive(GET[-1:])

    assert browser.transport.sent().startswith(b"HTTP/1.1 200 OK\r\n")


def test_several_requests_at_once_are_answered_in_order(memory: WebMemory) -> None:
    browser = memory.browser()

    browser.receive(GET + GET.replace(b"/static/icon.svg", b"/nothing") + GET)

    statuses = re.findall(rb"HTTP/1.1 (\d+)", browser.transport.sent())
    assert statuses == [b"200", b"404", b"200"]


def test_only_the_headers_are_sent_for_head(memory: WebMemory) -> None:
    status, headers, body = ask(memory.browser(), GET.replace(b"GET", b"HEAD"))

    assert status == b"HTTP/1.1 200 OK"
    assert int(headers["Content-Length"]) > 0
    assert body == b""


def test_a_browser_that_has_a_page_is_told_that_it_is_still_right(memory: WebMemory) -> None:
    browser = memory.browser()
    _, headers, _ = ask(browser)
    again = GET[:-2] + f"If-None-Match: {headers['ETag']}\r\n\r\n".encode()

    status, headers, body = ask(browser, again)

    assert status == b"HTTP/1.1 304 Not Modified"
    assert headers["Cache-Control"] == "no-cache"
    assert body == b""


def test_a_host_that_is_no_text_is_none(memory: WebMemory) -> None:
    status, headers, _ = ask(memory.browser(), GET.replace(b"test", b"\x80test"))

    assert status == b"HTTP/1.1 200 OK"
    assert "connect-src 'self';" in headers["Content-Security-Policy"]


def test_an_old_client_gets_its_page_and_the_end(memory: WebMemory) -> None:
    browser = memory.browser()

    status, _, body = ask(browser, b"GET /healthz HTTP/1.0\r\n\r\n")

    assert status.endswith(b"200 OK")
    assert body == b"ok.\n"
    assert browser.transport.ended


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc",
        b"DELETE / HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc",
        b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: WebSocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nSec-WebSocket-Key: x\r\n\r\n",
        b"GET http://test/ HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /\x1b[2J HTTP/1.1\r\nHost: test\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_no_request_for_a_page_is_answered_as_without_pages(request_: bytes) -> None:
    with_pages, without = WebMemory(), Memory()
    without.factory.server = with_pages.factory.server

    answers = [ask(each.connect(), request_) for each in (with_pages, without)]

    assert answers[0] == answers[1]
    assert not answers[0][0].endswith(b"200 OK")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_body_behind_a_first_page_ends_the_connection(memory: WebMemory, request_: bytes) -> None:
    browser = memory.browser()
    ask(browser)

    ask(browser, request_)

    assert browser.transport.aborted


def test_another_method_behind_a_first_page_is_refused_in_words(memory: WebMemory) -> None:
    browser = memory.browser()
    ask(browser)

    status, headers, body = ask(browser, b"DELETE / HTTP/1.1\r\nHost: test\r\n\r\n")

    assert status == b"HTTP/1.1 405 Method Not Allowed"
    assert headers["Allow"] == "GET, HEAD"
    assert body == b"Pages are for GET and HEAD.\n"


def test_a_connection_brings_no_more_than_some_requests(memory: WebMemory) -> None:
    browser = memory.browser()
    answers = [ask(browser)[1] for _ in range(REQUESTS)]

    assert ["Connection" in headers for headers in answers] == [False] * (REQUESTS - 1) + [True]
    assert browser.transport.ended


def test_a_silent_connection_ends(memory: WebMemory) -> None:
    browser = memory.browser()
    ask(browser)

    memory.wait(IDLE - 1)
    assert not browser.transport.ended
    memory.wait(1)
    assert browser.transport.ended


def test_no_connection_lives_longer_than_a_page_takes(memory: WebMemory) -> None:
    browser = memory.browser()
    ask(browser)

    for _ in range(LIFETIME + 2):
        browser.transport.protocol.dataReceived(b"GET / HTTP/1.1\r\nX: 1\r\n\r\n")
        browser.transport.take()
        memory.wait(2)
        if browser.transport.ended:
            break

    assert browser.transport.ended
    assert memory.clock.seconds() <= LIFETIME + 2


def test_requests_count_as_connections_of_their_address_do(
    memory: WebMemory, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = []
    for _ in range(BURST // REQUESTS + 1):
        browser = memory.browser()
        statuses += [ask(browser) for _ in range(REQUESTS)]

    refused = [each for each in statuses if b" 429 " in each[0]]
    assert len(refused) == len(statuses) - BURST
    assert refused[0][1]["Retry-After"] == "1"
    assert refused[0][2] == b"Too many connections at once come from your address.\n"
    assert memory.factory.refusals.count["connect_rate_per_address"] == len(refused)
    assert "Too many connections at once" in caplog.text


def test_no_more_connections_ask_at_once_than_some(
    memory: WebMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST", 2)
    first, second, third = (memory.browser() for _ in range(3))
    ask(first)
    ask(second)

    status, headers, _ = ask(third)
    assert status == b"HTTP/1.1 503 Service Unavailable"
    assert headers["Retry-After"] == "1"
    assert third.transport.ended

    first.transport.end()
    assert ask(memory.browser())[0] == b"HTTP/1.1 200 OK"


def test_nothing_is_left_of_a_connection_that_has_ended(memory: WebMemory) -> None:
    for _ in range(3):
        browser = memory.browser()
        ask(browser)
        browser.transport.end()

    assert not memory.factory.connections
    assert memory.factory.admission.connections == 0
    assert memory.factory.admission.clients == 0
    assert not memory.factory.keep_alive
    assert not memory.pages._channels


def test_a_server_that_stops_does_not_wait_for_browsers(memory: WebMemory) -> None:
    browser = memory.browser()
    ask(browser)

    gone = memory.factory.close_all()

    assert gone.called
    assert browser.transport.aborted


def test_a_mistake_of_ours_is_said_and_logged(
    memory: WebMemory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory.pages, "website", None)

    status, _, body = ask(memory.browser())

    assert status == b"HTTP/1.1 500 Internal Server Error"
    assert body == b"The server made a mistake, see its log.\n"
    assert "A request for a page could not be answered" in caplog.text


def test_the_log_has_the_path_and_nothing_that_a_link_holds(
    memory: WebMemory, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ask(memory.browser(), GET.replace(b"icon.svg", b"x?token=secret"))

    assert "Page /static/x: 404" in caplog.text
    assert "secret" not in caplog.text


def test_a_connection_that_a_browser_had_to_spare_is_counted_and_not_warned_of(
    memory: WebMemory, caplog: pytest.LogCaptureFixture
) -> None:
    spare, slow = memory.browser(), memory.browser()
    slow.receive(b"GET /")

    memory.wait(Limits().handshake_timeout + 1)

    assert spare.transport.aborted
    assert slow.transport.aborted
    assert memory.factory.refusals.count["handshake_timeout"] == 2
    (warning,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert f"{slow.protocol.address}: The WebSocket handshake was not there" in warning.getMessage()


# On real sockets


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--tls-port", "0", "--self-signed", "--state-dir", "state")
    with server(*options, cwd=tmp_path_factory.mktemp("server")) as started:
        started.wait_for("Listening on wss://")
        yield started


def browse(url: str) -> http.client.HTTPConnection:
    """Return a connection to the server for pages."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    if parts.scheme == "ws":
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(
        parts.hostname, parts.port, timeout=PATIENCE, context=trusting
    )


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_page_and_a_call_come_by_one_port(running: Server, scheme: str) -> None:
    url = running.wait_for(rf"Listening on ({scheme}://127\.\S+)")[1]
    browser = browse(url)
    for path, status in (("/healthz", 200), ("/nothing", 404), ("/demo/links.json", 200)):
        browser.request("GET", path)
        response = browser.getresponse()
        assert response.status == status
        assert response.read()
    browser.close()

    if scheme == "ws":
        caller = Caller(url)
        caller.say(type="register", client_id="pc", room_id="pages")
        assert caller.hear()["type"] == "registered"


def test_pages_can_be_left_out(tmp_path: Path) -> None:
    with server("--no-web", cwd=tmp_path) as started:
        browser = browse(started.url)
        browser.request("GET", "/healthz")
        assert browser.getresponse().status == 426
        browser.close()
