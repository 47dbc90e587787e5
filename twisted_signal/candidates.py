"""What ICE candidates and SDP tell of a call: types and protocols, never an address.

Candidates are read where they stand, in the JSON that is relayed as it is, by one regular
expression: RTCIceCandidateInit (W3C WebRTC, section 4.8.1.1), the flat shapes of other
implementations and the lines of an SDP all have the text of RFC 8839, section 5.1. What is
malformed tells nothing.
"""

import re
import secrets
from collections.abc import Iterable
from ipaddress import IPv6Address
from itertools import islice
from typing import NamedTuple

from msgspec import Raw

END = "end of candidates"
"""In the place of a kind: no more of them come (RFC 8838, section 8.2)."""
UNREADABLE = "unreadable"
"""In the place of a kind: it was called a candidate, and is none that is understood."""
MDNS = "mDNS"
"""The last word of a kind, where a name of mDNS stands for the address (`….local`)."""

Network = tuple[int, int]
"""Where an address is, to be compared and for nothing else: 4 or 6, and a number of its network, or
PUBLIC. The numbers mean nothing to another process."""

PUBLIC = 0
"""The number of what is reachable from anywhere."""

LOOKED_AT = 1024
"""Bytes that are looked at of a candidate; real ones have less than 400."""
MOST_LINES = 64
"""Candidates that are looked at in an SDP."""

_TYPES = ("host", "srflx", "prflx", "relay")
# The bounds are the RFC's, or generous; possessive, so that nothing is read twice. The second group
# is the network of a private IPv4 address (RFC 1918), with the 24 bits that most have. The last one
# that is there tells the type, by its number, for less than its text would cost.
_CANDIDATE = re.compile(
    rb"candidate:[^ ]{1,40}+ [0-9]{1,5}+ (udp|UDP|tcp|TCP) [0-9]{1,10}+ (?:"
    rb"((?:192\.168|10\.[0-9]{1,3}|172\.(?:1[6-9]|2[0-9]|3[01]))\.[0-9]{1,3})\.[0-9]{1,3}"
    rb"|([^ ]{1,255}+)) [0-9]{1,5}+ typ (?:(host)|(srflx)|(prflx)|(relay))"
)
_HOST = 4
_KINDS = {
    protocol_as_written.encode(): {
        number: f"{type_} {protocol}" for number, type_ in enumerate(_TYPES, _HOST)
    }
    for protocol in ("udp", "tcp")
    for protocol_as_written in (protocol, protocol.upper())
}
_MDNS_KINDS = {protocol: f"{kinds[_HOST]} {MDNS}" for protocol, kinds in _KINDS.items()}
_END = re.compile(rb'\A\s*(?:null|"")|"candidate"\s*:\s*(?:null|"")\s*[,}]')

_UFRAG = b"a=ice-ufrag:"
_FINGERPRINT = b"a=fingerprint:"
# In JSON a line ends with an escape, `\r`, and a slash may be one too.
_REST_OF_LINE = re.compile(rb'[^\\"]{1,256}+(?:\\/[^\\"]{0,256}+){0,16}+')
_END_LINE = b"a=end-of-candidates"

_SALT = secrets.token_bytes(16)
_PUBLIC_IPV6 = re.compile(rb"[23][0-9a-fA-F]{3}(?::[0-9a-fA-F]{1,4}){3,7}")  # the usual ones
_IPV4 = re.compile(rb"(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})")
_IPV4_PUBLIC: Network = (4, PUBLIC)


class Description(NamedTuple):
    """What an SDP tells.

    Attributes:
        ufrag: a number for the ICE user name, which changes with a restart (RFC 8445, section 9).
        fingerprint: a number for the certificate, which changes with the connection (RFC 8122).
        candidates: the kind of each that stands in it, and its network where that is known.
        has_ended: whether it says that no more follow (RFC 8840, section 4.2).
    """

    ufrag: int
    fingerprint: int
    candidates: list[tuple[str, Network | None]]
    has_ended: bool


def read_candidate(value: Raw) -> tuple[str, Network | None]:
    """Return a candidate's kind, and the network of a host's address where that is known.

    Args:
        value: the JSON value that a client sent as its candidate.

    Returns:
        The kind, such as `host udp`, `relay tcp`, `host udp mDNS`, or END, or UNREADABLE.
    """
    found = _CANDIDATE.search(value, 0, LOOKED_AT)
    if found is not None:
        return _kind_and_network(found)
    return (END if _END.search(value, 0, LOOKED_AT) else UNREADABLE), None


def read_description(value: Raw) -> Description:
    """Return what an SDP tells. `value`: the JSON value that a client sent as its `sdp`."""
    sdp = bytes(value)
    candidates: list[tuple[str, Network | None]] = []
    has_ended = False
    if sdp.rfind(b"candidate") >= 0:  # in half the time of find
        start = sdp.find(b"candidate")
        found = islice(_CANDIDATE.finditer(sdp, start), MOST_LINES)
        candidates = [_kind_and_network(each) for each in found]
        has_ended = sdp.find(_END_LINE, start - len(_END_LINE)) >= 0
    # They stand beside each other, or the fingerprint above all media sections (RFC 8122).
    ufrag = sdp.find(_UFRAG)
    fingerprint = sdp.find(_FINGERPRINT, max(0, ufrag))
    if fingerprint < 0:
        fingerprint = sdp.find(_FINGERPRINT, 0, max(0, ufrag))
    return Description(
        _number_at(sdp, ufrag, _UFRAG),
        _number_at(sdp, fingerprint, _FINGERPRINT),
        candidates,
        has_ended,
    )


def type_of(kind: str) -> str:
    """Return the first word of a kind: `host`, `srflx`, `prflx`, `relay` or `unreadable`."""
    return kind.partition(" ")[0]


def can_reach(some: Iterable[Network], others: Iterable[Network]) -> bool:
    """Tell whether hosts of some networks can reach hosts of others, by what addresses tell.

    They can within a network, and from any network with IPv4 what has a public address: the other
    way the answers come back. IPv6 has no translation in between, so there both must be public.
    """
    one, other = set(some), set(others)
    return bool(one & other) or any(
        _IPV4_PUBLIC in public and any(version == 4 for version, _ in private)
        for public, private in ((one, other), (other, one))
    )


def _kind_and_network(found: re.Match[bytes]) -> tuple[str, Network | None]:
    """As `read_candidate`, of what its expression has found."""
    protocol, private = found.group(1, 2)
    type_ = found.lastindex
    assert type_ is not None, "it has a group for each type"
    if type_ != _HOST:
        return _KINDS[protocol][type_], None
    if private is not None:
        return _KINDS[protocol][_HOST], (4, hash(_SALT + private))
    if found[3].endswith(b".local"):
        return _MDNS_KINDS[protocol], None
    return _KINDS[protocol][_HOST], _network(found[3])


def _network(address: bytes) -> Network | None:
    """Return the network of an address, if it is one and that tells anything."""
    if _PUBLIC_IPV6.fullmatch(address):
        return 6, PUBLIC
    found = _IPV4.fullmatch(address)
    if found is not None:  # in a tenth of what ip_address takes
        return _network_of_ipv4(*map(int, found.groups()))
    try:
        packed = IPv6Address(address.decode("ascii")).packed
    except ValueError:
        return None
    if packed[0] in (0xFC, 0xFD):
        return 6, hash(_SALT + packed[:8])  # RFC 4193
    return (6, PUBLIC) if packed[0] >> 5 == 1 else None  # RFC 4291, section 2.4


def _network_of_ipv4(first: int, second: int, third: int, fourth: int) -> Network | None:
    if max(first, second, third, fourth) > 255:
        return None
    if first == 100 and 64 <= second < 128:
        return 4, hash(_SALT + bytes((first,)))  # of carriers and overlay networks (RFC 6598)
    tells_nothing = (
        first in (0, 127)
        or first >= 224
        or (first, second) == (169, 254)
        or (first, second, third) == (192, 0, 0)  # of phones that have IPv6 only (RFC 7335)
    )
    return None if tells_nothing else _IPV4_PUBLIC


def _number_at(sdp: bytes, start: int, attribute: bytes) -> int:
    """Return a number for the value of an attribute, or 0. `start`: where it is; -1: nowhere."""
    found = _REST_OF_LINE.match(sdp, start + len(attribute)) if start >= 0 else None
    return hash(_SALT + found[0]) if found is not None else 0
