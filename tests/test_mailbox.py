import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import PlainClient, raw

from twisted_signal.errors import InvalidMessage, PeerUnreachable, ResumeExpired
from twisted_signal.mailbox import MAX_MESSAGES, MAX_SIZE, Mailbox
from twisted_signal.messages import (
    Error,
    PeerLeft,
    RelayedIceCandidate,
    RelayedOffer,
    ServerMessage,
)


def said(number: int) -> RelayedIceCandidate:
    return RelayedIceCandidate("pc", raw(number))


@pytest.fixture
def client() -> PlainClient:
    return PlainClient()


@pytest.fixture
def mailbox(client: PlainClient) -> Mailbox:
    return Mailbox(client, "phone", "t0")


def reconnect(mailbox: Mailbox, received: int | None = None) -> list[ServerMessage]:
    _, missed = mailbox.reconnect(PlainClient(), "t", received)
    return missed


def test_while_there_is_a_connection_it_gets_everything(
    mailbox: Mailbox, client: PlainClient
) -> None:
    mailbox.deliver(said(0))

    assert client.hear() == [said(0)]
    assert reconnect(mailbox) == []


def test_without_a_connection_everything_waits(mailbox: Mailbox, client: PlainClient) -> None:
    mailbox.disconnect()
    mailbox.deliver(said(0))
    mailbox.deliver(PeerLeft("pc"))

    assert client.hear() == []
    assert reconnect(mailbox) == [said(0), PeerLeft("pc")]
    assert mailbox.is_connected


def test_no_more_messages_wait_than_may(mailbox: Mailbox) -> None:
    mailbox.disconnect()
    for number in range(MAX_MESSAGES):
        mailbox.deliver(said(number))

    with pytest.raises(PeerUnreachable, match=r"phone .* 256 messages or 512 KiB"):
        mailbox.deliver(said(0))
    mailbox.deliver(PeerLeft("pc"))  # nobody is to blame for that

    assert reconnect(mailbox) == [said(number) for number in range(MAX_MESSAGES)]


def test_no_more_bytes_wait_than_may(mailbox: Mailbox) -> None:
    mailbox.disconnect()
    sdp = RelayedOffer("pc", raw("x" * (MAX_SIZE // 2 - 2)))
    mailbox.deliver(sdp)
    mailbox.deliver(sdp)

    with pytest.raises(PeerUnreachable):
        mailbox.deliver(said(0))


def test_what_may_be_lost_is_kept_within_bounds(mailbox: Mailbox) -> None:
    for number in range(MAX_MESSAGES + 10):
        mailbox.deliver(said(number))

    with pytest.raises(ResumeExpired):
        reconnect(mailbox, received=9)
    assert reconnect(mailbox, received=10) == [
        said(number) for number in range(10, MAX_MESSAGES + 10)
    ]


def test_what_is_kept_is_bounded_in_bytes_too(mailbox: Mailbox) -> None:
    for _ in range(3):
        mailbox.deliver(RelayedOffer("pc", raw("x" * (MAX_SIZE // 2 - 2))))

    with pytest.raises(ResumeExpired):
        reconnect(mailbox, received=0)
    assert len(reconnect(mailbox, received=1)) == 2


def test_an_error_that_repeats_a_long_name_is_not_kept_for_nothing(mailbox: Mailbox) -> None:
    for _ in range(9):
        mailbox.deliver(Error("peer_not_found", "There is none.", "x" * 60_000))

    with pytest.raises(ResumeExpired):
        reconnect(mailbox, received=0)
    assert len(reconnect(mailbox, received=1)) == 8


def test_what_the_network_lost_is_missed_by_who_does_not_count(
    mailbox: Mailbox, client: PlainClient
) -> None:
    for number in range(3):
        mailbox.deliver(said(number))
    client.lost = 2
    mailbox.disconnect()
    mailbox.deliver(said(3))

    assert reconnect(mailbox) == [said(1), said(2), said(3)]


def test_who_counts_knows_better_than_the_network(mailbox: Mailbox, client: PlainClient) -> None:
    mailbox.deliver(said(0))
    client.lost = 1

    assert reconnect(mailbox, received=1) == []


def test_an_answered_ping_frees_what_was_sent_before_it(mailbox: Mailbox) -> None:
    mailbox.deliver(said(0))
    mark = mailbox.mark()
    mailbox.deliver(said(1))

    mailbox.arrived(mark)

    with pytest.raises(ResumeExpired):
        reconnect(mailbox, received=0)
    assert reconnect(mailbox, received=1) == [said(1)]


def test_an_answer_that_comes_late_frees_nothing_of_what_was_promised_since(
    mailbox: Mailbox, client: PlainClient
) -> None:
    for number in range(3):
        mailbox.deliver(said(number))
    mark = mailbox.mark()
    again = Mailbox(client, "phone", "t1")  # it has registered again
    again.deliver(said(3))

    again.arrived(mark)

    assert reconnect(again, received=0) == [said(3)]


@pytest.mark.parametrize("mark", [b"", b"x", b"-1", b"9" * 125, b"\xff", "²".encode(), b"1.5"])
def test_a_pong_of_any_kind_does_no_harm(mailbox: Mailbox, mark: bytes) -> None:
    mailbox.deliver(said(0))

    mailbox.arrived(mark)
    mailbox.arrived(b"t0 " + mark)

    assert reconnect(mailbox, received=0) == [said(0)]


def test_a_pong_that_claims_too_much_loses_the_client_its_own_messages_only(
    mailbox: Mailbox, client: PlainClient
) -> None:
    mailbox.deliver(said(0))

    mailbox.arrived(b"1000")
    mailbox.deliver(said(1))

    assert reconnect(mailbox, received=1) == [said(1)]


def test_who_counts_more_than_was_sent_is_told(mailbox: Mailbox) -> None:
    mailbox.deliver(said(0))

    with pytest.raises(InvalidMessage, match="more than the 1 that were sent"):
        reconnect(mailbox, received=2)


def test_of_a_node_that_is_gone_nobody_knows_what_the_client_got() -> None:
    adopted = Mailbox.of(None, PlainClient(), "phone", "t0")
    adopted.deliver(said(0))
    handed_on = Mailbox.of(adopted.kept(), PlainClient(), "phone", "t0")

    assert reconnect(adopted, received=7) == [said(0)]
    assert reconnect(handed_on, received=7) == [said(0)]
    handed_on.deliver(said(1))
    with pytest.raises(InvalidMessage, match="more than the 1 that were sent"):
        handed_on.reconnect(PlainClient(), "t", 2)


def test_the_connection_before_is_given_back_and_hears_no_more(
    mailbox: Mailbox, client: PlainClient
) -> None:
    other = PlainClient()

    before, _ = mailbox.reconnect(other, "t1", None)
    mailbox.deliver(said(0))
    mailbox.close(4409, "reason")

    assert before is client
    assert client.hear() == []
    assert other.hear() == [said(0)]
    assert (client.closed, other.closed) == (None, (4409, "reason"))
    assert mailbox.token == "t1"


def test_the_connection_hears_until_when_it_may_stay(mailbox: Mailbox, client: PlainClient) -> None:
    mailbox.admit(5.0)

    assert client.expires_at == 5.0


@pytest.mark.parametrize("alive", [True, False])
def test_the_connection_is_asked_whether_it_is_alive(
    mailbox: Mailbox, client: PlainClient, alive: bool
) -> None:
    client.alive = alive
    answers: list[bool] = []

    mailbox.ask_if_alive(answers.append)

    assert answers == [alive]


@given(st.lists(st.sampled_from(["say", "lose", "break", "ping", "resume"])))
def test_who_counts_gets_everything_once_and_in_order(events: list[str]) -> None:
    client, got = PlainClient(), []
    mailbox = Mailbox(client, "phone", "t")
    number = received = 0
    for event in [*events, "resume"]:
        if event in ("say", "lose"):
            mailbox.deliver(said(number))
            number += 1
        if event == "say" and mailbox.is_connected and not client.closed:
            heard = client.hear()
            received += len(heard)
            got += heard
        elif event == "lose":
            client.closed = (1006, "")  # and whatever is sent from now on is lost
        elif event == "break":
            mailbox.disconnect()
        elif event == "ping" and not client.closed:
            heard = client.hear()
            received += len(heard)
            got += heard
            mailbox.arrived(mailbox.mark())
        elif event == "resume":
            client = PlainClient()
            _, missed = mailbox.reconnect(client, "t", received)
            received = 0
            for message in missed:
                mailbox.deliver(message)
            heard = client.hear()
            received += len(heard)
            got += heard

    assert got == [said(each) for each in range(number)]
