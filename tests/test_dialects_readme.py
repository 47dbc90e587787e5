import sys
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain import plain

from twisted_signal.dialects.readme import ReadmeDialect
from twisted_signal.errors import InvalidJson, InvalidMessage, SignalError, UnknownType
from twisted_signal.messages import (
    MAX_REST,
    ClientMessage,
    Error,
    IceCandidate,
    Leave,
    Message,
    Offer,
    PeerJoined,
    PeerLeft,
    Register,
    Registered,
    RelayedOffer,
)

README = ReadmeDialect()


def decode(data: bytes) -> ClientMessage:
    return README.decode(data, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"type":"register","client_id":"a"}', Register("a", "default", "unknown")),
        (
            b'{"client_type":"pc","room_id":"r","client_id":"a","type":"register","extra":[1]}',
            Register("a", "r", "pc"),
        ),
        (b'{"type":"offer","target_id":"b","sdp":"v=0"}', Offer(msgspec.Raw(b'"v=0"'), "b")),
        (
            b' {"target_id":"b","candidate": null ,"type":"ice_candidate"} ',
            IceCandidate(msgspec.Raw(b"null"), "b"),
        ),
    ],
)
def test_documented_messages_are_understood(data: bytes, message: ClientMessage) -> None:
    assert decode(data) == message


@pytest.mark.parametrize("relayed", [b'"x"', b'"%s"' % (b"x" * 5000)])
@pytest.mark.parametrize("rest", [100, 1000, 50_000])
def test_of_a_frame_no_more_is_kept_than_what_is_relayed_of_it(relayed: bytes, rest: int) -> None:
    data = b'{"type":"message","data":%s,"more":"%s"}' % (relayed, b"y" * rest)
    unheld = sys.getrefcount(data)

    message = decode(data)

    assert message == Message(msgspec.Raw(relayed))
    assert sys.getrefcount(data) <= unheld + (rest < MAX_REST)


def test_a_long_message_of_which_nothing_is_relayed_is_understood_too() -> None:
    assert decode(b'{"type":"leave"%s}' % (b" " * 5000)) == Leave()


@pytest.mark.parametrize(
    "value",
    [
        b'"v=0\\r\\n\\u00e9\\/"',
        b'{ "type" : "offer", "sdp": "x" }',
        b"1e999",
        b"9" * 5000,
        b"[1, 2,\n3]",
        b"false",
        b'"\xf0\x9f\x93\xb1"',
    ],
)
def test_what_is_for_the_peer_is_kept_byte_for_byte(value: bytes) -> None:
    message = decode(b'{"type":"offer","target_id":"b","sdp":' + value + b"}")

    assert isinstance(message, Offer)
    assert README.encode(message.relayed("a")) == (
        b'{"type":"offer","sender_id":"a","sdp":' + value + b"}"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"hello",
        b'{"type":"offer"',
        b'{"type":"offer","target_id":"b","sdp":nope}',
        b'{"type":"offer","target_id":"b","sdp":01}',
        b'{"type":"offer","target_id":"b","sdp":"\\q"}',
        b'{"type":"offer","target_id":"b","sdp":"a\nb"}',
        b'{"type":"offer","target_id":"b","sdp":1} and more',
        b'{"type":"offer","target_id":"b","sdp":NaN}',
        b"{'type':'offer'}",
        b'{"type":5, nonsense}',
        b'\xef\xbb\xbf{"type":"register","client_id":"a"}',
        b'{"type":"register","client_id":"\\ud800"}',
        b'{"type":"register","client_id":"\xff"}',
        b'{"type":"offer","target_id":"b","sdp":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"unknown":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b',"type":"offer"}',
        b"[" * 60_000,
    ],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidJson) as caught:
        decode(data)

    assert caught.value.target_id is None
    assert "JSON" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "field", "target_id"),
    [
        (b"[1]", "JSON object", None),
        (b"5", "JSON object", None),
        (b'"register"', "JSON object", None),
        (b"null", "JSON object", None),
        (b"{}", "`type` is missing", None),
        (b'{"target_id":"b","sdp":1}', "`type` is missing", "b"),
        (b'{"type":null}', "`type`", None),
        (b'{"type":5,"target_id":"b"}', "`type`", "b"),
        (b'{"type":"register"}', "`client_id` is missing", None),
        (b'{"type":"register","client_id":null}', "`client_id` is missing", None),
        (b'{"type":"register","client_id":""}', "`client_id` must be a string of 1 to 128", None),
        (b'{"type":"register","client_id":7}', "`client_id` must be a string", None),
        (b'{"type":"register","client_id":"a\\n"}', "`client_id` must be", None),
        (b'{"type":"register","client_id":"a","room_id":""}', "`room_id` must be", None),
        (b'{"type":"register","client_id":"a","room_id":null}', "`room_id` must be", None),
        (b'{"type":"register","client_id":"a","client_type":[]}', "`client_type` must be", None),
        (b'{"type":"offer","sdp":"v=0"}', "`target_id` is missing", None),
        (b'{"type":"answer","sdp":"v=0","target_id":null}', "`target_id` is missing", None),
        (b'{"type":"offer","target_id":"b"}', "`sdp` is missing", "b"),
        (b'{"type":"ice_candidate","target_id":"b"}', "`candidate` is missing", "b"),
        (
            b'{"type":"offer","target_id":5,"sdp":1}',
            "`target_id` is wrong: Expected `str`, got `int`",
            None,
        ),
        (b'{"type":"offer","target_id":{"a":1},"sdp":1}', "`target_id` is wrong", None),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wrong(
    data: bytes, field: str, target_id: str | None
) -> None:
    with pytest.raises(InvalidMessage) as caught:
        decode(data)

    assert field in str(caught.value)
    assert caught.value.target_id == target_id


@pytest.mark.parametrize(
    "type_", ["bye", "registered", "peer_joined", "error", "connect", "", "x\n"]
)
def test_an_unknown_type_is_named_with_the_known_ones(type_: str) -> None:
    with pytest.raises(UnknownType) as caught:
        decode(msgspec.json.encode({"type": type_, "target_id": "b"}))

    assert "register, offer, answer, ice_candidate" in str(caught.value)
    assert str(caught.value).isprintable()
    assert caught.value.target_id == "b"


def test_half_of_a_surrogate_pair_is_named_as_what_may_be_wrong() -> None:
    with pytest.raises(InvalidJson, match="surrogate"):
        decode(b'{"type":"offer","target_id":"b","sdp":"\\ud800"}')


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_message_or_an_error_of_ours(data: bytes) -> None:
    with suppress(SignalError):  # anything else is a failure
        decode(data)


json_objects: st.SearchStrategy[dict[str, object]] = st.dictionaries(
    st.sampled_from(
        ["type", "client_id", "room_id", "client_type", "target_id", "sdp", "candidate"]
    )
    | st.text(max_size=3),
    st.sampled_from(["register", "offer", "answer", "ice_candidate", "a", "", None, 1, [], {}])
    | st.text(max_size=3),
)


@given(json_objects)
def test_any_object_is_a_message_or_an_error_of_ours(value: dict[str, object]) -> None:
    with suppress(InvalidMessage, UnknownType):  # anything else is a failure
        decode(msgspec.json.encode(value))


@pytest.mark.parametrize(
    "message",
    [
        Registered("a", "r", ["b"]),
        PeerJoined("a", "pc"),
        RelayedOffer("a", msgspec.Raw(b"1")),
        Error("unknown_type", "What?"),
    ],
)
def test_all_that_the_server_says_is_said_as_it_is(
    message: Registered | PeerJoined | RelayedOffer | Error,
) -> None:
    assert msgspec.json.decode(README.encode(message)) == plain(message)


def test_what_is_said_to_many_is_encoded_once() -> None:
    dialect = ReadmeDialect()
    message = PeerLeft("phone1")

    first = dialect.encode(message)

    assert dialect.encode(message) is first
    assert dialect.encode(PeerLeft("phone2")) == b'{"type":"peer_left","client_id":"phone2"}'
