"""The garbage collector, which need not look again and again at what is there for good."""

import gc

from twisted.internet.interfaces import IReactorCore


def spare_what_stays(reactor: IReactorCore) -> None:
    """Leave out of all collections what is there when the reactor starts: modules, above all.

    Each connection makes objects, so that the collector runs the more often the more connect; it
    would look at all modules each time. With the pages' modules that was 8 µs of CPU a connection.
    """
    reactor.callWhenRunning(_freeze)


def _freeze() -> None:
    gc.collect()  # or what is garbage now would stay, too
    gc.freeze()
