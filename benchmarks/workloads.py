"""What the clients do: one function a workload. All speak the README's protocol."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import usage
import wire
from load import Client, Load, LoadError, Result, Stopwatch

SETTLE = 1.0
"""Seconds until a server that did much at once is at rest."""

CANDIDATE = {
    "candidate": (
        "candidate:842163049 1 udp 1677729535 2001:db8:85a3:8d3:1319:8a2e:370:7348 54321 typ srflx"
        " raddr 192.168.178.42 rport 54321 generation 0 ufrag 4ZcD network-id 1 network-cost 10"
    ),
    "sdpMid": "0",
    "sdpMLineIndex": 0,
    "usernameFragment": "4ZcD",
}
"""With what is round it a message of 300 bytes."""


def sdp(size: int = 4096) -> str:
    """Return SDP of a size, with line ends that JSON escapes, as real SDP has them."""
    lines = ["v=0", "o=- 4611731400430051336 2 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    lines += [f"a=rtpmap:{number} H264/90000" for number in range(96, 320)]
    return "\r\n".join(lines)[:size]


def register(client_id: str, room_id: str) -> bytes:
    """Build the frame that brings a client into a room."""
    return wire.message(
        type="register", client_id=client_id, room_id=room_id, client_type="android"
    )


class Pair:
    """Two clients in a room of their own; the one sends to the other.

    Attributes:
        batches: by number, that many messages in one piece.
        sent: when each message went out that has not come yet.
    """

    __slots__ = ("batches", "sent", "source", "target")

    def __init__(self, source: Client, target: Client) -> None:
        self.source = source
        self.target = target
        self.batches: list[bytes] = []
        self.sent: deque[float] = deque()


def names(number: int) -> tuple[str, str, str]:
    """Return the ids of a pair's source, its target and its room; all of one length."""
    return f"s{number:05}", f"t{number:05}", f"r{number:05}"


def meet(load: Load, numbers: range) -> tuple[list[Pair], list[float]]:
    """Bring pairs into their rooms; return them, and how long each client took."""
    registers = []
    for number in numbers:
        source, target, room = names(number)
        registers += [register(source, room), register(target, room)]
    goal = load.frames + 3 * len(numbers)  # two `registered` and a `peer_joined` each
    clients, latencies = load.arrive(registers)
    load.until(lambda: load.frames >= goal)
    members = zip(clients[::2], clients[1::2], strict=True)
    return [Pair(source, target) for source, target in members], latencies


def prepare(
    load: Load, pairs: Sequence[Pair], numbers: range, outstanding: int, **fields: object
) -> None:
    """Build the messages of pairs, and see that the server relays them as it should."""
    for number, pair in zip(numbers, pairs, strict=True):
        message = wire.message(**{**fields, "target_id": names(number)[1]})
        pair.batches = [message * times for times in range(outstanding + 1)]
        pair.target.kept = b""
        pair.source.send(message)
    load.expect(len(pairs))
    for number, pair in zip(numbers, pairs, strict=True):
        came = pair.target.kept or b""
        expected = {**fields, "sender_id": names(number)[0]}
        if pair.target.payloads() != [expected]:
            raise LoadError(f"The message was not relayed as it should: {came!r}")
        pair.target.counter.size = len(came)


def exchange(load: Load, pairs: Sequence[Pair], units: int, outstanding: int) -> list[float]:
    """Relay that many messages, so many of each pair at a time; return the latencies."""
    by_fd = {pair.target.fd: pair for pair in pairs}
    latencies: list[float] = []
    now = time.perf_counter
    to_send = to_come = units

    def send(pair: Pair, number: int) -> None:
        nonlocal to_send
        if due := min(number, to_send):
            to_send -= due
            pair.sent.extend([now()] * due)
            pair.source.send(pair.batches[due])

    for pair in pairs:
        send(pair, outstanding)
    while to_come:
        for fd in load.ready():
            client = load.clients[fd]
            if not (came := load.read(client)):
                if client.ended:
                    raise LoadError("The server ended a connection.")
            elif (there := by_fd.get(fd)) is None:
                raise LoadError("The server said something to a source: it refused a message.")
            else:
                arrived = now()
                latencies.extend([arrived - there.sent.popleft() for _ in range(came)])
                to_come -= came
                send(there, came)
    return latencies


def relay(
    load: Load, *, pairs: int, outstanding: int, units: int, warm_up: int
) -> dict[str, Result]:
    """Relay candidates. Unit: one message. Latency: from its send to its arrival."""
    met, _ = meet(load, range(pairs))
    prepare(load, met, range(pairs), outstanding, type="ice_candidate", candidate=CANDIDATE)
    return {"": stretch(load, met, outstanding, units, warm_up)}


def offers(
    load: Load, *, pairs: int, outstanding: int, units: int, warm_up: int
) -> dict[str, Result]:
    """Relay offers of 4 KB. Unit: one message. Latency: from its send to its arrival."""
    met, _ = meet(load, range(pairs))
    offer = {"type": "offer", "sdp": sdp()}
    prepare(load, met, range(pairs), outstanding, type="offer", sdp=offer)
    return {"": stretch(load, met, outstanding, units, warm_up)}


def stretch(
    load: Load, pairs: Sequence[Pair], outstanding: int, units: int, warm_up: int
) -> Result:
    """Relay messages to warm up, then those that are measured."""
    exchange(load, pairs, warm_up, outstanding)
    watch = Stopwatch(load)
    return watch.stop(units, exchange(load, pairs, units, outstanding))


def scale(load: Load, *, sizes: list[int], units: int, warm_up: int) -> dict[str, Result]:
    """Relay candidates, one outstanding, between more and more pairs; a figure for each size.

    With few pairs the server is idle between messages, and each one wakes it up.
    """
    pairs: list[Pair] = []
    results = {}
    for size in sizes:
        numbers = range(len(pairs), size)
        new, _ = meet(load, numbers)
        prepare(load, new, numbers, 1, type="ice_candidate", candidate=CANDIDATE)
        pairs += new
        results[str(size)] = stretch(load, pairs, 1, units, max(warm_up, size))
    return results


def calls(
    load: Load, *, in_step: int, candidates: int, units: int, warm_up: int
) -> dict[str, Result]:
    """Call, from connect to the end of the TCP connections, so many calls in step.

    Unit: one call. Latency: of a whole call.
    """
    offer = {"type": "offer", "sdp": sdp()}
    answer = {"type": "answer", "sdp": sdp()}
    to_callee: dict[str, object] = {"target_id": "callee"}
    to_caller: dict[str, object] = {"target_id": "caller"}
    candidate: dict[str, object] = {"type": "ice_candidate", "candidate": CANDIDATE}
    step = Step(
        number=in_step,
        candidates=candidates,
        offer=wire.message(type="offer", sdp=offer, **to_callee),
        answer=wire.message(type="answer", sdp=answer, **to_caller),
        to_callee=wire.message(**candidate, **to_callee),
        to_caller=wire.message(**candidate, **to_caller),
    )
    first = step.play(load, 0, check=True)
    done = in_step
    while done < warm_up:
        step.play(load, done)
        done += in_step
    watch = Stopwatch(load)
    latencies = []
    goal = done + units
    while done < goal:
        played = step.play(load, done)
        if played.size != first.size:
            raise LoadError("A call went otherwise than the first one.")
        latencies.append(played.seconds)
        done += in_step
    return {"": watch.stop(len(latencies) * in_step, latencies)}


@dataclass(frozen=True)
class Played:
    """What came of a step: how long it took, and how many bytes came until the close."""

    seconds: float
    size: int


@dataclass(frozen=True)
class Step:
    """Some calls that go side by side: each part of them begins when all have ended the last.

    Attributes:
        number: of calls.
        candidates: of each side, in a call.
        offer, answer, to_callee, to_caller: frames; the latter two hold a candidate.
    """

    number: int
    candidates: int
    offer: bytes
    answer: bytes
    to_callee: bytes
    to_caller: bytes

    def play(self, load: Load, first: int, *, check: bool = False) -> Played:
        """Play the calls, in rooms that are numbered from the first on."""
        rooms = [f"r{room:06}" for room in range(first, first + self.number)]
        began = time.perf_counter()
        size = load.size
        clients = load.open(2 * self.number)
        callees, callers = clients[::2], clients[1::2]
        if check:
            for client in clients:
                client.kept = b""
        self._say(load, callees, [register("callee", room) for room in rooms], 1)
        self._say(load, callers, [register("caller", room) for room in rooms], 2)
        self._say(load, callers, [self.offer] * self.number, 1)
        self._say(load, callees, [self.answer] * self.number, 1)
        for _ in range(self.candidates):
            self._say(load, callers, [self.to_callee] * self.number, 0)
            self._say(load, callees, [self.to_caller] * self.number, 2)
        size = load.size - size
        if check:
            for client in clients:
                self._check(client)
        self._close(load, clients)
        return Played(time.perf_counter() - began, size)

    def _say(
        self, load: Load, clients: Sequence[Client], frames: Sequence[bytes], each: int
    ) -> None:
        """Let each client send its frame, and wait until that many messages came for each."""
        goal = load.frames + each * self.number
        for client, frame in zip(clients, frames, strict=True):
            client.send(frame)
        load.until(lambda: load.frames >= goal or each == 0)

    def _check(self, client: Client) -> None:
        """See that nothing was refused."""
        came = sorted(str(message["type"]) for message in client.payloads())
        signals = ["ice_candidate"] * self.candidates
        expected = (
            [*signals, "offer", "peer_joined", "registered"],
            ["answer", *signals, "registered"],
        )
        if came not in expected:
            raise LoadError(f"A call went wrong: {came}")

    def _close(self, load: Load, clients: Sequence[Client]) -> None:
        goal = load.ended + len(clients)
        for client in clients:
            client.send(wire.CLOSE_FRAME)
        load.until(lambda: load.ended >= goal)


def connect(load: Load, *, clients: int, warm_up: int, rest: float) -> dict[str, Result]:
    """Bring clients into rooms of two. Unit: one client. Latency: from its connect to `registered`.

    Extra figures: `memory`, resident bytes a client; `rest`, CPU seconds a second, while nothing is
    said but pings and pongs; `pings`, how many of them came to each client.
    """
    # What the server allocates once, however many come. They stay: what they would leave behind,
    # the others would take.
    meet(load, range(50_000, 50_000 + warm_up // 2))
    wait(load, SETTLE)
    memory = usage.memory(*load.pids)
    watch = Stopwatch(load)
    _, latencies = meet(load, range(clients // 2))
    result = watch.stop(len(latencies), latencies)
    wait(load, SETTLE)
    result.extra["memory"] = (usage.memory(*load.pids) - memory) / len(latencies)
    if rest:
        pings = load.pings
        before = usage.cpu(*load.pids)
        began = time.perf_counter()
        wait(load, rest)
        seconds = time.perf_counter() - began
        result.extra["rest"] = usage.cpu(*load.pids).since(before) / seconds
        result.extra["pings"] = (load.pings - pings) / len(load.clients)
    if load.ended:
        raise LoadError("The server ended connections that were at rest.")
    return {"": result}


def wait(load: Load, seconds: float) -> None:
    """Say nothing for a while, but answer pings."""
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        for fd, _ in load.epoll.poll(left):
            load.read(load.clients[fd])


def room(load: Load, *, clients: int, warm_up: int) -> dict[str, Result]:
    """Let clients enter one room, each as soon as the one before is in; they are connected before.

    Unit: one message that is delivered, `registered` or `peer_joined`. Latency: from a client's
    `register` to its `registered`.
    """
    enter(load, load.open(warm_up), "warm")
    opened = load.open(clients)
    watch = Stopwatch(load)
    latencies = enter(load, opened, "room")
    return {"": watch.stop(messages_of(clients), latencies)}


def enter(load: Load, clients: Sequence[Client], room_id: str) -> list[float]:
    """Bring clients into a room until all have heard of all; return how long each took."""
    registers = [register(f"c{number:05}", room_id) for number in range(len(clients))]
    goal = load.frames + messages_of(len(clients))
    latencies = one_by_one(load, clients, registers)
    load.until(lambda: load.frames >= goal)
    return latencies


def messages_of(members: int) -> int:
    """Return how many messages a room that fills brings about, `registered` and `peer_joined`."""
    return members + members * (members - 1) // 2


def one_by_one(load: Load, clients: Sequence[Client], registers: Sequence[bytes]) -> list[float]:
    """Register clients, each as soon as the one before is in; return how long each took."""
    latencies = []
    for client, frame in zip(clients, registers, strict=True):
        began = time.perf_counter()
        client.send(frame)
        while not client.frames:
            load.turn()
        latencies.append(time.perf_counter() - began)
    return latencies


WORKLOADS: dict[str, Callable[..., dict[str, Result]]] = {
    "relay": relay,
    "sdp": offers,
    "calls": calls,
    "connect": connect,
    "room": room,
    "scale": scale,
}
