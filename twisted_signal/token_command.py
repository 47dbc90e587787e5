"""`vislam-signal token`: makes a token, for scripts and people."""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from twisted_signal.keys import UnusableKey, private_signer, secret_signer
from twisted_signal.messages import NAME_RULE, Name

DESCRIPTION = "Print a token that lets a client in, where the server checks tokens."

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST = 100 * 365 * _SECONDS["d"]


def run(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Print the token that the arguments describe, and a newline.

    Args:
        parser: takes the options; its `error` ends the process.
        arguments: without the command's name.

    Raises:
        SystemExit: an argument is wrong, or asks for help.
    """
    _add_options(parser)
    options = parser.parse_args(arguments)
    if options.kid is not None and options.key_file is None:
        parser.error("argument --kid: goes with --key-file only")
    try:
        if options.key_file is None:
            signer = secret_signer(options.secret_file)
        else:
            signer = private_signer(options.key_file, options.kid)
    except UnusableKey as error:
        parser.error(str(error))
    token = signer.sign(_claims(options, int(time.time())))
    sys.stdout.write(f"{token}\n")


def _add_options(parser: argparse.ArgumentParser) -> None:
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument(
        "--secret-file", type=Path, metavar="FILE", help="the server's --auth-secret-file"
    )
    key.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="the private key (PEM) of the server's --auth-public-key-file",
    )
    parser.add_argument(
        "--kid", type=_name, help="how the token names the key [default: by its thumbprint]"
    )
    parser.add_argument(
        "--room",
        type=_name,
        action="append",
        required=True,
        metavar="NAME",
        help="a room, or a pattern such as 'lab-*'; repeatable",
    )
    parser.add_argument(
        "--id", type=_name, metavar="NAME", help="the only client_id [default: any]"
    )
    parser.add_argument(
        "--type", type=_name, metavar="NAME", help="the only client_type [default: any]"
    )
    parser.add_argument(
        "--ttl",
        type=_seconds,
        default="1h",
        metavar="TIME",
        help="how long it is valid, such as 90s, 15m, 1h, 30d [default: 1h]",
    )


def _claims(options: argparse.Namespace, now: int) -> dict[str, Any]:
    # Without `iat` and `nbf`, which a server whose clock is behind would stumble over.
    rooms = options.room
    claims = {
        "room": rooms[0] if len(rooms) == 1 else rooms,
        "sub": options.id,
        "client_type": options.type,
        "exp": now + options.ttl,
    }
    return {name: value for name, value in claims.items() if value is not None}


def _name(text: str) -> str:
    try:
        text.encode("utf-8")  # what a terminal sent in another encoding cannot be
        return msgspec.convert(text, Name)
    except (msgspec.ValidationError, UnicodeError):
        raise argparse.ArgumentTypeError(NAME_RULE) from None


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,10})([smhd]?)", text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST:
        raise argparse.ArgumentTypeError("must be a time such as 90s, 15m, 1h or 30d")
    return seconds
