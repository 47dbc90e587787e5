"""How much one client may take: the limits that an operator sets. No I/O and no clock."""

from dataclasses import dataclass, field
from typing import Any

DAY = 86_400
LARGE = 2**31


def _limit(default: int, meaning: str, largest: int = LARGE, zero: str = "no limit") -> Any:
    return field(default=default, metadata={"meaning": f"{meaning} 0: {zero}.", "largest": largest})


@dataclass(frozen=True, slots=True)
class Limits:
    """One number each, which is also an option of the command line; 0 switches most of them off.

    A field's metadata has its `meaning`, for the help, and the `largest` value that makes sense.
    """

    max_message_size: int = _limit(64 * 1024, "Largest message a client may send, in bytes.")
    message_rate: int = _limit(50, "Messages a second that a client may send in the long run.")
    message_burst: int = _limit(500, "Messages that a client may send at once.")
    frame_rate: int = _limit(500, "Frames of any kind a second that a client may send.")
    max_room_size: int = _limit(64, "Clients that a room may have.")
    max_clients: int = _limit(50_000, "Connections that the server takes.")
    max_clients_per_address: int = _limit(256, "Connections from one address, or one IPv6 /64.")
    connect_rate_per_address: int = _limit(50, "New connections a second from one address.")
    register_timeout: int = _limit(10, "Seconds in which a client must be in a room.", DAY)
    handshake_timeout: int = _limit(5, "Seconds for the opening handshake.", DAY)
    max_buffer: int = _limit(
        1024 * 1024, "Drop a client that does not read when more bytes than this wait for it."
    )
    ping_interval: int = _limit(
        20, "Ping a client after this many seconds of silence.", DAY, zero="never"
    )
    ping_timeout: int = _limit(
        20, "Drop a client that says nothing for so many seconds after a ping.", DAY, zero="at once"
    )
    probe_timeout: int = _limit(
        2, "Seconds for the holder of an id to answer, or another gets it.", DAY, zero="none"
    )
    resume_window: int = _limit(
        30, "Seconds that a place is kept when its connection breaks.", DAY, zero="none is kept"
    )
    log_rate_per_address: int = _limit(
        2048, "Characters of log a second that one address may cause in the long run."
    )
    drain_timeout: int = _limit(
        10, "Seconds that clients have to go when the server stops.", DAY, zero="none"
    )
