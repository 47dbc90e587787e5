"""A real server under attack: who attacks it, who suffers from it, and what it costs the server.

An attack is a block of `Arena.attack`. While it lasts, calls go on in other rooms, from a process
of their own (`bystander`), and at its end all of these must hold: the calls did not notice, and the
server has its memory and its descriptors back.
"""

import json
import logging
import re
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import pytest
from processes import PATIENCE, Server, Watched, running, server
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from twisted_signal.frames import frame

if not Path("/proc/self/status").exists():
    pytest.skip("there is no /proc here", allow_module_level=True)

log = logging.getLogger(__name__)

MIB = 1024 * 1024
MAX_P99 = 0.25
"""Seconds that a round trip of a bystander may take, by way of the server twice."""
MAX_PEAK = 32 * MIB
"""How much more memory the server may need during an attack."""
MAX_LEFT = 16 * MIB
"""How much of that it may keep: what the allocator holds, and what waits to be collected."""
WARM = 250
"""Connections that the server has had before an attack."""
OWN = 20
"""More descriptors than the server has when nobody is connected."""


def masked(first: int, payload: bytes = b"") -> bytes:
    """Return a frame as a client sends it, with a key of zeros. `first`: its first byte."""
    unmasked = frame(first, payload)
    head = len(unmasked) - len(payload)
    return bytes([first, unmasked[1] | 0x80]) + unmasked[2:head] + bytes(4) + payload


def until(condition: Callable[[], object], what: str, timeout: float = PATIENCE) -> None:
    """Wait until something is so. `what`: said if it does not come to that."""
    give_up = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.01)


def lasting(seconds: float = 1.0) -> Iterator[int]:
    """Count from 0 on, for so many seconds: so long lasts what would be over at once."""
    give_up = time.monotonic() + seconds
    number = 0
    while time.monotonic() < give_up:
        yield number
        number += 1


class Wire:
    """A TCP connection to the server, as an attacker has it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.socket = sock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flood(self, data: bytes, times: int) -> None:
        """Send the same again and again, until the server has no ear for it any more."""
        self.socket.settimeout(0.05)
        with suppress(TimeoutError, ConnectionError, ssl.SSLError):
            for _ in range(times):
                self.socket.sendall(data)
        self.socket.settimeout(PATIENCE)

    def skip(self) -> bool:
        """Take all that has come, and look at nothing of it; tell whether more may come."""
        self.socket.settimeout(0)
        try:
            while self.socket.recv(MIB):
                pass
        except BlockingIOError:
            self.socket.settimeout(PATIENCE)
            return True
        except (ConnectionError, ssl.SSLError):
            pass
        return False

    def send(self, data: bytes) -> bool:
        """Send bytes; tell whether the server still had an ear for them."""
        try:
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError):
            return False
        return True

    def end(self, timeout: float = PATIENCE) -> bytes:
        """Return all that comes until the connection ends.

        Raises:
            TimeoutError: it does not, within that many seconds.
        """
        give_up = time.monotonic() + timeout
        got = bytearray()
        with suppress(ConnectionError, ssl.SSLError):
            while data := self._receive(give_up):
                got += data
        return bytes(got)

    def first(self) -> bytes:
        """Return what comes first, or nothing if the connection ends without it."""
        with suppress(ConnectionError, ssl.SSLError):
            return self._receive(time.monotonic() + PATIENCE)
        return b""

    def _receive(self, give_up: float) -> bytes:
        left = give_up - time.monotonic()
        if left <= 0:
            raise TimeoutError("the connection does not end")
        self.socket.settimeout(left)
        data = self.socket.recv(65536)
        self.socket.settimeout(PATIENCE)
        return data

    def is_reset(self) -> bool:
        """Tell whether the server has dropped the connection, without reading anything."""
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return error != 0 or not _is_established(self.socket)


def _is_established(sock: socket.socket) -> bool:
    established = 1  # TCP_ESTABLISHED, the first byte of struct tcp_info
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == established


class Client(Wire):
    """A client that speaks the protocol, except where the attack wants it otherwise.

    Attributes:
        response: the answer to its opening handshake.
    """

    def __init__(
        self,
        sock: socket.socket,
        url: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        subprotocols: tuple[str, ...] = (),
    ) -> None:
        super().__init__(sock)
        offered = [Subprotocol(name) for name in subprotocols] or None
        self.websocket = ClientProtocol(parse_uri(url), subprotocols=offered, max_size=None)
        request = self.websocket.connect()
        request.headers.update(headers)
        self.websocket.send_request(request)
        self.response: Response | None = None
        self._heard: list[str] = []
        self._flush()
        while self.websocket.state is State.CONNECTING and self.response is None:
            assert self._read(time.monotonic() + PATIENCE), "the connection ended"

    @property
    def status(self) -> int:
        """The HTTP status with which it was let in, or not."""
        if self.response is not None:
            return self.response.status_code
        assert self.websocket.handshake_exc is not None
        failed: Any = self.websocket.handshake_exc
        status: int = failed.response.status_code
        return status

    def say(self, **message: object) -> None:
        self.say_text(json.dumps(message, ensure_ascii=False))

    def say_text(self, text: str | bytes) -> None:
        self.send(masked(0x81, text if isinstance(text, bytes) else text.encode()))

    def register(self, client_id: str, room_id: str, **fields: object) -> Any:
        """Enter a room; return what the server says to it."""
        self.say(type="register", client_id=client_id, room_id=room_id, **fields)
        return self.hear()

    def hear(self) -> Any:
        """Return the next message."""
        return json.loads(self.hear_text())

    def hear_text(self) -> str:
        """Return the next message as it came."""
        give_up = time.monotonic() + PATIENCE
        while not self._heard:
            assert self._read(give_up), f"the connection ended: {self.websocket.close_code}"
        return self._heard.pop(0)

    def hear_type(self, *types: str) -> Any:
        """Return the next message of these types; those before it are left out."""
        while (message := self.hear())["type"] not in types:
            pass
        return message

    def is_served(self) -> bool:
        """Tell whether the server answers it, and has said nothing else before that."""
        self.say(type="ping")
        return bool(self.hear()["type"] == "pong")

    def close_code(self, timeout: float = PATIENCE) -> int | None:
        """Wait for the end; return the code of the server's Close frame, if it has sent one."""
        give_up = time.monotonic() + timeout
        with suppress(ConnectionError, ssl.SSLError):
            while self._read(give_up):
                pass
        received = self.websocket.close_rcvd
        return received.code if received is not None else None

    def rest(self) -> list[Any]:
        """Return what was heard and not yet asked for."""
        heard, self._heard = self._heard, []
        return [json.loads(text) for text in heard]

    def _flush(self) -> None:
        for data in self.websocket.data_to_send():
            self.send(data)

    def _read(self, give_up: float) -> bool:
        data = self._receive(give_up)
        if not data:
            return False
        self.websocket.receive_data(data)
        for event in self.websocket.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._heard.append(bytes(event.data).decode())
        self._flush()
        return True


class Cost(NamedTuple):
    """What the server has: resident memory and the most of it so far, in bytes; descriptors."""

    memory: int
    peak: int
    descriptors: int


class Arena:
    """A server, and those around it.

    Attributes:
        server: the process.
        url: where it listens, without TLS where it does so.
        secure_url: where it listens with TLS.
        tls: what trusts its certificate.
    """

    def __init__(self, started: Server, pem: Path | None, token: str) -> None:
        self.server = started
        self.url = started.url
        self.secure_url = started.wait_for(r"Listening on (wss://\S+)")[1] if pem else ""
        self.pem = pem
        self._token = token
        self.tls = ssl.create_default_context(cafile=str(pem)) if pem else None
        self._stack = ExitStack()

    # Attackers

    def wire(
        self, url: str = "", *, source: str | None = None, receive_buffer: int | None = None
    ) -> Wire:
        """Return a TCP connection on which nothing was said yet."""
        return self._stack.enter_context(
            Wire(self._connect(url or self.url, source, receive_buffer))
        )

    def client(
        self,
        path: str = "/",
        *,
        secure: bool = False,
        source: str | None = None,
        receive_buffer: int | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        subprotocols: tuple[str, ...] = (),
    ) -> Client:
        """Return a client whose opening handshake was answered.

        Args:
            source: the address that it comes from.
            receive_buffer: what the kernel holds for it, in bytes; None: as much as it likes.
        """
        url = self.secure_url if secure else self.url
        sock = self._connect(url, source, receive_buffer)
        if secure:
            assert self.tls is not None
            sock = self.tls.wrap_socket(sock, server_hostname="127.0.0.1")
        return self._stack.enter_context(Client(sock, url + path, headers, subprotocols))

    def _connect(self, url: str, source: str | None, receive_buffer: int | None) -> socket.socket:
        where = urlsplit(url)
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source is not None:
            sock.bind((source, 0))
        sock.settimeout(PATIENCE)
        sock.connect((where.hostname, where.port))
        return sock

    @contextmanager
    def calls(self, room: str, *, secure: bool = False) -> Iterator[Watched]:
        """Let calls go on, in a process of their own and in rooms whose names begin so."""
        command: list[str | Path] = [sys.executable, Path(__file__).with_name("bystander.py")]
        command += [str(self.pid)]
        query = f"?token={self._token}" if self._token else ""
        command += [f"{self.secure_url if secure else self.url}/{query}", room]
        command += [str(self.pem)] if secure else []
        with running(*command) as calling:
            calling.wait_for("ready")
            yield calling

    def leave(self) -> None:
        """End all connections of attackers."""
        self._stack.close()

    # What it costs

    def warm_up(self) -> None:
        """Let the server have had many connections: the memory for the first of them is kept."""
        assert self.client().status == 101  # it is past its start
        for url in filter(None, (self.url, self.secure_url)):
            self.leave()
            until(lambda: self.cost().descriptors < OWN, "they do not go")
            for _ in range(WARM):
                self.wire(url, source="127.0.0.9")  # which has limits of its own
            until(lambda: self.cost().descriptors > WARM, "they do not come")
        self.leave()
        until(lambda: self.cost().descriptors < OWN, "they do not go")

    @property
    def pid(self) -> int:
        return self.server.process.pid

    def cost(self) -> Cost:
        """Return what the server has now."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        memory, peak = (_kib(status, name) for name in ("VmRSS", "VmHWM"))
        return Cost(memory, peak, sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir()))

    @contextmanager
    def attack(
        self,
        *,
        peak: int = MAX_PEAK,
        left: int = MAX_LEFT,
        p99: float = MAX_P99,
        secure: bool = False,
    ) -> Iterator[None]:
        """Let an attack take place in the block.

        Args:
            peak: how much more memory the server may need meanwhile, in bytes.
            left: how much of it it may keep.
            p99: seconds that the slowest in a hundred round trips of bystanders may take.
            secure: they speak TLS.
        """
        with self.calls("bystanders", secure=secure) as bystander:
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # VmHWM begins anew, proc(5)
            before = self.cost()
            began = time.monotonic()
            with _most(lambda: self.cost().descriptors) as most_descriptors, self._stack:
                yield
            took = time.monotonic() - began
            most = self.cost().peak
            until(
                lambda: self.cost().descriptors <= before.descriptors,
                f"of {before.descriptors} descriptors {self.cost()} are left",
            )
            with suppress(AssertionError):
                until(lambda: self.cost().memory <= before.memory + left, "it is asserted below", 5)
            after = self.cost()
            report = _stop(bystander)
        log.info(
            "%.1f s, %d round trips: p50 %.1f, p99 %.1f, worst %.1f (%.1f) ms;"
            " memory %.1f, peak %+.1f, after %+.1f MiB; descriptors %d, most %d",
            took,
            report["sent"],
            *(1000 * report[name] for name in ("p50", "p99", "worst", "gross")),
            before.memory / MIB,
            (most - before.memory) / MIB,
            (after.memory - before.memory) / MIB,
            before.descriptors,
            max(most_descriptors),
        )
        assert (report["failures"], report["lost"]) == ([], 0), f"failures: {report}"
        assert report["p99"] < p99, f"p99: {report}"
        assert most - before.memory < peak, f"peak: {(most - before.memory) / MIB} MiB"
        assert after.memory - before.memory < left, f"left: {after.memory - before.memory} bytes"
        assert "Traceback" not in self.server.output


@contextmanager
def arena(
    directory: Path, *options: str, pem: Path | None = None, token: str = ""
) -> Iterator[Arena]:
    """Start a server.

    Args:
        pem: it speaks TLS as well, with the certificate and the key in there.
        token: with which bystanders may enter.
    """
    if pem is not None:
        options = ("--tls-port", "0", "--tls-cert", str(pem), *options)
    with server("--host", "127.0.0.1", *options, cwd=directory) as started:
        place = Arena(started, pem, token)
        place.warm_up()
        yield place


def _kib(status: str, name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def _stop(bystander: Watched) -> dict[str, Any]:
    """End the calls; return how they went."""
    assert bystander.stop(signal.SIGTERM) == 0, bystander.output
    report: dict[str, Any] = json.loads(bystander.wait_for(r"^\{.*\}$")[0])
    return report


@contextmanager
def _most(measure: Callable[[], int]) -> Iterator[list[int]]:
    """Measure something again and again while the block lasts."""
    values = [measure()]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            values.append(measure())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield values
    finally:
        done.set()
        thread.join()
