"""A server by itself answers at once, and for itself."""

from plain import party, registered

from twisted_signal.cluster.local import LocalCluster
from twisted_signal.messages import Register, Resume
from twisted_signal.registry import DuplicateId, Registry


def test_there_are_no_others() -> None:
    cluster = LocalCluster(Registry())
    answers: list[bytes | None] = []
    cluster.ask("b", b"?", answers.append)
    assert (cluster.name, cluster.others(), cluster.answer, answers) == ("", (), None, [None])


def test_no_place_outlives_it() -> None:
    registry = Registry()
    member = registered(registry, "x").session.member
    assert member is not None
    cluster = LocalCluster(registry)
    cluster.change(member)
    cluster.leave(member)
    assert not cluster.shelters(member)
    assert registry.holder("default", "x") is member


def test_an_id_is_free_or_taken_at_once() -> None:
    registry = Registry(duplicate_id=DuplicateId.REJECT)
    registered(registry, "x")
    other = party(registry)
    other.say(Register("x"))
    assert other.hear_error().code == "id_taken"
    other.say(Resume("f" * 48))
    assert other.hear_error().code == "resume_expired"
