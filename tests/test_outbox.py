from twisted.internet.task import Clock

from twisted_signal.outbox import FEW, PATIENCE, Outbox


class Sender:
    def __init__(self, name: str, flushed: list[str]) -> None:
        self.name = name
        self._flushed = flushed

    def flush(self) -> None:
        self._flushed.append(self.name)


def test_an_outbox_knows_when_its_gathering_began() -> None:
    times = iter((7, 8))
    outbox = Outbox()
    outbox.clock = lambda: next(times)

    with outbox:
        assert [outbox.now_ns, outbox.now_ns] == [7, 7]
    with outbox:
        assert outbox.now_ns == 8


def test_a_closed_outbox_lets_send_at_once() -> None:
    flushed: list[str] = []

    Outbox().add(Sender("a", flushed))

    assert flushed == ["a"]


def test_an_open_outbox_lets_send_when_it_closes_in_order_and_once() -> None:
    flushed: list[str] = []
    outbox = Outbox()
    outbox.open = True
    for name in ("b", "a", "c"):
        outbox.add(Sender(name, flushed))
    assert flushed == []

    outbox.close()
    assert flushed == ["b", "a", "c"]
    outbox.close()
    assert flushed == ["b", "a", "c"]


def test_after_it_closed_things_go_out_at_once_again() -> None:
    flushed: list[str] = []
    outbox = Outbox()
    outbox.open = True
    outbox.close()

    outbox.add(Sender("a", flushed))

    assert flushed == ["a"]


def test_who_has_something_to_send_because_another_sent_goes_out_too() -> None:
    flushed: list[str] = []
    outbox = Outbox()

    class Chain(Sender):
        def flush(self) -> None:
            super().flush()
            outbox.add(Sender("because of " + self.name, flushed))

    outbox.open = True
    outbox.add(Chain("a", flushed))
    outbox.add(Sender("b", flushed))
    outbox.close()

    assert sorted(flushed) == ["a", "b", "because of a"]


def outbox_with_many_in_no_hurry(flushed: list[str]) -> tuple[Outbox, Clock]:
    outbox, clock = Outbox(), Clock()
    outbox.call_later = clock.callLater
    outbox.open = True
    for number in range(FEW + 1):
        outbox.add_later(Sender(f"later {number}", flushed))
    outbox.close()
    return outbox, clock


def test_a_closed_outbox_lets_those_in_no_hurry_send_at_once_too() -> None:
    flushed: list[str] = []

    Outbox().add_later(Sender("a", flushed))

    assert flushed == ["a"]


def test_a_few_in_no_hurry_send_when_it_closes_after_the_others() -> None:
    flushed: list[str] = []
    outbox, clock = Outbox(), Clock()
    outbox.call_later = clock.callLater
    outbox.open = True
    for number in range(FEW):
        outbox.add_later(Sender(f"later {number}", flushed))
    outbox.add(Sender("due", flushed))

    outbox.close()

    assert flushed == ["due", *(f"later {number}" for number in range(FEW))]
    assert clock.getDelayedCalls() == []


def test_many_in_no_hurry_wait_together_and_for_no_longer_than_they_should() -> None:
    flushed: list[str] = []
    outbox, clock = outbox_with_many_in_no_hurry(flushed)
    assert flushed == []
    clock.advance(PATIENCE * 0.9)
    outbox.open = True
    outbox.add_later(Sender("last", flushed))
    outbox.add(Sender("due", flushed))
    outbox.close()
    assert flushed == ["due"]

    clock.advance(PATIENCE * 0.1)

    assert flushed == ["due", *(f"later {number}" for number in range(FEW + 1)), "last"]
    assert clock.getDelayedCalls() == []


def test_those_who_waited_once_can_wait_again() -> None:
    flushed: list[str] = []
    outbox, clock = outbox_with_many_in_no_hurry(flushed)
    clock.advance(PATIENCE)
    flushed.clear()
    outbox.open = True
    outbox.add_later(Sender("a", flushed))

    outbox.close()

    assert flushed == ["a"]


def test_where_nothing_can_be_called_later_nobody_waits() -> None:
    flushed: list[str] = []
    outbox = Outbox()
    outbox.open = True
    for number in range(FEW + 1):
        outbox.add_later(Sender(f"{number}", flushed))

    outbox.close()

    assert len(flushed) == FEW + 1
