import sys
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from plain import plain, raw

from twisted_signal.dialects.android import AndroidDialect, recognises
from twisted_signal.dialects.base import OpeningRequest
from twisted_signal.errors import InvalidMessage, SignalError, UnknownType
from twisted_signal.messages import (
    Answer,
    Arrival,
    ClientReport,
    Error,
    IceCandidate,
    Offer,
    PeerJoined,
    PeerLeft,
    Register,
    Registered,
    RelayedAnswer,
    RelayedIceCandidate,
    RelayedOffer,
)

NOW_NS = 1_795_417_440_399_364_306


def dialect(**query: str) -> AndroidDialect:
    return AndroidDialect(OpeningRequest("/signaling", query))


def read(data: bytes) -> object:
    """Return a flat message as others would see it."""
    return plain(dialect().decode(data, NOW_NS))


def say(message: RelayedOffer | RelayedAnswer | RelayedIceCandidate) -> object:
    """Return a message as the app would see it, or None."""
    encoded = dialect().encode(message)
    return None if encoded is None else msgspec.json.decode(encoded)


# From the app


def test_a_flat_offer_becomes_a_session_description() -> None:
    assert read(b'{"type":"offer","sdp":"v=0"}') == {
        "type": "offer",
        "target_id": None,
        "sdp": {"type": "offer", "sdp": "v=0"},
    }


def test_a_flat_answer_becomes_a_session_description() -> None:
    assert read(b'{"type":"answer","sdp":"v=0"}') == {
        "type": "answer",
        "target_id": None,
        "sdp": {"type": "answer", "sdp": "v=0"},
    }


def test_the_sdp_text_is_kept_byte_for_byte() -> None:
    # The app's JSON library writes a solidus with a backslash before it.
    text = b'"a=rtpmap:96 VP8\\/90000\\r\\n\xc3\xa9"'

    message = dialect().decode(b'{"type":"offer","sdp":' + text + b"}", NOW_NS)

    assert text in msgspec.json.encode(message)


def test_a_flat_candidate_becomes_an_ice_candidate_init() -> None:
    data = b'{"type":"ice_candidate","candidate":"candidate:1","sdpMid":"1","sdpMLineIndex":1}'

    assert read(data) == {
        "type": "ice_candidate",
        "target_id": None,
        "candidate": {"candidate": "candidate:1", "sdpMid": "1", "sdpMLineIndex": 1},
    }


@pytest.mark.parametrize(
    ("said", "mid", "index"),
    [
        (b"", "0", 0),
        (b',"sdpMid":"1"', "1", 1),
        (b',"sdpMid":"video"', "video", 0),
        (b',"sdpMid":"99999999999999999999999"', "99999999999999999999999", 0),
        (b',"sdpMLineIndex":2', "2", 2),
        (b',"sdpMid":null,"sdpMLineIndex":null', "0", 0),
    ],
)
def test_a_media_section_that_is_named_in_part_is_named_in_full(
    said: bytes, mid: str, index: int
) -> None:
    message = read(b'{"type":"ice_candidate","candidate":"candidate:1"' + said + b"}")

    assert isinstance(message, dict)
    assert message["candidate"] == {
        "candidate": "candidate:1",
        "sdpMid": mid,
        "sdpMLineIndex": index,
    }


def test_the_design_documents_spelling_of_a_candidate_is_understood() -> None:
    assert read(b'{"type":"candidate","candidate":"candidate:1"}') == {
        "type": "ice_candidate",
        "target_id": None,
        "candidate": {"candidate": "candidate:1", "sdpMid": "0", "sdpMLineIndex": 0},
    }


def test_what_the_app_reports_is_a_report() -> None:
    message = dialect().decode(b'{"type":"error","message":"no camera"}', NOW_NS)

    assert message == ClientReport("no camera")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b'{"type":"offer"}', "`sdp` is missing"),
        (b'{"type":"offer","sdp":{"sdp":"v=0"}}', "`sdp` must be"),
        (b'{"type":"answer","sdp":5}', "`sdp` must be"),
        (b'{"type":"ice_candidate","candidate":null}', "`candidate` must be"),
        (b'{"type":"ice_candidate","candidate":"c","sdpMid":0}', "`sdpMid` is wrong"),
        (b'{"type":"ice_candidate","candidate":"c","sdpMLineIndex":"0"}', "`sdpMLineIndex` is"),
        (
            b'{"type":"ice_candidate","candidate":"c","sdpMLineIndex":' + b"9" * 5000 + b"}",
            "`sdpMLineIndex` is",
        ),
        (b'{"type":"candidate","candidate":5}', "`candidate` must be"),
        (b'{"type":"connect","client_id":""}', "`client_id` must be"),
        (b'{"type":"connect","client_type":"\\u0000"}', "`client_type` must be"),
        (b'{"type":"error"}', "`message` is missing"),
        (b'{"sdp":"v=0"}', "`type` is missing"),
    ],
)
def test_a_wrong_field_is_named(data: bytes, field: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        dialect().decode(data, NOW_NS)

    assert field in str(caught.value)


def test_a_type_that_the_app_does_not_know_is_unknown() -> None:
    with pytest.raises(UnknownType):
        dialect().decode(b'{"type":"leave"}', NOW_NS)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_message_or_an_error_of_ours(data: bytes) -> None:
    with suppress(SignalError):  # anything else is a failure
        dialect().decode(data, NOW_NS)


@pytest.mark.parametrize(
    ("data", "flat"),
    [
        (b'{"type":"offer","sdp":"v=0"}', True),
        (b'{"type":"connect"}', True),
        (b'{"type":"error","message":"x"}', True),
        (b'{"type":"offer","sdp":{"type":"offer","sdp":"v=0"}}', False),
        (b'{"type":"register","client_id":"a"}', False),
        (b"nonsense", False),
    ],
)
def test_flat_shapes_are_recognised(data: bytes, flat: bool) -> None:
    assert recognises(data) is flat


# To the app


@pytest.mark.parametrize(
    "sdp",
    [
        b'{"type":"offer","sdp":"v=0\\r\\n"}',
        b'{"sdp":"v=0\\r\\n"}',
        b'"v=0\\r\\n"',
        b' { "extra": [1], "sdp" : "v=0\\r\\n" } ',
    ],
)
def test_an_sdp_reaches_the_app_as_text(sdp: bytes) -> None:
    assert say(RelayedOffer("pc", Raw(sdp.strip()))) == {"type": "offer", "sdp": "v=0\r\n"}
    assert say(RelayedAnswer("pc", Raw(sdp.strip()))) == {"type": "answer", "sdp": "v=0\r\n"}


def test_an_sdp_reaches_the_app_byte_for_byte() -> None:
    encoded = dialect().encode(RelayedOffer("pc", Raw(b'{"sdp":"VP8\\/90000"}')))

    assert encoded == b'{"type":"offer","sdp":"VP8\\/90000"}'


@pytest.mark.parametrize("sdp", [b"5", b"null", b"{}", b'{"sdp":5}', b'{"sdp":null}', b'["v=0"]'])
def test_an_sdp_that_the_app_could_not_read_is_refused(sdp: bytes) -> None:
    with pytest.raises(InvalidMessage) as caught:
        say(RelayedOffer("pc", Raw(sdp)))

    assert "`sdp` must be" in str(caught.value)


@pytest.mark.parametrize(
    ("candidate", "mid", "index"),
    [
        ({"candidate": "c", "sdpMid": "1", "sdpMLineIndex": 1}, "1", 1),
        ({"candidate": "c", "sdpMid": "video"}, "video", 0),
        ({"candidate": "c", "sdpMLineIndex": 1, "usernameFragment": "x"}, "1", 1),
        ({"candidate": "c", "sdpMid": None, "sdpMLineIndex": None}, "0", 0),
        ("c", "0", 0),
    ],
)
def test_a_candidate_reaches_the_app_with_all_that_it_needs(
    candidate: object, mid: str, index: int
) -> None:
    assert say(RelayedIceCandidate("pc", raw(candidate))) == {
        "type": "ice_candidate",
        "candidate": "c",
        "sdpMid": mid,
        "sdpMLineIndex": index,
    }


@pytest.mark.parametrize("end", [None, "", {"candidate": "", "sdpMid": "0", "sdpMLineIndex": 0}])
def test_the_end_of_candidates_is_nothing_to_the_app(end: object) -> None:
    assert say(RelayedIceCandidate("pc", raw(end))) is None


@pytest.mark.parametrize("candidate", [5, {}, {"candidate": None}, {"candidate": "c", "sdpMid": 1}])
def test_a_candidate_that_the_app_could_not_read_is_refused(candidate: object) -> None:
    with pytest.raises(InvalidMessage) as caught:
        say(RelayedIceCandidate("pc", raw(candidate)))

    assert "`candidate` must be" in str(caught.value)


@pytest.mark.parametrize("relayed", [RelayedOffer, RelayedIceCandidate])
def test_nesting_that_is_too_deep_for_a_second_look_is_refused(
    relayed: type[RelayedOffer] | type[RelayedIceCandidate],
) -> None:
    deep = Raw(b'{"a":' * sys.getrecursionlimit() * 20 + b"1" + b"}" * sys.getrecursionlimit() * 20)

    with pytest.raises(InvalidMessage):
        say(relayed("pc", deep))


@pytest.mark.parametrize(
    "message", [PeerJoined("pc", "pc"), PeerLeft("pc"), Registered("a", "r", [])]
)
def test_the_app_hears_nothing_of_rooms(message: PeerJoined | PeerLeft | Registered) -> None:
    assert dialect().encode(message) is None


def test_an_error_reaches_the_app_with_its_message_alone() -> None:
    encoded = dialect().encode(Error("peer_not_found", "Nobody is there.", "pc"))

    assert encoded == b'{"type":"error","message":"Nobody is there."}'


@pytest.mark.parametrize("type_", ["offer", "answer"])
def test_between_two_apps_an_sdp_arrives_byte_for_byte(type_: str) -> None:
    said = b'{"type":"' + type_.encode() + b'","sdp":"v=0\\/"}'

    message = dialect().decode(said, NOW_NS)

    assert isinstance(message, Offer | Answer | IceCandidate)
    assert dialect().encode(message.relayed("phone")) == said


def test_between_two_apps_a_candidate_arrives_byte_for_byte() -> None:
    said = b'{"type":"ice_candidate","candidate":"c\\/","sdpMid":"1","sdpMLineIndex":1}'

    message = dialect().decode(said, NOW_NS)

    assert isinstance(message, Offer | Answer | IceCandidate)
    assert dialect().encode(message.relayed("phone")) == said


# Names and spellings


def test_without_a_query_the_app_arrives_in_the_default_room_without_an_id() -> None:
    assert dialect().arrival() == Arrival(None, "default", "android")


def test_the_query_names_room_id_and_type() -> None:
    arrival = dialect(room="lab1", client_id="phone1", client_type="sensor").arrival()

    assert arrival == Arrival("phone1", "lab1", "sensor")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"room": "a\n"}, "`room`"),
        ({"client_id": "x" * 129}, "`client_id`"),
        ({"client_type": "\x00"}, "`client_type`"),
    ],
)
def test_a_wrong_name_in_the_query_is_named(query: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        dialect(**query).arrival()

    assert f"{field} in the URL's query must be" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "register"),
    [
        (b'{"type":"connect"}', Register("queried", "lab1", "android")),
        (
            b'{"type":"connect","client_id":"phone1","client_type":"sensor"}',
            Register("phone1", "lab1", "sensor"),
        ),
    ],
)
def test_connect_registers_and_goes_before_the_query(data: bytes, register: Register) -> None:
    assert dialect(room="lab1", client_id="queried").decode(data, NOW_NS) == register


def test_connect_is_answered_once_with_a_session_and_the_servers_time() -> None:
    client = dialect()
    client.decode(b'{"type":"connect","client_id":"a"}', NOW_NS)

    answer = client.encode(Registered("a", "default", []))

    assert answer is not None
    told = msgspec.json.decode(answer)
    assert told.pop("session_id").startswith("sess_")
    assert told == {"type": "connected", "server_time_ns": NOW_NS}
    assert client.encode(Registered("a", "default", [])) is None


def test_a_connect_that_was_refused_is_not_answered_later() -> None:
    client = dialect()
    client.decode(b'{"type":"connect","client_id":"taken"}', NOW_NS)
    client.encode(Error("id_taken", "It is taken."))

    assert client.encode(Registered("other", "default", [])) is None


def test_every_client_has_a_session_of_its_own() -> None:
    answers = []
    for client in (dialect(), dialect()):
        client.decode(b'{"type":"connect"}', NOW_NS)
        answers.append(client.encode(Registered("a", "default", [])))

    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    "said", [b'{"type":"connect"}', b'{"type":"candidate","candidate":"candidate:9"}']
)
def test_who_spells_as_the_design_documents_do_is_answered_so(said: bytes) -> None:
    client = dialect()
    client.decode(said, NOW_NS)

    encoded = client.encode(RelayedIceCandidate("pc", raw({"candidate": "c", "sdpMid": "1"})))

    assert encoded == b'{"type":"candidate","candidate":"c"}'


def test_the_spelling_used_last_counts() -> None:
    client = dialect()
    client.decode(b'{"type":"candidate","candidate":"c"}', NOW_NS)
    client.decode(b'{"type":"ice_candidate","candidate":"c"}', NOW_NS)

    encoded = client.encode(RelayedIceCandidate("pc", raw("c")))

    assert encoded is not None
    assert msgspec.json.decode(encoded)["type"] == "ice_candidate"
