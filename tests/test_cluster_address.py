import pytest

from twisted_signal.cluster.address import (
    Address,
    Credentials,
    Place,
    UnusableUrl,
    redis_address,
)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", Address((Place("localhost", 6379),))),
        ("redis://10.0.0.5:7000/", Address((Place("10.0.0.5", 7000),))),
        ("redis://[::1]:7000/15", Address((Place("::1", 7000),), database=15)),
        (
            "redis://:secret@r.example.com/2",
            Address((Place("r.example.com", 6379),), "", 2, Credentials("", "secret")),
        ),
        (
            "redis://lab%40home:p%40s%2Fs%3Aw%25@h",
            Address((Place("h", 6379),), credentials=Credentials("lab@home", "p@s/s:w%")),
        ),
        ("rediss://h", Address((Place("h", 6379),), is_secure=True)),
        (
            "rediss://h/1?ca-file=/etc/my%20ca.pem",
            Address((Place("h", 6379),), database=1, is_secure=True, ca_file="/etc/my ca.pem"),
        ),
        ("unix:///run/redis.sock", Address((Place("/run/redis.sock", 0),))),
        (
            "redis+unix://u:p@/run/a%20b?db=3",
            Address((Place("/run/a b", 0),), "", 3, Credentials("u", "p")),
        ),
        (
            "redis+sentinel://one,[::2]:7,three:26380/main/4",
            Address((Place("one", 26379), Place("::2", 7), Place("three", 26380)), "main", 4),
        ),
        (
            "redis+sentinel://u:p@one/my%2Fmain",
            Address((Place("one", 26379),), "my/main", 0, Credentials("u", "p")),
        ),
    ],
)
def test_a_url_names_a_redis(url: str, address: Address) -> None:
    assert redis_address(url) == address


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "must be a URL such as redis://host:6379/0, rediss://host, unix:///run/redis.sock"),
        ("localhost:6379", "must be a URL such as "),
        ("http://localhost", "must be a URL such as "),
        ("REDIS://localhost", "must be a URL such as "),
        ("redis://", "must name a host"),
        ("redis://a b", "must name a host"),
        ("redis://h:port", "must name a host"),
        ("redis://h:123456", "must name a host"),
        ("redis://h:0", "must have a port from 1 to 65535"),
        ("redis://h:65536", "must have a port from 1 to 65535"),
        ("redis://h/one", "must have nothing but the number of a database after the host"),
        ("redis://h/1/2", "must have nothing but the number"),
        ("redis://h/" + "9" * 5000, "must have nothing but the number"),
        ("redis://h/-1", "must have nothing but the number"),
        ("redis://h?ca-file=x", "may have nothing after a ? but"),
        ("rediss://h?verify=no", "may have nothing after a ? but"),
        ("redis://user@h", "names a user without a password"),
        ("redis://user:@h", "names a user without a password"),
        ("redis://a,b", "must name a host"),
        ("unix://run/redis.sock", "must name a local socket by its whole path"),
        ("unix:///a%00b", "must name a local socket by its whole path"),
        ("unix:///a?db=x", "must have nothing but the number"),
        ("redis+sentinel://one,two", "must end with the name by which the Sentinels know"),
        ("redis+sentinel://one,,two/main", "must name a host"),
        ("redis+sentinel://one/main/x", "must have nothing but the number"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, complaint: str) -> None:
    with pytest.raises(UnusableUrl) as caught:
        redis_address(url)

    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:sec@ret@host",
        "redis://:sec/ret@host",
        "redis://:sec?ret@host",
        "redis://:sec#ret@host",
        "redis://:sec ret@host:x",
        "http://:secret@host",
        "redis:secret@host",
        "redis://host?secret",
        "redis://host/0#secret",
        "redis://:secret@host/secret",
        "unix://secret/x",
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: str) -> None:
    with pytest.raises(UnusableUrl) as caught:
        redis_address(url)

    assert "sec" not in str(caught.value).replace("second", "")
    assert "ret" not in str(caught.value)


def test_the_password_may_come_from_elsewhere() -> None:
    assert redis_address("redis://lab@h", "a@b").credentials == Credentials("lab", "a@b")
    assert redis_address("redis://h", "a@b").credentials == Credentials("", "a@b")
    with pytest.raises(
        UnusableUrl, match=r"^has a password, and --redis-password-file has one too"
    ):
        redis_address("redis://:one@h", "two")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://lab:secret@h:7/3", "h:7"),
        ("redis://[::1]", "[::1]:6379"),
        ("unix://:secret@/run/redis.sock", "unix:/run/redis.sock"),
        ("redis+sentinel://:secret@a,b:7/main", "the master main of a:26379, b:7"),
    ],
)
def test_an_address_is_shown_without_the_password(url: str, shown: str) -> None:
    address = redis_address(url)

    assert str(address) == shown
    assert "secret" not in repr(address)


def test_who_has_no_name_gives_the_password_alone() -> None:
    assert Credentials("", "secret").words() == ("AUTH", "secret")
    assert Credentials("lab", "secret").words() == ("AUTH", "lab", "secret")
