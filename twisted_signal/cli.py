"""`vislam-signal`: the command for people who do not know twistd."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from twisted.scripts import twistd

from twisted_signal import __version__


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with the line on stderr."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. `arguments`: without the program's name; the process's own by default.

    Raises:
        SystemExit: the command line is wrong, or asks for help.
    """
    parser = OneLineParser(
        prog="vislam-signal", description="A WebRTC signaling server for visual-inertial SLAM."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser(
        "serve", help="run the server in the foreground (serve --help: its options)", add_help=False
    )
    commands.add_parser(
        "demo",
        help="run it with TLS and print a QR code for a phone (the options are those of serve)",
        add_help=False,
    )
    commands.add_parser(
        "token",
        help="print a token that lets a client in (token --help: its options)",
        add_help=False,
    )
    commands.add_parser(
        "check-config",
        help="check the options of serve, and print what holds and why, as TOML",
        add_help=False,
    )
    commands.add_parser(
        "calls",
        help="print what a running server knows of calls, and why they fail",
        add_help=False,
    )
    commands.add_parser(
        "top", help="show who is connected to a running server, as it changes", add_help=False
    )
    chosen, rest = parser.parse_known_args(arguments)
    run = {
        "serve": serve,
        "demo": demo,
        "token": token,
        "check-config": check_config,
        "calls": calls,
        "top": top,
    }
    run[chosen.command](rest)


def serve(options: Sequence[str]) -> None:
    """Run the server as `twistd -n vislam-signal` does, but without a pid file.

    Args:
        options: the same as after `twistd -n vislam-signal`.
    """
    config = twistd.ServerOptions()  # type: ignore[attr-defined] # public, if not by __all__
    config.parseOptions(["--nodaemon", "--pidfile=", "vislam-signal", *options])
    twistd.runApp(config)


def demo(options: Sequence[str]) -> None:
    """Run the server so that a phone and a PC of one network need nothing else.

    Args:
        options: more of those that `serve` takes.
    """
    serve(["--demo", *options])


def check_config(options: Sequence[str]) -> None:
    """Print what `serve` would be run with.

    Args:
        options: those that `serve` takes.
    """
    from twisted_signal import check_command  # the reactor comes with it

    sys.stdout.write(check_command.run(options))


def token(options: Sequence[str]) -> None:
    """Print a token.

    Args:
        options: those of the command line.
    """
    from twisted_signal import token_command  # the cryptography is for this command only

    parser = OneLineParser(prog="vislam-signal token", description=token_command.DESCRIPTION)
    token_command.run(parser, options)


def calls(options: Sequence[str]) -> None:
    """Print the calls that a running server has seen.

    Args:
        options: those of the command line.
    """
    from twisted_signal import calls_command

    parser = OneLineParser(prog="vislam-signal calls", description=calls_command.DESCRIPTION)
    calls_command.run(parser, options)


def top(options: Sequence[str]) -> None:
    """Show a running server in the terminal.

    Args:
        options: those of the command line.
    """
    parser = OneLineParser(prog="vislam-signal top")
    try:
        from twisted_signal.top import command
    except ImportError:  # it is a choice of the installation
        parser.exit(1, f"{parser.prog}: needs textual: pip install 'vislam-signal[top]'\n")
    parser.description = command.DESCRIPTION
    command.run(parser, options)


if __name__ == "__main__":
    main()
