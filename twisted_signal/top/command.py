"""`vislam-signal top`: from its options to its screen."""

import argparse
from collections.abc import Sequence

from twisted_signal.admin_client import AdminError, add_options, from_options
from twisted_signal.top.screen import Top

DESCRIPTION = "Show who is connected, and what goes on, in this terminal."


def run(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Show the server until the user has seen enough.

    Args:
        parser: takes the options; its `error` ends the process.
        arguments: without the command's name.

    Raises:
        SystemExit: an argument is wrong, or asks for help; or the server cannot be asked.
    """
    add_options(parser)
    options = parser.parse_args(arguments)
    client = from_options(parser, options)
    try:
        client.get("/api/v1/server")
    except AdminError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    Top(client).run()
