import pytest
from plain import NOW_NS, flat, party, plain, raw, registered

from twisted_signal.messages import (
    Answer,
    Arrival,
    IceCandidate,
    Message,
    Offer,
    PeerJoined,
    Register,
    Registered,
    Relay,
    RelayedAnswer,
    RelayedIceCandidate,
    RelayedMessage,
    RelayedOffer,
)
from twisted_signal.registry import Registry

# Relaying


@pytest.mark.parametrize(
    ("message", "arrives"),
    [
        (Offer(raw("v=0"), "b"), {"type": "offer", "sender_id": "a", "sdp": "v=0"}),
        (Answer(raw("v=0"), "b"), {"type": "answer", "sender_id": "a", "sdp": "v=0"}),
        (
            IceCandidate(raw(None), "b"),
            {"type": "ice_candidate", "sender_id": "a", "candidate": None},
        ),
    ],
)
def test_a_message_reaches_its_target_and_nobody_else(
    registry: Registry, message: Relay, arrives: object
) -> None:
    a, b, c = (registered(registry, client_id) for client_id in "abc")
    for one in (a, b, c):
        one.hear()

    a.say(message)

    assert [plain(heard) for heard in b.hear()] == [arrives]
    assert (a.hear(), c.hear()) == ([], [])


@pytest.mark.parametrize("target_id", ["absent", "elsewhere", "a"])
def test_a_message_for_nobody_of_the_room_is_refused(registry: Registry, target_id: str) -> None:
    a, elsewhere = registered(registry, "a"), registered(registry, "elsewhere", "other")

    a.say(Offer(raw("v=0"), target_id))

    error = a.hear_error()
    assert (error.code, error.target_id) == ("peer_not_found", target_id)
    assert elsewhere.hear() == []


@pytest.mark.parametrize("target_id", ["b", None])
def test_only_a_registered_client_may_relay(registry: Registry, target_id: str | None) -> None:
    b, stranger = registered(registry, "b"), party(registry)

    stranger.say(Offer(raw("v=0"), target_id))

    error = stranger.hear_error()
    assert (error.code, error.target_id) == ("not_registered", target_id)
    assert b.hear() == []


def test_what_the_targets_dialect_cannot_say_is_the_senders_error(registry: Registry) -> None:
    a, b = registered(registry, "a"), registered(registry, "b")
    a.hear()
    b.client.cannot_hear = RelayedOffer

    a.say(Offer(raw(5), "b"))

    error = a.hear_error()
    assert (error.code, error.target_id) == ("invalid_message", "b")
    assert b.hear() == []


# Messages without a target


def test_without_a_target_the_only_peer_is_meant(registry: Registry) -> None:
    phone, pc = flat(registry), registered(registry, "pc", client_type="pc")

    phone.say(Answer(raw("v=0")))

    assert pc.hear() == [RelayedAnswer("phone", raw("v=0"))]
    assert phone.hear() == [PeerJoined("pc", "pc")]


def test_among_several_the_one_last_heard_from_is_meant(registry: Registry) -> None:
    pc1, pc2 = (registered(registry, f"pc{n}", client_type="pc") for n in (1, 2))
    phone = flat(registry)
    pc1.say(Offer(raw("1"), "phone"))
    pc2.say(Offer(raw("2"), "phone"))
    pc1.hear()
    pc2.hear()

    phone.say(Answer(raw("v=0")))

    assert (len(pc1.hear()), len(pc2.hear())) == (0, 1)


def test_among_several_the_one_last_talked_to_is_meant(registry: Registry) -> None:
    pc1 = registered(registry, "pc1", client_type="pc")
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    pc2 = registered(registry, "pc2", client_type="pc")
    pc1.hear()

    phone.say(IceCandidate(raw("c")))

    assert (len(pc1.hear()), len(pc2.hear())) == (1, 0)


def test_a_partner_that_came_back_under_its_id_is_still_meant(registry: Registry) -> None:
    pc1, pc2 = (registered(registry, f"pc{n}", client_type="pc") for n in (1, 2))
    phone = flat(registry)
    pc1.say(Offer(raw("1"), "phone"))
    pc1.session.end(NOW_NS)
    pc1 = registered(registry, "pc1", client_type="pc")
    pc2.hear()

    phone.say(Answer(raw("v=0")))

    assert (len(pc1.hear()), len(pc2.hear())) == (1, 0)


def test_among_several_strangers_the_one_of_another_type_is_meant(registry: Registry) -> None:
    other_phone = flat(registry, "phone2")
    pc = registered(registry, "pc", client_type="pc")
    phone = flat(registry)
    other_phone.hear()
    pc.hear()

    phone.say(Offer(raw("v=0")))

    assert (len(pc.hear()), len(other_phone.hear())) == (1, 0)


@pytest.mark.parametrize("client_type", ["pc", "android"])
def test_where_several_could_be_meant_an_error_names_them(
    registry: Registry, client_type: str
) -> None:
    for client_id in ("one", "two"):
        registered(registry, client_id, client_type=client_type)
    phone = flat(registry)

    phone.say(Offer(raw("v=0")))

    error = phone.hear_error()
    assert error.code == "peer_not_found"
    assert "one, two" in error.message


def test_a_partner_that_left_is_meant_no_more(registry: Registry) -> None:
    pc1, _, pc3 = (registered(registry, f"pc{n}", client_type="pc") for n in (1, 2, 3))
    phone = flat(registry)
    pc1.say(Offer(raw("1"), "phone"))
    pc1.session.end(NOW_NS)
    phone.hear()

    phone.say(Answer(raw("v=0")))

    assert phone.hear_error().code == "peer_not_found"
    assert not any(isinstance(message, RelayedAnswer) for message in pc3.hear())


# Waiting for a peer


def test_an_offer_and_its_candidates_wait_for_the_first_peer(registry: Registry) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    phone.say(IceCandidate(raw("c1")))
    phone.say(IceCandidate(raw("c2")))
    assert phone.hear() == []
    pc = party(registry)

    pc.say(Register("pc", client_type="pc"))

    assert [plain(message) for message in pc.hear()] == [
        {"type": "registered", "client_id": "pc", "room_id": "default", "peers": ["phone"]},
        {"type": "offer", "sender_id": "phone", "sdp": "v=0"},
        {"type": "ice_candidate", "sender_id": "phone", "candidate": "c1"},
        {"type": "ice_candidate", "sender_id": "phone", "candidate": "c2"},
    ]
    assert phone.hear() == [PeerJoined("pc", "pc")]


def test_what_waited_is_delivered_once(registry: Registry) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    registered(registry, "pc")

    second = registered(registry, "second")

    assert second.hear() == []


def test_who_got_what_waited_is_the_partner_from_then_on(registry: Registry) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    pc1, pc2 = (registered(registry, f"pc{n}", client_type="pc") for n in (1, 2))
    pc1.hear()

    phone.say(IceCandidate(raw("c")))

    assert (len(pc1.hear()), len(pc2.hear())) == (1, 0)


def test_two_that_name_no_targets_find_each_other(registry: Registry) -> None:
    waiting = flat(registry, "phone1")
    waiting.say(Offer(raw("v=0")))
    answering = flat(registry, "phone2")

    answering.say(Answer(raw("v=0")))

    assert [type(message) for message in waiting.hear()] == [PeerJoined, RelayedAnswer]


def test_an_answer_does_not_wait(registry: Registry) -> None:
    phone = flat(registry)

    phone.say(Answer(raw("v=0")))

    assert phone.hear_error().code == "peer_not_found"
    assert registered(registry, "pc").hear() == []


def test_more_than_may_wait_is_refused_and_the_rest_is_kept(registry: Registry) -> None:
    phone = flat(registry)
    for number in range(64):
        phone.say(IceCandidate(raw(number)))
    assert phone.hear() == []

    phone.say(IceCandidate(raw(64)))

    error = phone.hear_error()
    assert error.code == "peer_not_found"
    assert "64 messages" in error.message
    pc = party(registry)
    pc.say(Register("pc"))
    assert [type(message) for message in pc.hear()] == [Registered] + [RelayedIceCandidate] * 64


def test_what_waits_goes_with_its_sender_when_it_leaves(registry: Registry) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    phone.session.end(NOW_NS)

    assert registered(registry, "pc").hear() == []


def test_what_waits_moves_with_its_sender_to_where_the_peer_is(registry: Registry) -> None:
    pc = registered(registry, "pc", "lab1")
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))

    phone.say(Register("phone", "lab1", "android"))

    assert pc.hear() == [PeerJoined("phone", "android"), RelayedOffer("phone", raw("v=0"))]
    assert phone.hear() == [Registered("phone", "lab1", ["pc"])]


def test_what_waits_moves_with_its_sender_to_an_empty_room(registry: Registry) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    phone.say(Register("phone", "lab1", "android"))

    pc = party(registry)
    pc.say(Register("pc", "lab1"))

    assert [type(message) for message in pc.hear()] == [Registered, RelayedOffer]


def test_what_waits_waits_on_where_several_could_be_meant(registry: Registry) -> None:
    pcs = [registered(registry, f"pc{n}", "lab1", "pc") for n in (1, 2)]
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))

    phone.say(Register("phone", "lab1", "android"))

    heard = [message for pc in pcs for message in pc.hear()]
    assert not any(isinstance(message, RelayedOffer) for message in heard)
    third = party(registry)
    third.say(Register("pc3", "lab1", "pc"))
    assert [type(message) for message in third.hear()] == [Registered, RelayedOffer]


def test_candidates_of_a_call_that_is_over_do_not_wait(registry: Registry) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    registered(registry, "pc1").session.end(NOW_NS)
    phone.hear()

    phone.say(IceCandidate(raw("late")))

    assert phone.hear_error().code == "peer_not_found"
    assert registered(registry, "pc2").hear() == []


def test_a_new_offer_waits_with_its_candidates_when_a_call_is_over(registry: Registry) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    registered(registry, "pc1").session.end(NOW_NS)
    phone.say(Offer(raw("v=1")))
    phone.say(IceCandidate(raw("new")))
    pc = party(registry)

    pc.say(Register("pc2"))

    assert [type(message) for message in pc.hear()] == [
        Registered,
        RelayedOffer,
        RelayedIceCandidate,
    ]


@pytest.mark.parametrize("client_id", ["pc", "guessed"])
def test_who_was_taken_for_the_app_is_told_again_once_it_registers(
    registry: Registry, client_id: str
) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    pc = party(registry)
    pc.say(Arrival("guessed", "default", "android"))
    assert [type(message) for message in pc.hear()] == [Registered, RelayedOffer]

    pc.say(Register(client_id))
    pc.say(Register("again"))

    assert [type(message) for message in pc.hear()] == [Registered, RelayedOffer, Registered]


def test_who_goes_on_as_the_app_is_told_nothing_twice(registry: Registry) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    second = party(registry)
    second.say(Arrival("second", "default", "android"))
    second.say(Answer(raw("v=1")))
    second.hear()

    second.say(Register("renamed", "default", "android"))

    assert [type(message) for message in second.hear()] == [Registered]


@pytest.mark.parametrize("room_id", ["default", "other"])
def test_what_is_told_again_is_still_meant_for_the_one_who_hears_it(
    registry: Registry, room_id: str
) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    pc = party(registry)
    pc.say(Arrival("guessed", "default", "android"))
    pc.hear()
    phone.session.end(NOW_NS)
    flat(registry)
    pc.hear()

    pc.say(Register("pc", room_id))

    assert [type(message) for message in pc.hear()] == [Registered]


# An application's own messages


def test_an_applications_message_reaches_its_target_byte_for_byte(registry: Registry) -> None:
    a, b, c = (registered(registry, client_id) for client_id in "abc")
    for one in (a, b, c):
        one.hear()

    a.say(Message(raw({"battery": 0.7}), "b"))

    assert b.hear() == [RelayedMessage("a", raw({"battery": 0.7}))]
    assert (a.hear(), c.hear()) == ([], [])


def test_an_applications_message_without_a_target_reaches_everybody_else(
    registry: Registry,
) -> None:
    a, b, c = (registered(registry, client_id) for client_id in "abc")
    elsewhere = registered(registry, "d", "other")
    for one in (a, b, c):
        one.hear()

    a.say(Message(raw("all")))

    assert b.hear() == c.hear() == [RelayedMessage("a", raw("all"))]
    assert (a.hear(), elsewhere.hear()) == ([], [])


def test_who_does_not_understand_a_message_for_all_keeps_it_from_nobody(
    registry: Registry,
) -> None:
    a, app, c = (registered(registry, client_id) for client_id in "abc")
    app.client.cannot_hear = RelayedMessage
    for one in (a, app, c):
        one.hear()

    a.say(Message(raw("all")))

    assert c.hear() == [RelayedMessage("a", raw("all"))]
    assert (a.hear(), app.hear()) == ([], [])


def test_a_message_for_one_who_does_not_understand_it_is_refused(registry: Registry) -> None:
    a, app = registered(registry, "a"), registered(registry, "app")
    app.client.cannot_hear = RelayedMessage
    a.hear()

    a.say(Message(raw(1), "app"))

    assert a.hear_error().target_id == "app"
