"""The client's core, with plain objects."""

from typing import Any

import pytest
from client_play import URL, Play

from twisted_signal.client.backoff import HOLDS
from twisted_signal.client.core import ENTER_TIMEOUT, OPEN_TIMEOUT
from twisted_signal.client.errors import CannotConnect, Closed, Refused, SignalingError
from twisted_signal.client.events import (
    Disconnected,
    Error,
    IceCandidate,
    Message,
    Offer,
    PeerJoined,
    PeerLeft,
    Reconnected,
)
from twisted_signal.client.outgoing import WINDOW
from twisted_signal.client.pulse import SILENCE
from twisted_signal.client.state import State

REGISTER = {
    "type": "register",
    "client_id": "pc",
    "room_id": "lab1",
    "client_type": "pc",
    "ice_servers": False,
    "resume": True,
}
BROKE = Disconnected(f"The connection to {URL} broke: gone")


def offer(sdp: str, peer_id: str = "phone") -> dict[str, Any]:
    return {"type": "offer", "target_id": peer_id, "sdp": {"type": "offer", "sdp": sdp}}


@pytest.fixture
def play() -> Play:
    return Play()


def inside(**types: str) -> Play:
    """Return a client that is in the room."""
    play = Play()
    play.enter(**types)
    return play


class TestEntering:
    def test_it_registers_and_asks_who_is_there(self, play: Play) -> None:
        play.open()
        assert play.wire.said == [REGISTER]
        play.registered("phone")
        assert play.wire.said == [REGISTER, {"type": "peers"}]
        assert not play.core.has_entered

        play.peers(phone="android")

        assert play.core.state is State.IN_ROOM
        assert play.core.has_entered
        assert play.core.room.peers == {"phone": "android"}
        assert play.told() == [PeerJoined("phone", "android")]

    def test_it_shows_its_token_and_asks_for_ice_servers(self) -> None:
        play = Play(ice_servers=True)
        play.open(token="eyJ")
        assert play.wire.said == [REGISTER | {"ice_servers": True, "token": "eyJ"}]

    def test_a_server_that_does_not_tell_who_is_there_is_not_waited_for(self, play: Play) -> None:
        play.open()
        play.registered("phone")
        play.pong()
        assert play.core.room.peers == {"phone": "unknown"}
        assert play.told() == [PeerJoined("phone", "unknown")]

    def test_a_server_that_does_not_tell_now_is_asked_again(self, play: Play) -> None:
        play.open()
        play.registered("phone")
        play.say("error", code="rate_limited", message="Wait.", retry_after_ms=60_000)
        assert play.told() == [PeerJoined("phone", "unknown")]
        play.wire.said.clear()
        for _ in range(7):
            play.pass_time(9)
            play.pong()
        assert play.wire.said == [{"type": "peers"}]
        play.peers(phone="android")
        assert play.core.room.peers == {"phone": "android"}
        assert play.told() == []

    def test_what_comes_meanwhile_is_told_after_who_was_there(self, play: Play) -> None:
        play.open()
        play.registered("phone")
        play.say("peer_joined", client_id="tablet", client_type="android")
        play.say("offer", sender_id="tablet", sdp="v=0")
        play.say("peer_left", client_id="tablet")
        assert play.told() == []
        play.peers(phone="android")
        assert play.told() == [
            PeerJoined("phone", "android"),
            PeerJoined("tablet", "android"),
            Offer("tablet", "v=0"),
            PeerLeft("tablet"),
        ]

    @pytest.mark.parametrize("code", ["id_taken", "room_full", "invalid_message", "whatever"])
    def test_a_refusal_ends_it_with_the_code_of_the_server(self, play: Play, code: str) -> None:
        play.open()
        play.say("error", code=code, message="Choose another.")
        assert isinstance(play.core.failure, Refused)
        assert play.core.failure.code == code
        assert str(play.core.failure) == "The server says: Choose another."
        assert play.wire.closed == 1000
        assert play.core.wake_at is None

    def test_a_registration_over_the_rate_is_made_again(self, play: Play) -> None:
        play.open()
        play.say("error", code="rate_limited", message="Wait.", retry_after_ms=700)
        play.pass_time(0.6)
        assert play.hear() == [REGISTER]
        play.pass_time(0.2)
        assert play.hear() == [REGISTER]

    def test_an_error_before_the_place_is_there_is_not_counted_as_something_that_came_there(
        self, play: Play
    ) -> None:
        play.enter()
        received = play.core.place.received
        play.lose()
        play.open()
        play.say("error", code="rate_limited", message="Wait.", retry_after_ms=700)
        play.pass_time(0.7)
        resume = {"type": "resume", "resume_token": "one", "received": received}
        assert play.hear() == [resume, resume]

    def test_what_makes_no_sense_before_is_ignored(self, play: Play) -> None:
        play.open()
        play.say("offer", sender_id="phone", sdp="v=0")
        play.say("resumed", room_id="lab1", peers=[], resume_token="two")
        assert play.core.state is State.REGISTERING
        assert play.told() == []

    def test_a_server_that_does_not_answer_is_given_up(self, play: Play) -> None:
        play.open()
        for _ in range(ENTER_TIMEOUT):
            play.pass_time(1)
            play.pong()
        assert play.wire.is_aborted
        assert isinstance(play.core.failure, CannotConnect)
        assert "let nobody in within 20 s" in str(play.core.failure)

    def test_a_connection_that_does_not_open_is_given_up(self, play: Play) -> None:
        play.core.connecting(play.now)
        play.pass_time(OPEN_TIMEOUT)
        assert isinstance(play.core.failure, CannotConnect)
        assert play.core.failure.code == "cannot_connect"

    def test_a_first_connection_that_breaks_is_not_tried_again(self, play: Play) -> None:
        play.open()
        play.lose(1001, "The server is going down")
        assert str(play.core.failure) == (
            f"Cannot connect to {URL}: the connection broke: 1001 The server is going down"
        )

    def test_a_first_handshake_that_is_refused_tells_when_to_try_again(self, play: Play) -> None:
        play.core.connecting(play.now)
        play.core.failed("HTTP 503 busy", play.now, status=503, retry_after=7)
        assert isinstance(play.core.failure, CannotConnect)
        assert play.core.failure.retry_after == 7

    def test_a_handshake_that_is_refused_for_good_has_its_status_as_code(self, play: Play) -> None:
        play.core.connecting(play.now)
        play.core.failed("HTTP 403 no", play.now, status=403)
        assert isinstance(play.core.failure, Refused)
        assert play.core.failure.code == "http_403"


class TestComingBack:
    def test_it_resumes_at_once_and_tells_how_much_it_got(self) -> None:
        play = inside(phone="android")
        received = play.core.place.received
        play.say("message", sender_id="phone", data=1)
        play.core.received("nonsense", play.now)
        play.lose()
        assert play.told() == [Message("phone", 1), BROKE]
        assert play.core.wake_at == play.now

        play.open()
        assert play.hear() == [{"type": "resume", "resume_token": "one", "received": received + 2}]
        play.say("resumed", room_id="lab1", peers=["phone"], resume_token="two")
        play.say("message", sender_id="phone", data=2)
        assert play.told() == [Reconnected(resumed=True), Message("phone", 2)]

        play.lose()
        play.come_back()
        assert play.hear() == [{"type": "resume", "resume_token": "two", "received": 1}]

    def test_a_place_that_is_gone_is_taken_afresh_and_the_difference_is_told(self) -> None:
        play = inside(phone="android", tablet="android")
        play.lose()
        play.open()
        play.say("error", code="resume_expired", message="Too late.")
        assert play.hear()[1:] == [REGISTER]
        play.registered("tablet", "robot", token="two")
        play.peers(tablet="android", robot="pc")
        assert play.told() == [
            BROKE,
            Reconnected(resumed=False),
            PeerLeft("phone"),
            PeerJoined("robot", "pc"),
        ]

    def test_a_server_that_keeps_no_places_gets_a_fresh_registration(self) -> None:
        play = Play()
        play.open()
        play.registered(token=None)
        play.pong()
        play.lose()
        play.come_back()
        assert play.wire.said == [REGISTER]

    def test_who_came_and_went_without_a_word_is_told_in_the_end(self) -> None:
        """The server keeps so many messages for who is away, and not more."""
        play = inside(phone="android", tablet="android")
        play.lose()
        play.open()
        play.say("resumed", room_id="lab1", peers=["phone", "robot"], resume_token="two")
        play.say("peer_left", client_id="phone")
        play.peers(phone="pc", robot="pc")
        assert play.told() == [
            BROKE,
            Reconnected(resumed=True),
            PeerLeft("phone"),
            PeerLeft("tablet"),
            PeerJoined("phone", "pc"),
            PeerJoined("robot", "pc"),
        ]
        assert play.core.room.peers == {"phone": "pc", "robot": "pc"}

    def test_what_was_held_back_is_told_though_the_connection_breaks(self) -> None:
        play = inside()
        play.lose()
        play.open()
        play.say("error", code="resume_expired", message="Too late.")
        play.registered("phone", token="two")
        play.say("offer", sender_id="phone", sdp="v=0")
        play.lose()
        assert play.told() == [
            BROKE,
            Reconnected(resumed=False),
            PeerJoined("phone", "unknown"),
            Offer("phone", "v=0"),
            BROKE,
        ]
        play.come_back()
        assert play.hear() == [{"type": "resume", "resume_token": "two", "received": 1}]

    def test_tries_are_further_and_further_apart_until_it_was_in_the_room_for_some_time(
        self,
    ) -> None:
        play = inside()
        play.pass_time(5)
        play.lose()
        waits = []
        for _ in range(12):
            assert play.core.wake_at is not None
            waits.append(round(play.core.wake_at - play.now, 3))
            play.now = play.core.wake_at
            play.core.connecting(play.now)
            play.core.failed("connection refused", play.now)
        assert waits == [0, 1, 1, 1, 1, 1, 1, 2, 4, 8, 10, 10]
        assert play.told() == [BROKE]
        for stays, wait in ((0, 10), (5, 0)):
            play.come_back()
            play.say("resumed", room_id="lab1", peers=[], resume_token="two")
            play.pass_time(stays)
            play.lose()
            assert play.core.wake_at == pytest.approx(play.now + wait)

    def test_it_comes_back_when_a_server_that_goes_down_wants_it(self) -> None:
        play = inside()
        play.say("server_shutdown", reconnect_in_ms=700)
        play.lose(1001)
        assert play.core.wake_at == play.now + 0.7

    def test_it_waits_as_long_as_a_refused_handshake_says(self) -> None:
        play = inside()
        play.lose()
        play.core.connecting(play.now)
        play.core.failed("HTTP 429 no", play.now, status=429, retry_after=30)
        assert play.core.wake_at == play.now + 30

    @pytest.mark.parametrize("wait", [-5, 10**30])
    def test_a_wait_has_an_end_whatever_the_server_says(self, wait: int) -> None:
        play = inside()
        play.say("server_shutdown", reconnect_in_ms=wait)
        play.lose(1001)
        assert play.core.wake_at is not None
        assert play.now <= play.core.wake_at <= play.now + 3600

    def test_a_handshake_that_is_refused_for_good_ends_it(self) -> None:
        play = inside()
        play.lose()
        play.core.connecting(play.now)
        play.core.failed("HTTP 403 no", play.now, status=403)
        assert play.core.state is State.ENDED

    @pytest.mark.parametrize("code", [None, 1001, 1006, 1011, 1012, 1013, 1014, 4429])
    def test_it_comes_back_where_that_helps(self, code: int | None) -> None:
        play = inside()
        play.lose(code)
        assert play.core.state is State.WAITING

    @pytest.mark.parametrize(
        ("code", "name"),
        [(4409, "replaced"), (4410, "dismissed"), (1002, "protocol_error"), (1000, "closed")],
    )
    def test_it_does_not_come_back_where_that_is_of_no_use(self, code: int, name: str) -> None:
        play = inside()
        play.lose(code, "Another one")
        assert isinstance(play.core.failure, Closed)
        assert play.core.failure.code == name
        assert play.core.failure.close_code == code
        assert str(play.core.failure) == (
            f"The server closed the connection to {URL}: {code} Another one"
        )

    def test_an_id_that_the_server_still_holds_is_waited_for_but_not_for_ever(self) -> None:
        play = inside()
        play.lose()
        tries = 0
        start = play.now
        while play.core.state is State.WAITING:
            play.come_back()
            if tries == 0:
                play.say("error", code="resume_expired", message="Too late.")
            play.say("error", code="id_taken", message="Another one is alive.")
            assert play.wire.closed == 1000
            tries += 1
        assert isinstance(play.core.failure, Refused)
        assert play.core.failure.code == "id_taken"
        assert HOLDS <= play.now - start < HOLDS + 11
        assert tries > 5


class TestSending:
    def test_what_is_sent_arrives_and_is_forgotten(self) -> None:
        play = inside()
        play.offer("v=0")
        play.message(1)
        assert play.hear() == [offer("v=0"), {"type": "message", "data": 1}]
        play.arrive()
        play.lose()
        play.open()
        play.say("resumed", room_id="lab1", peers=[], resume_token="two")
        assert play.hear()[1:] == []

    def test_what_may_be_lost_with_the_connection_is_sent_again_after_a_resume(self) -> None:
        play = inside()
        play.offer("one")
        play.arrive()
        play.offer("two")
        play.message(1)
        play.lose()
        play.offer("three")
        play.open()
        assert [message["type"] for message in play.hear()] == ["resume"]
        play.say("resumed", room_id="lab1", peers=[], resume_token="two")
        assert play.hear() == [offer("two"), {"type": "message", "data": 1}, offer("three")]

    def test_calls_of_before_are_left_out_after_a_fresh_registration(self) -> None:
        play = inside()
        play.offer("one")
        play.message(1)
        play.lose()
        play.offer("two")
        play.message(2)
        play.open()
        play.say("error", code="resume_expired", message="Too late.")
        play.registered(token="two")
        assert play.hear()[2:] == [
            {"type": "message", "data": 1},
            {"type": "message", "data": 2},
        ]

    def test_what_is_over_the_rate_is_said_again_when_it_is_allowed_and_one_at_a_time(
        self,
    ) -> None:
        play = inside()
        for number in range(3):
            play.message(number)
        play.hear()
        play.say("error", code="rate_limited", message="Wait.", retry_after_ms=300)
        play.message(3)
        play.pass_time(0.2)
        assert play.hear() == []
        play.pong()  # of what was refused
        assert play.told() == []
        for number in range(4):
            play.pass_time(0.2)
            assert play.hear() == [{"type": "message", "data": number}]
            play.pong()
        assert not play.core.outgoing.may_send

    def test_not_more_than_some_is_on_its_way_at_once(self) -> None:
        play = inside()
        for number in range(100):
            play.message(number)
        counts = [len(play.hear())]
        while sum(counts) < 100:
            assert play.wire.pings
            play.pong()
            counts.append(len(play.hear()))
        assert max(counts) == WINDOW

    def test_there_are_not_many_pings(self) -> None:
        play = inside()
        pings = 0
        for number in range(1000):
            play.message(number)
            pings += len(play.wire.pings)
            play.pong()
            play.pass_time(0.01)
        assert 150 <= pings <= 201

    def test_who_kept_on_sending_too_much_comes_back_and_sends_one_at_a_time(self) -> None:
        play = inside()
        for number in range(3):
            play.message(number)
        play.lose(4429, "You go on sending more than you may")
        play.open()
        play.say("resumed", room_id="lab1", peers=[], resume_token="two")
        assert play.hear()[1:] == []  # the question who is there is on its way
        play.pong()
        assert play.hear() == [{"type": "message", "data": 0}]

    def test_other_errors_are_told(self) -> None:
        play = inside()
        play.say("error", code="peer_not_found", message="No such peer.", target_id="phone")
        assert play.told() == [Error("peer_not_found", "No such peer.", "phone")]

    def test_nothing_is_sent_after_the_end(self) -> None:
        play = inside()
        play.lose(4409, "Another one")
        with pytest.raises(Closed):
            play.message(1)

    def test_what_is_no_json_is_the_callers_mistake(self) -> None:
        play = inside()
        with pytest.raises(TypeError):
            play.message(object())
        assert play.hear() == []


class TestHearing:
    def test_what_a_peer_says_twice_in_a_call_is_told_once(self) -> None:
        play = inside(phone="android")
        candidate = {"candidate": "candidate:1", "sdpMid": "0"}
        for _ in range(2):
            play.say("offer", sender_id="phone", sdp={"type": "offer", "sdp": "v=0"})
            play.say("ice_candidate", sender_id="phone", candidate=candidate)
            play.say("message", sender_id="phone", data="again")
        assert play.told() == [
            Offer("phone", "v=0"),
            IceCandidate("phone", candidate),
            Message("phone", "again"),
            Message("phone", "again"),
        ]

    def test_what_a_peer_says_once_more_in_order_is_not_told_again(self) -> None:
        play = inside(phone="android")
        end = IceCandidate("phone", None)
        for _ in range(2):
            for sdp in ("one", "two", "three"):
                play.say("offer", sender_id="phone", sdp=sdp)
                play.say("ice_candidate", sender_id="phone", candidate=None)
        assert play.told() == [
            event for sdp in ("one", "two", "three") for event in (Offer("phone", sdp), end)
        ]

    def test_a_new_offer_may_have_the_candidates_of_the_one_before(self) -> None:
        play = inside(phone="android")
        for sdp in ("one", "two"):
            play.say("offer", sender_id="phone", sdp=sdp)
            play.say("ice_candidate", sender_id="phone", candidate=None)
        end = IceCandidate("phone", None)
        assert play.told() == [Offer("phone", "one"), end, Offer("phone", "two"), end]

    def test_a_peer_that_comes_anew_may_say_the_same(self) -> None:
        play = inside(phone="android")
        play.say("offer", sender_id="phone", sdp="v=0")
        play.say("peer_left", client_id="phone")
        play.say("peer_joined", client_id="phone", client_type="android")
        play.say("offer", sender_id="phone", sdp="v=0")
        assert play.told().count(Offer("phone", "v=0")) == 2

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "nonsense",
            '{"type":"hello"}',
            '{"type":"offer"}',
            '{"type":"offer","sender_id":"phone","sdp":5}',
            '{"type":"answer","sender_id":"phone","sdp":{"type":"answer"}}',
            '{"type":"ice_candidate","sender_id":"phone","candidate":[]}',
            '{"type":"ice_candidate","sender_id":"phone","candidate":{"candidate":5}}',
            '{"type":"message","sender_id":"phone","data":' + "[" * 100_000,
            '{"type":"message","sender_id":"phone","data":"\\ud800"}',
            '{"type":"message","sender_id":"phone","data":1e999}',
            '{"type":"peer_joined","client_id":7,"client_type":"x"}',
            '{"type":"ice_servers","ice_servers":[{"urls":7}]}',
            '{"type":"pong","server_time_ms":1}',
            '{"type":"resumed","room_id":"lab1","peers":["phone"],"resume_token":"x"}',
            b"\xff",
        ],
    )
    def test_what_makes_no_sense_is_counted_and_ignored(self, text: str | bytes) -> None:
        play = inside(phone="android")
        received = play.core.place.received
        play.core.received(text, play.now)
        assert play.told() == []
        assert play.core.state is State.IN_ROOM
        assert play.core.place.received == received + 1

    def test_a_second_registered_is_where_the_counting_begins(self) -> None:
        play = inside(phone="android")
        play.registered("phone", token="two")
        play.lose()
        play.open()
        assert play.hear() == [{"type": "resume", "resume_token": "two", "received": 0}]

    def test_fields_that_are_not_known_are_ignored(self) -> None:
        play = inside()
        play.say("peer_joined", client_id="phone", client_type="android", colour="red")
        assert play.told() == [PeerJoined("phone", "android")]


class TestSilence:
    def test_a_silent_server_is_asked_and_then_given_up(self) -> None:
        play = inside()
        play.pass_time(SILENCE)
        assert len(play.wire.pings) == 1
        play.pong()
        play.pass_time(SILENCE)
        play.pass_time(SILENCE)
        assert play.wire.is_aborted
        assert play.core.state is State.WAITING
        assert play.told() == [
            Disconnected(f"The connection to {URL} broke: nothing came from the server in 20 s")
        ]

    def test_what_is_not_read_is_not_missed(self) -> None:
        play = inside()
        play.core.listen(play.now, listens=False)
        play.pass_time(100)
        assert not play.wire.is_aborted
        play.core.listen(play.now, listens=True)
        play.pass_time(2 * SILENCE)
        assert play.wire.is_aborted


class TestTokens:
    def test_one_that_is_refused_ends_it_with_the_words_of_the_server(self, play: Play) -> None:
        play.open("eyJ")
        play.say("error", code="forbidden", message="This token is for room lab2.")
        play.lose(4403, "forbidden")
        assert isinstance(play.core.failure, Refused)
        assert play.core.failure.code == "forbidden"
        assert play.core.failure.close_code == 4403
        assert str(play.core.failure) == "The server says: This token is for room lab2."

    @pytest.mark.parametrize("has_fresh_tokens", [False, True])
    def test_one_that_expires_ends_it_if_there_is_no_other(self, has_fresh_tokens: bool) -> None:
        play = Play(has_fresh_tokens=has_fresh_tokens)
        play.enter("eyJ")
        play.say("error", code="unauthorized", message="Your token has expired.")
        play.lose(4401, "unauthorized")
        if not has_fresh_tokens:
            assert isinstance(play.core.failure, Refused)
            assert play.core.failure.code == "unauthorized"
            return
        play.come_back("fresh")
        assert play.wire.said == [REGISTER | {"token": "fresh"}]
        play.say("error", code="unauthorized", message="Your token has expired.")
        play.lose(4401, "unauthorized")
        assert isinstance(play.core.failure, Refused)

    def test_a_close_code_without_a_word_before_has_a_name(self, play: Play) -> None:
        play.open("eyJ")
        play.lose(4401, "")
        assert isinstance(play.core.failure, Closed)
        assert play.core.failure.code == "unauthorized"

    def test_a_fresh_one_is_shown_after_a_resume(self) -> None:
        play = Play(has_fresh_tokens=True)
        play.enter("one")
        play.lose()
        play.open("two")
        play.say("resumed", room_id="lab1", peers=[], resume_token="two")
        assert {"type": "token", "token": "two"} in play.hear()

    def test_a_fresh_one_is_wanted_before_it_expires_and_again_if_none_comes(self) -> None:
        play = Play(has_fresh_tokens=True)
        play.open("one", life=100)
        play.registered()
        play.peers()
        wanted = []
        for second in range(120):
            if play.core.wants_token(play.now):
                wanted.append(second)
            play.now += 1
        assert wanted == [75, 105]
        play.hear()
        play.core.renew("two", play.now, 100)
        assert play.hear() == [{"type": "token", "token": "two"}]
        assert not play.core.wants_token(play.now + 74)

    def test_a_fresh_one_is_shown_with_the_next_registration(self) -> None:
        play = Play()
        play.enter("one")
        play.lose()
        play.core.renew("two", play.now)
        assert play.hear() == []


STUN = {"urls": ["stun:192.0.2.1:3478"]}
TURN = {"urls": ["turn:192.0.2.1:3478"], "username": "1:pc", "credential": "secret"}


class TestIceServers:
    def test_they_are_learned_and_fresh_ones_asked_for_before_they_expire(self) -> None:
        play = Play(ice_servers=True)
        play.open()
        play.registered(ice_servers=[STUN, TURN], ice_servers_expire_in_ms=100_000)
        play.peers()
        assert [server.urls for server in play.core.place.ice_servers] == [
            STUN["urls"],
            TURN["urls"],
        ]
        play.hear()
        asked = []
        for second in range(110):
            play.say("pong", server_time_ms=0)
            play.pass_time(1)
            play.pong()
            asked += [second for message in play.hear() if message["type"] == "ice_servers"]
        assert asked == [74, 104]
        play.say("ice_servers", ice_servers=[TURN], ice_servers_expire_in_ms=100_000)
        assert [server.credential for server in play.core.place.ice_servers] == ["secret"]
        assert play.told() == []

    def test_a_server_that_knows_none_is_not_asked_again(self) -> None:
        play = Play(ice_servers=True)
        play.enter()
        assert play.core.place.ice_servers == []
        assert play.core.place.ice_renewal.at is None


class TestLeaving:
    def test_it_closes_the_connection_and_has_left_when_that_is_gone(self) -> None:
        play = inside()
        play.core.leave()
        play.core.leave()
        assert play.wire.closed == 1000
        assert play.core.has_left
        assert play.core.wake_at is None
        play.say("message", sender_id="phone", data=1)
        play.core.ponged(b"1", play.now)
        with pytest.raises(SignalingError, match="has left"):
            play.message(1)
        play.lose(1000)
        assert play.core.state is State.ENDED
        assert play.core.failure is None
        assert play.told() == []

    def test_it_leaves_at_once_where_there_is_no_connection(self) -> None:
        play = inside()
        play.lose()
        play.core.leave()
        assert play.core.state is State.ENDED
        assert play.core.failure is None

    def test_why_it_ended_is_not_forgotten(self) -> None:
        play = inside()
        play.lose(4409)
        play.core.leave()
        assert isinstance(play.core.failure, Closed)
