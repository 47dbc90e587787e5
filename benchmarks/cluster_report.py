"""Tables of what was measured of nodes that share rooms, for the terminal and for results.md."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import report
from figures import Figures, Spread, shown
from load import Result
from report import machine, milliseconds, table

ALONE, NONE, ONE, TWO = "no Redis", "no node", "one node", "two nodes"
WITHIN, ACROSS = "within a node", "across two nodes"
"""How clients are dealt out: all to one server or node, to two; pairs on one of two, on both."""
MOST_ADDED = 0.003
"""Seconds of p99 latency at half load, that the way across nodes may add."""
CLIENTS = 1_000_000
PER_NODE = 25_000
"""Clients of a node, in the calculation: half of the 50,000 that it takes by default."""
STAY = 600
"""Seconds that a client stays, in the calculation."""
MESSAGES = 22
"""Of a call: an offer, an answer, and ten candidates of each."""

TEXT = """
Measured on {today} by `make bench-cluster`, in {rounds} rounds and {minutes:.0f} minutes, on:
{machine};
{versions}.

Nodes, Redis and the load generator run on this one machine. Except for the workers, nodes and Redis
share one core and the generator has another, so that a latency holds the time in which one of them
waits for another to leave the core: with machines of their own there is less of it, and a network
instead. A figure of CPU is what all nodes together, and Redis, used for a unit of work, as the
operating system counts it. All that is compared ran in one round, in turn; medians of all rounds,
with the least and the most in brackets.

{added}
### A message within a node and across two

Candidates in messages of 300 bytes. 2 pairs, one message of each on its way, so that nothing goes
together:

{single}
50 pairs, one of each on its way:

{relay_1}
Eight of each pair on their way, so that more go out together:

{relay}
At half of the rate that one of each pair reached, evenly in time ({rates} messages a second):

{steady}
### Joins

Clients that are connected register in rooms of two, 40 at a time. With two nodes each has one
client of each room.

{join}
They close their connections, 40 at a time:

{leave}
One joins when the one before has:

{join_1}
One leaves after the other:

{leave_1}
### Traffic with Redis as rooms grow

Bytes of both nodes together, each of which has every second member. A client joins when the one
before has. Of a relayed message, the sender's node sends and the target's receives; one of each
sender is on its way.

{growth}
With nobody there, a node and Redis exchange {rest_bytes:,.0f} bytes a second; the node takes
{rest_node:.2f} % of a core, and Redis {rest_redis:.3f} % for each node.

### Workers

One and two workers on two cores, which Redis and the load generator use, too. 100 pairs, 4 messages
of each on their way. Clients come to the worker that the system gives them, so that of two workers
each has one client of half of the pairs.

{workers}
Joins, as above:

{workers_join}
### What one Redis carries

Redis has one core for commands. What it is asked costs less the more of it comes at a time, as it
does when Redis has much to do.

A million clients are {per_node:,} on each of {number} nodes. They come into rooms of two, in which
each is on another node, stay for {stay} minutes and call each other once, with {messages} messages.
What each costs is taken to be what it costs one by one.

{capacity}
In {rooms:,} rooms of two, Redis's memory is {memory}.
"""

Value = Callable[[Result], float]


@dataclass(frozen=True)
class ClusterRun:
    """What was measured.

    Attributes:
        figures: by workload, and by how clients were dealt out.
        memory: bytes that Redis needs, by what for.
        rooms: how many it held then.
        versions: of what was measured.
        rounds: how many times each workload ran.
        seconds: how long it all took.
    """

    figures: Figures
    memory: dict[str, float]
    rooms: int
    versions: str
    rounds: int
    seconds: float


def nodes_cost(result: Result) -> float:
    """Return the CPU seconds of all nodes for a unit of work."""
    return result.server / result.units


def redis_cost(result: Result) -> float:
    """Return the CPU seconds of Redis for a unit of work."""
    return result.extra.get("redis", 0.0) / result.units


def whole_cost(result: Result) -> float:
    """Return the CPU seconds of all nodes and of Redis for a unit of work."""
    return nodes_cost(result) + redis_cost(result)


def rate(result: Result) -> float:
    """Return the units of work a second."""
    return result.units / result.seconds


def traffic(result: Result) -> float:
    """Return the bytes between Redis and all nodes, both ways, for a unit of work."""
    return (result.extra["in"] + result.extra["out"]) / result.units


def middle(results: Iterable[Result], value: Value) -> float:
    """Return the median of a value."""
    return Spread.of(list(results), value).median


def costs(figures: Figures, figure: str, unit: str) -> str:
    """Return a table of what a unit of work costs, as clients are dealt out.

    The ratio is to what it costs within a node, or to the first. Latency is left out where none
    was measured.
    """
    by_setup = figures[figure]
    base = middle(by_setup.get(WITHIN) or next(iter(by_setup.values())), whole_cost)
    rows = []
    is_timed = any(result.p99 for results in by_setup.values() for result in results)
    for setup, results in by_setup.items():
        whole = Spread.of(results, whole_cost)
        rows.append(
            [
                setup,
                shown("", middle(results, nodes_cost)),
                shown("", middle(results, redis_cost)),
                report.with_spread("", whole),
                f"{whole.median / base:.2f}",
                f"{middle(results, rate):,.0f}",
            ]
        )
        if is_timed:
            latencies = (lambda result: result.p50, lambda result: result.p99)
            rows[-1] += [milliseconds(middle(results, value)) for value in latencies]
    head = ["", f"nodes a {unit}", "Redis", "together", "ratio", f"{unit}s/s"]
    return table([*head, "p50 ms", "p99 ms"] if is_timed else head, rows)


def sent(result: Result) -> float:
    """Return the bytes that nodes sent to Redis for a unit of work."""
    return result.extra["in"] / result.units


def received(result: Result) -> float:
    """Return the bytes that Redis sent to nodes for a unit of work."""
    return result.extra["out"] / result.units


def growth(figures: Figures) -> str:
    """Return a table of the traffic with Redis, by the size of rooms."""
    rows = []
    for name in figures:
        before, _, size = name.partition("join, ")
        if before != "growth, ":
            continue
        join, relay = figures[name][TWO], figures[f"growth, relay, {size}"][TWO]
        rows.append(
            [
                size,
                *(f"{middle(join, value):,.0f}" for value in (sent, received)),
                *(shown("", middle(join, value)) for value in (redis_cost, nodes_cost)),
                *(f"{middle(relay, value):,.0f}" for value in (sent, received)),
            ]
        )
    head = ["members", "join: bytes to Redis", "from Redis", "Redis CPU", "nodes CPU"]
    return table([*head, "relay: bytes to Redis", "from Redis"], rows)


@dataclass(frozen=True)
class Demand:
    """What clients do, all together, and what it costs.

    Attributes:
        what: they do.
        a_second: how often.
        redis, nodes: CPU seconds for each time, where one comes by itself.
        redis_at_best: CPU seconds of Redis, where many come at a time.
    """

    what: str
    a_second: float
    redis: float
    nodes: float
    redis_at_best: float


def at_rest(figures: Figures) -> tuple[float, float]:
    """Return the CPU seconds a second of Redis, and of a node, for a node where nobody is."""
    nobody, two = figures["rest"][NONE], figures["rest"][TWO]
    redis = middle(two, redis_cost) - middle(nobody, redis_cost)
    return max(redis, 0.0) / 2, middle(two, nodes_cost) / 2


def demands(figures: Figures) -> list[Demand]:
    """Return what a million clients do, on as many nodes as that takes."""

    def demand(what: str, a_second: float, setup: str, figure: str, many: str) -> Demand:
        one = figures[figure][setup]
        at_best = middle(figures[many][setup], redis_cost)
        return Demand(what, a_second, middle(one, redis_cost), middle(one, nodes_cost), at_best)

    coming = CLIENTS / STAY
    redis, node = at_rest(figures)
    return [
        demand("joins", coming, TWO, "joins-1, join", "joins, join"),
        demand("leaves", coming, TWO, "joins-1, leave", "joins, leave"),
        demand("messages across nodes", coming / 2 * MESSAGES, ACROSS, "single", "relay-1"),
        Demand("nodes at rest", CLIENTS / PER_NODE, redis, node, redis),
    ]


def capacity(figures: Figures) -> str:
    """Return a table of what one Redis carries, and what a million clients need."""
    wanted = demands(figures)
    rows = [
        [
            one.what,
            shown("", one.redis_at_best),
            f"{1 / one.redis_at_best:,.0f}" if one.redis_at_best else "–",
            shown("", one.redis),
            f"{one.a_second:,.0f}",
            f"{100 * one.a_second * one.redis:.1f} %",
            f"{one.a_second * one.nodes:.2f}",
        ]
        for one in wanted
    ]
    redis = sum(one.a_second * one.redis for one in wanted)
    cores = sum(one.a_second * one.nodes for one in wanted)
    rows.append(["together", "", "", "", "", f"{100 * redis:.1f} %", f"{cores:.2f}"])
    head = ["", "many at a time: Redis CPU", "one Redis a second", "one by one: Redis CPU"]
    return table([*head, "a million clients a second", "of one Redis", "cores of nodes"], rows)


def added(figures: Figures) -> str:
    """Tell what the way across nodes adds to latency at half load, and whether that is little."""
    within, across = (
        middle(figures["steady"][setup], lambda result: result.p99) for setup in (WITHIN, ACROSS)
    )
    verdict = "met" if across - within <= MOST_ADDED else "**not met**"
    row = ["p99 added at half load", f"{1000 * MOST_ADDED:.1f} ms"]
    return table(
        ["", "at most", "reached", ""], [[*row, f"{1000 * (across - within):.2f} ms", verdict]]
    )


def render(run: ClusterRun) -> str:
    """Return the section of results.md."""
    figures = run.figures
    steady = figures["steady"]
    rest_redis, rest_node = at_rest(figures)
    return report.CLUSTER + TEXT.format(
        today=datetime.now(UTC).date(),
        rounds=run.rounds,
        minutes=run.seconds / 60,
        machine=machine(),
        versions=run.versions,
        added=added(figures),
        single=costs(figures, "single", "message"),
        relay_1=costs(figures, "relay-1", "message"),
        relay=costs(figures, "relay", "message"),
        rates=", ".join(f"{setup} {middle(all_, rate):,.0f}" for setup, all_ in steady.items()),
        steady=costs(figures, "steady", "message"),
        join=costs(figures, "joins, join", "join"),
        leave=costs(figures, "joins, leave", "leave"),
        join_1=costs(figures, "joins-1, join", "join"),
        leave_1=costs(figures, "joins-1, leave", "leave"),
        growth=growth(figures),
        rest_bytes=middle(figures["rest"][TWO], traffic) / 2,
        rest_node=100 * rest_node,
        rest_redis=100 * rest_redis,
        workers=costs(figures, "workers, relay", "message"),
        workers_join=costs(figures, "workers, joins, join", "join"),
        per_node=PER_NODE,
        number=CLIENTS // PER_NODE,
        stay=STAY // 60,
        messages=MESSAGES,
        capacity=capacity(figures),
        rooms=run.rooms,
        memory=" and ".join(f"{held:,.0f} bytes for {what}" for what, held in run.memory.items()),
    )


def write(run: ClusterRun, home: Path) -> None:
    """Write the section of results.md in a folder; the others stay."""
    page = home / "results.md"
    bench, _ = report.parts(page)
    page.write_text(f"{bench.rstrip()}\n\n{render(run)}", encoding="utf-8")
