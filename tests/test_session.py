import logging

import pytest
from plain import NOW_NS, Party, flat, party, plain, raw, registered

from twisted_signal.errors import NotRegistered
from twisted_signal.events import Event
from twisted_signal.limits import Limits
from twisted_signal.messages import (
    Answer,
    Arrival,
    ClientReport,
    Error,
    IceCandidate,
    Leave,
    ListPeers,
    Message,
    Offer,
    PeerDescription,
    PeerJoined,
    PeerLeft,
    Peers,
    Ping,
    Pong,
    Register,
    Registered,
    RelayedAnswer,
    RelayedIceCandidate,
    RelayedMessage,
    RelayedOffer,
    Resume,
    Resumed,
)
from twisted_signal.registry import DuplicateId, Registry
from twisted_signal.session import REPORT_LENGTH

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

    first.session.end(NOW_NS)

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


# An id that is taken


def claim(registry: Registry, alive: bool | None = None) -> tuple[Party, Party, Party]:
    """Return a witness, the holder of `pc`, and who claims that id in its turn."""
    witness, holder = registered(registry, "w"), registered(registry, "pc")
    holder.client.alive = alive
    claimant = party(registry)
    claimant.say(Register("pc", client_type="new"))
    witness.hear()
    return witness, holder, claimant


def test_a_claim_waits_for_the_holders_answer(registry: Registry) -> None:
    witness, holder, claimant = claim(registry)

    assert claimant.session.is_entering
    assert len(holder.client.asked) == 1
    assert witness.hear() == holder.hear() == claimant.hear() == []


def test_a_holder_that_answers_keeps_its_id(registry: Registry) -> None:
    witness, holder, claimant = claim(registry)

    holder.client.answer(alive=True)

    assert claimant.hear_error().code == "id_taken"
    assert not claimant.session.is_entering
    assert holder.client.closed is None
    assert witness.hear() == []


def test_a_holder_that_does_not_answer_gives_way(registry: Registry) -> None:
    witness, holder, claimant = claim(registry)

    holder.client.answer(alive=False)

    assert witness.hear() == [PeerLeft("pc"), PeerJoined("pc", "new")]
    assert claimant.hear() == [Registered("pc", "default", ["w"])]
    assert holder.client.closed is not None
    assert holder.client.closed[0] == 4409
    assert holder.session.member is None
    holder.session.end(NOW_NS)
    assert witness.hear() == []


def test_a_holder_that_leaves_meanwhile_gives_way(registry: Registry) -> None:
    witness, holder, claimant = claim(registry)
    holder.session.end(NOW_NS)
    witness.hear()

    holder.client.answer(alive=False)

    assert claimant.hear() == [Registered("pc", "default", ["w"])]
    assert holder.client.closed is None


def test_what_a_claimant_says_meanwhile_waits_for_the_answer(registry: Registry) -> None:
    witness, holder, claimant = claim(registry)
    claimant.say(Offer(raw("v=0"), "w"))
    claimant.say(Message(raw("hello")))
    claimant.say(ListPeers())
    assert witness.hear() == claimant.hear() == []

    holder.client.answer(alive=False)

    assert witness.hear()[2:] == [
        RelayedOffer("pc", raw("v=0")),
        RelayedMessage("pc", raw("hello")),
    ]
    assert claimant.hear()[1:] == [Peers("default", [PeerDescription("w", "unknown")])]


def test_what_a_claimant_said_is_refused_with_its_claim(registry: Registry) -> None:
    witness, holder, claimant = claim(registry)
    claimant.say(Offer(raw("v=0"), "w"))

    holder.client.answer(alive=True)

    errors = [message for message in claimant.hear() if isinstance(message, Error)]
    assert [error.code for error in errors] == ["id_taken", "not_registered"]
    assert errors[1].target_id == "w"
    assert witness.hear() == []


def test_no_more_waits_for_an_answer_than_may(registry: Registry) -> None:
    _, _, claimant = claim(registry)

    for _ in range(65):
        claimant.say(IceCandidate(raw(None), "w"))

    assert claimant.hear_error().code == "not_registered"


def test_a_claim_that_is_repeated_asks_once(registry: Registry) -> None:
    _, holder, claimant = claim(registry)

    claimant.say(Register("pc", client_type="new"))

    assert len(holder.client.asked) == 1


def test_a_claimant_may_ask_for_another_id_meanwhile(registry: Registry) -> None:
    _, holder, claimant = claim(registry)

    claimant.say(Register("pc2"))
    holder.client.answer(alive=False)

    assert claimant.hear() == [Registered("pc2", "default", ["w", "pc"])]
    assert holder.client.closed is None


def test_a_claimant_that_registers_where_it_is_claims_nothing_any_more(registry: Registry) -> None:
    holder, mover = registered(registry, "pc"), registered(registry, "m")
    holder.client.alive = None
    mover.say(Register("pc"))

    mover.say(Register("m"))
    holder.client.answer(alive=False)

    assert mover.hear() == [Registered("m", "default", ["pc"])]
    assert holder.client.closed is None


def test_a_claimant_that_leaves_claims_nothing_any_more(registry: Registry) -> None:
    holder, mover = registered(registry, "pc"), registered(registry, "m")
    holder.client.alive = None
    mover.say(Register("pc"))

    mover.say(Leave())
    holder.client.answer(alive=False)

    assert mover.hear() == []
    assert mover.session.member is None
    assert holder.client.closed is None


def test_of_a_claim_that_is_repeated_the_last_word_counts(registry: Registry) -> None:
    _, holder, claimant = claim(registry)

    claimant.say(Register("pc", client_type="newer", resume=True))
    holder.client.answer(alive=False)

    (told,) = claimant.hear()
    assert isinstance(told, Registered)
    assert told.resume_token is not None
    assert claimant.session.member is not None
    assert claimant.session.member.client_type == "newer"


def test_an_id_is_free_that_its_holder_gave_up_before_it_answered(registry: Registry) -> None:
    _, holder, claimant = claim(registry)

    holder.say(Leave())
    holder.client.answer(alive=True)

    assert claimant.hear() == [Registered("pc", "default", ["w"])]
    assert holder.client.closed is None


def test_a_claim_ends_with_its_connection(registry: Registry) -> None:
    witness, holder, claimant = claim(registry)

    claimant.session.end(NOW_NS)
    holder.client.answer(alive=False)

    assert claimant.hear() == witness.hear() == []
    assert holder.session.member is not None


def test_of_two_claimants_the_first_gets_the_id(registry: Registry) -> None:
    _, holder, first = claim(registry)
    second = party(registry)
    second.say(Register("pc"))

    holder.client.answer(alive=False)

    assert isinstance(first.hear()[0], Registered)
    assert second.hear_error().code == "id_taken"


def test_a_claimant_that_is_in_a_room_stays_there_until_the_answer(registry: Registry) -> None:
    old = registered(registry, "old", "lab")
    mover = registered(registry, "m", "lab")
    holder = registered(registry, "pc")
    holder.client.alive = None
    old.hear()

    mover.say(Register("pc"))
    mover.say(Offer(raw("v=0"), "old"))

    assert old.hear() == [RelayedOffer("m", raw("v=0"))]
    holder.client.answer(alive=False)
    assert old.hear() == [PeerLeft("m")]
    assert mover.hear() == [Registered("pc", "default", [])]


@pytest.mark.parametrize("alive", [True, False])
def test_a_server_may_let_the_newcomer_have_it_always(alive: bool) -> None:
    witness, holder, claimant = claim(Registry(duplicate_id=DuplicateId.REPLACE), alive)

    assert claimant.hear() == [Registered("pc", "default", ["w"])]
    assert holder.client.closed is not None
    assert witness.hear() == []  # `claim` has heard it


@pytest.mark.parametrize("alive", [True, False])
def test_a_server_may_let_the_holder_keep_it_always(alive: bool) -> None:
    _, holder, claimant = claim(Registry(duplicate_id=DuplicateId.REJECT), alive)

    assert claimant.hear_error().code == "id_taken"
    assert holder.client.closed is None


# Coming back


def resumable(registry: Registry, client_id: str = "phone") -> tuple[Party, str]:
    """Return a client that may resume, and its token."""
    newcomer = party(registry)
    newcomer.say(Register(client_id, resume=True))
    (told,) = newcomer.hear()
    assert isinstance(told, Registered)
    assert told.resume_token is not None
    assert told.resume_within_ms == 30_000
    return newcomer, told.resume_token


def resumed(registry: Registry, token: str, received: int | None = None) -> Party:
    again = party(registry)
    again.say(Resume(token, received))
    return again


def test_a_place_is_kept_and_what_is_said_waits(registry: Registry) -> None:
    peer = registered(registry, "pc")
    phone, token = resumable(registry)
    peer.hear()

    assert phone.session.lose(NOW_NS)
    peer.say(Offer(raw("v=0"), "phone"))
    peer.say(IceCandidate(raw(None), "phone"))
    peer.say(ListPeers())

    assert peer.hear() == [Peers("default", [PeerDescription("phone", "unknown")])]
    again = resumed(registry, token)
    told, *missed = again.hear()
    assert isinstance(told, Resumed)
    assert (told.room_id, told.peers) == ("default", ["pc"])
    assert told.resume_token != token
    assert missed == [RelayedOffer("pc", raw("v=0")), RelayedIceCandidate("pc", raw(None))]
    assert again.client.admitted
    assert peer.hear() == []


def test_a_resumed_client_goes_on_as_before(registry: Registry) -> None:
    peer = registered(registry, "pc")
    phone, token = resumable(registry)
    phone.session.lose(NOW_NS)
    again = resumed(registry, token)
    again.hear()
    peer.hear()

    again.say(Offer(raw("v=0"), "pc"))
    peer.say(Answer(raw("v=1"), "phone"))

    assert peer.hear() == [RelayedOffer("phone", raw("v=0"))]
    assert again.hear() == [RelayedAnswer("pc", raw("v=1"))]
    phone.session.end(NOW_NS)  # as the time of the old connection's place is up
    assert peer.hear() == []
    again.session.end(NOW_NS)
    assert peer.hear() == [PeerLeft("phone")]


def test_a_place_that_nobody_takes_up_is_given_up_once(registry: Registry) -> None:
    peer = registered(registry, "pc")
    phone, token = resumable(registry)
    phone.session.lose(NOW_NS)
    peer.hear()

    phone.session.end(NOW_NS)
    phone.session.end(NOW_NS)

    assert peer.hear() == [PeerLeft("phone")]
    assert resumed(registry, token).hear_error().code == "resume_expired"


def test_a_token_works_once_and_the_next_one_after_it(registry: Registry) -> None:
    phone, token = resumable(registry)
    phone.session.lose(NOW_NS)
    again = resumed(registry, token)
    (told,) = again.hear()
    assert isinstance(told, Resumed)
    again.session.lose(NOW_NS)

    assert resumed(registry, token).hear_error().code == "resume_expired"
    assert isinstance(resumed(registry, told.resume_token).hear()[0], Resumed)


@pytest.mark.parametrize("token", ["", "x", "0" * 48])
def test_an_unknown_token_is_refused_and_the_client_may_register(
    registry: Registry, token: str
) -> None:
    client = resumed(registry, token)

    assert client.hear_error().code == "resume_expired"
    client.say(Register("phone"))
    assert client.hear() == [Registered("phone", "default", [])]


def test_a_place_is_handed_over_at_once_while_the_old_connection_is_open(
    registry: Registry,
) -> None:
    peer = registered(registry, "pc")
    phone, token = resumable(registry)
    peer.hear()

    again = resumed(registry, token)

    assert isinstance(again.hear()[0], Resumed)
    assert phone.client.closed is not None
    assert phone.client.closed[0] == 4409
    assert phone.session.member is None
    assert not phone.session.lose(NOW_NS)
    assert peer.hear() == []


def test_who_counts_gets_what_was_lost_on_the_way(registry: Registry) -> None:
    peer = registered(registry, "pc")
    phone, token = resumable(registry)
    for number in range(5):
        peer.say(IceCandidate(raw(number), "phone"))
    assert len(phone.hear()) == 5  # of which three got lost, let us say
    phone.session.lose(NOW_NS)
    peer.say(IceCandidate(raw(5), "phone"))

    _, *missed = resumed(registry, token, received=2).hear()

    assert missed == [RelayedIceCandidate("pc", raw(number)) for number in range(2, 6)]


def test_who_counts_too_many_is_told_and_may_try_again(registry: Registry) -> None:
    phone, token = resumable(registry)
    phone.session.lose(NOW_NS)

    assert resumed(registry, token, received=1).hear_error().code == "invalid_message"
    assert isinstance(resumed(registry, token, received=0).hear()[0], Resumed)


def test_who_comes_and_goes_waits_too(registry: Registry) -> None:
    phone, token = resumable(registry)
    phone.session.lose(NOW_NS)
    visitor = registered(registry, "visitor")
    visitor.session.end(NOW_NS)

    told, *missed = resumed(registry, token).hear()

    assert isinstance(told, Resumed)
    assert told.peers == []
    assert missed == [PeerJoined("visitor", "unknown"), PeerLeft("visitor")]


def test_more_than_may_wait_is_the_senders_error(registry: Registry) -> None:
    peer = registered(registry, "pc")
    phone, _ = resumable(registry)
    phone.session.lose(NOW_NS)
    peer.hear()

    for _ in range(257):
        peer.say(IceCandidate(raw(None), "phone"))

    error = peer.hear_error()
    assert (error.code, error.target_id) == ("peer_unreachable", "phone")


def test_a_registered_client_cannot_resume(registry: Registry) -> None:
    phone, token = resumable(registry)
    other = registered(registry, "other")

    other.say(Resume(token))

    assert other.hear_error().code == "invalid_message"
    assert phone.client.closed is None


def test_who_was_taken_for_the_app_may_resume(registry: Registry) -> None:
    peer = registered(registry, "pc")
    phone, token = resumable(registry)
    phone.session.lose(NOW_NS)
    again = party(registry)
    again.say(Arrival("app", "default"))
    again.hear()
    peer.hear()

    again.say(Resume(token))

    told, *missed = again.hear()
    assert isinstance(told, Resumed)
    assert told.peers == ["pc"]
    assert missed == [PeerJoined("app", "unknown"), PeerLeft("app")]
    assert peer.hear() == [PeerLeft("app")]
    assert list(registry.rooms["default"].members) == ["pc", "phone"]


def test_a_client_that_did_not_ask_for_it_has_no_place_kept(registry: Registry) -> None:
    peer, phone = registered(registry, "pc"), registered(registry, "phone")
    peer.hear()

    assert not phone.session.lose(NOW_NS)

    assert peer.hear() == [PeerLeft("phone")]


def test_registering_again_makes_a_new_token_or_none(registry: Registry) -> None:
    phone, first = resumable(registry)

    phone.say(Register("phone", resume=True))
    (told,) = phone.hear()
    assert isinstance(told, Registered)
    assert told.resume_token not in (None, first)
    phone.say(Register("phone"))
    assert phone.hear() == [Registered("phone", "default", [])]

    assert not phone.session.lose(NOW_NS)


def test_a_move_takes_the_promise_to_the_new_room_or_ends_it(registry: Registry) -> None:
    phone, token = resumable(registry)

    phone.say(Register("phone", "other"))

    assert phone.hear() == [Registered("phone", "other", [])]
    assert resumed(registry, token).hear_error().code == "resume_expired"


def test_where_no_place_is_kept_none_is_promised() -> None:
    registry = Registry(Limits(resume_window=0))
    client = party(registry)

    client.say(Register("phone", resume=True))

    assert client.hear() == [Registered("phone", "default", [])]
    assert not client.session.lose(NOW_NS)


def test_a_kept_place_is_had_by_a_newcomer_when_nobody_comes_back(registry: Registry) -> None:
    peer = registered(registry, "pc")
    phone, token = resumable(registry)
    phone.client.alive = None
    phone.session.lose(NOW_NS)
    peer.hear()
    claimant = party(registry)

    claimant.say(Register("phone", client_type="new"))
    phone.client.answer(alive=False)

    assert peer.hear() == [PeerLeft("phone"), PeerJoined("phone", "new")]
    assert resumed(registry, token).hear_error().code == "resume_expired"


def test_a_kept_place_is_not_had_by_a_newcomer_when_its_owner_comes_back(
    registry: Registry,
) -> None:
    phone, token = resumable(registry)
    phone.client.alive = None
    phone.session.lose(NOW_NS)
    claimant = party(registry)
    claimant.say(Register("phone"))

    again = resumed(registry, token)
    phone.client.answer(alive=False)

    assert claimant.hear_error().code == "id_taken"
    assert again.session.member is not None


@pytest.mark.parametrize("resumes_at_first", [True, False])
@pytest.mark.parametrize("is_back", [True, False])
def test_who_is_asked_and_registers_again_keeps_its_place_if_it_is_back(
    registry: Registry, resumes_at_first: bool, is_back: bool
) -> None:
    holder = party(registry)
    holder.client.alive = None
    holder.say(Register("phone", resume=resumes_at_first))
    claimant = party(registry)
    claimant.say(Register("phone"))

    lost = holder
    for _ in range(2):  # the connection changes between two promises, and after them
        lost.say(Register("phone", resume=True))
        *_, told = lost.hear()
        assert isinstance(told, Registered)
        assert told.resume_token is not None
        lost.session.lose(NOW_NS)
        lost = resumed(registry, told.resume_token)
        lost.hear()
    if not is_back:
        lost.session.lose(NOW_NS)
    holder.client.answer(alive=False)

    if is_back:
        assert claimant.hear_error().code == "id_taken"
    else:
        assert claimant.hear() == [Registered("phone", "default", [])]


def test_what_a_claimant_said_goes_on_when_it_resumes(registry: Registry) -> None:
    witness, holder, claimant = claim(registry)
    phone, token = resumable(registry)
    phone.session.lose(NOW_NS)
    witness.hear()
    claimant.say(Offer(raw("v=0"), "w"))

    claimant.say(Resume(token))

    assert witness.hear() == [RelayedOffer("phone", raw("v=0"))]
    holder.client.answer(alive=False)
    assert holder.client.closed is None


def test_who_has_said_something_in_its_room_cannot_resume(registry: Registry) -> None:
    _, token = resumable(registry)
    newcomer = party(registry)
    newcomer.say(Arrival("guessed", "default", "android"))
    newcomer.say(Message(raw("hello")))
    newcomer.hear()

    newcomer.say(Resume(token))

    (told,) = newcomer.hear()
    assert isinstance(told, Error)
    assert told.code == "invalid_message"


def test_a_place_that_is_left_is_not_kept(registry: Registry) -> None:
    phone, token = resumable(registry)

    phone.say(Leave())

    assert not phone.session.lose(NOW_NS)
    assert resumed(registry, token).hear_error().code == "resume_expired"


# Leaving


def test_a_client_may_leave_and_stay_connected(registry: Registry) -> None:
    peer, phone = registered(registry, "pc"), registered(registry, "phone")
    peer.hear()

    phone.say(Leave())

    assert phone.hear() == []
    assert peer.hear() == [PeerLeft("phone")]
    phone.say(Register("phone"))
    assert phone.hear() == [Registered("phone", "default", ["pc"])]


@pytest.mark.parametrize("message", [Leave(), ListPeers(), Message(raw(1)), Message(raw(1), "a")])
def test_what_needs_a_room_is_refused_without_one(
    registry: Registry, message: Leave | ListPeers | Message
) -> None:
    client = party(registry)

    client.say(message)

    assert client.hear_error().code == "not_registered"


@pytest.mark.parametrize("is_registered", [True, False])
def test_a_ping_is_answered_with_the_time(registry: Registry, is_registered: bool) -> None:
    client = registered(registry, "a") if is_registered else party(registry)

    client.say(Ping())

    assert client.hear() == [Pong(NOW_NS // 1_000_000)]


def test_the_others_hear_once_that_a_client_is_gone(registry: Registry) -> None:
    witness, gone = registered(registry, "w"), registered(registry, "g")
    witness.hear()

    gone.session.end(NOW_NS)
    gone.session.end(NOW_NS)

    assert witness.hear() == [PeerLeft("g")]
    assert gone.hear() == []


def test_the_end_of_a_client_that_never_registered_disturbs_nobody(registry: Registry) -> None:
    witness = registered(registry, "w")

    party(registry).session.end(NOW_NS)

    assert witness.hear() == []


def test_an_id_is_free_again_when_its_holder_is_gone(registry: Registry) -> None:
    registered(registry, "pc").session.end(NOW_NS)

    newcomer = party(registry)
    newcomer.say(Register("pc"))

    assert newcomer.hear() == [Registered("pc", "default", [])]


# The log


def test_the_log_tells_who_came_said_something_and_left(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    phone = registered(registry, "phone1", "lab1", "android")
    registered(registry, "pc", "lab1", "pc")
    phone.say(Offer(raw("secret"), "pc"))
    phone.say(IceCandidate(raw("secret"), "pc"))
    phone.session.end(NOW_NS)

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


def test_of_a_long_report_the_beginning_is_logged_and_no_more_is_looked_at(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    flat(registry).say(ClientReport("x" * (REPORT_LENGTH - 8) + " token=" + "s" * 100 + " v=0"))
    flat(registry, "phone2").say(ClientReport("eyJhbGciOi" * REPORT_LENGTH))

    first, second = caplog.messages
    assert first == f'Reported by phone: "{"x" * 160}…"'
    assert second == 'Reported by phone2: "…"'


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


# What the log's lines say of a client


def test_a_line_about_a_client_names_it_and_its_room_as_soon_as_there_are_any(
    registry: Registry,
) -> None:
    one = party(registry)
    address = one.session.address

    assert one.session.log_fields() == {"address": address}
    one.say(Register("a b", "the lab"))
    assert one.session.log_fields() == {"client": "a b", "room": "the lab", "address": address}
    one.say(Leave())
    assert one.session.log_fields() == {"client": "a b", "address": address}


def test_a_line_is_about_who_caused_it(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one, other = registered(registry, "one"), registered(registry, "other")

    one.say(Offer(raw("v=0"), "other"))
    one.say(Offer(raw("v=0"), "nobody"))
    other.say(ClientReport("no camera"))
    one.say(Leave())

    about = [vars(record)["about"] for record in caplog.records]
    events = [events_name(record) for record in caplog.records]
    assert dict(zip(events, about, strict=True)) == {
        "room_opened": one.session,
        "client_registered": other.session,  # the last
        "relayed": one.session,
        "refused": one.session,
        "client_report": other.session,
        "client_left": one.session,
    }


def events_name(record: logging.LogRecord) -> str:
    assert isinstance(record.msg, Event)
    return record.msg.name
