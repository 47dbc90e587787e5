"""What viewers are told, of a server that is a few plain values."""

import json
from typing import Any

import pytest

from twisted_signal.admin.changes import Listing, Row
from twisted_signal.admin.errors import BadQuery
from twisted_signal.admin.live import Live, Look, Rates, Seen, Viewer
from twisted_signal.admin.thrift import FRESH, SHARE


class Server:
    """A subject, whose rooms a test changes. `looks`: all that were asked for."""

    def __init__(self) -> None:
        self.head: Row = {"version": "1", "uptime_s": 0.0, "clients": 0, "draining": False}
        self.rooms = {f"room{number}": {"clients": 2} for number in range(3000)}
        self.nodes: tuple[str, ...] = ()
        self.samples = [float(number) for number in range(4)]
        self.looks: list[Look] = []
        self.seconds = 0.0
        self.cost = 0.0

    def stopwatch(self) -> float:
        return self.seconds

    def look(self, look: Look) -> Seen:
        self.looks.append(look)
        self.seconds += self.cost
        rows = [(name, row) for name, row in self.rooms.items() if look.search in name]
        part = dict(rows[look.offset : look.offset + look.limit])
        rates = Rates(len(self.samples), 5, {"messages": self.samples[-180:]}, self.nodes)
        return Seen(dict(self.head), rates, {"rooms": Listing(len(rows), part)})


@pytest.fixture
def subject() -> Server:
    return Server()


@pytest.fixture
def live(subject: Server) -> Live:
    return Live(subject, subject.stopwatch)


def events(data: bytes | None) -> dict[str, Any]:
    """Return what events say, by their name."""
    found = {}
    for block in (data or b"").decode().split("\n\n")[:-1]:
        name, said = block.split("\n")
        found[name.removeprefix("event: ")] = json.loads(said.removeprefix("data: "))
    return found


def looking(live: Live, now: float = 0.0, **query: Any) -> tuple[Viewer, dict[str, Any]]:
    """Return somebody who looks, and what it was told first."""
    viewer = live.viewer()
    return viewer, events(viewer.begin(query, now))


def test_at_first_all_that_is_on_the_screen_is_told_and_no_more(live: Live) -> None:
    _, told = looking(live, view="rooms", offset=20, limit=3)

    assert list(told) == ["server", "rates", "rooms"]
    assert told["server"]["version"] == "1"
    assert told["rates"] == {"step_s": 5, "is_whole": True, "series": {"messages": [0, 1, 2, 3]}}
    assert told["rooms"]["total"] == 3000
    assert told["rooms"]["order"] == list(told["rooms"]["rows"]) == ["room20", "room21", "room22"]


def test_nothing_is_told_when_nothing_has_changed_but_the_time(live: Live, subject: Server) -> None:
    viewer, _ = looking(live)
    subject.head["uptime_s"] = 1.0

    assert viewer.tick(1.0) is None


def test_what_changed_beyond_the_screen_is_not_told(live: Live, subject: Server) -> None:
    viewer, _ = looking(live, offset=0, limit=50)
    subject.rooms["room2000"] = {"clients": 3}

    assert viewer.tick(1.0) is None


def test_what_changed_on_the_screen_is_told_in_few_bytes(live: Live, subject: Server) -> None:
    viewer, _ = looking(live)
    subject.rooms["room7"] = {"clients": 3}

    assert events(viewer.tick(1.0)) == {"rooms": {"total": 3000, "rows": {"room7": {"clients": 3}}}}


def test_the_server_is_told_of_again_when_something_of_it_changes(
    live: Live, subject: Server
) -> None:
    viewer, _ = looking(live)
    subject.head.update(draining=True, uptime_s=1.0)

    assert events(viewer.tick(1.0)) == {"server": subject.head}


def test_of_the_plots_only_new_samples_are_told(live: Live, subject: Server) -> None:
    viewer, _ = looking(live)
    subject.samples += [7.0, 8.0]

    assert events(viewer.tick(10.0)) == {
        "rates": {"step_s": 5, "is_whole": False, "series": {"messages": [7, 8]}}
    }


def test_the_plots_are_told_anew_when_they_are_of_other_nodes(live: Live, subject: Server) -> None:
    viewer, _ = looking(live)
    subject.nodes = ("a", "b")

    assert events(viewer.tick(1.0))["rates"] == {
        "step_s": 5,
        "is_whole": True,
        "series": {"messages": [0, 1, 2, 3]},
    }
    assert viewer.tick(2.0) is None


def test_one_who_was_behind_gets_the_difference_to_what_it_has(live: Live, subject: Server) -> None:
    viewer, _ = looking(live, limit=2)
    other, _ = looking(live, limit=2)
    subject.rooms["room0"] = {"clients": 9}
    assert other.tick(1.0)
    subject.rooms["room0"] = {"clients": 2}
    subject.rooms["room1"] = {"clients": 5}

    assert events(viewer.tick(2.0))["rooms"]["rows"] == {"room1": {"clients": 5}}
    assert events(other.tick(2.0))["rooms"]["rows"] == {
        "room0": {"clients": 2},
        "room1": {"clients": 5},
    }


def test_what_eight_look_at_is_found_once(live: Live, subject: Server) -> None:
    viewers = [looking(live, search="room1")[0] for _ in range(8)]
    for viewer in viewers:
        viewer.tick(1.0)

    assert len(subject.looks) == 2


def test_a_look_that_is_dear_is_taken_less_often(live: Live, subject: Server) -> None:
    subject.cost = 0.1
    viewer, _ = looking(live, search="room")
    for second in range(1, int(SHARE * 0.1) + 1):
        viewer.tick(float(second))

    assert len(subject.looks) == 2


def test_looks_that_differ_share_what_may_be_spent(live: Live, subject: Server) -> None:
    subject.cost = 0.1
    viewers = [looking(live, search=f"room{number}")[0] for number in range(8)]
    subject.looks.clear()
    for second in range(1, 401):
        for viewer in viewers:
            viewer.tick(float(second))

    spent = len(subject.looks) * subject.cost
    assert spent <= 400 / SHARE * 1.25


def test_looks_that_nobody_takes_any_more_are_forgotten(live: Live) -> None:
    for number in range(100):
        looking(live, now=number * 2 * FRESH, search=str(number))

    assert len(live._thrift._found) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"view": "cellar"},
        {"offset": "-1"},
        {"limit": "0"},
        {"limit": "100000"},
        {"limit": "many"},
        {"search": "x" * 257},
    ],
)
def test_a_look_that_makes_no_sense_is_refused(live: Live, query: dict[str, str]) -> None:
    with pytest.raises(BadQuery, match=next(iter(query))):
        live.viewer().begin(query, 0.0)
