"""Targets that read what a client says: messages in both dialects, and tokens."""

import hmac
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import tokens as forge
from msgspec import Raw

from fuzz import mistakes
from fuzz.supply import Supply
from twisted_signal.auth import Verifier
from twisted_signal.dialects.android import AndroidDialect
from twisted_signal.dialects.base import OpeningRequest
from twisted_signal.dialects.conversation import Conversation
from twisted_signal.dialects.readme import ReadmeDialect
from twisted_signal.errors import Forbidden, SignalError, Unauthorized
from twisted_signal.keys import KeyFiles
from twisted_signal.messages import (
    Answer,
    ClientMessage,
    Error,
    IceCandidate,
    Message,
    Offer,
    ServerMessage,
    payload_size,
)
from twisted_signal.nesting import MAX_NESTING
from twisted_signal.tally import Tally

NOW_NS = 1_795_417_440_399_364_306
REQUESTS = [
    OpeningRequest(),
    OpeningRequest("/signaling"),
    OpeningRequest("/signaling", {"room": "lab1", "client_id": "phone1"}),
    OpeningRequest("/", {"room": "\0"}),
]
README = ReadmeDialect()


def messages(data: bytes) -> None:
    """What is decoded can be told to clients of either dialect, or is refused in words."""
    supply = Supply(data)
    conversation = Conversation(supply.choice(REQUESTS), Tally())
    is_registered = bool(supply.below(2))
    if supply.below(2):
        conversation.opened()
    for text in supply.rest().split(b"\n"):
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            return  # no such text comes out of a frame
        try:
            message = conversation.decode(text, NOW_NS)
            if not is_registered:
                conversation.arrival_before(message)
        except SignalError as error:
            check_error(error)
        else:
            is_flat = isinstance(conversation._dialect, AndroidDialect)  # noqa: SLF001 - none tells
            _check_message(b"" if is_flat else text, message)


def check_error(error: SignalError) -> None:
    """See that a client can be told of an error."""
    assert error.code.isidentifier()
    assert str(error).isprintable(), str(error)
    for dialect in (README, AndroidDialect(OpeningRequest())):
        told = json.loads(dialect.encode(Error(error.code, str(error), error.target_id)) or b"")
        assert told["message"] == str(error)


def _check_message(text: bytes, message: ClientMessage) -> None:
    """`text`: what was said in the documented protocol, which is relayed byte for byte."""
    assert payload_size(message) >= 0
    match message:
        case Offer(sdp=raw) | Answer(sdp=raw):
            _check_relayed(text, message.relayed("pc"), raw, "sdp")
        case IceCandidate(candidate=raw):
            _check_relayed(text, message.relayed("pc"), raw, "candidate")
        case Message(data=raw):
            _check_relayed(text, message.relayed("pc"), raw, "data")


def _check_relayed(text: bytes, message: ServerMessage, raw: Raw, field: str) -> None:
    payload = bytes(raw)
    told = README.encode(message)
    assert payload in told
    value = json.loads(told)
    assert nesting(value) <= MAX_NESTING
    json.dumps(value, ensure_ascii=False).encode("utf-8")
    assert value["sender_id"] == "pc"
    if text:
        assert payload in text
        assert value[field] == json.loads(text)[field]
    try:
        flat = AndroidDialect(OpeningRequest()).encode(message)
    except SignalError as error:
        check_error(error)
    else:
        if flat is not None:
            assert isinstance(json.loads(flat)[field], str)


def nesting(value: object) -> int:
    """Return how deep arrays and objects are nested in each other."""
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(nesting, value), default=0)
    return 0


def tokens(data: bytes) -> None:
    """A token that no key has signed opens nothing, whatever it says; nothing else comes of it."""
    supply = Supply(data)
    kind = supply.below(3)
    if kind == 0:  # as it stands
        token = supply.rest().decode("utf-8", "surrogateescape")
    elif kind == 1:  # signed by whoever has the secret
        header = supply.take(supply.byte())
        token = forge.by_secret(supply.rest(), header)
    else:  # claims alone
        token = forge.by_secret(supply.rest())
    with mistakes.none_logged():
        for verifier in _verifiers():
            try:
                claims = verifier.verify(token, forge.NOW)
                assert claims.expires_at > forge.NOW
                assert verifier is _verifiers()[0], "a public key has signed nothing"
                signed, _, signature = token.rpartition(".")
                assert signature in (
                    forge.base64url(hmac.digest(forge.SECRET, signed.encode(), name))
                    for name in ("sha256", "sha384", "sha512")
                )
                identity = claims.admit("lab1", "phone1", "android")
                assert identity.client_id in ("phone1", claims.client_id)
            except (Unauthorized, Forbidden) as error:
                check_error(error)


@cache
def _verifiers() -> tuple[Verifier, Verifier]:
    """Return one that takes the secret, and one that takes public keys."""
    with TemporaryDirectory() as folder:
        secret = Path(folder) / "secret"
        secret.write_bytes(forge.SECRET)
        public = []
        for algorithm in forge.MAKERS:
            public.append(str(Path(folder) / algorithm))
            Path(public[-1]).write_bytes(forge.public_pem(forge.public_key(algorithm)))
        return KeyFiles(str(secret)).verifier, KeyFiles(public=public).verifier
