"""What aiortc 1.16 lacks in offers and answers: above all an offer that can be taken back.

It is given from outside, to a connection of the application's own. Private attributes of aiortc's
are touched here and in `aiortc_ice`, and nowhere else; `PRIVATE` names each with its reason, and
tests fail when a release changes them. Terms are those of RFC 9429 (JSEP).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiortc import (
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.codecs import is_rtx
from aiortc.sdp import SessionDescription

PRIVATE = {
    "RTCPeerConnection": {
        "_RTCPeerConnection__pendingLocalDescription": "is the offer that is taken back",
        "_RTCPeerConnection__seenMids": "has the mids that the offer gave",
        "_RTCPeerConnection__sctp_mline_index": "was given by the offer",
        "_RTCPeerConnection__setSignalingState": "tells the application too",
        "_RTCPeerConnection__iceTransports": "got the controlling role with the offer",
        "_RTCPeerConnection__connect": "starts what was left out, see `start_all`",
    },
    "RTCRtpTransceiver": {
        "_set_mid": "takes the mid of the offer away",
        "_get_mline_index": "the place that the offer gave to it",
        "_set_mline_index": "the same",
        "_codecs": "what was agreed on, for which `createOffer` takes all that there is",
        "_headerExtensions": "the same",
        "_offerDirection": "is missing in an answer, where the offer has no place for it",
    },
    "RTCIceTransport": {
        "_connection": "gets the role",
        "_role_set": "whether an offer decided who controls",
    },
}
"""What is touched of which class, and why."""


def any_of(pc: RTCPeerConnection) -> Any:
    """Return the same object, of which a type checker does not know what it lacks."""
    return pc


class LocalOffer:
    """An offer of a connection's own, that can be taken back."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        """Take note of how the connection is now; `make` comes after that."""
        self._pc = inner = any_of(pc)
        self._pending = inner._RTCPeerConnection__pendingLocalDescription
        self._seen_mids = set(inner._RTCPeerConnection__seenMids)
        self._transceivers: list[tuple[Any, ...]] = [
            (one, one.mid, one._get_mline_index(), one._codecs, one._headerExtensions)
            for one in inner.getTransceivers()
        ]
        self._sctp: tuple[str | None, int | None] = (None, None)
        if pc.sctp is not None:
            self._sctp = (pc.sctp.mid, inner._RTCPeerConnection__sctp_mline_index)
        self._undecided = [
            transport
            for transport in inner._RTCPeerConnection__iceTransports
            if not transport._role_set
        ]

    async def make(self) -> None:
        """Make an offer and set it as local description.

        What was agreed on stays (RFC 9429, section 5.2.2): aiortc offers its own numbers for
        codecs and header extensions again, and understands no others than the first that were
        agreed on, which a browser's may be.
        """
        offer = await self._pc.createOffer()
        agreed = {mid: rest for _, mid, _, *rest in self._transceivers if mid is not None}
        for one, mid, _, codecs, extensions in self._transceivers:
            if mid is not None:
                one._codecs, one._headerExtensions = codecs, extensions
        description = SessionDescription.parse(offer.sdp)
        for media in description.media:
            if media.rtp.muxId in agreed:
                codecs, extensions = agreed[media.rtp.muxId]
                media.rtp.codecs, media.rtp.headerExtensions = codecs, extensions
                media.fmt = [codec.payloadType for codec in codecs]
                if not any(map(is_rtx, codecs)):  # then there is no second stream (RFC 4588)
                    media.ssrc, media.ssrc_group = media.ssrc[:1], []
        await self._pc.setLocalDescription(RTCSessionDescription(str(description), "offer"))

    def take_back(self) -> None:
        """The offer shall never have been set: the rollback of RFC 9429, section 4.1.10.2.

        What was gathered stays, for the next description.
        """
        pc = self._pc
        for one, mid, index, codecs, extensions in self._transceivers:
            one._set_mid(mid)
            one._set_mline_index(index)
            one._codecs, one._headerExtensions = codecs, extensions
        if pc.sctp is not None:
            pc.sctp.mid, pc._RTCPeerConnection__sctp_mline_index = self._sctp
        for transport in self._undecided:
            transport._role_set = False
            transport._connection.ice_controlling = False
        pc._RTCPeerConnection__seenMids = self._seen_mids
        pc._RTCPeerConnection__pendingLocalDescription = self._pending
        pc._RTCPeerConnection__setSignalingState("stable")


@contextmanager
def left_out(pc: RTCPeerConnection) -> Iterator[None]:
    """Let an answer be set, though there are transceivers of which the offer knows nothing.

    They wait for an offer of our own (RFC 9429, section 5.3.1).
    """
    waiting = [one for one in any_of(pc).getTransceivers() if one._offerDirection is None]
    for one in waiting:
        one._offerDirection = "inactive"
    try:
        yield
    finally:
        for one in waiting:
            one._offerDirection = None


async def start_all(pc: RTCPeerConnection) -> None:
    """Start what has been negotiated and does not run yet; the connection is up.

    aiortc does so when a description is set. It leaves out DTLS where ICE has failed, and media
    that are negotiated while DTLS shakes hands.
    """
    await any_of(pc)._RTCPeerConnection__connect()
