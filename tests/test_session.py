import pytest
from plain import Party, party, plain, raw, registered

from twisted_signal.errors import NotRegistered
from twisted_signal.messages import (
    Answer,
    Arrival,
    ClientReport,
    IceCandidate,
    Offer,
    PeerJoined,
    PeerLeft,
    Register,
    Registered,
    Relay,
    RelayedAnswer,
    RelayedIceCandidate,
    RelayedOffer,
)
from twisted_signal.registry import Registry


@pytest.fixture
def registry() -> Registry:
    return Registry()


def flat(registry: Registry, client_id: str = "phone", client_type: str = "android") -> Party:
    """A client that names no targets."""
    return registered(registry, client_id, client_type=client_type)


# Entering a room


def test_a_client_that_registers_is_told_who_is_there(registry: Registry) -> None:
    registered(registry, "b")
    registered(registry, "a")
    registered(registry, "elsewhere", "other")
    newcomer = party(registry)

    newcomer.say(Register("c"))

    assert newcomer.hear() == [Registered("c", "default", ["b", "a"])]


def test_the_others_of_the_room_hear_of_a_newcomer(registry: Registry) -> None:
    a, elsewhere = registered(registry, "a"), registered(registry, "a", "other")

    registered(registry, "b", client_type="pc")

    assert a.hear() == [PeerJoined("b", "pc")]
    assert elsewhere.hear() == []


def test_registering_again_the_same_is_answered_and_disturbs_nobody(registry: Registry) -> None:
    a, b, c = (registered(registry, client_id) for client_id in "abc")
    for one in (a, b, c):
        one.hear()

    b.say(Register("b", client_type="pc"))

    assert b.hear() == [Registered("b", "default", ["a", "c"])]
    assert (a.hear(), c.hear()) == ([], [])
    assert b.session.member is not None
    assert b.session.member.client_type == "pc"
    assert list(registry.rooms["default"].members) == ["a", "b", "c"]


def test_registering_in_another_room_moves_the_client(registry: Registry) -> None:
    old, mover, new = (
        registered(registry, "old", "lab1"),
        registered(registry, "m", "lab1"),
        registered(registry, "new", "lab2"),
    )
    old.hear()

    mover.say(Register("m", "lab2", "pc"))

    assert mover.hear() == [Registered("m", "lab2", ["new"])]
    assert old.hear() == [PeerLeft("m")]
    assert new.hear() == [PeerJoined("m", "pc")]


def test_registering_under_another_id_is_a_leaving_and_a_joining(registry: Registry) -> None:
    witness, renamed = registered(registry, "w"), registered(registry, "old")
    witness.hear()

    renamed.say(Register("new"))

    assert renamed.hear() == [Registered("new", "default", ["w"])]
    assert witness.hear() == [PeerLeft("old"), PeerJoined("new", "unknown")]


def test_a_taken_id_is_refused_and_its_holder_goes_on(registry: Registry) -> None:
    witness, holder, claimant = (
        registered(registry, "w"),
        registered(registry, "pc"),
        party(registry),
    )
    witness.hear()

    claimant.say(Register("pc"))

    error = claimant.hear_error()
    assert (error.code, error.target_id) == ("id_taken", None)
    assert "pc" in error.message
    witness.say(Offer(raw("v=0"), "pc"))
    assert holder.hear() == [RelayedOffer("w", raw("v=0"))]
    assert witness.hear() == []


def test_who_was_refused_an_id_can_take_another(registry: Registry) -> None:
    registered(registry, "pc")
    claimant = party(registry)
    claimant.say(Register("pc"))
    claimant.hear_error()

    claimant.say(Register("pc2"))

    assert claimant.hear() == [Registered("pc2", "default", ["pc"])]


def test_the_end_of_the_first_claimant_touches_nothing_of_the_second(registry: Registry) -> None:
    first, second = registered(registry, "pc"), party(registry)
    second.say(Register("pc"))
    second.say(Register("pc", "other"))
    second.hear()

    first.session.end()

    assert second.hear() == []
    assert list(registry.rooms) == ["other"]


def test_a_move_to_a_taken_id_leaves_the_client_where_it_was(registry: Registry) -> None:
    registered(registry, "pc", "lab2")
    mover, witness = registered(registry, "pc", "lab1"), registered(registry, "w", "lab1")
    mover.hear()

    mover.say(Register("pc", "lab2"))

    assert mover.hear_error().code == "id_taken"
    assert witness.hear() == []
    witness.say(Offer(raw("v=0"), "pc"))
    assert [plain(message) for message in mover.hear()] == [
        {"type": "offer", "sender_id": "w", "sdp": "v=0"}
    ]


def test_a_client_without_an_id_of_its_own_gets_a_readable_one(registry: Registry) -> None:
    newcomer = party(registry)

    newcomer.say(Register(client_type="android"))

    (told,) = newcomer.hear()
    assert isinstance(told, Registered)
    assert told.client_id.startswith("android-")


def test_a_made_up_id_is_kept_on_registering_again_without_one(registry: Registry) -> None:
    newcomer = party(registry)
    newcomer.say(Register())
    newcomer.say(Register())

    first, second = newcomer.hear()

    assert first == second


def test_a_made_up_id_is_made_anew_in_another_room(registry: Registry) -> None:
    newcomer = registered(registry, "a", "lab1")

    newcomer.say(Register(room_id="lab2"))

    assert list(registry.rooms) == ["lab2"]


# Leaving


def test_the_others_hear_once_that_a_client_is_gone(registry: Registry) -> None:
    witness, gone = registered(registry, "w"), registered(registry, "g")
    witness.hear()

    gone.session.end()
    gone.session.end()

    assert witness.hear() == [PeerLeft("g")]
    assert gone.hear() == []


def test_the_end_of_a_client_that_never_registered_disturbs_nobody(registry: Registry) -> None:
    witness = registered(registry, "w")

    party(registry).session.end()

    assert witness.hear() == []


def test_an_id_is_free_again_when_its_holder_is_gone(registry: Registry) -> None:
    registered(registry, "pc").session.end()

    newcomer = party(registry)
    newcomer.say(Register("pc"))

    assert newcomer.hear() == [Registered("pc", "default", [])]


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
    pc1.session.end()
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
    pc1.session.end()
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
    phone.session.end()

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
    registered(registry, "pc1").session.end()
    phone.hear()

    phone.say(IceCandidate(raw("late")))

    assert phone.hear_error().code == "peer_not_found"
    assert registered(registry, "pc2").hear() == []


def test_a_new_offer_waits_with_its_candidates_when_a_call_is_over(registry: Registry) -> None:
    phone = flat(registry)
    phone.say(Offer(raw("v=0")))
    registered(registry, "pc1").session.end()
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
    phone.session.end()
    flat(registry)
    pc.hear()

    pc.say(Register("pc", room_id))

    assert [type(message) for message in pc.hear()] == [Registered]


# The log


def test_the_log_tells_who_came_said_something_and_left(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    phone = registered(registry, "phone1", "lab1", "android")
    registered(registry, "pc", "lab1", "pc")
    phone.say(Offer(raw("secret"), "pc"))
    phone.say(IceCandidate(raw("secret"), "pc"))
    phone.session.end()

    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "Room opened: lab1"),
        ("INFO", "Client registered: phone1 (android) in room lab1"),
        ("INFO", "Client registered: pc (pc) in room lab1"),
        ("INFO", "Relayed offer from phone1 to pc"),
        ("DEBUG", "Relayed candidate from phone1 to pc"),
        ("INFO", "Client left: phone1, room lab1"),
    ]


def test_the_log_tells_what_waits_and_why(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    phone = flat(registry)
    caplog.set_level("INFO")

    phone.say(Offer(raw("secret")))

    assert caplog.messages == ["Kept offer from phone: nobody else is in room default yet"]


def test_a_refused_message_is_logged_as_a_warning(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    party(registry, "192.0.2.9:1").say(Offer(raw("secret"), "b"))

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("Refused a message from 192.0.2.9:1: not_registered: You are")


def test_what_a_client_reports_is_logged(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    flat(registry).say(ClientReport("no\nSDP"))

    assert caplog.messages == [r'Reported by phone: "no\nSDP"']


def test_names_cannot_forge_a_line_of_the_log(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    registered(registry, 'x (pc) in room "y', "lab 1", "a\u2028b")

    assert caplog.messages[-1] == (
        r'Client registered: "x (pc) in room \"y" ("a\u2028b") in room "lab 1"'
    )


def test_the_sentence_of_an_error_says_what_to_do() -> None:
    assert '{"type": "register"' in str(NotRegistered(None))
