"""A client of another node, as rooms and sessions see it."""

import pytest
from plain import raw

from twisted_signal.cluster.neighbours import Neighbours
from twisted_signal.cluster.remote import MAX_MESSAGES, RemoteClient
from twisted_signal.errors import NodeUnreachable, PeerNotFound, PeerUnreachable
from twisted_signal.messages import PeerLeft, RelayedMessage
from twisted_signal.outbox import Outbox

HI = RelayedMessage("x", raw("hi"))


def remote() -> RemoteClient:
    """Return a client of node b, to which there is no way."""
    neighbours = Neighbours("a", Outbox(), lambda say: None)
    return RemoteClient(neighbours.of("b"), "b.1", "y", lambda client, answered: answered(True))  # noqa: FBT003 - as a Probe has it


def test_who_comes_and_goes_its_own_node_tells() -> None:
    remote().deliver(PeerLeft("z"))  # and does not raise


def test_without_a_way_a_sender_hears_at_once() -> None:
    with pytest.raises(NodeUnreachable, match="y"):
        remote().deliver(HI)


def test_what_is_held_waits_until_all_have_let_go() -> None:
    client = remote()
    client.hold()
    client.hold()
    client.deliver(HI)
    assert client.release() == []
    assert client.release() == [HI]
    with pytest.raises(NodeUnreachable):
        client.deliver(HI)


def test_no_more_is_held_than_may_be() -> None:
    client = remote()
    client.hold()
    for _ in range(MAX_MESSAGES):
        client.deliver(HI)
    with pytest.raises(PeerUnreachable):
        client.deliver(HI)
    assert len(client.take_held()) == MAX_MESSAGES
    assert client.take_held() == []


def test_nothing_is_held_that_need_not_be() -> None:
    assert remote().take_held() == []


def test_it_is_shown_by_its_id_and_its_node() -> None:
    client = remote()
    assert client.log_fields() == {"client": "y", "node": "b"}
    assert client.address == "b"


def test_what_its_own_node_does_is_not_done_here() -> None:
    client = remote()
    answers: list[bool] = []
    client.close(1000, "")
    client.admit(None)
    client.refuse(PeerNotFound("x"))
    client.ask_if_alive(answers.append)
    assert client.lost_of([HI]) == 0
    assert answers == [True]
