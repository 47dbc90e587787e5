"""A real coturn on the loopback address, started by a test and stopped again."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import Watched, found, free_port


class TurnServer(Watched):
    """coturn, as it checks credentials that expire. `uri`: where it listens."""

    def __init__(self, program: str, secret: str, directory: Path) -> None:
        port = free_port()
        self.uri = f"turn:127.0.0.1:{port}?transport=udp"
        super().__init__(
            *(program, "-n", "--use-auth-secret", f"--static-auth-secret={secret}"),
            *("--realm=test", "--listening-ip=127.0.0.1", f"--listening-port={port}"),
            # It takes loopback peers only if it is told to, and then no command line of its own.
            *("--relay-ip=127.0.0.1", "--allow-loopback-peers", "--no-cli"),
            *("--no-tls", "--no-dtls", "--verbose", "--log-file=stdout"),
            *(f"--userdb={directory}/turndb", f"--pidfile={directory}/pid"),
            cwd=directory,
        )
        try:
            self.wait_for(rf"UDP listener opened on: 127\.0\.0\.1:{port}")
        except BaseException:
            self.stop(signal.SIGKILL)
            raise


@contextmanager
def turn_server(secret: str, directory: Path) -> Iterator[TurnServer]:
    """Run coturn for as long as the block takes. `directory`: for its files."""
    started = TurnServer(found("turnserver"), secret, directory)
    try:
        yield started
    finally:
        started.stop(signal.SIGKILL)
