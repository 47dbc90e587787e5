"""What is measured: the workloads with their sizes, and what ours is to reach."""

from dataclasses import dataclass, field

OURS = "ours"


@dataclass(frozen=True)
class Case:
    """One workload with its sizes.

    Attributes:
        workload: the function in `workloads`.
        text: what it does, and what a unit is.
        unit: its name.
        full, quick: arguments of the long and of the short run. No quick ones: it is not in it.
        ours: more arguments for our own server.
    """

    workload: str
    text: str
    unit: str
    full: dict[str, object]
    quick: dict[str, object] | None = None
    ours: dict[str, object] = field(default_factory=dict)


CASES = {
    "relay": Case(
        "relay",
        "50 pairs, candidates in messages of 300 bytes, 8 of each pair on their way.",
        "message",
        {"pairs": 50, "outstanding": 8, "units": 40_000, "warm_up": 5_000},
        {"pairs": 50, "outstanding": 8, "units": 6_000, "warm_up": 2_000},
    ),
    "relay-1": Case(
        "relay",
        "50 pairs, candidates in messages of 300 bytes, 1 of each pair on its way.",
        "message",
        {"pairs": 50, "outstanding": 1, "units": 30_000, "warm_up": 5_000},
        {"pairs": 50, "outstanding": 1, "units": 6_000, "warm_up": 1_000},
    ),
    "sdp": Case(
        "sdp",
        "50 pairs, offers with 4 KB of SDP, 2 of each pair on their way.",
        "message",
        {"pairs": 50, "outstanding": 2, "units": 20_000, "warm_up": 3_000},
        {"pairs": 50, "outstanding": 2, "units": 3_000, "warm_up": 1_000},
    ),
    "calls": Case(
        "calls",
        "20 calls in step: connect both, register both, offer and answer of 4 KB, ten candidates"
        " each way, one at a time, and close both.",
        "call",
        {"in_step": 20, "candidates": 10, "units": 400, "warm_up": 60},
        {"in_step": 20, "candidates": 10, "units": 80, "warm_up": 20},
    ),
    "connect": Case(
        "connect",
        "6,000 clients (600 in the short run) come into rooms of two and stay. Then nothing is"
        " said but keep-alive pings and pongs.",
        "client",
        {"clients": 6_000, "warm_up": 400, "rest": 0},
        {"clients": 600, "warm_up": 100, "rest": 0},
        {"rest": 20},
    ),
    "room": Case(
        "room",
        "400 clients (150 in the short run), connected before, enter one room, each as soon as the"
        " one before is in. A message is a `registered` or a `peer_joined`.",
        "message",
        {"clients": 400, "warm_up": 100},
        {"clients": 150, "warm_up": 50},
    ),
    "scale": Case(
        "scale",
        "As relay-1, with 10, 100, 1,000 and 5,000 pairs.",
        "message",
        {"sizes": [10, 100, 1_000, 5_000], "units": 10_000, "warm_up": 2_000},
    ),
}


@dataclass(frozen=True)
class Target:
    """What ours is to reach in one figure.

    Attributes:
        figure: its name.
        most: at most this, times the other's figure where there is another.
        against: a server, or another figure of ours; None: `most` is the bound itself.
    """

    figure: str
    most: float
    against: str | None = None


REST, MEMORY = "connect, at rest", "connect, memory"
PEERS = ("websockets", "ws", "gorilla", "picows", "autobahn")


def _targets(figure: str, **ratios: float) -> list[Target]:
    return [Target(figure, most, against) for against, most in ratios.items()]


TARGETS = [
    *_targets("relay", gorilla=0.40, ws=0.35, picows=0.75, websockets=0.15),
    *_targets("relay-1", gorilla=1.0, ws=0.55, websockets=0.3),
    *_targets("sdp", gorilla=0.15, ws=0.25, picows=0.8, websockets=0.2),
    *_targets("calls", gorilla=1.0, ws=0.65, websockets=0.4),
    *_targets("connect", ws=0.9, picows=0.9, websockets=0.5),
    Target(MEMORY, 6 * 1024),
    *(Target(MEMORY, 1.0, peer) for peer in PEERS),
    *_targets("room", gorilla=0.8, picows=1.0, websockets=0.45),
    Target("scale, 5000 pairs", 1.25, "scale, 10 pairs"),
    Target(REST, 0.01),
]
