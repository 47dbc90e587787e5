"""What a token says, and whether it counts. The keys are real ones, tokens are forged by hand."""

import base64
import fnmatch
import hashlib
import hmac
import json
import time
from itertools import product
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st
from tokens import (
    CLAIMS,
    NOW,
    SECRET,
    by_key,
    by_secret,
    certificate_pem,
    hs256,
    jwk,
    private_key,
    public_key,
    public_pem,
    signed,
)

from twisted_signal.auth import LEEWAY, TOKEN_LENGTH, Claims, Verifier, matches, shown_token
from twisted_signal.errors import Forbidden, SignalError, Unauthorized
from twisted_signal.keys import KeyFiles

ASYMMETRIC = ("RS256", "ES256", "EdDSA")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def by_hmac(directory: Path) -> Verifier:
    """Takes what is made with `SECRET`."""
    path = directory / "secret"
    path.write_bytes(SECRET)
    return KeyFiles(str(path)).verifier


@pytest.fixture(scope="module")
def by_public_key(directory: Path) -> Verifier:
    """Takes what is made with a key of each kind; each stands in a file of its algorithm's name."""
    paths = []
    for algorithm in ASYMMETRIC:
        path = directory / f"{algorithm}.pem"
        path.write_bytes(public_pem(public_key(algorithm)))
        paths.append(str(path))
    return KeyFiles(None, paths).verifier


def short(value: object) -> str:
    """Return the name of a case."""
    return repr(value)[:60]


@pytest.mark.parametrize(
    ("authorization", "query", "subprotocols", "token"),
    [
        (None, None, [], None),
        ("Bearer a.b.c", "x", ["vislam-signal", "bearer.y"], "a.b.c"),
        ("bearer  a.b.c ", None, [], "a.b.c"),
        ("Basic a.b.c", "x", [], "x"),
        ("Bearer ", "x", [], "x"),
        (None, "x", ["vislam-signal", "bearer.a.b.c"], "a.b.c"),
        (None, "x", ["vislam-signal", "bearer"], "x"),
        (None, None, ["bearer.a.b.c", "bearer.x"], "a.b.c"),
    ],
)
def test_a_token_is_shown_in_one_of_three_places_of_the_handshake(
    authorization: str | None, query: str | None, subprotocols: list[str], token: str | None
) -> None:
    assert shown_token(authorization, query, subprotocols) == token


def refusal(verifier: Verifier, token: str | None, now: float = NOW) -> str:
    """Return the sentence by which a token is refused."""
    with pytest.raises(Unauthorized) as caught:
        verifier.verify(token, now)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.endswith(".")
    if token:
        assert all(part not in sentence for part in token.split(".") if len(part) > 4)
    return sentence


# Good tokens


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_token_by_the_secret_is_taken(by_hmac: Verifier, algorithm: str) -> None:
    token = jwt.encode({**CLAIMS, "sub": "phone1", "client_type": "android"}, SECRET, algorithm)

    assert by_hmac.verify(token, NOW) == Claims(("lab1",), "phone1", "android", NOW + 60)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_token_by_a_private_key_is_taken(by_public_key: Verifier, algorithm: str) -> None:
    assert by_public_key.verify(by_key(algorithm), NOW) == Claims(("lab1",), None, None, NOW + 60)


def test_a_token_may_say_more_than_is_looked_at(by_hmac: Verifier) -> None:
    more = {"iss": "us", "aud": ["x"], "jti": "1", "scope": {"a": [1]}, "iat": NOW, "nbf": NOW - 1}

    assert by_hmac.verify(by_secret({**CLAIMS, **more}), NOW).rooms == ("lab1",)


def test_a_token_may_be_for_several_rooms(by_hmac: Verifier) -> None:
    token = by_secret({**CLAIMS, "room": ["lab1", "lab-*"]})

    assert by_hmac.verify(token, NOW).rooms == ("lab1", "lab-*")


def test_the_secret_has_no_name_so_any_kid_will_do(by_hmac: Verifier) -> None:
    assert by_hmac.verify(by_secret(CLAIMS, '{"alg":"HS256","kid":"7"}'), NOW)


def test_keys_can_be_replaced(by_hmac: Verifier, by_public_key: Verifier) -> None:
    verifier = Verifier(by_hmac._keys["HS256"])
    assert verifier.verify(by_secret(CLAIMS), NOW)

    verifier.replace(by_public_key._keys["ES256"])

    refusal(verifier, by_secret(CLAIMS))
    assert verifier.verify(by_key("ES256"), NOW)


# The way in


@pytest.mark.parametrize("token", [None, ""])
def test_who_shows_no_token_is_told_how_to(by_hmac: Verifier, token: str | None) -> None:
    assert "`token` in register" in refusal(by_hmac, token)


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "..",
        "a.b",
        "a.b.c",  # no base64url has one character
        "a.b.c.d",
        "a.b.c.d.e",  # JWE
        "Bearer a.b.c",
        "ä.ö.ü",
        "\ud800.a.b",
        "a\n.b.c",
        "a=.b.c",
        "٣.٣.٣",
        " " + "a.b.c",
        "a.b.c\n",
    ],
)
def test_what_is_no_token_is_told_so(by_hmac: Verifier, token: str) -> None:
    assert "This is no token" in refusal(by_hmac, token)


def test_a_token_that_is_too_long_is_not_looked_at(by_hmac: Verifier) -> None:
    longest = {**CLAIMS, "x": "y" * 5000}
    assert by_hmac.verify(by_secret(longest), NOW)

    token = by_secret({**CLAIMS, "x": "y" * 6100})
    assert len(token) > TOKEN_LENGTH
    assert f"longer than {TOKEN_LENGTH}" in refusal(by_hmac, token)
    assert "longer" in refusal(by_hmac, "." * 10_000_000)


# Signatures


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_signature_by_another_key_is_wrong(by_public_key: Verifier, algorithm: str) -> None:
    assert "signature is wrong" in refusal(by_public_key, by_key(algorithm, name="another"))


def test_a_signature_by_another_secret_is_wrong(by_hmac: Verifier) -> None:
    token = signed('{"alg":"HS256"}', json.dumps(CLAIMS), hs256(SECRET + b"x"))

    assert "signature is wrong" in refusal(by_hmac, token)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("signature", ["", "AA", "A" * 86, "_" * 86, "A" * 342])
def test_a_made_up_signature_is_wrong(
    by_public_key: Verifier, algorithm: str, signature: str
) -> None:
    start = by_key(algorithm).rpartition(".")[0]

    refusal(by_public_key, f"{start}.{signature}")


@pytest.mark.parametrize("part", [0, 1])
def test_what_was_signed_cannot_be_changed(by_public_key: Verifier, part: int) -> None:
    parts = by_key("ES256").split(".")
    other = by_key("ES256", {**CLAIMS, "room": "*"}, {"typ": "x"}).split(".")
    parts[part] = other[part]

    assert "signature is wrong" in refusal(by_public_key, ".".join(parts))


def test_a_signature_has_one_spelling(by_hmac: Verifier) -> None:
    token = by_secret(CLAIMS)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    twin = token[:-1] + alphabet[last ^ 1]  # of 43 characters, the last has two bits too many
    decoded = [base64.urlsafe_b64decode(one.rpartition(".")[2] + "=") for one in (token, twin)]
    assert decoded[0] == decoded[1]

    assert "its signature is not base64url" in refusal(by_hmac, twin)


# Algorithms: what the token says of itself counts for nothing


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
@pytest.mark.parametrize("keys", ["by_hmac", "by_public_key"])
def test_a_token_that_nobody_signed_is_refused(
    request: pytest.FixtureRequest, keys: str, algorithm: str
) -> None:
    header = json.dumps({"alg": algorithm})
    sentence = refusal(
        request.getfixturevalue(keys), signed(header, json.dumps(CLAIMS), lambda _: b"")
    )

    assert "The token's algorithm is" in sentence


def spellings(algorithm: str) -> list[bytes]:
    """Return the texts of a public key that an attacker may take for a secret of ours."""
    key = public_key(algorithm)
    pem = public_pem(key)

    return [
        pem,
        pem.rstrip(b"\n"),
        pem.replace(b"\n", b"\r\n"),
        certificate_pem(algorithm),
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(jwk(algorithm)).encode(),
        json.dumps({"keys": [jwk(algorithm)]}).encode(),
    ]


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("kind", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_secret_to_sign_with(
    by_public_key: Verifier, algorithm: str, kind: str
) -> None:
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[kind]
    for spelling, header in product(
        spellings(algorithm), [{"alg": kind}, {"alg": kind, "kid": algorithm}]
    ):
        token = signed(
            json.dumps(header),
            json.dumps(CLAIMS),
            lambda message, key=spelling: hmac.digest(key, message, digest),  # type: ignore[misc] # a default argument, to keep the loop's value
        )
        sentence = refusal(by_public_key, token)
        assert f"algorithm is {kind}, and this server takes RS256 or ES256 or EdDSA" in sentence


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("said", ASYMMETRIC)
def test_a_key_is_not_used_with_another_algorithm(
    by_public_key: Verifier, algorithm: str, said: str
) -> None:
    if algorithm == said:
        return
    sign = jwt.get_algorithm_by_name(algorithm).sign
    token = signed(
        json.dumps({"alg": said}),
        json.dumps(CLAIMS),
        lambda message: sign(message, private_key(algorithm)),
    )

    assert "signature is wrong" in refusal(by_public_key, token)


@pytest.mark.parametrize("algorithm", ["RS512", "PS256", "ES384", "ES512", "HS256", "rs256", "dir"])
def test_an_algorithm_that_no_key_is_for_is_named(by_public_key: Verifier, algorithm: str) -> None:
    token = signed(json.dumps({"alg": algorithm}), json.dumps(CLAIMS), hs256())

    assert f"algorithm is {algorithm}," in refusal(by_public_key, token)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_where_there_is_a_secret_nothing_else_is_taken(by_hmac: Verifier, algorithm: str) -> None:
    assert "takes HS256 or HS384 or HS512 only" in refusal(by_hmac, by_key(algorithm))


# Headers


@pytest.mark.parametrize(
    "header",
    [
        "{}",
        '{"alg":null}',
        '{"alg":["HS256"]}',
        '{"alg":{"HS256":1}}',
        '{"alg":1}',
        '{"alg":"HS256","kid":1}',
        '{"alg":"HS256","kid":null}',
        '{"alg":"HS256","crit":["exp"],"exp":1}',
        '{"alg":"HS256","crit":["b64"],"b64":false}',
        '{"alg":"HS256","crit":["b64"],"b64":true}',
        '{"alg":"HS256","crit":[]}',
        '{"alg":"HS256","b64":false}',
        '{"alg":"HS256","jku":"https://evil.example/jwks.json"}',
        '{"alg":"HS256","x5u":"https://evil.example/x.pem"}',
        '{"alg":"HS256","x5c":["MII"]}',
        '{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}',
        '{"alg":"HS256","jwk":null}',
        '{"alg":"none","alg":"HS256"}',
        '{"alg":"HS256","x":{"a":1,"a":1}}',
        '{"alg":"HS256","\\u0061lg":"HS256"}',
        '{"alg":"HS256","x":NaN}',
        '{"alg":"HS256","x":1e999}',
        '{"alg":"HS256","x":' + "9" * 5000 + "}",
        '{"alg":"HS256","x":"\\ud800"}',
        '{"alg":"HS256","x":' + "[" * 2500 + "]" * 2500 + "}",
        '{"x":' * 900,
        "[" * 5000,
        b'{"alg":"HS256","x":"\xff"}',
        '{"alg":"HS256"}'.encode("utf-16"),
        '\ufeff{"alg":"HS256"}',
        '["HS256"]',
        '"HS256"',
        "null",
        " ",
        '{"alg":"HS256"} {}',
    ],
    ids=short,
)
def test_a_header_that_is_wrong_spoils_a_token_that_is_signed_well(
    by_hmac: Verifier, header: str | bytes
) -> None:
    assert "This is no token that is taken here" in refusal(by_hmac, by_secret(CLAIMS, header))


def test_a_key_that_a_token_brings_along_is_not_used(by_public_key: Verifier) -> None:
    headers = {"jwk": jwk("ES256", "attacker"), "kid": "ES256"}
    token = by_key("ES256", headers=headers, name="attacker")

    assert "its header has jwk" in refusal(by_public_key, token)


# Which key


def test_a_token_may_name_its_key(by_public_key: Verifier) -> None:
    assert by_public_key.verify(by_key("ES256", headers={"kid": "ES256"}), NOW)


@pytest.mark.parametrize("kid", ["other", "RS256", "", "ES256\n", "../ES256", "\x1b[31m" * 50])
def test_a_key_that_is_not_known_is_named(by_public_key: Verifier, kid: str) -> None:
    sentence = refusal(by_public_key, by_key("ES256", headers={"kid": kid}))

    assert "which this server does not know for ES256" in sentence
    assert len(sentence) < 600


# Times


def test_a_token_ends_with_its_second(by_hmac: Verifier) -> None:
    token = by_secret({**CLAIMS, "exp": NOW})

    assert by_hmac.verify(token, NOW - 0.001)
    assert "expired 0 s ago" in refusal(by_hmac, token, NOW)
    assert "expired 90 s ago" in refusal(by_hmac, token, NOW + 90.2)


def test_a_time_may_have_a_fraction(by_hmac: Verifier) -> None:
    token = by_secret({**CLAIMS, "exp": NOW + 0.5})

    assert by_hmac.verify(token, NOW + 0.4).expires_at == NOW + 0.5
    refusal(by_hmac, token, NOW + 0.5)


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_of_the_future_is_told_when(by_hmac: Verifier, claim: str) -> None:
    token = by_secret({**CLAIMS, claim: NOW + LEEWAY})
    assert by_hmac.verify(token, NOW)

    sentence = refusal(by_hmac, by_secret({**CLAIMS, claim: NOW + 30}))

    assert f"30 s from now only, by its {claim}" in sentence


# Claims


@pytest.mark.parametrize("name", ["exp", "room"])
def test_a_claim_that_must_be_there_is_named(by_hmac: Verifier, name: str) -> None:
    claims = {key: value for key, value in CLAIMS.items() if key != name}

    assert f"has no {name}," in refusal(by_hmac, by_secret(claims))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value", [True, False, None, "1800000060", [1], {}, -1, -0.5, 1e300, 2**53 + 2, 10**18]
)
def test_a_time_must_be_a_number_of_seconds(by_hmac: Verifier, name: str, value: object) -> None:
    sentence = refusal(by_hmac, by_secret({**CLAIMS, name: value}))

    assert f"The token's {name} must be a number of seconds" in sentence


@pytest.mark.parametrize(
    "value", [None, "", [], [""], ["a", 1], [["a"]], {"a": 1}, 1, True, "a\n", "a" * 129]
)
def test_a_room_must_be_a_name_or_names(by_hmac: Verifier, value: object) -> None:
    sentence = refusal(by_hmac, by_secret({**CLAIMS, "room": value}))

    assert "The token's room must be the name of a room, a list of names, or patt" in sentence


@pytest.mark.parametrize("name", ["sub", "client_type"])
@pytest.mark.parametrize("value", [None, "", 1, True, ["a"], "a\x00", "a" * 129])
def test_a_name_must_be_one(by_hmac: Verifier, name: str, value: object) -> None:
    """Null too: who writes it may mean nobody, and must not get anybody."""
    sentence = refusal(by_hmac, by_secret({**CLAIMS, name: value}))

    assert f"The token's {name} must be a string of 1 to 128" in sentence


@pytest.mark.parametrize(
    "claims",
    [
        "",
        "{",
        "null",
        "[]",
        '"x"',
        "1",
        b"\xff",
        b'{"exp":1800000060,"room":"\xff"}',
        '{"exp":1800000060,"room":"lab1","room":"*"}',
        '{"exp":1800000060,"room":"lab1","\\u0072oom":"*"}',
        '{"exp":1800000060,"room":"\\ud800"}',
        '{"exp":1800000060,"room":"lab1","x":{"a":1,"a":2}}',
        '{"exp":1e999,"room":"lab1"}',
        '{"exp":NaN,"room":"lab1"}',
        '{"exp":Infinity,"room":"lab1"}',
        '{"exp":' + "9" * 4301 + ',"room":"lab1"}',
        '{"exp":1800000060,"room":' + "[" * 2900,
        '{"exp":1800000060,"room":"lab1","x":' + "[" * 2900 + "]" * 2900 + "}",
        json.dumps(CLAIMS).encode("utf-16"),
    ],
    ids=short,
)
def test_claims_that_are_no_json_object_count_for_nothing(
    by_hmac: Verifier, claims: str | bytes
) -> None:
    refusal(by_hmac, by_secret(claims))


# Any text at all


@given(st.text() | st.from_regex(r"\A[\w-]*\.[\w-]*\.[\w-]*\Z"))
@example("eyJ.eyJ.eyJ")
def test_any_text_is_refused_in_a_sentence(
    by_hmac: Verifier, by_public_key: Verifier, text: str
) -> None:
    for verifier in (by_hmac, by_public_key):
        with pytest.raises(Unauthorized):
            verifier.verify(text, NOW)


@given(
    st.sampled_from(["HS256", *ASYMMETRIC]),
    st.lists(
        st.tuples(
            st.floats(0, 1, exclude_max=True),
            st.sampled_from(["replace", "insert", "delete", "cut"]),
            st.characters(codec="ascii") | st.characters(),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_a_token_that_was_changed_is_refused_in_a_sentence(
    by_hmac: Verifier,
    by_public_key: Verifier,
    algorithm: str,
    changes: list[tuple[float, str, str]],
) -> None:
    verifier = by_hmac if algorithm == "HS256" else by_public_key
    token = by_secret(CLAIMS) if algorithm == "HS256" else by_key(algorithm)
    changed = token
    for place, change, character in changes:
        at = int(place * len(changed))
        before, after = changed[:at], changed[at:]
        changed = {
            "replace": before + character + after[1:],
            "insert": before + character + after,
            "delete": before + after[1:],
            "cut": before,
        }[change]
    if changed != token:
        with pytest.raises(Unauthorized):
            verifier.verify(changed, NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["exp", "room", "sub", "client_type", "nbf", "iat", "x"]),
        st.integers(NOW - 10, NOW + 10) | st.sampled_from(["a", "*", ["a", "b"]]) | JSON,
    )
)
def test_any_claims_that_are_signed_are_claims_or_refused(
    by_hmac: Verifier, claims: dict[str, Any]
) -> None:
    try:
        found = by_hmac.verify(by_secret(json.dumps(claims)), NOW)
    except Unauthorized:
        return
    assert NOW < found.expires_at == claims["exp"]
    assert found.rooms
    for name in (*found.rooms, found.client_id, found.client_type):
        assert name is None or (0 < len(name) <= 128 and name.encode("utf-8"))


@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64", "jwk", "typ", "x"]), JSON)
    | st.fixed_dictionaries({"alg": st.sampled_from(["HS256", "ES256", "none"])})
)
def test_any_header_is_taken_or_refused_in_a_sentence(
    by_hmac: Verifier, header: dict[str, Any]
) -> None:
    try:
        by_hmac.verify(by_secret(CLAIMS, json.dumps(header)), NOW)
    except Unauthorized:
        return
    assert header["alg"] == "HS256"


# Who one may be, and where


def claims(*rooms: str, client_id: str | None = None, client_type: str | None = None) -> Claims:
    return Claims(rooms, client_id, client_type, NOW)


def test_a_token_for_a_room_opens_it_to_anybody() -> None:
    assert claims("lab1").admit("lab1", "pc", "python") == ("pc", "python")
    assert claims("lab1").admit("lab1", None, "unknown") == (None, "unknown")
    assert claims("x", "lab?").admit("lab1", "pc", "python") == ("pc", "python")


def test_another_room_is_forbidden_and_the_right_ones_are_named() -> None:
    with pytest.raises(Forbidden, match=r'for room_id lab1 or "lab-\*", not lab2\.') as caught:
        claims("lab1", "lab-*").admit("lab2", None, "unknown")

    assert (caught.value.code, caught.value.close_code) == ("forbidden", 4403)


def test_only_some_of_many_rooms_are_named() -> None:
    rooms = [f"room{number}" for number in range(9)]
    with pytest.raises(Forbidden, match="room6 or room7 or …, not lab1"):
        claims(*rooms).admit("lab1", None, "unknown")
    with pytest.raises(Forbidden, match="room6 or room7, not lab1"):
        claims(*rooms[:8]).admit("lab1", None, "unknown")


def test_the_id_of_a_token_is_the_only_one() -> None:
    named = claims("*", client_id="phone1")

    assert named.admit("a", "phone1", "x").client_id == "phone1"
    assert named.admit("a", None, "x").client_id == "phone1"
    with pytest.raises(Forbidden, match="for client_id phone1, not phone2"):
        named.admit("a", "phone2", "x")


def test_the_type_of_a_token_is_the_only_one() -> None:
    typed = claims("*", client_type="android")

    assert typed.admit("a", None, "android").client_type == "android"
    assert typed.admit("a", None, "unknown").client_type == "android"
    with pytest.raises(Forbidden, match="for client_type android, not python"):
        typed.admit("a", None, "python")


def test_names_in_what_is_forbidden_cannot_break_the_sentence() -> None:
    with pytest.raises(Forbidden) as caught:
        claims("a\u2028b").admit("x\x1b[31m", None, "unknown")

    assert str(caught.value).isprintable()


def test_both_refusals_end_the_connection_and_others_do_not() -> None:
    assert Unauthorized.close_code == 4401
    assert SignalError.close_code is None


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("lab1", "lab1", True),
        ("lab1", "lab12", False),
        ("lab1", "alab1", False),
        ("lab1", "LAB1", False),
        ("lab-*", "lab-", True),
        ("lab-*", "lab-1", True),
        ("lab-*", "lab1", False),
        ("lab-*", "xlab-1", False),
        ("*-lab", "a-lab", True),
        ("*-lab", "a-lab-", False),
        ("a*b*c", "aXbYbZc", True),
        ("a*b*c", "acb", False),
        ("lab?", "lab1", True),
        ("lab?", "lab", False),
        ("lab?", "lab12", False),
        ("*", "", True),
        ("*", "a\nb", True),
        ("**", "x", True),
        ("", "", True),
        ("", "x", False),
        ("lab[1]", "lab[1]", True),
        ("lab[1]", "lab1", False),
        ("lab[!a]", "labb", False),
        ("[", "[", True),
        ("a.c", "abc", False),
        (r"\*", "*", False),
        (r"\*", r"\x", True),
        ("*", "*", True),
        ("laß", "lass", False),
    ],
)
def test_a_pattern_is_stars_and_question_marks(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_a_pattern_fits_what_a_shells_pattern_would(pattern: str, name: str) -> None:
    assert matches(pattern, name) is fnmatch.fnmatchcase(name, pattern)


def test_no_pattern_takes_long() -> None:
    begin = time.perf_counter()
    assert not matches("*a" * 64, "a" * 127 + "b")
    assert not matches("*" * 64 + "?" * 64, "a" * 63)
    assert time.perf_counter() - begin < 1  # some 100 µs; a regular expression takes years


def test_a_whole_token_of_patterns_takes_no_longer(by_hmac: Verifier) -> None:
    found = by_hmac.verify(by_secret({**CLAIMS, "room": ["*a" * 60 + "c"] * 45}), NOW)

    begin = time.perf_counter()
    with pytest.raises(Forbidden):
        found.admit("a" * 128, None, "unknown")
    assert time.perf_counter() - begin < 1
