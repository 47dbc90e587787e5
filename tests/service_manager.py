"""The end of sd_notify's protocol that systemd has."""

import socket
import time
from contextlib import suppress

from processes import PATIENCE


class Manager:
    """A service manager that hears what it is told."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(PATIENCE)

    def hear(self) -> list[str]:
        """Return the assignments of the next datagram."""
        return self.socket.recv(65536).decode().split("\n")

    def hear_until(self, assignment: str) -> list[str]:
        """Return the assignments of the first datagram that has this one among them."""
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up:
            heard = self.hear()
            if assignment in heard:
                return heard
        raise AssertionError(f"{assignment} does not come")

    def hears_nothing(self, seconds: float = 0) -> bool:
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(65536)
        except (BlockingIOError, TimeoutError):
            return True
        finally:
            self.socket.settimeout(PATIENCE)
        return False

    def fill(self) -> None:
        """Have it sent so much that there is no room for more: of one sender only a part counts."""
        sent = 1
        while sent:
            sent = 0
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(0)
                with suppress(BlockingIOError):
                    while True:
                        sender.sendto(b"X=1", self.address)
                        sent += 1

    def forget(self) -> None:
        """Hear all that was sent before now."""
        while not self.hears_nothing():
            pass
