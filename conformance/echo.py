"""A server that sends every message back, on our protocol class: `python -m conformance.echo`.

It prints its URL, and ends when its stdin does: it outlives nobody who started it.
"""

import logging
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet import stdio
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_signal.frames import TEXT, frame
from twisted_signal.limits import Limits
from twisted_signal.server import SignalFactory
from twisted_signal.service import Listener, ListenerService, SignalService
from twisted_signal.websocket import SignalProtocol

MAX_MESSAGE_SIZE = 16 * 1024 * 1024
"""The largest messages that the suite sends, in bytes."""

reactor: Any = installed_reactor  # a module to the type checker


class EchoProtocol(SignalProtocol):
    """`SignalProtocol` but for what messages mean: they are not read, but sent back."""

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A whole message came in."""
        if self.state != self.STATE_OPEN:
            return
        if isBinary:
            self.sendMessage(payload, isBinary)
        else:
            self.sendData(frame(TEXT, payload))  # as `deliver` does


class EchoFactory(SignalFactory):
    """Makes such protocols."""

    protocol = EchoProtocol


class UntilStdinEnds(Protocol):
    """Ends the process when nobody can write to its stdin any more."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stdin is at its end."""
        if reactor.running:
            reactor.stop()


def main() -> None:
    """Serve as the real server does, and echo, until stdin ends."""
    logging.basicConfig(level=logging.ERROR)
    factory = EchoFactory(
        reactor, limits=Limits(max_message_size=MAX_MESSAGE_SIZE, max_buffer=0, frame_rate=0)
    )
    endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    service = SignalService(reactor, factory, [Listener("echo", endpoint)])
    service.privilegedStartService()
    service.startService()
    ports: list[Any] = [child.port for child in service if isinstance(child, ListenerService)]
    print(f"ws://127.0.0.1:{ports[0].getHost().port}", flush=True)
    stdio.StandardIO(UntilStdinEnds())
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()


if __name__ == "__main__":
    main()
