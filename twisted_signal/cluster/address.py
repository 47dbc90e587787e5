"""Where Redis is, as `--redis-url` names it."""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from twisted_signal.text import quoted

DEFAULT_PORT = 6379
SENTINEL_PORT = 26379

# RFC 3986, appendix B, but that several hosts may stand where it has one.
_URL = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<userinfo>[^/?#]*)@)?(?P<hosts>[^/?#@]*)(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?"
)
_HOST_PORT = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:,\[\]]+))(?::(?P<port>[0-9]{1,5}))?"
)
_FORMS = (
    "redis://host:6379/0, rediss://host, unix:///run/redis.sock or"
    " redis+sentinel://host:26379,host:26379/master"
)


class UnusableUrl(ValueError):
    """A URL names no Redis. `str(error)` is the end of a sentence, and shows no password."""


class Place(NamedTuple):
    """Where a server listens. `port` 0: `host` is the path of a local socket."""

    host: str
    port: int

    def __str__(self) -> str:
        if not self.port:
            return f"unix:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Credentials(NamedTuple):
    """Who asks. `user` empty: the one that has no name (`requirepass`)."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials({self.user!r}, …)"

    def words(self) -> tuple[str, ...]:
        """Return the command that says so."""
        return ("AUTH", self.user, self.password) if self.user else ("AUTH", self.password)


class Address(NamedTuple):
    """Where Redis is, and how to come in.

    Attributes:
        places: of Redis, one; or of all Sentinels.
        master: the name by which Sentinels know the Redis; empty: `places` is Redis itself.
        database: its number.
        credentials: None: nobody asks.
        is_secure: TLS is spoken.
        ca_file: the PEM file of those who may sign the certificate; None: who the system trusts.
    """

    places: tuple[Place, ...]
    master: str = ""
    database: int = 0
    credentials: Credentials | None = None
    is_secure: bool = False
    ca_file: str | None = None

    def __str__(self) -> str:
        """For people: without the password."""
        places = ", ".join(map(str, self.places))
        return f"the master {quoted(self.master)} of {places}" if self.master else places


def redis_address(url: str, password: str | None = None) -> Address:
    """Return what a URL says.

    Args:
        url: `redis://[user[:password]@]host[:port][/database]`, `rediss://…[?ca-file=FILE]` (TLS),
            `unix://[user[:password]@]/path[?db=database]` or
            `redis+sentinel://[user[:password]@]host[:port],host[:port]…/master[/database]`.
            What is special in a URL is percent-encoded in user and password.
        password: instead of one in the URL.

    Raises:
        UnusableUrl: it is none of these.
    """
    found = _URL.fullmatch(url)
    read = None if found is None else _READERS.get(found["scheme"])
    if found is None or read is None:
        raise UnusableUrl(f"must be a URL such as {_FORMS}")
    userinfo = found["userinfo"] or ""
    if "@" in userinfo:
        raise UnusableUrl("has more than one @: in a user or a password it is %40")
    query = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    address = read(found, query)
    if query:
        raise UnusableUrl(
            "may have nothing after a ? but ca-file=FILE for rediss, and db=NUMBER for unix"
        )
    return address._replace(credentials=_credentials(userinfo, password))


def _credentials(userinfo: str, password: str | None) -> Credentials | None:
    user, _, given = userinfo.partition(":")
    if given and password is not None:
        raise UnusableUrl("has a password, and --redis-password-file has one too")
    password = unquote(given) if password is None else password
    if user and not password:
        raise UnusableUrl("names a user without a password, which stands after a colon")
    return Credentials(unquote(user), password) if password else None


def _tcp(found: re.Match[str], query: dict[str, str]) -> Address:
    is_secure = found["scheme"] == "rediss"
    return Address(
        (_place(found["hosts"], DEFAULT_PORT),),
        database=_database(found["path"].removeprefix("/")),
        is_secure=is_secure,
        ca_file=(query.pop("ca-file", "") or None) if is_secure else None,
    )


def _unix(found: re.Match[str], query: dict[str, str]) -> Address:
    path = unquote(found["path"])
    if found["hosts"] or not path.startswith("/") or "\0" in path:
        raise UnusableUrl("must name a local socket by its whole path: unix:///run/redis.sock")
    return Address((Place(path, 0),), database=_database(query.pop("db", "")))


def _sentinel(found: re.Match[str], _query: dict[str, str]) -> Address:
    master, _, database = found["path"].removeprefix("/").partition("/")
    if not master:
        raise UnusableUrl(
            "must end with the name by which the Sentinels know the master:"
            " redis+sentinel://host:26379,host:26379/master"
        )
    places = tuple(_place(each, SENTINEL_PORT) for each in found["hosts"].split(","))
    return Address(places, unquote(master), _database(database))


_READERS = {
    "redis": _tcp,
    "rediss": _tcp,
    "unix": _unix,
    "redis+unix": _unix,
    "redis+sentinel": _sentinel,
}


def _place(text: str, default: int) -> Place:
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        # Nothing of it is shown: it may be the end of a password that is not encoded.
        raise UnusableUrl(
            "must name a host, and perhaps a port after a colon, as redis://host:6379 does; in a"
            " password / is %2F, ? is %3F and # is %23"
        )
    port = default if found["port"] is None else int(found["port"])
    if not 0 < port < 2**16:
        raise UnusableUrl("must have a port from 1 to 65535")
    return Place(found["v6"] or found["host"], port)


def _database(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch("[0-9]{1,9}", text):
        raise UnusableUrl("must have nothing but the number of a database after the host")
    return int(text)
