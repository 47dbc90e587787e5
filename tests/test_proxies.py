import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_signal.proxies import TrustedProxies, forwarded, forwarded_for

PROXY, OUTER = "10.0.0.1", "10.9.9.9"
TRUSTED = TrustedProxies(["10.0.0.0/8", "2001:db8:1::/48"])
REQUEST = "GET / HTTP/1.1\r\nHost: test\r\n{}Upgrade: websocket\r\n\r\n"


def client(*lines: str, host: str | None = PROXY, trusted: TrustedProxies = TRUSTED) -> str | None:
    """Return whom a request with these header lines comes from."""
    request = REQUEST.format("".join(f"{line}\r\n" for line in lines))
    return trusted.client(host, request.encode("latin-1"))


# Who is trusted


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "10.255.255.255", "::ffff:10.0.0.1", "2001:db8:1::7", "2001:DB8:1::7"]
)
def test_addresses_of_the_networks_are_trusted(host: str) -> None:
    assert TRUSTED.trusts(host)


@pytest.mark.parametrize(
    "host", ["11.0.0.1", "2001:db8:2::7", "::ffff:11.0.0.1", "fe80::1%eth0", None]
)
def test_others_are_not(host: str | None) -> None:
    assert not TRUSTED.trusts(host)
    assert client("X-Forwarded-For: 192.0.2.1", host=host) == host


def test_local_sockets_are_trusted_by_their_word_only() -> None:
    local = TrustedProxies(["unix"])

    assert local
    assert local.trusts(None)
    assert not local.trusts("10.0.0.1")
    assert client("X-Forwarded-For: 192.0.2.1", host=None, trusted=local) == "192.0.2.1"
    assert client("X-Forwarded-For: unknown", host=None, trusted=local) is None


def test_nobody_is_trusted_unless_it_was_said() -> None:
    nobody = TrustedProxies()

    assert not nobody
    assert not nobody.trusts(None)
    assert client("X-Forwarded-For: 192.0.2.1", trusted=nobody) == PROXY


def test_one_address_is_a_network_too() -> None:
    one = TrustedProxies(["10.0.0.1", "::1"])

    assert one.trusts("10.0.0.1")
    assert one.trusts("::1")
    assert not one.trusts("10.0.0.2")


@pytest.mark.parametrize("word", ["", "proxy", "10.0.0.1/8", "10.0.0.0/33", "unix/8", "10.0"])
def test_what_is_no_network_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        TrustedProxies([word])


# Both headers


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("X-Forwarded-For: 192.0.2.1", "192.0.2.1"),
        ("x-forwarded-for:192.0.2.1:4711", "192.0.2.1"),
        ("X-Forwarded-For: 2001:db8::1", "2001:db8::1"),
        ("X-Forwarded-For: [2001:DB8::1]", "2001:db8::1"),
        ("X-Forwarded-For: [2001:db8::1]:4711", "2001:db8::1"),
        ("X-Forwarded-For: ::ffff:192.0.2.1", "192.0.2.1"),
        ("X-Forwarded-For: 6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("X-Forwarded-For: 6.6.6.6,\t192.0.2.1 , 10.9.9.9,10.8.8.8", "192.0.2.1"),
        ("X-Forwarded-For: 6.6.6.6, 192.0.2.1, 2001:db8:1::9", "192.0.2.1"),
        ("X-Forwarded-For: 10.7.7.7, 10.9.9.9", "10.7.7.7"),
        ("Forwarded: for=192.0.2.1", "192.0.2.1"),
        ("forwarded: FOR=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
        ('Forwarded: by=_secret;for="192.0.2.1:4711"', "192.0.2.1"),
        ('Forwarded: for="[2001:db8::1]"', "2001:db8::1"),
        ('Forwarded: for="[2001:db8::1]:4711"', "2001:db8::1"),
        ("Forwarded: for=6.6.6.6, for=192.0.2.1, for=10.9.9.9", "192.0.2.1"),
        ('Forwarded: for=6.6.6.6;host="a,b;c", for="19\\2.0.2.1"', "192.0.2.1"),
        ("Forwarded: for=6.6.6.6 ; proto=http , , for=192.0.2.1;", "192.0.2.1"),
    ],
)
def test_the_last_address_that_is_no_trusted_one_is_the_client(line: str, address: str) -> None:
    assert client(line) == address


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
@pytest.mark.parametrize(
    "node",
    [
        *(
            "unknown",
            "_hidden",
            "_SEVKISEK",
            "nonsense",
            "",
            "1.2.3",
            "256.1.1.1",
            "1.2.3.4:99999x",
        ),
        *("192.0.2.1/24", "fe80::1%eth0", "[::1", "::1]", "0x7f.1", "١٩٢.0.2.1"),
    ],
)
def test_what_is_no_address_leaves_the_nearest_that_is_proven(name: str, node: str) -> None:
    prefix, quote = ("for=", '"') if name == "Forwarded" else ("", "")
    node = f"{prefix}{quote}{node}{quote}".encode().decode("latin-1")

    assert client(f"{name}: {node}") == PROXY
    assert client(f"{name}: {prefix}6.6.6.6, {node}, {prefix}{OUTER}") == OUTER


@pytest.mark.parametrize(
    "value",
    [
        "for",
        "for=",
        "=192.0.2.1",
        "for==192.0.2.1",
        "for=[2001:db8::1]",  # needs quotes
        "for=192.0.2.1:4711",
        'for="192.0.2.1',
        'for=192.0.2.1"',
        'for="192.0.2.1"x',
        "for=192.0.2.1 proto=http",
        "for = 192.0.2.1",
        "for=6.6.6.6;for=192.0.2.1",
        "192.0.2.1",
        'for="\\',
        "for=2001:db8::1",
        "for=192.0.2.1" + "," * 300,
    ],
)
def test_a_wrong_forwarded_header_is_worth_nothing(value: str) -> None:
    assert client(f"Forwarded: {value}") == PROXY
    assert client(f"Forwarded: for=6.6.6.6, {value}") == PROXY


def test_an_open_quote_of_the_client_s_does_not_hide_what_the_proxy_wrote() -> None:
    assert client('Forwarded: for=6.6.6.6;x=", for="[2001:db8::1]"') == PROXY
    assert client('Forwarded: for=6.6.6.6;x=", for=192.0.2.1') == PROXY
    assert client('Forwarded: for="', "Forwarded: for=192.0.2.1") == PROXY


def test_lines_are_joined_in_their_order() -> None:
    lines = ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 192.0.2.1", "x-forwarded-for: 10.9.9.9"]

    assert client(*lines) == "192.0.2.1"
    assert client(*reversed(lines)) == "6.6.6.6"


def test_both_headers_are_believed_if_they_say_the_same() -> None:
    ours = "X-Forwarded-For: 192.0.2.1"

    assert client(ours, "Forwarded: for=192.0.2.1") == "192.0.2.1"
    assert client(ours, "Forwarded: for=6.6.6.6") == PROXY
    assert client("X-Forwarded-For: 6.6.6.6", "Forwarded: for=192.0.2.1") == PROXY
    assert client(ours, "Forwarded: nonsense") == PROXY


def test_without_a_header_the_proxy_is_the_client() -> None:
    assert client() == PROXY
    assert client("X-Real-IP: 192.0.2.1") == PROXY


@pytest.mark.parametrize(
    "line",
    [
        "X: a\x85X-Forwarded-For: 6.6.6.6",
        "X: a\x0bX-Forwarded-For: 6.6.6.6",
        "X: a\x1cX-Forwarded-For: 6.6.6.6",
        "X: a\nX-Forwarded-For: 6.6.6.6",
        "X: a\rX-Forwarded-For: 6.6.6.6",
        "X-Forwarded-For : 6.6.6.6",
        " X-Forwarded-For: 6.6.6.6",
        "X_Forwarded_For: 6.6.6.6",
        "X-Forwarded-For",
    ],
)
def test_what_a_proxy_may_have_passed_through_is_no_line_of_its_own(line: str) -> None:
    assert client("X-Forwarded-For: 192.0.2.1", line) == "192.0.2.1"
    assert client(line, "X-Forwarded-For: 192.0.2.1") == "192.0.2.1"


def test_a_line_that_goes_on_in_the_next_one_does_not() -> None:
    assert client("X-Forwarded-For: 192.0.2.1", " , 6.6.6.6") == "192.0.2.1"


# Anything at all

nodes = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]:4711"),
    st.sampled_from(["unknown", "_x", '"', 'for="', ";", "10.1.1.1", "for=10.1.1.1", "\\", ""]),
    st.text(' \t",;=\\:.[]for160a', max_size=12),
)


@given(st.lists(nodes, max_size=8).map(",".join))
@settings(max_examples=500, deadline=None)
def test_whatever_a_client_sends_before_it_does_not_change_what_the_proxy_wrote(sent: str) -> None:
    assert client(f"X-Forwarded-For: {sent}, 192.0.2.1") == "192.0.2.1"
    for written in ("for=192.0.2.1", 'for="192.0.2.1:80"', 'for=192.0.2.1;host="a"'):
        assert client(f"Forwarded: {sent}, {written}") in ("192.0.2.1", PROXY)


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60))
@settings(max_examples=500, deadline=None)
def test_anything_is_read(value: str) -> None:
    for nodes in (forwarded(value), forwarded_for(value)):
        assert isinstance(nodes, list)
    assert client(f"Forwarded: {value}") is not None


@pytest.mark.parametrize(
    "part", ['for="', "for=1.2.3.4,", "\\", ";", " ", 'for="a', "a=b;", ":", "1.", "[:", "a"]
)
def test_a_long_header_is_read_in_no_time(part: str) -> None:
    for value in (part * 16_000, part * 16_000 + "\x01", "for=" + part * 16_000 + '"'):
        forwarded(value)
        forwarded_for(value)
