"""Credentials for TURN, and the servers that clients are told of."""

import base64
import hashlib
import hmac

import pytest
from plain import NOW_NS, party, registered

from twisted_signal.errors import NotRegistered
from twisted_signal.messages import (
    NAME_LENGTH,
    AskIceServers,
    IceServer,
    IceServers,
    PeerLeft,
    Register,
    Registered,
)
from twisted_signal.registry import Registry
from twisted_signal.turn import (
    NO_ICE_SERVERS,
    IceProvider,
    credentials,
    is_stun_uri,
    is_turn_uri,
)

SECRET = b"north"
NOW = NOW_NS // 1_000_000_000
PROVIDER = IceProvider(["stun:a.example"], ["turn:b.example"], SECRET, 60)


def servers_for(client_id: str) -> list[IceServer]:
    """Return what PROVIDER has for a client now."""
    return PROVIDER.for_client(client_id, NOW)


def test_a_username_says_until_when_and_for_whom() -> None:
    assert credentials("phone1", NOW, SECRET)[0] == f"{NOW}:phone1"


def test_the_password_is_the_usernames_hmac_in_base64() -> None:
    username, credential = credentials("phone1", NOW, SECRET)

    digest = hmac.new(SECRET, username.encode(), hashlib.sha1).digest()
    assert credential == base64.b64encode(digest).decode()


@pytest.mark.parametrize("client_id", ["Gerät 7", "a:b@c", "电话", "%41", "~x_-.y", "\u00a0"])
def test_a_username_is_ascii_whatever_the_id_is(client_id: str) -> None:
    username, _ = credentials(client_id, NOW, SECRET)

    assert username.isascii()
    assert username.isprintable()


def test_ids_that_differ_have_usernames_that_differ() -> None:
    ids = ["ü", "u\u0308", "%C3%BC", "u"]

    assert len({credentials(each, NOW, SECRET)[0] for each in ids}) == len(ids)


def test_a_username_is_as_short_as_stun_wants_it() -> None:
    username, _ = credentials("\U0001f4f1" * NAME_LENGTH, NOW, SECRET)

    assert len(username.encode()) < 509


def test_each_client_gets_credentials_of_its_own_that_expire() -> None:
    provider = IceProvider(["stun:a.example"], ["turn:b.example", "turns:b.example"], SECRET, 60)

    stun, turn = provider.for_client("phone1", NOW)

    assert stun == IceServer(["stun:a.example"])
    assert turn == IceServer(
        ["turn:b.example", "turns:b.example"], *credentials("phone1", NOW + 60, SECRET)
    )
    assert provider.for_client("pc", NOW)[1].username == f"{NOW + 60}:pc"
    assert provider.ttl == 60


def test_without_turn_servers_nothing_expires() -> None:
    provider = IceProvider(["stun:a.example", "stun:b.example"])

    assert provider.for_client("pc", NOW) == [IceServer(["stun:a.example", "stun:b.example"])]
    assert provider.ttl is None


def test_there_may_be_none_at_all() -> None:
    assert NO_ICE_SERVERS.for_client("pc", NOW) == []
    assert NO_ICE_SERVERS.ttl is None


def test_a_new_secret_is_for_those_who_ask_from_then_on() -> None:
    provider = IceProvider([], ["turn:b.example"], SECRET)

    provider.secret = b"south"

    assert provider.for_client("pc", NOW) == [
        IceServer(["turn:b.example"], *credentials("pc", NOW + 3600, b"south"))
    ]


@pytest.mark.parametrize(
    "uri", ["stun:example.com", "stun:192.0.2.1:3478", "stuns:[2001:db8::1]:5349", "stun:a-b"]
)
def test_stun_uris_are_those_of_rfc_7064(uri: str) -> None:
    assert is_stun_uri(uri)
    assert not is_turn_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "turn:example.com",
        "turn:example.com:3478?transport=udp",
        "turns:example.com?transport=tcp",
        "turn:[::1]:1",
    ],
)
def test_turn_uris_are_those_of_rfc_7065(uri: str) -> None:
    assert is_turn_uri(uri)
    assert not is_stun_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "turn:",
        "turn://example.com",
        "turn:user@example.com",
        "turn:example.com:",
        "turn:example.com:123456",
        "turn:example.com?transport=sctp",
        "stun:example.com?transport=udp",
        "turn:example.com ",
        "TURN:example.com\n",
        "http://example.com",
    ],
)
def test_what_else_looks_like_one_is_none(uri: str) -> None:
    assert not is_stun_uri(uri)
    assert not is_turn_uri(uri)


# What a client is told


def test_a_client_that_wants_to_know_is_told_where_it_registers() -> None:
    client = party(Registry(), ice=PROVIDER)

    client.say(Register("phone1", ice_servers=True))

    assert client.hear() == [
        Registered(
            "phone1",
            "default",
            [],
            ice_servers=servers_for("phone1"),
            ice_servers_expire_in_ms=60_000,
        )
    ]


def test_a_client_that_does_not_ask_is_told_nothing() -> None:
    client = party(Registry(), ice=PROVIDER)

    client.say(Register("phone1"))

    assert client.hear() == [Registered("phone1", "default", [])]


def test_one_that_may_resume_is_told_too() -> None:
    client = party(Registry(), ice=PROVIDER)

    client.say(Register("phone1", ice_servers=True, resume=True))

    (told,) = client.hear()
    assert isinstance(told, Registered)
    assert told.resume_token is not None
    assert told.ice_servers == servers_for("phone1")


def test_where_there_are_none_it_is_told_so() -> None:
    client = party(Registry())

    client.say(Register("phone1", ice_servers=True))

    assert client.hear() == [Registered("phone1", "default", [], ice_servers=[])]


def test_fresh_credentials_are_to_be_had_at_any_time() -> None:
    client = party(Registry(), ice=PROVIDER)
    client.say(Register("phone1"))
    client.hear()

    client.say(AskIceServers())

    assert client.hear() == [IceServers(servers_for("phone1"), 60_000)]


def test_who_is_in_no_room_gets_none() -> None:
    client = party(Registry(), ice=PROVIDER)

    client.say(AskIceServers())

    assert client.hear_error().code == NotRegistered.code


def test_who_waits_for_an_id_is_told_when_it_has_it() -> None:
    registry = Registry()
    holder, claimant = registered(registry, "pc"), party(registry, ice=PROVIDER)
    holder.client.alive = None
    claimant.say(Register("pc", ice_servers=True))
    claimant.say(AskIceServers())
    assert claimant.hear() == []

    holder.client.answer(alive=False)

    registered_, fresh = claimant.hear()
    assert isinstance(registered_, Registered)
    assert registered_.ice_servers == servers_for("pc")
    assert fresh == IceServers(servers_for("pc"), 60_000)
    assert PeerLeft("pc") not in claimant.hear()
