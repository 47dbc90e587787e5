"""For how long a token lets a client stay, as it says itself."""

from base64 import urlsafe_b64decode

import msgspec
from msgspec import Struct


class Claims(Struct):
    """Of a JSON Web Token (RFC 7519). `exp`: when it expires, in seconds since 1970."""

    exp: float | None = None


def life(token: str, wall_time: float) -> float | None:
    """Return for how many seconds a token is still good; None, if it does not tell.

    Nobody relies on it: the server decides.

    Args:
        token: a JWT.
        wall_time: seconds since 1970.
    """
    try:
        payload = token.split(".")[1]
        text = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        expires_at = msgspec.json.decode(text, type=Claims).exp
    # A DecodeError is a ValueError since msgspec 0.21 only; base64's errors are.
    except (IndexError, ValueError, msgspec.DecodeError, RecursionError):
        return None
    return None if expires_at is None else max(0.0, expires_at - wall_time)
