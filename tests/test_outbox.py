from twisted_signal.outbox import Outbox


class Sender:
    def __init__(self, name: str, flushed: list[str]) -> None:
        self.name = name
        self._flushed = flushed

    def flush(self) -> None:
        self._flushed.append(self.name)


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
