"""One connection to Redis, in memory."""

import pytest
from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twisted_signal.cluster.connection import (
    ANSWER_TIMEOUT,
    Broken,
    Connection,
    Refused,
    Subscription,
    in_words,
)
from twisted_signal.cluster.scripts import LOST
from twisted_signal.outbox import Outbox


class Line(StringTransport):
    """A transport whose connection can be dropped."""

    is_aborted = False

    def abortConnection(self) -> None:
        self.is_aborted = True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def connection(clock: Clock, outbox: Outbox) -> Connection:
    made = Connection(clock, outbox)
    made.makeConnection(Line())
    return made


def test_commands_go_out_together_and_are_answered_in_order(
    connection: Connection, outbox: Outbox
) -> None:
    answers: list[object] = []
    with outbox:
        connection.send(("GET", "é"), answers.append)
        connection.send(("GET", b"\xff", 7), answers.append)
        assert connection.transport.value() == b""

    assert connection.transport.value() == (
        b"*2\r\n$3\r\nGET\r\n$2\r\n\xc3\xa9\r\n*3\r\n$3\r\nGET\r\n$1\r\n\xff\r\n$1\r\n7\r\n"
    )
    connection.dataReceived(b"$2\r\non")
    assert answers == []
    connection.dataReceived(b"e\r\n*3\r\n:1\r\n$-1\r\n+OK\r\n"[1:])
    assert answers == [b"on", [1, None, b"OK"]]


def test_a_connection_that_is_dropped_answers_nothing_more(connection: Connection) -> None:
    answers: list[object] = []
    ends: list[str] = []
    connection.ended = ends.append
    connection.send(("GET", "a"), answers.append)
    connection.send(("GET", "b"), answers.append)

    connection.drop("it is a test")
    connection.dataReceived(b":1\r\n:2\r\n")
    connection.connectionLost(Failure(error.ConnectionDone()))

    assert connection.transport.is_aborted
    assert answers == [LOST, LOST]
    assert ends == []
    assert connection.gone == "it is a test"


def test_a_connection_that_ends_tells_so_before_it_answers(connection: Connection) -> None:
    told: list[object] = []
    connection.ended = told.append
    connection.send(("GET", "a"), told.append)

    connection.connectionLost(Failure(error.ConnectionDone()))

    assert told == ["Redis has closed the connection", LOST]


def test_silence_is_counted_while_an_answer_is_owed(connection: Connection) -> None:
    assert [connection.silence() for _ in range(3)] == [0, 0, 0]
    connection.send(("PING",), lambda _: None)
    connection.send(("PING",), lambda _: None)
    assert [connection.silence() for _ in range(3)] == [1, 2, 3]
    connection.dataReceived(b"+PONG\r\n")
    assert [connection.silence() for _ in range(2)] == [0, 1]
    connection.dataReceived(b"+PONG\r\n")
    assert [connection.silence() for _ in range(2)] == [0, 0]


def test_an_answer_that_does_not_come_in_time_ends_the_connection(
    connection: Connection, clock: Clock
) -> None:
    failures: list[Failure] = []
    one, other = connection.ask("ROLE"), connection.ask("PING")
    for asked in (one, other):
        asked.addErrback(failures.append)

    clock.advance(ANSWER_TIMEOUT)

    assert [in_words(failure.value) for failure in failures] == ["Redis does not answer"] * 2
    assert connection.transport.is_aborted


def test_an_error_is_the_failure_of_who_asked(connection: Connection) -> None:
    failures: list[Failure] = []
    connection.ask("ROLE").addErrback(failures.append)

    connection.dataReceived(b"-NOPERM this user may not\x1b[2J\r\n")

    assert in_words(failures[0].value) == "Redis says: NOPERM this user may not\\x1b[2J"


def test_who_asks_when_the_connection_is_gone_is_told_why(connection: Connection) -> None:
    connection.drop("it is a test")
    failures: list[Failure] = []

    connection.ask("PING").addErrback(failures.append)

    assert in_words(failures[0].value) == "it is a test"


@pytest.mark.parametrize("kind", ["dropped", "deaf"])
def test_nothing_is_heard_on_a_connection_that_goes(
    kind: str, clock: Clock, outbox: Outbox
) -> None:
    heard: list[bytes] = []

    def hear(payload: bytes) -> None:
        heard.append(payload)
        if kind == "dropped":
            made.drop("it is a test")
        else:
            made.deafen()

    made = Subscription(clock, outbox, hear)
    made.makeConnection(Line())
    message = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n%d\r\n"

    made.dataReceived(message % 1 + message % 2)
    made.dataReceived(message % 3)

    assert heard == [b"1"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (error.ConnectionRefusedError(111), "connection refused"),
        (error.ConnectError("nobody"), "An error occurred while connecting: nobody"),
        (error.TimeoutError(), "Redis does not answer"),
        (error.DNSLookupError("no results for hostname lookup: a"), "its name has no address"),
        (error.ConnectionLost(), "the connection broke"),
        (
            SSL.Error([("SSL routines", "", "wrong version number")]),
            "TLS failed: wrong version number",
        ),
        (SSL.SysCallError(-1, "Unexpected EOF"), "TLS failed: Unexpected EOF"),
        (SSL.Error(), "TLS failed"),
        (Broken("it is a test"), "it is a test"),
        (Refused(Exception("ERR " + "x" * 1000)), "Redis says: ERR " + "x" * 144),
        (ValueError(), "ValueError"),
    ],
)
def test_why_there_is_no_connection_is_said_in_words(reason: Exception, words: str) -> None:
    assert in_words(reason) == words
