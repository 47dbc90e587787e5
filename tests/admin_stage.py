"""A server in memory with its admin endpoint, which is asked by HTTP on an in-memory transport."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import msgspec
from memory import Memory, MemoryTransport
from twisted.internet.address import IPv4Address

from twisted_signal.admin.api import Api
from twisted_signal.admin.errors import BadQuery
from twisted_signal.admin.guard import Guard
from twisted_signal.admin.handlers import Backend
from twisted_signal.admin.live import Live
from twisted_signal.admin.readiness import Readiness
from twisted_signal.admin.site import AdminChannel, AdminSite
from twisted_signal.admin.start import answer_others
from twisted_signal.admin.stream import Source, Streams
from twisted_signal.admin.subject import Running
from twisted_signal.admin.whole import Whole
from twisted_signal.cluster.base import Cluster
from twisted_signal.metrics import Exposition
from twisted_signal.registry import Registry
from twisted_signal.service import SignalService
from twisted_signal.signals import Reactor
from twisted_signal.web.answers import Answer, kept

JSON = "application/json"
TOKEN = b"0123456789abcdef"
FILES = {"/": kept("text/html; charset=utf-8", b"<!doctype html>")}
POST = MappingProxyType({"Content-Type": JSON})


class Reply(NamedTuple):
    """What came back: the status, the headers, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        assert self.headers["Content-Type"] == JSON
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        """What is wrong, in a word."""
        code: str = self.json()["error"]["code"]
        return code

    @property
    def message(self) -> str:
        """What is wrong, in a sentence."""
        message: str = self.json()["error"]["message"]
        return message


class StoppableReactor:
    """A Clock that can be told to stop, and remembers it."""

    def __init__(self, memory: Memory) -> None:
        self.seconds = memory.clock.seconds
        self.callLater = memory.clock.callLater
        self.is_stopped = False

    def addReader(self, reader: object) -> None:
        """Read nothing: all is in memory."""

    def stop(self) -> None:
        self.is_stopped = True


class AdminMemory(Memory):
    """A factory on a Clock, its service, and an admin endpoint."""

    def __init__(
        self,
        token: bytes | None = None,
        *,
        checks_host: bool = True,
        events: Callable[[], Source] | None = None,
        cluster: Callable[[Registry], Cluster] | None = None,
        looks_on: bool = False,
        **limits: int,
    ) -> None:
        """
        Args:
            cluster: makes what the server is a node of.
            looks_on: there are the events that the page has.
        """
        super().__init__(None, **limits)
        if cluster is not None:
            self.factory.cluster = cluster(self.factory.registry)
        self.reactor = StoppableReactor(self)
        self.service = SignalService(cast("Reactor", self.reactor), self.factory, [])
        self.readiness = Readiness(self.service)
        self.token = token
        exposition = Exposition(self.factory, self.service.telemetry)
        self.whole = Whole(answer_others(self.service))
        if looks_on:
            events = Live(Running(self.whole), self.clock.seconds).viewer
        self.api = Api(
            Backend(self.whole, exposition, self.readiness, Streams(self.clock), FILES, events)
        )
        guard = Guard((lambda: self.token or b"") if token else None, checks_host=checks_host)
        self.site = AdminSite(self.api, guard, self.clock, self.factory.server)

    def dial(self, host: str = "127.0.0.1") -> "AdminLine":
        """Return a connection to the admin endpoint."""
        channel = self.site.buildProtocol(None)
        transport = MemoryTransport(channel, 50000)
        transport.peerAddr = IPv4Address("TCP", host, 50000)
        channel.makeConnection(transport)
        return AdminLine(channel, transport)

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] = MappingProxyType({}),
        body: bytes = b"",
    ) -> Reply:
        """Return the answer to one request on a connection of its own."""
        line = self.dial()
        line.send(request(path, method, headers, body))
        reply = line.reply()
        line.transport.end()
        return reply

    def post(self, path: str, body: bytes = b"", **headers: str) -> Reply:
        """As `ask`, to have something done."""
        return self.ask(path, "POST", {**POST, **headers}, body)


class Counter:
    """Counts how often it is asked; says so, or nothing at all. Implements `stream.Source`."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_silent = False
        self.fails = False

    def begin(self, query: Mapping[str, str], now: float) -> bytes:
        if query["search"] == "wrong":
            raise BadQuery("search is wrong.")
        return b"data: begin\n\n"

    def tick(self, now: float) -> bytes | None:
        self.asked += 1
        if self.fails:
            raise RuntimeError("a mistake")
        return None if self.is_silent else b"data: %d\n\n" % self.asked


class AdminLine:
    """The other end of a connection to the admin endpoint."""

    def __init__(self, channel: AdminChannel, transport: MemoryTransport) -> None:
        self.channel = channel
        self.transport = transport

    def send(self, data: bytes) -> None:
        self.transport.receive(data)

    def reply(self) -> Reply:
        """Return the one answer that came."""
        return parse(self.transport.take())


def request(
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] = MappingProxyType({}),
    body: bytes = b"",
) -> bytes:
    """Return a request; it is for `localhost`, unless the headers name another host."""
    lines = {"Host": "localhost:8767", **headers}
    if method == "POST":
        lines["Content-Length"] = str(len(body))
    head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
    return "\r\n".join([*head, "", ""]).encode() + body


def parse(data: bytes) -> Reply:
    """Return an answer that came as bytes."""
    head, separator, body = data.partition(b"\r\n\r\n")
    assert separator, f"no whole answer: {data!r}"
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Reply(int(status.split()[1]), headers, body)


def answered(answer: object) -> tuple[HTTPStatus, Any]:
    """Return the status and the JSON of an answer of the API."""
    assert isinstance(answer, Answer)
    return answer.status, msgspec.json.decode(answer.body)
