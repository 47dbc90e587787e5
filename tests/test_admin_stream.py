"""Server-sent events: what a page that stays open is told."""

import pytest
from admin_stage import AdminLine, AdminMemory, Counter, parse, request

from twisted_signal.admin import stream
from twisted_signal.admin.stream import HEARTBEAT, MOST, PATIENCE

EVENTS = "/api/v1/events"


class StreamMemory(AdminMemory):
    """A server whose events are a count."""

    def __init__(self, token: bytes | None = None) -> None:
        self.counters: list[Counter] = []
        super().__init__(token, events=self._count)

    def _count(self) -> Counter:
        self.counters.append(Counter())
        return self.counters[-1]

    def reader(self, query: str = "") -> AdminLine:
        """Return somebody who reads events, and has read the first."""
        line = self.dial()
        line.send(request(EVENTS + query))
        return line


@pytest.fixture
def memory() -> StreamMemory:
    return StreamMemory()


def events(line: AdminLine) -> list[bytes]:
    """Return what came since the last call, out of its chunks."""
    parts = line.transport.take().split(b"\r\n")
    return [part for part in parts[1::2] if part]


def test_events_come_as_they_happen(memory: StreamMemory) -> None:
    line = memory.reader()
    reply = parse(line.transport.take())

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/event-stream"
    assert reply.headers["Cache-Control"] == "no-store"
    assert b"data: begin\n\n" in reply.body

    memory.wait(2)
    assert events(line) == [b"data: 1\n\n", b"data: 2\n\n"]


def test_each_reader_has_a_source_of_its_own(memory: StreamMemory) -> None:
    memory.reader()
    memory.wait(1)
    memory.reader()
    memory.wait(1)

    assert [counter.asked for counter in memory.counters] == [2, 1]


def test_a_query_that_makes_no_sense_is_refused(memory: StreamMemory) -> None:
    reply = memory.ask(f"{EVENTS}?search=wrong")

    assert (reply.status, reply.message) == (400, "search is wrong.")
    assert not memory.site.streams.are_full


def test_where_nothing_happens_a_comment_keeps_the_connection(memory: StreamMemory) -> None:
    line = memory.reader()
    memory.counters[0].is_silent = True
    line.transport.take()

    memory.wait(HEARTBEAT - 1)
    assert events(line) == []
    memory.wait(1)
    assert events(line) == [b":\n\n"]


def test_one_that_does_not_read_is_not_told_more_and_dropped_in_the_end(
    memory: StreamMemory,
) -> None:
    line = memory.reader()
    line.channel.pauseProducing()  # what the transport says when its buffer is full
    line.transport.take()

    memory.wait(PATIENCE - 1)
    assert memory.counters[0].asked == 0
    assert not line.transport.ended
    memory.wait(2)
    assert line.transport.aborted
    assert line.transport.take() == b""


def test_one_that_reads_again_goes_on(memory: StreamMemory) -> None:
    line = memory.reader()
    line.transport.take()
    for _ in range(3):
        line.channel.pauseProducing()
        memory.wait(PATIENCE - 1)
        line.channel.resumeProducing()
        memory.wait(1)

    assert events(line) == [b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]


def test_one_that_goes_is_forgotten(memory: StreamMemory) -> None:
    line = memory.reader()
    line.transport.end()
    memory.wait(2)

    assert memory.counters[0].asked == 0
    assert not memory.clock.getDelayedCalls()


def test_there_are_only_so_many_readers(memory: StreamMemory) -> None:
    lines = [memory.reader() for _ in range(MOST)]

    reply = memory.ask(EVENTS)
    assert (reply.status, reply.code) == (503, "too_many_streams")
    assert len(memory.counters) == MOST

    lines[0].transport.end()
    assert parse(memory.reader().transport.take()).status == 200


def test_a_mistake_ends_the_stream_and_is_in_the_log(
    memory: StreamMemory, caplog: pytest.LogCaptureFixture
) -> None:
    line = memory.reader()
    memory.counters[0].fails = True
    memory.wait(1)

    assert line.transport.aborted
    assert "What is new could not be told" in caplog.text


def test_streams_end_with_the_endpoint(memory: StreamMemory) -> None:
    line = memory.reader()
    line.transport.take()

    memory.site.end()

    assert line.transport.take() == b"0\r\n\r\n"  # the last chunk: it is whole
    assert line.transport.ended
    assert not memory.clock.getDelayedCalls()


def test_what_waits_behind_a_stream_is_not_answered_before_its_end(memory: StreamMemory) -> None:
    line = memory.reader()
    line.transport.take()
    line.send(request("/healthz"))
    memory.wait(1)

    assert events(line) == [b"data: 1\n\n"]


def test_only_the_headers_are_sent_for_head(memory: StreamMemory) -> None:
    line = memory.dial()
    line.send(request(EVENTS, "HEAD"))

    assert parse(line.transport.take()).body == b""
    assert not stream_is_on(memory)


def stream_is_on(memory: StreamMemory) -> bool:
    memory.wait(1)
    return bool(memory.counters and memory.counters[-1].asked)


def test_the_bounds_are_those_of_the_documents() -> None:
    assert (stream.MOST, stream.HEARTBEAT) == (16, 15)
