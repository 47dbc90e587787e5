"""The tests' own dealer does what it is for."""

import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

from dealers import dealer
from processes import PATIENCE


def test_connections_are_dealt_out_in_turn_and_led_both_ways() -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        dealing = stack.enter_context(dealer(*(each.getsockname()[1] for each in listeners)))
        place = ("127.0.0.1", urlsplit(dealing.url).port)
        for listener in (*listeners, *listeners):
            client = stack.enter_context(socket.create_connection(place, PATIENCE))
            server = stack.enter_context(listener.accept()[0])
            for one, other in ((client, server), (server, client)):
                one.sendall(b"x" * 500_000)
                one.shutdown(socket.SHUT_WR)
                other.settimeout(PATIENCE)
                with other.makefile("rb") as file:
                    assert file.read() == b"x" * 500_000
