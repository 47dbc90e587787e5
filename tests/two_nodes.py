"""A real server that takes itself for the node `a` of a cluster, whose other node, `b`, is in the
memory of the same process: a phone is there, in the room `lab`.

python tests/two_nodes.py OPTIONS: those of `vislam-signal serve`. SIGUSR1 silences `b`, or lets it
speak again; SIGUSR2 cuts `a` off, or brings it back.
"""

import signal
import sys
from collections.abc import Callable
from typing import Any

from fake_nodes import FakeCluster, FakeNodes
from twisted.internet import reactor
from twisted.internet.task import LoopingCall

from twisted_signal import tap
from twisted_signal.cli import serve
from twisted_signal.server import SignalFactory


def main() -> None:
    nodes = FakeNodes("b")
    phone = nodes["b"].registered("far-phone", "lab")

    class NodeFactory(SignalFactory):
        """The node `a`."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.cluster = nodes.clusters["a"] = FakeCluster(nodes, "a", self.registry)

    tap.SignalFactory = NodeFactory  # type: ignore[attr-defined] # what makeService makes

    def on(number: signal.Signals, do: Callable[[], None]) -> None:
        signal.signal(number, lambda *_: do())

    def silence() -> None:
        nodes.silent ^= {"b"}

    def cut_off() -> None:
        nodes.clusters["a"].up = not nodes.clusters["a"].up

    def pass_time() -> None:
        nodes["b"].clock.advance(0.5)
        phone.answer()

    reactor.callWhenRunning(LoopingCall(pass_time).start, 0.5)
    on(signal.SIGUSR1, silence)
    on(signal.SIGUSR2, cut_off)
    serve(sys.argv[1:])


if __name__ == "__main__":
    main()
