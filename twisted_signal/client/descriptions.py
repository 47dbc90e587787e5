"""SDP and candidates between aiortc and signaling: taken apart, compared, and made.

Terms are those of RFC 9429 (JSEP), RFC 8866 (SDP) and RFC 8838 (trickled candidates).
"""

import re
from collections.abc import Iterator
from itertools import count
from typing import Any

from aiortc import RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import (
    DIRECTIONS,
    MediaDescription,
    SessionDescription,
    candidate_from_sdp,
    candidate_to_sdp,
)

Init = dict[str, Any]
"""An RTCSessionDescriptionInit or RTCIceCandidateInit of the W3C's."""

NOWHERE, DISCARD_PORT = "0.0.0.0", 9  # noqa: S104 - an address in SDP (RFC 8840, section 4.1.1)
REVERSED = {"sendonly": "recvonly", "recvonly": "sendonly"}


class Versions:
    """Gives each description of a session a version of its own (RFC 9429, section 5.2.1).

    aiortc's have the second in which they were made, so that two of one second may be one text.
    """

    def __init__(self) -> None:
        self._next = count(1)
        self._session: str | None = None

    def number(self, sdp: str) -> str:
        """Return an SDP with the session's id, and the next version."""

        def origin(match: re.Match[str]) -> str:
            self._session = self._session or match[2]
            return f"{match[1]}{self._session} {int(self._session) + next(self._next)} "

        return re.sub(r"^(o=\S+ )(\d+) \d+ ", origin, sdp, count=1, flags=re.MULTILINE)


def media_of(description: RTCSessionDescription | None) -> list[MediaDescription]:
    """Return the media sections of a description, or none."""
    if description is None:
        return []
    media: list[MediaDescription] = SessionDescription.parse(description.sdp).media
    return media


def credentials(media: list[MediaDescription]) -> dict[str, tuple[str | None, str | None]]:
    """Return the ICE credentials of each media section, by its mid."""
    return {
        one.rtp.muxId: (one.ice.usernameFragment, one.ice.password)
        for one in media
        if one.ice is not None
    }


def restarts_ice(pc: RTCPeerConnection, description: RTCSessionDescription) -> bool:
    """Return whether a description of the peer's has other ICE credentials than its last one."""
    before = credentials(media_of(pc.remoteDescription))
    now = credentials(media_of(description))
    return any(before[mid] != now[mid] for mid in before.keys() & now.keys())


def is_of_another(pc: RTCPeerConnection, description: RTCSessionDescription) -> bool:
    """Return whether a description is of another connection than the one that the peer has.

    The certificate is a connection's own, and stays with it: a peer with another one begins anew.
    """
    before, now = _fingerprints(pc.remoteDescription), _fingerprints(description)
    return bool(before and now) and before.isdisjoint(now)


def _fingerprints(description: RTCSessionDescription | None) -> set[str]:
    return {
        f"{one.algorithm} {one.value}".lower()
        for media in media_of(description)
        if media.dtls is not None
        for one in media.dtls.fingerprints
    }


def split_candidates(sdp: str) -> tuple[str, list[Init]]:
    """Return an SDP without its candidates, and them."""
    description = SessionDescription.parse(sdp)
    candidates = list(_candidates(description))
    for media in description.media:
        media.ice_candidates = []
        media.ice_candidates_complete = False
        media.host, media.port = NOWHERE, DISCARD_PORT
    return str(description), candidates


def _candidates(description: SessionDescription) -> Iterator[Init]:
    for index, media in enumerate(description.media):
        for candidate in media.ice_candidates:
            yield {
                "candidate": f"candidate:{candidate_to_sdp(candidate)}",
                "sdpMid": media.rtp.muxId,
                "sdpMLineIndex": index,
                "usernameFragment": None if media.ice is None else media.ice.usernameFragment,
            }


def read_candidate(init: Init | None) -> RTCIceCandidate | None:
    """Return a candidate, or None at their end.

    Raises:
        ValueError: it is none.
    """
    if init is None or not init["candidate"]:
        return None
    try:
        candidate = candidate_from_sdp(init["candidate"].removeprefix("candidate:"))
    except (AssertionError, IndexError) as error:  # what aiortc makes of too few words
        raise ValueError(f"it has too few words: {error!r}") from None
    candidate.sdpMid = init.get("sdpMid")
    candidate.sdpMLineIndex = init.get("sdpMLineIndex")
    if candidate.sdpMid is None and candidate.sdpMLineIndex is None:
        candidate.sdpMLineIndex = 0  # what has only the text has one transport
    return candidate


def belongs_to(pc: RTCPeerConnection, init: Init | None) -> bool:
    """Return whether a candidate belongs to the peer's last description, so far as it tells."""
    fragment = None if init is None else init.get("usernameFragment")
    known = {ufrag for ufrag, _ in credentials(media_of(pc.remoteDescription)).values()}
    return fragment is None or not known or fragment in known


def needs_negotiation(pc: RTCPeerConnection) -> bool:
    """Return whether a connection has what its peer was not told (W3C, section 4.7.3)."""
    transceivers = [one for one in pc.getTransceivers() if not one.stopped]
    if any(one.mid is None for one in transceivers):
        return True
    if pc.sctp is not None and pc.sctp.mid is None:
        return True
    local = {one.rtp.muxId: one for one in media_of(pc.localDescription)}
    remote = {one.rtp.muxId: one for one in media_of(pc.remoteDescription)}
    is_answer = pc.localDescription is not None and pc.localDescription.type == "answer"
    for one in transceivers:
        wanted = one.direction
        if is_answer and one.mid in remote:
            wanted = _both(wanted, _reversed(remote[one.mid].direction))
        if one.mid in local and local[one.mid].direction != wanted:
            return True
    return False


def _reversed(direction: str | None) -> str:
    return REVERSED.get(direction or "sendrecv", direction or "sendrecv")


def _both(one: str, other: str) -> str:
    direction: str = DIRECTIONS[DIRECTIONS.index(one) & DIRECTIONS.index(other)]
    return direction
