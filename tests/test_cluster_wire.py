"""What nodes say to each other, as it stands on the channel."""

import msgspec
import pytest
from plain import raw

from twisted_signal.cluster import wire
from twisted_signal.mailbox import Kept
from twisted_signal.messages import IceCandidate, Offer, PeerJoined, Registered, RelayedOffer

RECORD = wire.Record(3, "b", "b.1", "x", "pc", 1_795_417_440_399, "")
STATE = wire.PlaceState(
    Kept(3, 1, [RelayedOffer("y", raw({"type": "offer"}))], [PeerJoined("z", "pc")]),
    12.5,
    "y",
    [Offer(raw(1)), IceCandidate(raw(2))],
    {"c.1": "z"},
)


@pytest.mark.parametrize(
    "item",
    [
        wire.Joined("lab", RECORD),
        wire.Left("lab", "x", "b.1", "left"),
        wire.Entered("lab", RECORD, None),
        wire.Entered("lab", RECORD, [RECORD]),
        wire.Changed("lab", RECORD),
        wire.Moved("lab", RECORD),
        wire.Handed("lab", RECORD, STATE, [RECORD]),
        wire.Adopted("lab", RECORD, [RECORD]),
        wire.Restored("lab", [RECORD], ["a.1"]),
        wire.Reaped(),
        wire.Inventory({"b.1": ("lab", "x")}),
        wire.From("a", 1_795_417_440_399_364),
        wire.Say(["b.1", "b.2"], RelayedOffer("x", raw({"sdp": "…"}))),
        wire.Undelivered("lab", "x", "peer_not_found", "There is none.", None),
        wire.Question("a", 1, "alive", "b.1"),
        wire.Answer(1, None),
    ],
    ids=lambda item: type(item).__name__,
)
def test_what_is_said_is_heard(item: wire.Item) -> None:
    assert wire.read(wire.encode([item])) == [item]


@pytest.mark.parametrize("payload", [b"", b"{}", b"[[]]", b'[["shout"]]', b'[["joined",1]]'])
def test_what_is_nothing_of_that_is_refused(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        wire.read(payload)


def test_a_record_is_read_as_a_script_writes_it() -> None:
    written = b'[3,"b","b.1","x","pc",1795417440399,""]'
    assert wire.read_record(written) == RECORD


def test_all_that_a_mailbox_keeps_can_be_handed_over() -> None:
    state = wire.PlaceState(Kept(1, 0, [Registered("x", "lab", [])], []))
    assert msgspec.json.decode(wire.encode(state), type=wire.PlaceState) == state
