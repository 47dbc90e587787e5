from plain import NOW_NS, raw

from twisted_signal.claim import MAX_MESSAGES, MAX_SIZE, Claim
from twisted_signal.messages import Leave, Message, Register


def test_a_claim_is_for_one_id_in_one_room() -> None:
    claim = Claim(Register("pc", "lab1"), "pc", None, NOW_NS)

    assert claim.is_for("lab1", "pc")
    assert not claim.is_for("lab1", "phone")
    assert not claim.is_for("lab2", "pc")


def test_what_is_said_meanwhile_is_held_in_order_and_taken_once() -> None:
    claim = Claim(Register("pc"), "pc", None, NOW_NS)
    claim.wait(None, None)
    said = [Message(raw(str(number))) for number in range(3)]

    assert all(claim.hold(message) for message in said)

    assert claim.take() == said
    assert claim.take() == []


def test_no_more_is_held_than_a_bound() -> None:
    by_count, by_size = (
        Claim(Register("pc"), "pc", None, NOW_NS),
        Claim(Register("pc"), "pc", None, NOW_NS),
    )
    by_count.wait(None, None)
    by_size.wait(None, None)

    assert [by_count.hold(Leave()) for _ in range(MAX_MESSAGES + 1)].count(True) == MAX_MESSAGES
    assert by_size.hold(Message(raw("x" * (MAX_SIZE - 2))))
    assert not by_size.hold(Message(raw("1")))


def test_a_claim_for_another_id_holds_on_what_was_held() -> None:
    before = Claim(Register("pc"), "pc", None, NOW_NS)
    before.wait(None, None)
    before.hold(Leave())
    claim = Claim(Register("pc2"), "pc2", 5.0, NOW_NS)

    claim.wait(before, None)

    assert claim.take() == [Leave()]
    assert claim.expires_at == 5.0
