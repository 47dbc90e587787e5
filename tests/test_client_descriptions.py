"""SDP and candidates, taken apart and compared."""

import asyncio

import pytest

pytest.importorskip("aiortc", reason="aiortc is not installed")

from aiortc import RTCPeerConnection, RTCSessionDescription
from pairs import NO_SERVERS, Side, negotiate

from twisted_signal.client.descriptions import (
    Versions,
    belongs_to,
    credentials,
    is_of_another,
    media_of,
    needs_negotiation,
    read_candidate,
    restarts_ice,
    split_candidates,
)

SDP = "v=0\r\no=- 3900000000 3900000000 IN IP4 0.0.0.0\r\ns=-\r\n"


async def offer_of(pc: RTCPeerConnection) -> RTCSessionDescription:
    if pc.sctp is None:
        pc.createDataChannel("talk")
    await pc.setLocalDescription()
    return pc.localDescription


def test_each_description_of_a_session_has_a_version_of_its_own() -> None:
    versions = Versions()

    first, second = versions.number(SDP), versions.number(SDP.replace("39", "40"))

    assert "\r\no=- 3900000000 3900000001 IN IP4 0.0.0.0\r\n" in first
    assert "\r\no=- 3900000000 3900000002 IN IP4 0.0.0.0\r\n" in second


def test_what_has_no_origin_is_left_as_it_is() -> None:
    assert Versions().number("v=0\r\n") == "v=0\r\n"


def test_candidates_are_taken_out_of_a_description_and_read_again() -> None:
    async def main() -> None:
        pc = RTCPeerConnection(NO_SERVERS)
        offer = await offer_of(pc)
        bare, inits = split_candidates(offer.sdp)
        await pc.close()

        assert "a=candidate" in offer.sdp
        assert "a=candidate" not in bare
        assert "a=end-of-candidates" not in bare
        found = [read_candidate(init) for init in inits]
        (media,) = media_of(offer)
        assert [(one.ip, one.port) for one in found if one is not None] == [
            (one.ip, one.port) for one in media.ice_candidates
        ]
        assert {init["sdpMid"] for init in inits} == {"0"}
        assert {init["usernameFragment"] for init in inits} == {
            ufrag for ufrag, _ in credentials(media_of(offer)).values()
        }

    asyncio.run(main())


def test_the_end_of_candidates_is_none_or_an_empty_one() -> None:
    assert read_candidate(None) is None
    assert read_candidate({"candidate": "", "sdpMid": "0"}) is None


def test_a_candidate_of_which_only_the_text_is_known_is_for_the_first_section() -> None:
    found = read_candidate({"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host"})
    assert found is not None
    assert (found.ip, found.sdpMid, found.sdpMLineIndex) == ("192.0.2.1", None, 0)


@pytest.mark.parametrize("text", ["candidate:1 1 udp", "nonsense", "1 one udp 1 x 9 typ host"])
def test_what_is_no_candidate_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several sentences
        read_candidate({"candidate": text, "sdpMid": "0"})


def test_a_restart_of_ice_is_told_from_a_description_like_the_last_one() -> None:
    async def main() -> None:
        one, other = Side(), Side()
        one.add_channel()
        await negotiate(one.pc, other.pc)
        again = one.pc.localDescription
        (media,) = media_of(again)
        ufrag = credentials([media])["0"][0] or ""
        fresh = RTCSessionDescription(again.sdp.replace(ufrag, "abcd"), "offer")
        candidate = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0"}

        assert not restarts_ice(other.pc, again)
        assert restarts_ice(other.pc, fresh)
        assert not restarts_ice(Side().pc, fresh)
        assert belongs_to(other.pc, candidate)
        assert belongs_to(other.pc, None)
        assert belongs_to(other.pc, {**candidate, "usernameFragment": ufrag})
        assert not belongs_to(other.pc, {**candidate, "usernameFragment": "abcd"})
        await asyncio.gather(one.pc.close(), other.pc.close())

    asyncio.run(main())


def test_another_connection_of_the_peers_is_told_by_its_certificate() -> None:
    async def main() -> None:
        one, other, another = Side(), Side(), Side()
        one.add_channel()
        await negotiate(one.pc, other.pc)

        assert not is_of_another(other.pc, one.pc.localDescription)
        assert is_of_another(other.pc, await offer_of(another.pc))
        assert not is_of_another(another.pc, one.pc.localDescription)
        await asyncio.gather(*(side.pc.close() for side in (one, other, another)))

    asyncio.run(main())


def test_what_needs_to_be_negotiated() -> None:
    async def main() -> None:
        one, other = Side(), Side()
        assert not needs_negotiation(one.pc)
        one.add_channel()
        assert needs_negotiation(one.pc)
        await negotiate(one.pc, other.pc)
        assert not needs_negotiation(one.pc)
        assert not needs_negotiation(other.pc)

        one.add_video()
        assert needs_negotiation(one.pc)
        await negotiate(one.pc, other.pc)
        assert not needs_negotiation(one.pc)
        assert not needs_negotiation(other.pc), "it has nothing to send"

        other.add_video()
        assert needs_negotiation(other.pc), "the other direction of what is there"
        await negotiate(one.pc, other.pc)
        assert not needs_negotiation(other.pc)
        one.pc.getTransceivers()[0].direction = "recvonly"
        assert needs_negotiation(one.pc)
        await asyncio.gather(one.pc.close(), other.pc.close())

    asyncio.run(main())
