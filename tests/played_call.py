"""A call as two clients play it: what they say, and nothing of media."""

from collections.abc import Callable, Sequence

from caller import Caller

SDP = "v=0\r\na=ice-ufrag:{ufrag}\r\na=fingerprint:sha-256 {ufrag}\r\n"


def register(client: Caller, client_id: str, room_id: str, **more: object) -> None:
    """Put a client into a room."""
    client.say(type="register", client_id=client_id, room_id=room_id, **more)
    assert client.hear()["type"] == "registered"


def describe(client: Caller, kind: str, target_id: str) -> None:
    """Send an offer or an answer. `kind`: which."""
    sdp = SDP.format(ufrag=f"{kind}-of-{id(client)}")
    client.say(type=kind, target_id=target_id, sdp={"type": kind, "sdp": sdp})


def send_candidates(
    client: Caller, target_id: str, *addresses: str, think: Callable[[], None] = lambda: None
) -> None:
    """Send candidates of a client's own addresses, and say that there are no more."""
    for address in addresses:
        line = f"candidate:1 1 udp 2122260223 {address} 50000 typ host"
        client.say(type="ice_candidate", target_id=target_id, candidate={"candidate": line})
        think()
    client.say(type="ice_candidate", target_id=target_id, candidate={"candidate": ""})


def play_call(
    pc: Caller,
    phone: Caller,
    pc_addresses: Sequence[str],
    phone_addresses: Sequence[str],
    think: Callable[[], None] = lambda: None,
) -> None:
    """Have a PC (`pc`) call a phone (`phone1`), with all that belongs to it.

    Args:
        think: called before each step.
    """
    think()
    describe(pc, "offer", "phone1")
    think()
    describe(phone, "answer", "pc")
    think()
    send_candidates(pc, "phone1", *pc_addresses, think=think)
    send_candidates(phone, "pc", *phone_addresses, think=think)
