"""Tokens that nobody gave, and pages from elsewhere."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from arena import Arena, Client, arena, lasting
from tokens import SECRET, base64url, by_key, hs256, public_key, public_pem, signed

from twisted_signal.auth import SUBPROTOCOL

pytestmark = pytest.mark.alone  # it is seen how long others wait

HOUR = 3600
ORIGIN = "https://app.example.com"


def claims(**more: Any) -> dict[str, Any]:
    return {"exp": int(time.time()) + HOUR, "room": "*", **more}


def unsigned(algorithm: str) -> str:
    return signed(f'{{"alg":"{algorithm}","typ":"JWT"}}', json.dumps(claims()), lambda _: b"")


def signed_with(secret: bytes, algorithm: str = "HS256") -> str:
    return signed(f'{{"alg":"{algorithm}","typ":"JWT"}}', json.dumps(claims()), hs256(secret))


def pem(algorithm: str) -> bytes:
    return public_pem(public_key(algorithm))


FORGERIES: dict[str, Callable[[], str]] = {
    "alg none": lambda: unsigned("none"),
    "alg NONE": lambda: unsigned("nOnE"),
    "no alg": lambda: signed("{}", json.dumps(claims()), lambda _: b""),
    "signed with the public RSA key": lambda: signed_with(pem("RS256")),
    "signed with the public EC key": lambda: signed_with(pem("ES256")),
    "signed with the public Ed25519 key": lambda: signed_with(pem("EdDSA")),
    "the same without the last newline": lambda: signed_with(pem("RS256").strip()),
    "said to be RS256": lambda: signed_with(pem("RS256"), "RS256"),
    "signed with nothing": lambda: signed_with(b""),
    "signed with another secret": lambda: signed_with(b"x" * 64),
    "signed with another key": lambda: by_key("RS256", claims(), name="another"),
    "changed after it was signed": lambda: changed(by_key("RS256", claims(room="elsewhere"))),
    "with a key of its own": lambda: by_key(
        "ES256", claims(), {"jwk": {"kty": "oct", "k": base64url(b"x" * 32)}}, name="own"
    ),
    "with a path for a kid": lambda: by_key(
        "RS256", claims(), {"kid": "../../../dev/null"}, name="another"
    ),
    "expired": lambda: by_key("RS256", claims(exp=int(time.time()) - HOUR)),
    "of a megabyte": lambda: "eyJ" + "a" * 60_000,
    "of dots": lambda: "." * 60_000,
    "deeply nested": lambda: signed('{"alg":"RS256"}', "[" * 40_000, lambda _: b"x" * 256),
}


def changed(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{base64url(json.dumps(claims()).encode())}.{signature}"


@pytest.fixture(scope="module", params=["public keys", "secret"])
def guarded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arena]:
    directory = tmp_path_factory.mktemp("guarded")
    if request.param == "secret":
        (directory / "secret").write_bytes(SECRET)
        options = ["--auth-secret-file", str(directory / "secret")]
        token = signed_with(SECRET)
    else:
        options = []
        for algorithm in ("RS256", "ES256", "EdDSA"):
            (directory / algorithm).write_bytes(pem(algorithm))
            options += ["--auth-public-key-file", str(directory / algorithm)]
        token = by_key("RS256", claims())
    with arena(directory, *options, "--connect-rate-per-address", "0", token=token) as started:
        yield started


def show_in_register(place: Arena, token: str) -> Client:
    attacker = place.client()
    attacker.say(type="register", client_id="attacker", room_id="lab", token=token)
    return attacker


def show_in_query(place: Arena, token: str) -> Client:
    attacker = place.client(f"/?token={token}")
    attacker.say(type="register", client_id="attacker", room_id="lab")
    return attacker


def show_in_header(place: Arena, token: str) -> Client:
    attacker = place.client(headers={"Authorization": f"Bearer {token}"})
    attacker.say(type="register", client_id="attacker", room_id="lab")
    return attacker


def show_in_subprotocol(place: Arena, token: str) -> Client:
    attacker = place.client(subprotocols=(SUBPROTOCOL, f"bearer.{token}"))
    attacker.say(type="register", client_id="attacker", room_id="lab")
    return attacker


WAYS = {
    "register": show_in_register,
    "query": show_in_query,
    "header": show_in_header,
    "subprotocol": show_in_subprotocol,
}
SHORT = 10_000
"""Characters that an opening handshake has room for."""


@pytest.mark.parametrize("way", WAYS)
def test_forged_tokens_are_unauthorized_and_closed_with_4401(guarded: Arena, way: str) -> None:
    forgeries = {name: forge() for name, forge in FORGERIES.items()}
    with guarded.attack():
        for _ in lasting():
            for name, token in forgeries.items():
                if way != "register" and len(token) > SHORT:
                    continue
                attacker = WAYS[way](guarded, token)
                assert attacker.hear()["code"] == "unauthorized", name
                assert attacker.close_code() == 4401, name
                guarded.leave()

    log = guarded.server.output
    assert "in room lab" not in log
    assert not [name for name, token in forgeries.items() if token[3:40] in log]


def test_who_shows_no_token_cannot_do_anything(guarded: Arena) -> None:
    with guarded.attack():
        for _ in lasting():
            attacker = guarded.client()
            for type_ in ("offer", "message", "peers", "leave"):
                attacker.say(type=type_, target_id="caller", sdp="x", data="x")
                assert attacker.hear()["code"] == "not_registered"
            attacker.say(type="resume", resume_token="0" * 48)
            assert attacker.hear()["code"] == "resume_expired"
            attacker.say(type="register", client_id="caller", room_id="bystanders 0")
            assert attacker.hear()["code"] == "unauthorized"
            assert attacker.close_code() == 4401

            app = guarded.client("/signaling?room=bystanders+0")
            assert app.hear()["type"] == "error"
            assert app.close_code() == 4401
            guarded.leave()
            time.sleep(0.05)


FOREIGN = [
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://evil.example/https://app.example.com",
    "http://app.example.com",
    "https://app.example.com:444",
    "https://app.example.com@evil.example",
    "https://xapp.example.com",
    "null",
    "file://",
    "https://app.example.com\x00.evil.example",
    "https://APP.example.com.",
]


def test_pages_from_elsewhere_get_403(tmp_path: Path) -> None:
    limits = ("--allowed-origin", ORIGIN, "--connect-rate-per-address", "0")
    with arena(tmp_path, *limits) as place, place.attack():
        assert place.client(headers={"Origin": ORIGIN}).status == 101
        for _ in lasting():
            for origin in FOREIGN:
                wire = place.wire()
                wire.send(
                    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                    b"Origin: %b\r\n\r\n" % origin.encode()
                )
                answer = wire.end()
                assert re.match(rb"HTTP/1\.1 40[03] ", answer), (origin, answer)
                if origin.isprintable() and origin != "file://":
                    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n"), (origin, answer)
            place.leave()
            time.sleep(0.05)
