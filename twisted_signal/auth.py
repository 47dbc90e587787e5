"""Who may enter: tokens (JWT, RFC 7519, as JWS, RFC 7515), checked as RFC 8725 advises.

A token is untrusted text until a key of the operator's has signed it. So what it says of itself
counts for little: the algorithm must be one that a key is bound to, and a key that it carries, or
an extension that it asks for, makes it worthless. No I/O and no clock; the arithmetic of signatures
is the keys' own (`keys`).
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from twisted_signal.errors import Forbidden, Unauthorized
from twisted_signal.messages import NAME_RULE, UNKNOWN_TYPE, Name
from twisted_signal.nesting import is_too_deep
from twisted_signal.text import quoted

TOKEN_LENGTH = 8192
"""The longest token, in characters. One with a room, an id and an RSA signature has some 500."""
LEEWAY = 5
"""Seconds by which the issuer's clock may be ahead of ours. `exp` has none: an issuer that wants
more time gives more."""

# Three parts in base64url without padding; the last is empty in a token that nobody signed.
_COMPACT = re.compile(r"([\w-]+)\.([\w-]+)\.([\w-]*)", re.ASCII)

_OTHERWISE = "Get a new one from where you have this one."

# Header parameters (RFC 7515, section 4.1; RFC 7797) that bring a key along, tell where to fetch
# one, or change what is signed.
_REFUSED_PARAMETERS = ("jwk", "jku", "x5c", "x5u", "crit", "b64")

_LATEST = 2**53  # what a float still counts in seconds; 285 million years
_Time = Annotated[int, Meta(ge=0, le=_LATEST)] | Annotated[float, Meta(ge=0, le=_LATEST)]
_TIME_RULE = "must be a number of seconds since 1970"
_CLAIMS: Mapping[str, tuple[Any, str]] = {
    "exp": (_Time, _TIME_RULE),
    "nbf": (_Time, _TIME_RULE),
    "iat": (_Time, _TIME_RULE),
    "room": (
        Annotated[list[Name], Meta(min_length=1)],  # one that is no list counts as a list of one
        "must be the name of a room, a list of names, or patterns such as lab-*",
    ),
    "sub": (Name, NAME_RULE),
    "client_type": (Name, NAME_RULE),
}
"""The claims that are looked at: their types, and the types in words."""
_REQUIRED = ("exp", "room")


SUBPROTOCOL = "vislam-signal"
"""The WebSocket subprotocol (RFC 6455, section 1.9) that the server speaks, if one is asked for."""
_BEARER = "bearer."


def shown_token(
    authorization: str | None, query: str | None, subprotocols: Iterable[str]
) -> str | None:
    """Return the token in an opening handshake, from the place that gives least away.

    Args:
        authorization: the header (RFC 6750, section 2.1), which browsers cannot send.
        query: the `token` parameter of the URL, which proxies may write to their logs.
        subprotocols: those that are offered. A browser names `vislam-signal` and a second one that
            is `bearer.` and the token.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    for subprotocol in subprotocols:
        if subprotocol.startswith(_BEARER):
            return subprotocol.removeprefix(_BEARER)
    return query


class Identity(NamedTuple):
    """Who a client is, by what it says and by its token. `client_id` None: the server chooses."""

    client_id: str | None
    client_type: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token allows.

    Attributes:
        rooms: names of rooms, or patterns with `*` and `?` (`matches`).
        client_id: the only id that may be used (`sub`); None: any.
        client_type: the only type that may be used; None: any.
        expires_at: when it ends, in seconds since 1970.
    """

    rooms: tuple[str, ...]
    client_id: str | None
    client_type: str | None
    expires_at: float

    def admit(self, room_id: str, client_id: str | None, client_type: str) -> Identity:
        """Return who a client is that wants into a room.

        Args:
            room_id: the room.
            client_id: the id it wants; None: it does not care.
            client_type: its type; the default of `register` counts as none.

        Raises:
            Forbidden: its token is for another room, id or type.
        """
        if not any(matches(pattern, room_id) for pattern in self.rooms):
            raise Forbidden("room_id", self.rooms, room_id)
        if self.client_id is not None:
            if client_id not in (None, self.client_id):
                raise Forbidden("client_id", (self.client_id,), client_id)
            client_id = self.client_id
        if self.client_type is not None:
            if client_type not in (UNKNOWN_TYPE, self.client_type):
                raise Forbidden("client_type", (self.client_type,), client_type)
            client_type = self.client_type
        return Identity(client_id, client_type)


def matches(pattern: str, name: str) -> bool:
    """Tell whether a pattern fits the whole of a name: `*` is any text, `?` any one character.

    All else stands for itself, in the case it is written in. `[` too, unlike in a shell: a room may
    be named `lab[1]`, and must be what a token for `lab[1]` opens, and all that it opens.

    The time is linear: of the places in the pattern up to which the name can have come, all are
    kept at once, as bits of a number (Thompson's way to run a nondeterministic automaton).
    """
    stars = any_one = length = 0
    takes: dict[str, int] = {}
    for character in pattern:
        if character == "*":
            stars |= 1 << length
            continue
        if character == "?":
            any_one |= 1 << length
        else:
            takes[character] = takes.get(character, 0) | 1 << length
        length += 1
    places = 1
    for character in name:
        places = places & stars | (places & (any_one | takes.get(character, 0))) << 1
    return bool(places >> length)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that tokens may be signed with, bound to one algorithm (RFC 8725, section 3.1).

    Attributes:
        algorithm: the `alg` (RFC 7518, section 3.1).
        ids: the names by which a token's `kid` may choose it; none: it is tried whatever `kid` is.
        has_signed: tells whether the first bytes are signed by the second, and raises nothing.
    """

    algorithm: str
    ids: frozenset[str]
    has_signed: Callable[[bytes, bytes], bool]


class Verifier:
    """Checks tokens against keys."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys: dict[str, list[Key]] = {}
        self.replace(keys)

    def replace(self, keys: Iterable[Key]) -> None:
        """Take these keys from now on, and no others."""
        by_algorithm: dict[str, list[Key]] = {}
        for key in keys:
            by_algorithm.setdefault(key.algorithm, []).append(key)
        self._keys = by_algorithm

    def take(self, other: "Verifier") -> None:
        """Take the keys of another from now on, and no others."""
        vars(self).update(vars(other))

    def verify(self, token: str | None, now: float) -> Claims:
        """Return what a token allows.

        Args:
            token: as the client showed it; None or empty: it showed none.
            now: the time, in seconds since 1970.

        Raises:
            Unauthorized: it is none that is taken here.
        """
        if not token:
            raise Unauthorized(
                "This server lets in only who shows a token. Show yours as `token` in register, as"
                " ?token=… in the URL, in an Authorization: Bearer header or as a subprotocol."
            )
        if len(token) > TOKEN_LENGTH:
            raise Unauthorized(
                f"The token is longer than {TOKEN_LENGTH} characters. Use a shorter one."
            )
        parts = _COMPACT.fullmatch(token)
        if parts is None:
            raise _malformed("it is not three parts in base64url with dots between them")
        header = _json_object("header", _decoded("header", parts[1]))
        signature = _decoded("signature", parts[3])
        signed = token[: parts.end(2)].encode("ascii")
        if not any(key.has_signed(signed, signature) for key in self._candidates(header)):
            raise Unauthorized(
                "The token's signature is wrong: another key made it, or the token was changed on"
                f" its way. {_OTHERWISE}"
            )
        return _checked(_json_object("claims", _decoded("claims", parts[2])), now)

    def _candidates(self, header: dict[str, Any]) -> list[Key]:
        """Return the keys that can have signed a token with that header.

        Raises:
            Unauthorized: there is none.
        """
        for parameter in _REFUSED_PARAMETERS:
            if parameter in header:
                raise _malformed(f"its header has {parameter}, which is not taken here")
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str):
            raise _malformed("its header does not say by alg how it is signed")
        keys = self._keys.get(algorithm)
        if keys is None:
            raise Unauthorized(
                f"The token's algorithm is {quoted(algorithm)}, and this server takes"
                f" {' or '.join(self._keys)} only. {_OTHERWISE}"
            )
        if "kid" not in header:
            return keys
        if not isinstance(key_id, str):
            raise _malformed("its header's kid is no string")
        named = [key for key in keys if not key.ids or key_id in key.ids]
        if not named:
            raise Unauthorized(
                f"The token is signed with the key {quoted(key_id)}, which this server does not"
                f" know for {algorithm}. {_OTHERWISE}"
            )
        return named


def _checked(claims: dict[str, Any], now: float) -> Claims:
    """Return what the claims of a token say, that a key has signed.

    Raises:
        Unauthorized: they say nothing that counts, or nothing that counts now.
    """
    for name in _REQUIRED:
        if name not in claims:
            raise Unauthorized(f"The token has no {name}, which {_CLAIMS[name][1]}. {_OTHERWISE}")
    # Not `Name | list[Name]` as a type: where msgspec builds that for one call, it frees the
    # pattern of Name once too often, and the process ends (msgspec 0.20 to 0.22).
    rooms = [claims["room"]] if isinstance(claims["room"], str) else claims["room"]
    for name, (type_, rule) in _CLAIMS.items():
        if name in claims:
            _check(name, rooms if name == "room" else claims[name], type_, rule)
    expires_at = claims["exp"]
    if now >= expires_at:  # RFC 7519, section 4.1.4: "on or after"
        raise Unauthorized(f"The token expired {now - expires_at:.0f} s ago. {_OTHERWISE}")
    for name, event in (("nbf", "is valid"), ("iat", "was made")):
        early = claims.get(name, now) - now
        if early > LEEWAY:
            raise Unauthorized(
                f"The token {event} {early:.0f} s from now only, by its {name}. Wait, or set the"
                " clock of the computer that made it, or that of the server."
            )
    return Claims(tuple(rooms), claims.get("sub"), claims.get("client_type"), expires_at)


def _check(name: str, value: object, type_: Any, rule: str) -> None:
    try:
        msgspec.convert(value, type_)
    except msgspec.ValidationError:
        raise Unauthorized(f"The token's {name} {rule}. {_OTHERWISE}") from None


def _decoded(part: str, text: str) -> bytes:
    """Return what a part of a token stands for (base64url, RFC 7515, section 2).

    Raises:
        Unauthorized: nothing, or what would be written in another way.
    """
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        data = b""
    # The last character may have bits that no byte takes: two texts for one signature.
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text.encode("ascii"):
        raise _malformed(f"its {part} is not base64url")
    return data


def _json_object(part: str, data: bytes) -> dict[str, Any]:
    """Return a JSON object (RFC 8259) of a token.

    Raises:
        Unauthorized: it is none, is nested too deeply, or has a name twice (RFC 7519, section 4).
    """
    if is_too_deep(data):
        raise _malformed(f"its {part} is nested too deeply")
    try:
        value = msgspec.json.decode(data)
        _UNIQUE_NAMES.decode(data.decode("utf-8"))  # msgspec takes the last of several
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _malformed(f"its {part} is no JSON object in UTF-8 with each name once")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name stands twice")


_UNIQUE_NAMES = json.JSONDecoder(object_pairs_hook=_unique)


def _malformed(reason: str) -> Unauthorized:
    return Unauthorized(f"This is no token that is taken here: {reason}. {_OTHERWISE}")
