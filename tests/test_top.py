"""`vislam-signal top` on textual's own test screen, told by a server that is a few lists."""

import asyncio
import os
import queue
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from caller import Caller
from operator_view import (
    NOW_MS,
    RATES,
    SERVER,
    call,
    call_row,
    client_row,
    node_row,
    room_row,
)
from processes import BIN, PATIENCE, server

from twisted_signal import cli
from twisted_signal.admin.changes import EMPTY, Listing
from twisted_signal.admin_client import AdminClient, AdminError

pytest.importorskip("textual", reason="textual is not installed")

from textual.pilot import Pilot
from textual.widgets import DataTable, Input, Label, Static

from twisted_signal.top.rows import cells_of, head_of, title_of
from twisted_signal.top.screen import LIMIT, Top

NASTY = "[red]\x1b[31m"


class Script:
    """A stream of events that a test writes."""

    def __init__(self, look: dict[str, Any]) -> None:
        self.look = look
        self._events: queue.Queue[tuple[str, Any] | None] = queue.Queue()
        self.is_closed = False

    def say(self, name: str, data: Any) -> None:
        self._events.put((name, data))

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        while (event := self._events.get()) is not None:
            yield event
        raise AdminError("it has ended")

    def close(self) -> None:
        self.is_closed = True
        self._events.put(None)


class Told(AdminClient):
    """A server that says what a test wants. `streams`: all that were begun."""

    def __init__(self, lists: dict[str, dict[str, dict[str, Any]]]) -> None:
        super().__init__()
        self.lists = lists
        self.streams: list[Script] = []
        self.posted: list[str] = []
        self.is_away = False

    def events(self, **look: Any) -> Any:
        if self.is_away:
            raise AdminError("it cannot be reached")
        stream = Script(look)
        stream.say("server", SERVER)
        stream.say("rates", RATES)
        name = "clients" if look["view"] == "room" else look["view"]
        rows = self.lists[name]
        if "search" in look:
            rows = {key: row for key, row in rows.items() if look["search"] in key}
        stream.say(name, {"total": len(rows), "order": list(rows), "rows": rows})
        self.streams.append(stream)
        return stream

    def post(self, path: str) -> Any:
        self.posted.append(path)
        if path.endswith("/2/disconnect"):
            raise AdminError("it may have gone")
        return {}


@pytest.fixture
def told() -> Told:
    return Told(
        {
            "rooms": {"lab1": room_row("lab1"), NASTY: room_row(NASTY, 1)},
            "clients": {
                "1": client_row("1", "phone1", "lab1"),
                "2": client_row("2", None, None, state="entering"),
            },
            "calls": {"7": call_row(7)},
            "call": {"7": call(7)},
        }
    )


def play(told: Told, scene: Callable[[Top, Pilot[None]], Awaitable[None]]) -> None:
    """Have somebody use the screen."""

    async def run() -> None:
        app = Top(told)
        async with app.run_test(size=(140, 30)) as pilot:
            await asyncio.wait_for(scene(app, pilot), PATIENCE)

    asyncio.run(run())
    assert all(stream.is_closed for stream in told.streams)


async def until(pilot: Pilot[None], is_so: Callable[[], bool]) -> None:
    """Wait until something is so; `play` gives up at some time."""
    while not is_so():
        await pilot.pause(0.01)


def rows(app: Top) -> list[list[str]]:
    """Return what the table says."""
    table = app.query_one(DataTable)
    return [[cell.plain for cell in table.get_row_at(number)] for number in range(table.row_count)]


def words(app: Top, where: str) -> str:
    return str(app.query_one(where, Static).render())


def test_rooms_are_listed_and_what_changes_is_shown(told: Told) -> None:
    async def scene(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(rows(app)) == 2)
        assert rows(app)[0] == ["lab1", "2", "1 h"]
        assert told.streams[0].look == {"view": "rooms", "limit": LIMIT}
        told.streams[0].say("rooms", {"total": 2, "rows": {"lab1": {"clients": 3}}})
        await until(pilot, lambda: rows(app)[0][1] == "3")
        told.streams[0].say("rooms", {"total": 1, "order": [NASTY]})
        await until(pilot, lambda: len(rows(app)) == 1)
        assert rows(app)[0][0] == r"[red]\x1b[31m"

    play(told, scene)


def test_the_head_tells_of_the_server_and_its_rates(told: Told) -> None:
    async def scene(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "healthy" in words(app, "#head"))
        assert "version 1.2.3  up 2 h 13 min  2 clients  1 room" in words(app, "#head")
        assert "1 call with a problem" in words(app, "#head")
        await until(pilot, lambda: "2,500/s" in str(app.query_one("#bytes_in-now", Label).render()))
        told.streams[0].say(
            "rates", {"step_s": 5, "is_whole": False, "series": {"messages": [40.0]}}
        )
        await until(
            pilot, lambda: str(app.query_one("#messages-now", Label).render()) == "messages 40/s"
        )

    play(told, scene)


NODES = {"nodes": [node_row("a"), node_row(NASTY, reachable=False)], "node": "a"}


def test_nodes_have_a_column_where_there_are_several(told: Told) -> None:
    told.lists["rooms"] = {"lab1": room_row("lab1", nodes=("a", "b"))}
    told.lists["clients"] = {"a:1": client_row("1", "phone1", "lab1", node="a", address=None)}

    async def scene(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: rows(app) == [["lab1", "2", "1 h"]])
        told.streams[0].say("server", {**SERVER, **NODES, "cluster_up": True})
        await until(pilot, lambda: rows(app) == [["lab1", "2", "1 h", "a, b"]])
        assert r"2 nodes  [red]\x1b[31m is silent" in words(app, "#head")
        await pilot.press("c")
        await until(pilot, lambda: len(told.streams) == 2)
        told.streams[1].say("server", {**SERVER, **NODES, "cluster_up": False})
        await until(pilot, lambda: "cut off from the cluster  " in words(app, "#head"))
        await until(pilot, lambda: [row[-1] for row in rows(app)] == ["a"])
        assert rows(app)[0][4] == "–"

    play(told, scene)


def test_a_room_is_opened_and_left(told: Told) -> None:
    async def scene(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(rows(app)) == 2)
        await pilot.press("down", "enter")
        await until(pilot, lambda: len(told.streams) == 2)
        assert told.streams[0].is_closed
        assert told.streams[1].look == {"view": "room", "room": NASTY, "limit": LIMIT}
        await until(pilot, lambda: "phone1" in str(rows(app)))
        await pilot.press("escape")
        await until(pilot, lambda: "lab1" in str(rows(app)) and len(rows(app)) == 2)

    play(told, scene)


def test_a_call_shows_its_steps_and_its_diagnosis(told: Told) -> None:
    async def scene(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("a")
        await until(pilot, lambda: "✗ phone1 has not answered" in str(rows(app)))
        await pilot.press("enter")
        await until(pilot, lambda: "+0.482 s  pc      offer" in words(app, "#call"))
        assert told.streams[-1].look["call"] == "7"
        told.streams[-1].say("call", {"total": 0, "order": []})
        await until(pilot, lambda: "not kept any more" in words(app, "#call"))
        await pilot.press("escape", "p")
        await until(pilot, lambda: told.streams[-1].look.get("problems") == "1")

    play(told, scene)


def test_a_search_is_sent_and_forgotten(told: Told) -> None:
    async def scene(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(rows(app)) == 2)
        await pilot.press("slash", *"lab1", "enter")
        await until(pilot, lambda: len(rows(app)) == 1)
        assert told.streams[-1].look["search"] == "lab1"
        assert app.query_one(DataTable).has_focus
        await pilot.press("escape")
        await until(pilot, lambda: len(rows(app)) == 2)
        await pilot.press("slash", "x", "escape")
        assert not app.query_one(Input).display
        assert "search" not in told.streams[-1].look

    play(told, scene)


def test_pages_are_turned_within_the_list(told: Told) -> None:
    told.lists["rooms"] = {f"room{number}": room_row(f"room{number}") for number in range(3)}

    async def scene(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(rows(app)) == 3)
        await pilot.press("n", "b")
        told.streams[0].say("rooms", {"total": 250})
        await until(pilot, lambda: "1 to 3 of 250" in words(app, "#title"))
        await pilot.press("n")
        await until(pilot, lambda: len(told.streams) == 2)
        assert told.streams[-1].look["offset"] == LIMIT

    play(told, scene)


async def disconnect_chosen(app: Top, pilot: Pilot[None], words: str) -> None:
    """Disconnect whom the cursor is on, and wait until that is said."""
    await pilot.press("d")
    await until(pilot, lambda: len(app.screen_stack) == 2)
    await pilot.click("#yes")
    await until(pilot, lambda: words in str([one.message for one in app._notifications]))


def test_a_client_is_disconnected_after_a_question(told: Told) -> None:
    async def scene(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("d", "c")
        await until(pilot, lambda: "phone1" in str(rows(app)))
        await pilot.press("d")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        told.streams[-1].say("clients", {"total": 2, "rows": {"1": {"messages": 8}}})
        await until(pilot, lambda: "8" in rows(app)[0])  # what is behind the question goes on
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        assert told.posted == []
        await disconnect_chosen(app, pilot, "phone1 was disconnected")
        await pilot.press("down")
        await disconnect_chosen(app, pilot, "it may have gone")
        assert told.posted == [f"/api/v1/clients/{number}/disconnect" for number in (1, 2)]

    play(told, scene)


def test_a_server_that_is_away_is_told_and_comes_back(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twisted_signal.top.screen._PAUSES", (0.01, 0.02))

    async def scene(app: Top, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(rows(app)) == 2)
        told.is_away = True
        told.streams[0].close()
        await until(pilot, lambda: "it cannot be reached; next try in" in words(app, "#head"))
        assert len(rows(app)) == 2  # what was known last
        told.is_away = False
        del told.lists["rooms"][NASTY]
        await until(pilot, lambda: "healthy" in words(app, "#head") and len(rows(app)) == 1)

    play(told, scene)


def test_nothing_in_a_row_can_act_on_the_terminal() -> None:
    rows = {
        "rooms": room_row(NASTY),
        "clients": client_row("1", NASTY, NASTY, client_type=NASTY, address=NASTY, dialect=NASTY),
        "calls": call_row(1, room_id=NASTY),
    }

    for name, row in rows.items():
        assert all(text.isprintable() for text in cells_of(name, row, NOW_MS, 0.0))
    assert title_of({"view": "room", "room": NASTY}, EMPTY).isprintable()
    assert title_of({"view": "rooms", "search": NASTY}, EMPTY).isprintable()
    assert head_of({**SERVER, "version": NASTY}, 0).isprintable()


def test_a_client_without_a_name_has_a_dash() -> None:
    row = client_row("1", None, None, client_type=None, dialect=None, round_trip_ms=None)

    assert cells_of("clients", {**row, "state": "entering"}, NOW_MS, 4.0) == [
        *["–"] * 4,
        "192.0.2.7:40001",
        "–",
        "1 min 5 s",
        "7",
        "entering",
    ]


def test_the_title_tells_which_part_is_shown() -> None:
    part = Listing(3000, {str(number): {} for number in range(100)})

    assert title_of({"view": "rooms"}, EMPTY) == "Rooms"
    assert title_of({"view": "calls", "problems": "1"}, Listing(0, {})) == (
        "Calls with a problem  0"
    )
    assert title_of({"view": "clients", "offset": 200}, part) == (
        "Clients  201 to 300 of 3,000  (n: next, b: back)"
    )


def test_it_runs_in_a_terminal_until_q(tmp_path: Path) -> None:
    with server("--admin-endpoint", "tcp:0:interface=127.0.0.1", cwd=tmp_path) as started:
        url = started.wait_for(r"Admin page on (\S+)")[1]
        ours, theirs = os.openpty()
        command = [BIN / "vislam-signal", "top", "--url", url]
        with Caller(started.url) as phone:
            phone.say(type="register", client_id="phone1", room_id="lab1")
            with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as top:
                os.close(theirs)
                shown = b""
                while b"lab1" not in shown:
                    shown += os.read(ours, 65536)  # fails when the other end is gone
                os.write(ours, b"q")
                with suppress(OSError):
                    while os.read(ours, 65536):
                        pass
                assert top.wait(PATIENCE) == 0
        os.close(ours)


def test_without_textual_it_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("twisted_signal.top")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "textual", None)
    with pytest.raises(SystemExit) as caught:
        cli.main(["top"])

    assert caught.value.code == 1
    assert capsys.readouterr().err == (
        "vislam-signal top: needs textual: pip install 'vislam-signal[top]'\n"
    )
