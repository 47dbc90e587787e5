"""Which way of sharing a port spreads connections over processes: for docs/cluster.md.

    .venv/bin/python benchmarks/accepting.py

Each process serves its port as the server does: Twisted's reactor, and the epoll instance of
`twisted_signal.poller` in it. A connection costs it 0.2 ms, as an opening handshake does.

- `inherited`: all accept from one socket, which their parent has opened.
- `exclusive`: the same, with EPOLLEXCLUSIVE (epoll_ctl(2)).
- `reuseport`: each has a socket of its own with SO_REUSEPORT (socket(7)); the kernel chooses one by
  a hash of the addresses.
- `helped`: the same, but their parent has opened all of them, and each accepts ten times a second
  from those of the others, too.

The last table is of 200 connections that come while one of them is stopped, and is then killed.
"""

import argparse
import os
import select
import signal
import socket
import statistics
import time
from collections import Counter
from contextlib import suppress
from typing import Any, NamedTuple

WAYS = ("inherited", "exclusive", "reuseport", "helped")
BACKLOG = 1024
AT_ONCE = 256
"""Connections of a burst that are not answered yet: below the length of the queue."""
PACE = 0.002
"""Seconds from one connection to the next where they do not come at once."""
HANDSHAKE = 0.0002
BUSY, FREE = 0.05, 0.01
"""Seconds that the busy worker does nothing for anybody, and seconds between."""


def opened(port: int = 0, *, is_shared: bool = False) -> socket.socket:
    """Return a socket that listens. `is_shared`: others may listen at the same port."""
    listening = socket.socket()
    if is_shared:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(BACKLOG)
    listening.settimeout(0)
    return listening


def work(number: int, sockets: list[socket.socket], way: str, ready: int, *, is_busy: bool) -> None:
    """Serve connections until a signal comes.

    Args:
        number: is told to each that connects.
        sockets: of all workers, in the order of their numbers.
        way: one of `WAYS`.
        ready: a byte is written to this descriptor when it serves.
        is_busy: it does so now and then only.
    """
    from twisted.internet import reactor as twisted_reactor
    from twisted.internet.protocol import Factory, Protocol
    from twisted.internet.tcp import Port

    from twisted_signal.inheritance import Helper, Queue
    from twisted_signal.outbox import Outbox
    from twisted_signal.poller import Poller
    from twisted_signal.tally import Tally

    reactor: Any = twisted_reactor

    class Welcome(Protocol):
        def connectionMade(self) -> None:
            burn(HANDSHAKE)
            self.transport.write(bytes([number]))  # type: ignore[union-attr] # there is one

    class Waking(Poller):
        def _watch(self, descriptor: Any, interested: set[int], event: int) -> None:
            if way == "exclusive" and isinstance(descriptor, Port):
                event |= select.EPOLLEXCLUSIVE
            super()._watch(descriptor, interested, event)

    def be_busy() -> None:
        burn(BUSY)
        reactor.callLater(FREE, be_busy)

    own = sockets[number]
    others = [each for each in sockets if each is not own]
    if way == "reuseport":  # nobody else has them
        for each in others:
            each.close()
    port = reactor.adoptStreamPort(own.fileno(), socket.AF_INET, Factory.forProtocol(Welcome))
    own.close()
    if way == "helped":
        Helper(reactor, port, [Queue(each.detach()) for each in others])
    Waking(reactor, Outbox(), Tally()).adopt(port)
    reactor.callWhenRunning(os.write, ready, b".")
    if is_busy:
        be_busy()
    reactor.run(installSignalHandlers=False)


def burn(seconds: float) -> None:
    """Use the processor."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


class Workers:
    """Processes that share a port."""

    def __init__(self, way: str, count: int, *, has_busy: bool = False) -> None:
        has_own = way in ("reuseport", "helped")
        first = opened(is_shared=has_own)
        self.port: int = first.getsockname()[1]
        self.sockets = [
            first if not (number and has_own) else opened(self.port, is_shared=True)
            for number in range(count)
        ]
        self.processes = []
        hears, tells = os.pipe()
        for number in range(count):
            child = os.fork()
            if not child:
                work(number, self.sockets, way, tells, is_busy=has_busy and not number)
                os._exit(0)
            self.processes.append(child)
        os.close(tells)
        for _ in range(count):
            os.read(hears, 1)
        os.close(hears)
        if way == "reuseport":
            self.close()

    def close(self) -> None:
        """Close the sockets of this process."""
        for listening in self.sockets:
            listening.close()

    def end(self) -> None:
        """End them."""
        self.close()
        for process in self.processes:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


class Found(NamedTuple):
    """What came of it. `counts`: connections of each worker. `waits`: seconds for the answer."""

    counts: list[int]
    waits: list[float]


def connect(workers: Workers, connections: int, *, is_paced: bool) -> Found:
    """Open connections, and keep them open until all are answered."""
    poll = select.epoll()
    waiting: dict[int, tuple[socket.socket, float]] = {}
    answered: list[socket.socket] = []
    counts, waits = Counter[int](), []
    began, opened_count = time.perf_counter(), 0
    while len(answered) < connections:
        now = time.perf_counter()
        while opened_count < connections and (
            now - began >= opened_count * PACE if is_paced else len(waiting) < AT_ONCE
        ):
            client = socket.create_connection(("127.0.0.1", workers.port))
            waiting[client.fileno()] = client, time.perf_counter()
            poll.register(client, select.EPOLLIN)
            opened_count += 1
        for number, _ in poll.poll(PACE / 2):
            client, since = waiting.pop(number)
            poll.unregister(number)
            counts[client.recv(1)[0]] += 1
            waits.append(time.perf_counter() - since)
            answered.append(client)
    for client in answered:
        client.close()
    return Found([counts[number] for number in range(len(workers.processes))], waits)


def answered_after_a_death(way: str, connections: int = 200) -> int:
    """Return how many connections are answered of those that come before a stopped worker dies."""
    workers = Workers(way, 2)
    try:
        os.kill(workers.processes[0], signal.SIGSTOP)
        time.sleep(0.1)  # until it has stopped
        clients = [
            socket.create_connection(("127.0.0.1", workers.port)) for _ in range(connections)
        ]
        time.sleep(0.5)
        os.kill(workers.processes[0], signal.SIGKILL)
        answered = 0
        for client in clients:
            client.settimeout(5)
            with client, suppress(OSError):
                answered += bool(client.recv(1))
        return answered
    finally:
        workers.end()


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("| way | workers | they come | connections of each | max/mean | wait, median | p99 |")
    print("|---|---|---|---|---|---|---|")
    for count in (2, 4):
        for has_busy in (False, True):
            for is_paced in (False, True):
                for way in WAYS:
                    found = []
                    for _ in range(options.rounds):
                        workers = Workers(way, count, has_busy=has_busy)
                        try:
                            found.append(connect(workers, options.connections, is_paced=is_paced))
                        finally:
                            workers.end()
                    tell(way, found, has_busy=has_busy, is_paced=is_paced)
    print("\n| way | answered, of 200 |\n|---|---|")
    for way in WAYS:
        print(f"| {way} | {answered_after_a_death(way)} |")


def tell(way: str, found: list[Found], *, has_busy: bool, is_paced: bool) -> None:
    """Print a row: of the round with the middle spread."""
    found.sort(key=lambda each: max(each.counts) / statistics.mean(each.counts))
    counts, waits = found[len(found) // 2]
    spread = max(counts) / statistics.mean(counts)
    when = ("one each 2 ms" if is_paced else "at once") + (", one busy" if has_busy else "")
    median, last = statistics.median(waits), sorted(waits)[-len(waits) // 100]
    print(
        f"| {way} | {len(counts)} | {when} | {' '.join(map(str, counts))} | {spread:.2f} |"
        f" {1000 * median:.1f} ms | {1000 * last:.1f} ms |",
        flush=True,
    )


if __name__ == "__main__":
    main()
