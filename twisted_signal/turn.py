"""The ICE servers that clients are told of, with credentials for TURN that expire.

The credentials are those of "A REST API For Access To TURN Services"
(draft-uberti-behave-turn-rest): the TURN server knows no clients, it shares a secret with this one.
coturn checks them with `use-auth-secret`. No I/O and no clock.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Sequence
from urllib.parse import quote

from twisted_signal.messages import IceServer

LONGEST_NAME = 256
"""Bytes of a `client_id` within a username, which has fewer than 509 (RFC 8489, section 14.3)."""

# RFC 7064 and RFC 7065, section 3.1. A host is a name or an address; what it means is the client's.
_AUTHORITY = r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_STUN = re.compile(rf"stuns?:{_AUTHORITY}")
_TURN = re.compile(rf"turns?:{_AUTHORITY}(?:\?transport=(?:udp|tcp))?")

# What is not ASCII needs no SASLprep (RFC 8489, section 9.1) if escaped. coturn takes
# no spaces, quotes and backslashes.
_PLAIN = ":@/+,="


def is_stun_uri(text: str) -> bool:
    """Tell whether a text is the URI of a STUN server (RFC 7064)."""
    return _STUN.fullmatch(text) is not None


def is_turn_uri(text: str) -> bool:
    """Tell whether a text is the URI of a TURN server (RFC 7065)."""
    return _TURN.fullmatch(text) is not None


class IceProvider:
    """What RTCConfiguration.iceServers of a client should be (W3C WebRTC, section 4.2.1).

    Attributes:
        ttl: seconds for which credentials are good; None: there are none.
        secret: what is shared with the TURN servers, in bytes; it may be replaced.
    """

    def __init__(
        self,
        stun_uris: Sequence[str] = (),
        turn_uris: Sequence[str] = (),
        secret: bytes = b"",
        ttl: int = 3600,
    ) -> None:
        self._stun = [IceServer(list(stun_uris))] if stun_uris else []
        self._turn_uris = list(turn_uris)
        self.secret = secret
        self.ttl = ttl if turn_uris else None

    @property
    def lifetime_ms(self) -> int | None:
        """How many milliseconds credentials are good; None: there are none."""
        return None if self.ttl is None else self.ttl * 1000

    def take(self, other: "IceProvider") -> None:
        """Tell clients from now on what another would tell them."""
        vars(self).update(vars(other))

    def for_client(self, client_id: str, now: int) -> list[IceServer]:
        """Return the servers for a client, with credentials of its own from now on.

        Args:
            now: seconds since 1970.
        """
        if self.ttl is None:
            return self._stun
        username, credential = credentials(client_id, now + self.ttl, self.secret)
        return [*self._stun, IceServer(self._turn_uris, username, credential)]


def credentials(client_id: str, expires_at: int, secret: bytes) -> tuple[str, str]:
    """Return a username and a password for TURN.

    Args:
        client_id: what the TURN server's log calls the client.
        expires_at: seconds since 1970.
        secret: what is shared with the TURN server.
    """
    username = f"{expires_at}:{quote(client_id, safe=_PLAIN)[:LONGEST_NAME]}"
    digest = hmac.digest(secret, username.encode("ascii"), "sha1")
    return username, b64encode(digest).decode("ascii")


NO_ICE_SERVERS = IceProvider()
