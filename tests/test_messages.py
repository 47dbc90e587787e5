import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from plain import plain, raw

from twisted_signal.messages import (
    NAME_LENGTH,
    Answer,
    Error,
    IceCandidate,
    Leave,
    Message,
    Offer,
    PeerDescription,
    PeerJoined,
    PeerLeft,
    Peers,
    Register,
    Registered,
    Relay,
    payload_size,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@pytest.mark.parametrize("name", ["x" * NAME_LENGTH, "with space", "ü", " ", '"', "\u2028"])
def test_a_name_may_be_any_short_text(name: str) -> None:
    assert msgspec.convert({"type": "register", "client_id": name}, Register).client_id == name


@pytest.mark.parametrize(
    "name", ["", "x" * (NAME_LENGTH + 1), "a\nb", "a\n", "\x00", "\x7f", "\x9b", 5, ["a"]]
)
@pytest.mark.parametrize("field", ["client_id", "room_id", "client_type"])
def test_a_name_has_a_length_and_no_control_characters(field: str, name: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "register", field: name}, Register)


def test_registering_needs_no_more_than_an_id() -> None:
    message = msgspec.convert({"type": "register", "client_id": "a"}, Register)

    assert (message.room_id, message.client_type) == ("default", "unknown")


@pytest.mark.parametrize(
    ("message", "relayed"),
    [
        (Offer(raw("v=0"), "b"), {"type": "offer", "sender_id": "a", "sdp": "v=0"}),
        (Answer(raw({"k": 1}), "b"), {"type": "answer", "sender_id": "a", "sdp": {"k": 1}}),
        (
            IceCandidate(raw(None), "b"),
            {"type": "ice_candidate", "sender_id": "a", "candidate": None},
        ),
    ],
)
def test_a_relayed_message_names_its_sender_and_not_its_target(
    message: Relay, relayed: object
) -> None:
    assert plain(message.relayed("a")) == relayed


@given(json_values)
def test_what_a_peer_says_arrives_byte_for_byte(value: object) -> None:
    written = msgspec.json.format(msgspec.json.encode(value), indent=1)

    encoded = msgspec.json.encode(Offer(Raw(written), "b").relayed("a"))

    assert encoded == b'{"type":"offer","sender_id":"a","sdp":' + written + b"}"


def test_the_size_of_a_message_is_that_of_its_json() -> None:
    for message in (Offer(raw("é")), Answer(raw("é")), IceCandidate(raw("é")), Message(raw("é"))):
        assert payload_size(message) == len(b'"\xc3\xa9"')
        assert payload_size(message.relayed("a")) == len(b'"\xc3\xa9"')
    assert payload_size(PeerLeft("a")) == 0


def test_what_else_clients_choose_of_a_message_counts_too() -> None:
    assert payload_size(Offer(raw("é"), "x" * 50)) == 54
    assert payload_size(Leave()) == payload_size(Error("c", "m")) == 0
    assert payload_size(Error("c", "m", "x" * 50)) == 50
    assert payload_size(Peers("r", [PeerDescription("ab", "pc"), PeerDescription("c", "")])) == 5


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (
            Registered("a", "r", ["b", "c"]),
            b'{"type":"registered","client_id":"a","room_id":"r","peers":["b","c"]}',
        ),
        (PeerJoined("a", "pc"), b'{"type":"peer_joined","client_id":"a","client_type":"pc"}'),
        (PeerLeft("a"), b'{"type":"peer_left","client_id":"a"}'),
        (Error("c", "m"), b'{"type":"error","code":"c","message":"m"}'),
        (Error("c", "m", ""), b'{"type":"error","code":"c","message":"m","target_id":""}'),
    ],
)
def test_the_servers_messages_have_exactly_their_fields(
    message: Registered | PeerJoined | PeerLeft | Error, wire: bytes
) -> None:
    assert msgspec.json.encode(message) == wire
