import msgspec
import pytest
from plain import nested, raw

from twisted_signal.dialects.base import OpeningRequest
from twisted_signal.dialects.conversation import Conversation
from twisted_signal.errors import InvalidJson, InvalidMessage, SignalError
from twisted_signal.messages import (
    Answer,
    Arrival,
    ClientMessage,
    ClientReport,
    Error,
    Message,
    Offer,
    Register,
    Resume,
)
from twisted_signal.nesting import MAX_NESTING
from twisted_signal.tally import Tally

FLAT_OFFER = b'{"type":"offer","sdp":"v=0"}'
REGISTER = b'{"type":"register","client_id":"pc"}'


def conversation(path: str = "/", **query: str) -> Conversation:
    return Conversation(OpeningRequest(path, query), Tally())


def from_outside(client: Conversation, data: bytes) -> tuple[Arrival | None, ClientMessage]:
    """Return what a client that is in no room says, and what it arrives as before, if it does."""
    message = client.decode(data, 0)
    return client.arrival_before(message), message


def speaks_flat(conversation: Conversation) -> bool:
    """Tell by how it says an error."""
    encoded = conversation.encode(Error("code", "What?"))
    assert encoded is not None
    return "code" not in msgspec.json.decode(encoded)


def test_a_client_is_a_readme_client_until_something_else_shows() -> None:
    assert not speaks_flat(conversation())
    assert not speaks_flat(conversation("/signaling"))


@pytest.mark.parametrize("path", ["/", "/signaling", "/anything"])
def test_resume_as_first_message_makes_a_readme_client_on_any_path(path: str) -> None:
    client = conversation(path, room="lab")
    client.opened()

    said = b'{"type":"resume","resume_token":"t"}'
    assert client.decode(said, 0) == Resume("t")

    assert not speaks_flat(client)


@pytest.mark.parametrize("path", ["/", "/signaling", "/anything"])
def test_register_as_first_message_makes_a_readme_client_on_any_path(path: str) -> None:
    client = conversation(path)

    assert from_outside(client, REGISTER) == (None, Register("pc"))

    assert not speaks_flat(client)
    assert not client.silence_tells


@pytest.mark.parametrize("path", ["/", "/signaling", "/anything"])
@pytest.mark.parametrize(
    "data",
    [
        FLAT_OFFER,
        b'{"type":"answer","sdp":"v=0"}',
        b'{"type":"ice_candidate","candidate":"c","sdpMid":"0","sdpMLineIndex":0}',
        b'{"type":"candidate","candidate":"c"}',
        b'{"type":"error","message":"m"}',
    ],
)
def test_a_flat_first_message_makes_a_flat_client_that_arrives_first(
    path: str, data: bytes
) -> None:
    client = conversation(path, room="lab1")

    arrival, message = from_outside(client, data)

    assert arrival == Arrival(None, "lab1", "android")
    assert isinstance(message, Offer | Answer | ClientReport) or hasattr(message, "candidate")
    assert speaks_flat(client)


def test_connect_is_an_arrival_itself() -> None:
    client = conversation()

    assert from_outside(client, b'{"type":"connect","client_id":"a"}') == (
        None,
        Register("a", "default", "android"),
    )
    assert speaks_flat(client)


@pytest.mark.parametrize("query", [{"room": "lab1"}, {"client_id": "phone1"}])
def test_on_the_apps_path_a_name_in_the_query_makes_a_flat_client_at_once(
    query: dict[str, str],
) -> None:
    client = conversation("/signaling", **query)

    assert client.opened() == Arrival(
        query.get("client_id"), query.get("room", "default"), "android"
    )
    assert speaks_flat(client)
    assert not client.silence_tells


@pytest.mark.parametrize(
    ("path", "query"),
    [("/", {"room": "lab1"}), ("/signaling", {}), ("/signaling", {"client_type": "android"})],
)
def test_otherwise_an_open_connection_is_nobody_yet(path: str, query: dict[str, str]) -> None:
    assert conversation(path, **query).opened() is None


def test_silence_tells_on_the_apps_path_only() -> None:
    assert conversation("/signaling").silence_tells
    assert not conversation("/").silence_tells


def test_who_stays_silent_on_the_apps_path_is_a_flat_client() -> None:
    client = conversation("/signaling", client_type="sensor")

    assert client.silent() == Arrival(None, "default", "sensor")
    assert speaks_flat(client)
    assert not client.silence_tells


@pytest.mark.parametrize("query", [{}, {"room": "lab1"}])
def test_who_was_taken_for_the_app_can_still_register_first(query: dict[str, str]) -> None:
    client = conversation("/signaling", **query)
    if client.opened() is None:
        client.silent()

    assert client.decode(REGISTER, 0) == Register("pc")

    assert not speaks_flat(client)


def test_once_flat_always_flat() -> None:
    client = conversation()
    from_outside(client, FLAT_OFFER)

    with pytest.raises(SignalError):
        client.decode(REGISTER, 0)

    assert speaks_flat(client)


def test_once_readme_always_readme() -> None:
    client = conversation()
    from_outside(client, REGISTER)

    with pytest.raises(InvalidMessage):
        client.decode(FLAT_OFFER, 0)

    assert not speaks_flat(client)


def test_a_flat_client_in_its_room_does_not_arrive_again() -> None:
    client = conversation()
    from_outside(client, FLAT_OFFER)

    said = client.decode(FLAT_OFFER, 0)

    assert said == Offer(raw({"type": "offer", "sdp": "v=0"}))


def test_a_flat_client_that_could_not_arrive_tries_again_with_its_next_message() -> None:
    client = conversation("/signaling", client_id="phone1")
    client.opened()

    arrival, _ = from_outside(client, FLAT_OFFER)

    assert arrival == Arrival("phone1", "default", "android")


@pytest.mark.parametrize(
    "bad",
    [b"nonsense", b"[]", b"{}", b'{"type":"bye"}', b'{"type":"register"}', b'{"type":"offer"}'],
)
@pytest.mark.parametrize("first", [REGISTER, FLAT_OFFER])
def test_a_bad_first_message_decides_nothing(bad: bytes, first: bytes) -> None:
    client = conversation("/signaling")
    with pytest.raises(SignalError):
        from_outside(client, bad)

    from_outside(client, first)

    assert speaks_flat(client) is (first == FLAT_OFFER)


@pytest.mark.parametrize(
    "data",
    [b'{"type":"offer","sdp":"v=0","target_id":"b"}', b'{"type":"offer","sdp":"","target_id":"b"}'],
)
def test_who_names_a_target_is_no_flat_client(data: bytes) -> None:
    client = conversation()

    arrival, message = from_outside(client, data)

    assert arrival is None
    assert isinstance(message, Offer)
    assert message.target_id == "b"
    assert not speaks_flat(client)


def test_an_sdp_that_is_no_text_is_no_flat_offer() -> None:
    client = conversation()

    with pytest.raises(InvalidMessage, match="target_id"):
        from_outside(client, b'{"type":"offer","sdp":{"sdp":"v=0"}}')

    assert not speaks_flat(client)


def test_a_client_that_is_flat_by_its_query_is_told_its_errors_in_its_shape() -> None:
    client = conversation("/signaling", room="lab1")
    client.opened()

    with pytest.raises(InvalidJson):
        client.decode(b"nonsense", 0)

    assert speaks_flat(client)


def test_a_wrong_name_in_the_query_is_refused_on_arrival() -> None:
    client = conversation("/signaling", room="a\x00")

    with pytest.raises(InvalidMessage):
        client.opened()
    with pytest.raises(InvalidMessage):
        from_outside(client, FLAT_OFFER)


# Nesting


@pytest.mark.parametrize("arrays", [True, False])
def test_a_message_may_be_nested_so_deep_and_no_deeper(arrays: bool) -> None:
    fits = {"type": "message", "data": nested(1, MAX_NESTING - 1, arrays=arrays)}
    too_deep = {"type": "message", "data": nested(1, MAX_NESTING, arrays=arrays)}

    message = conversation().decode(msgspec.json.encode(fits), 0)

    assert isinstance(message, Message)
    with pytest.raises(InvalidJson, match="more than 32 deep"):
        conversation().decode(msgspec.json.encode(too_deep), 0)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"type": "offer", "target_id": "a", "sdp": ' + b"[" * 60_000,
        b'{"ignored": ' + b"[" * 33 + b"]" * 33 + b', "type": "peers"}',
        b'{"type": "peers", "ignored": ' + b'{"a": [' * 20 + b"]}" * 20 + b"}",
    ],
)
def test_what_is_nested_too_deep_anywhere_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidJson, match="deep"):
        conversation().decode(data, 0)


@pytest.mark.parametrize("text", ["[{" * 100, '\\"[{' * 100, "]}" * 5, '"', "\\", '\\"'])
def test_brackets_in_a_text_do_not_count(text: str) -> None:
    said = {"type": "message", "data": [text, text, {}]}

    conversation().decode(msgspec.json.encode(said), 0)


def test_many_brackets_beside_each_other_are_not_deep() -> None:
    said = {"type": "message", "data": [[], {}] * 1000}

    conversation().decode(msgspec.json.encode(said), 0)
