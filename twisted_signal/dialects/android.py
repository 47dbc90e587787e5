"""The flat dialect of the Android app that the VI-SLAM project ships.

The app names no peer and no room. It says and understands `offer`, `answer`, `ice_candidate` and
`error`, and reports any other type to its user. The project's design documents spell two things in
another way, `connect` and `candidate`; a client that uses them is answered in them.

Towards everybody else an SDP is an RTCSessionDescriptionInit and a candidate an
RTCIceCandidateInit (WebRTC, sections 4.6.1 and 4.8.1.1), which is what the README's clients send.
"""

import secrets

import msgspec
from msgspec import Raw, Struct, field

from twisted_signal.dialects.base import (
    OpeningRequest,
    decode_json,
    invalid_name,
    is_text,
    type_names,
)
from twisted_signal.errors import InvalidMessage, SignalError
from twisted_signal.messages import (
    Answer,
    Arrival,
    ClientMessage,
    ClientReport,
    Error,
    IceCandidate,
    Name,
    Offer,
    Register,
    Registered,
    RelayedAnswer,
    RelayedIceCandidate,
    RelayedMessage,
    RelayedOffer,
    ServerMessage,
)


class Names(Struct):
    """What the query of the URL may say of a client that cannot register."""

    room: Name = "default"
    client_id: Name | None = None
    client_type: Name = "android"


class FlatOffer(Struct, tag="offer"):
    """An offer. `sdp`: the SDP text, a JSON string."""

    sdp: Raw


class FlatAnswer(Struct, tag="answer"):
    """An answer. `sdp`: the SDP text, a JSON string."""

    sdp: Raw


class FlatCandidate(Struct, tag="candidate"):
    """A candidate as the design documents spell it."""

    candidate: Raw


class Connect(Struct, tag="connect"):
    """The design documents' way to register."""

    client_id: Name | None = None
    client_type: Name | None = None


class Connected(Struct, tag="connected"):
    """The answer to `connect`."""

    session_id: str
    server_time_ns: int


class FlatError(Struct, tag="error"):
    """What went wrong, in words; sent and received."""

    message: str


class SessionDescriptionInit(Struct):
    """An RTCSessionDescriptionInit, the SDP text raw."""

    type: str
    sdp: Raw


class _AnySessionDescription(Struct):
    """What is needed of a session description: clients leave `type` out at times."""

    sdp: Raw


class IceCandidateInit(Struct):
    """An RTCIceCandidateInit, the candidate's text raw."""

    candidate: Raw
    sdp_mid: str | None = field(default=None, name="sdpMid")
    sdp_m_line_index: int | None = field(default=None, name="sdpMLineIndex")


class FlatIceCandidate(IceCandidateInit, tag="ice_candidate"):
    """A candidate as the app spells it: all of the init's fields, in the message itself."""


FlatMessage = FlatOffer | FlatAnswer | FlatIceCandidate | FlatError | Connect | FlatCandidate

_decoder: msgspec.json.Decoder[FlatMessage] = msgspec.json.Decoder(FlatMessage)
_encoder = msgspec.json.Encoder()
_description_decoder = msgspec.json.Decoder(_AnySessionDescription)
_candidate_decoder: msgspec.json.Decoder[IceCandidateInit | None] = msgspec.json.Decoder(
    IceCandidateInit | None
)
# An empty candidate ends them, as null does (WebRTC, section 4.8.1.1).
END_OF_CANDIDATES = Raw(b'""')
# The names that implementations give to media sections are their numbers.
_NUMBERED_MIDS = frozenset(str(number) for number in range(32))
_TYPES = type_names(FlatMessage)


class AndroidDialect:
    """Implements Dialect for one connection, and knows which spellings its client uses."""

    name = "flat"

    def __init__(self, request: OpeningRequest) -> None:
        """`request`: its query may name the client's `room`, `client_id` and `client_type`."""
        self._query = request.query
        self._spells_candidate = False  # as the design documents do
        self._connect_time_ns: int | None = None  # of a `connect` that is not answered yet
        self._session_id = f"sess_{secrets.token_hex(8)}"

    def arrival(self) -> Arrival:
        """See Dialect."""
        names = self._names()
        return Arrival(names.client_id, names.room, names.client_type)

    def decode(self, data: bytes, now_ns: int) -> ClientMessage:
        """See Dialect."""
        match decode_json(_decoder, data, _TYPES):
            case FlatOffer(sdp=sdp):
                return Offer(_described("offer", sdp))
            case FlatAnswer(sdp=sdp):
                return Answer(_described("answer", sdp))
            case FlatIceCandidate() as message:
                self._spells_candidate = False
                return _candidate(message.candidate, message.sdp_mid, message.sdp_m_line_index)
            case FlatCandidate(candidate=candidate):
                self._spells_candidate = True
                return _candidate(candidate, None, None)
            case Connect() as message:
                names = self._names()
                self._spells_candidate = True
                self._connect_time_ns = now_ns
                return Register(
                    message.client_id or names.client_id,
                    names.room,
                    message.client_type or names.client_type,
                )
            case FlatError(message=text):  # pragma: no branch - the union ends here
                return ClientReport(text)

    def encode(self, message: ServerMessage) -> bytes | None:
        """See Dialect."""
        match message:
            case RelayedOffer(sdp=sdp):
                return _encoder.encode(FlatOffer(_sdp_text(sdp)))
            case RelayedAnswer(sdp=sdp):
                return _encoder.encode(FlatAnswer(_sdp_text(sdp)))
            case RelayedIceCandidate(candidate=candidate):
                return self._encode_candidate(candidate)
            case Error(message=text):
                self._connect_time_ns = None  # a `connect` that was refused is answered by this
                return _encoder.encode(FlatError(text))
            case Registered():
                return self._answer_connect()
            case RelayedMessage():
                raise InvalidMessage("`target_id`", "is the phone app, which knows no such message")
            case _:
                return None  # the app has no word for it

    def _names(self) -> Names:
        try:
            return msgspec.convert(self._query, Names)
        except msgspec.ValidationError as error:
            raise invalid_name(error, "in the URL's query") from None

    def _answer_connect(self) -> bytes | None:
        if self._connect_time_ns is None:
            return None  # the app knows no `registered`
        answer = Connected(self._session_id, self._connect_time_ns)
        self._connect_time_ns = None
        return _encoder.encode(answer)

    def _encode_candidate(self, value: Raw) -> bytes | None:
        init = IceCandidateInit(value) if is_text(value) else _candidate_init(value)
        if init is None or init.candidate == END_OF_CANDIDATES:
            return None  # the app has no word for the end of candidates, and needs none
        if self._spells_candidate:
            return _encoder.encode(FlatCandidate(init.candidate))
        mid, index = _media_section(init.sdp_mid, init.sdp_m_line_index)
        return _encoder.encode(FlatIceCandidate(init.candidate, mid, index))


def recognises(data: bytes) -> bool:
    """Tell whether a text frame is a whole message of this dialect."""
    try:
        AndroidDialect(OpeningRequest()).decode(data, 0)
    except SignalError:
        return False
    return True


def _described(type_: str, sdp: Raw) -> Raw:
    """Return the session description that a flat SDP text stands for."""
    if not is_text(sdp):
        raise InvalidMessage("`sdp`", "must be the SDP as one string")
    return Raw(_encoder.encode(SessionDescriptionInit(type_, sdp)))


def _sdp_text(value: Raw) -> Raw:
    """Return the SDP text within what a peer sent as `sdp`."""
    if is_text(value):
        return value
    try:
        sdp = _description_decoder.decode(value).sdp
    except (msgspec.DecodeError, RecursionError):
        sdp = value
    if not is_text(sdp):
        raise InvalidMessage(
            "`sdp`", 'must be the SDP text or {"type": …, "sdp": text}: your peer is the phone app'
        )
    return sdp


def _candidate(candidate: Raw, mid: str | None, index: int | None) -> IceCandidate:
    """Return the candidate that a flat candidate text stands for."""
    if not is_text(candidate):
        raise InvalidMessage("`candidate`", "must be the candidate as one string")
    init = IceCandidateInit(candidate, *_media_section(mid, index))
    return IceCandidate(Raw(_encoder.encode(init)))


def _candidate_init(value: Raw) -> IceCandidateInit | None:
    """Return the candidate within what a peer sent as `candidate`, or None for their end."""
    try:
        init = _candidate_decoder.decode(value)
    except (msgspec.DecodeError, RecursionError):
        init = IceCandidateInit(value)
    if init is not None and not is_text(init.candidate):
        raise InvalidMessage(
            "`candidate`",
            'must be the text or {"candidate": text, "sdpMid": …, "sdpMLineIndex": …}:'
            " your peer is the phone app",
        )
    return init


def _media_section(mid: str | None, index: int | None) -> tuple[str, int]:
    """Name a media section in both ways. The app needs both, WebRTC asks for one (4.8.1.1)."""
    if mid is None:
        mid = str(index or 0)
    if index is None:
        index = int(mid) if mid in _NUMBERED_MIDS else 0
    return mid, index
