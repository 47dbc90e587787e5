from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from plain import raw
from timelines import RECORDED, candidate_text, description

from twisted_signal.candidates import (
    END,
    MOST_LINES,
    UNREADABLE,
    Network,
    can_reach,
    read_candidate,
    read_description,
    type_of,
)

# What programs really send, with documentation addresses.
CHROMIUM = (
    "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0"
    " generation 0 ufrag 4ZcD network-cost 999"
)
CHROMIUM_MDNS = (
    "candidate:2999745851 1 udp 2122260223 6c1f1e5e-0d3c-4a1a-9a1a-6a6c1f1e5e0d.local 56143 typ"
    " host generation 0 ufrag 4ZcD network-id 1"
)
CHROMIUM_TCP = "candidate:1 1 tcp 1518280447 192.168.1.4 9 typ host tcptype active generation 0"
FIREFOX = "candidate:0 1 UDP 2122252543 192.168.1.4 51888 typ host"
FIREFOX_TCP = "candidate:2 1 TCP 2105524479 192.168.1.4 9 typ host tcptype active"
AIORTC = "candidate:f957a2332b1715da3b0ef8ba684454eb 1 udp 2130706431 192.168.1.4 46761 typ host"
RELAYED = (
    "candidate:3 1 udp 41885439 198.51.100.9 61230 typ relay raddr 203.0.113.7 rport 46154"
    " generation 0 ufrag 4ZcD network-cost 10"
)
LEARNT = "candidate:9 2 udp 1862270975 203.0.113.7 46154 typ prflx raddr 10.0.0.9 rport 5"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (CHROMIUM, "srflx udp"),
        (CHROMIUM_MDNS, "host udp mDNS"),
        (CHROMIUM_TCP, "host tcp"),
        (FIREFOX, "host udp"),
        (FIREFOX_TCP, "host tcp"),
        (AIORTC, "host udp"),
        (RELAYED, "relay udp"),
        (LEARNT, "prflx udp"),
        ("a=" + AIORTC, "host udp"),
        (candidate_text("host", "2001:db8::7"), "host udp"),
    ],
)
@pytest.mark.parametrize(
    "shape",
    [
        lambda text: text,
        lambda text: {"candidate": text, "sdpMid": "0", "sdpMLineIndex": 0},
        lambda text: {"sdpMid": "0", "sdpMLineIndex": 0, "candidate": text},
        lambda text: {"type": "candidate", "label": 0, "id": "0", "candidate": text},
    ],
    ids=["text", "init", "init in another order", "aiortc"],
)
def test_a_candidate_tells_its_type_and_protocol(text: str, kind: str, shape) -> None:  # type: ignore[no-untyped-def] # a shape each
    assert read_candidate(raw(shape(text)))[0] == kind


def test_white_space_in_the_json_changes_nothing() -> None:
    value = Raw(b'{\n  "candidate" : "%s" ,\n  "sdpMid" : "0" }' % FIREFOX.encode())

    assert read_candidate(value)[0] == "host udp"


@pytest.mark.parametrize(
    "value",
    [
        b"null",
        b" null",
        b'""',
        b'{"candidate":""}',
        b'{"candidate": ""}',
        b'{"candidate":null}',
        b'{"candidate":"","sdpMid":"0","sdpMLineIndex":0}',
        b'{"sdpMid":"candidate","sdpMLineIndex":0,"candidate":""}',
        b'{"usernameFragment":null,"candidate":"" }',
    ],
)
def test_null_and_an_empty_candidate_end_them(value: bytes) -> None:
    assert read_candidate(Raw(value)) == (END, None)


@pytest.mark.parametrize(
    "value",
    [
        b"5",
        b"[]",
        b"{}",
        b'"nonsense"',
        b'{"candidate":"candidate:1 1 udp"}',
        b'{"candidate":"candidate:1 1 udp 1 192.168.1.4 5 typ guess"}',
        b'{"candidate":"candidate:1 1 dccp 1 192.168.1.4 5 typ host"}',
        b'{"candidate":"candidate:1 1 udp x 192.168.1.4 5 typ host"}',
        b'{"x":"%s","candidate":"candidate:1 1 udp 1 192.168.1.4 5 typ host"}' % (b"x" * 2000),
    ],
)
def test_what_is_malformed_tells_nothing(value: bytes) -> None:
    assert read_candidate(Raw(value)) == (UNREADABLE, None)


@given(st.binary() | st.text(max_size=50).map(str.encode))
def test_nothing_that_is_sent_is_an_error(value: bytes) -> None:
    read_candidate(Raw(value))
    read_candidate(Raw(b"candidate:1 1 udp 1 " + value + b" 5 typ host"))
    read_description(Raw(value))
    read_description(Raw(b"a=ice-ufrag:" + value + b"a=candidate:1 1 udp 1 " + value))


def network(address: str) -> Network | None:
    return read_candidate(raw(candidate_text("host", address)))[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.168.1.4", "192.168.1.5"),
        ("10.0.7.1", "10.0.7.254"),
        ("172.16.0.4", "172.16.0.5"),
        ("172.31.255.4", "172.31.255.5"),
        ("100.64.0.1", "100.127.255.254"),
        ("fd00:1:2:3::4", "fd00:1:2:3:9:9:9:9"),
        ("203.0.113.7", "198.51.100.9"),
        ("203.0.113.7", "192.168.1.4"),
        ("172.32.0.1", "172.15.0.1"),
        ("100.128.0.1", "100.63.0.1"),
        ("2001:db8::7", "2001:db8:ffff::9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8::9"),
    ],
)
def test_hosts_reach_each_other_in_one_network_or_by_a_public_address(one: str, other: str) -> None:
    networks = network(one), network(other)

    assert None not in networks
    for some, others in permutations(networks):
        assert can_reach([some], [others])  # type: ignore[list-item] # they are not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.168.1.4", "192.168.2.4"),
        ("192.168.1.4", "10.0.1.4"),
        ("172.16.0.4", "172.17.0.4"),
        ("10.0.0.4", "100.64.0.4"),
        ("fd00:1:2:3::4", "fd00:1:2:4::4"),
        ("fd00:1:2:3::4", "2001:db8::7"),
        ("192.168.1.4", "2001:db8::7"),
        ("203.0.113.7", "2001:db8::7"),
    ],
)
def test_hosts_of_different_networks_do_not(one: str, other: str) -> None:
    networks = network(one), network(other)

    assert None not in networks
    for some, others in permutations(networks):
        assert not can_reach([some], [others])  # type: ignore[list-item] # they are not None


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "127.0.0.1",
        "169.254.3.4",
        "192.0.0.4",
        "224.0.0.251",
        "255.255.255.255",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::fb",
        "300.1.1.1",
        "1.2.3",
        "example.com",
        "ä",
        "6c1f1e5e.local",
    ],
)
def test_addresses_of_no_network_in_particular_tell_nothing(address: str) -> None:
    assert network(address) is None


@pytest.mark.parametrize("text", [CHROMIUM, RELAYED, LEARNT])
def test_only_of_hosts_is_the_network_told(text: str) -> None:
    assert read_candidate(raw(text))[1] is None


def test_a_network_is_a_number_that_does_not_contain_it() -> None:
    assert network("192.168.1.4") != (4, hash(b"192.168.1"))
    assert "192" not in str(network("192.168.1.4"))[:5]


def test_a_kind_begins_with_the_type() -> None:
    assert [type_of(kind) for kind in ("host udp mDNS", "relay tcp", UNREADABLE)] == [
        "host",
        "relay",
        "unreadable",
    ]


# Descriptions


def test_a_description_tells_of_the_candidates_in_it() -> None:
    lines = "".join(f"a={text}\r\n" for text in (AIORTC, CHROMIUM, CHROMIUM_MDNS))

    told = read_description(description("offer", "4ZcD", lines))

    assert [kind for kind, _ in told.candidates] == ["host udp", "srflx udp", "host udp mDNS"]
    assert not told.has_ended


def test_a_description_tells_whether_more_candidates_follow() -> None:
    assert read_description(description("offer", "4ZcD", "a=end-of-candidates\r\n")).has_ended
    told = read_description(description("offer", "4ZcD", f"a=end-of-candidates\r\na={AIORTC}\r\n"))
    assert told.has_ended
    assert len(told.candidates) == 1


def test_the_description_may_be_the_text_alone() -> None:
    told = read_description(raw(f"v=0\r\na=ice-ufrag:4ZcD\r\na={AIORTC}\r\n"))

    assert told.candidates[0][0] == "host udp"
    assert told.ufrag == read_description(description("answer", "4ZcD")).ufrag != 0


def test_other_ice_credentials_are_another_number() -> None:
    ufrags = {
        read_description(description("offer", ufrag)).ufrag for ufrag in ("4ZcD", "4ZcE", "4Zc/")
    }

    assert len(ufrags) == 3


def test_a_slash_may_be_an_escape_in_json() -> None:
    plain, escaped = (
        read_description(Raw(b'"a=ice-ufrag:Yf%sr\\r\\n"' % slash)) for slash in (b"/", b"\\/")
    )

    assert plain.ufrag != read_description(Raw(b'"a=ice-ufrag:Yf\\r\\n"')).ufrag
    assert escaped.ufrag != read_description(Raw(b'"a=ice-ufrag:Yf\\r\\n"')).ufrag


@pytest.mark.parametrize("first", ["a=ice-ufrag:4ZcD\r\n", ""])
def test_another_certificate_is_another_number_wherever_it_stands(first: str) -> None:
    numbers = {
        read_description(raw(f"v=0\r\n{one}{first}{other}")).fingerprint
        for one, other in [
            ("a=fingerprint:sha-256 AA\r\n", ""),
            ("", "a=fingerprint:sha-256 AA\r\n"),
            ("", "a=fingerprint:sha-256 AB\r\n"),
        ]
    }

    assert len(numbers) == 2
    assert 0 not in numbers


@pytest.mark.parametrize("value", [b"5", b'""', b'"a=ice-ufrag:"', b'{"type":"rollback"}'])
def test_a_description_may_tell_nothing(value: bytes) -> None:
    assert read_description(Raw(value)) == (0, 0, [], False)


def test_of_very_many_candidates_the_first_are_looked_at() -> None:
    told = read_description(description("offer", "4ZcD", f"a={AIORTC}\r\n" * 500))

    assert len(told.candidates) == MOST_LINES


@pytest.mark.parametrize("path", sorted(RECORDED.iterdir()), ids=lambda path: path.stem)
def test_of_what_programs_send_everything_is_understood(path) -> None:  # type: ignore[no-untyped-def] # a Path
    for line in path.read_bytes().splitlines():
        if b'"type":"ice_candidate"' in line:
            value = Raw(line[line.index(b'"candidate":') + 12 : -1])
            assert read_candidate(value)[0] in ("host udp", END)
        elif b'"sdp":' in line:
            told = read_description(Raw(line))
            assert told.ufrag
            assert told.fingerprint
            assert UNREADABLE not in dict(told.candidates)
