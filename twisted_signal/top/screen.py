"""The screen of `vislam-signal top`, by textual."""

import threading
import time
from contextlib import suppress
from typing import Any, ClassVar

from rich.markup import escape
from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.css.query import NoMatches
from textual.widgets import DataTable, Footer, Input, Label, Sparkline, Static

from twisted_signal.admin.changes import EMPTY, Listing, applied
from twisted_signal.admin_client import (
    AdminClient,
    AdminError,
    EventStream,
)
from twisted_signal.calls_command import call_lines
from twisted_signal.figures import short
from twisted_signal.text import printable
from twisted_signal.top.confirm import Confirm
from twisted_signal.top.rows import COLUMNS, NODE, PLOTS, cells_of, columns_of, head_of, title_of

LIMIT = 100
"""Rows that are asked for at once."""
SPAN = 900
"""Seconds of the plots."""
_PAUSES = (1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts to reach a server that is away; the last holds on."""


class Top(App[None]):
    """The screen: the server, its rates, and one list, as the live page has them."""

    TITLE = "vislam-signal"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = "#table"
    CSS = """
    #head { height: 1; padding: 0 1; background: $panel; }
    #plots { height: 4; padding: 1 1 0 1; }
    #plots Vertical { width: 1fr; padding-right: 2; }
    #plots Sparkline { height: 1; }
    #title { height: 1; padding: 0 1; margin-top: 1; text-style: bold; }
    #search { display: none; }
    #table { height: 1fr; }
    #call-box { height: 1fr; padding: 0 1; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "look('rooms')", "Rooms"),
        Binding("c", "look('clients')", "Clients"),
        Binding("a", "look('calls')", "Calls"),
        Binding("p", "problems", "Problems"),
        Binding("slash", "search", "Search"),
        Binding("n", "turn(1)", "Next", show=False),
        Binding("b", "turn(-1)", "Back", show=False),
        Binding("d", "disconnect", "Disconnect"),
        Binding("escape", "leave", "Back"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, endpoint: AdminClient) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._look: dict[str, Any] = {"view": "rooms"}
        self._state = "connecting"
        self._columns: tuple[str, ...] = ()
        self._server: dict[str, Any] = {}
        self._told_at = 0.0
        self._series: dict[str, list[float]] = {}
        self._listings: dict[str, Listing] = {}
        self._rows_told_at: dict[str, float] = {}
        self._stop = threading.Event()
        self._stream: EventStream | None = None

    def compose(self) -> ComposeResult:
        """See App."""
        yield Static(id="head", markup=False)
        with Horizontal(id="plots"):
            for name in PLOTS:
                with Vertical():
                    yield Label(id=f"{name}-now", markup=False)
                    yield Sparkline([0, 0], summary_function=max, id=name)
        yield Static(id="title", markup=False)
        yield Input(placeholder="Search: rooms, ids, addresses", id="search")
        table: DataTable[Text] = DataTable(id="table", cursor_type="row", zebra_stripes=True)
        yield table
        with VerticalScroll(id="call-box"):
            yield Static(id="call", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """The screen is there."""
        self.set_interval(1.0, self._tick)
        self._open()

    def on_unmount(self) -> None:
        """The screen is gone."""
        self._close()

    # -- what is looked at -----------------------------------------------------------------------

    def _open(self) -> None:
        """Have the events of what is looked at, and of nothing else."""
        self._close()
        self._stop = threading.Event()
        self._listings = {}
        view = self._look["view"]
        self.query_one("#call-box").display = view == "call"
        table = self._table
        table.display = view != "call"
        self._make_columns()
        self._show_title()
        if view != "call" and not self.query_one("#search").has_focus:
            table.focus()
        self._watch(dict(self._look), self._stop)

    def _make_columns(self) -> None:
        """Empty the table, for rows of what is looked at."""
        self._columns = columns_of(self._list_name, self._server)
        self._table.clear(columns=True)
        self._table.add_columns(*self._columns)

    def _close(self) -> None:
        self._stop.set()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one("#table", DataTable)

    @property
    def _list_name(self) -> str:
        view: str = self._look["view"]
        return "clients" if view == "room" else view

    @work(thread=True)
    def _watch(self, look: dict[str, Any], stop: threading.Event) -> None:
        """Pass events on until something else is looked at. It runs in a thread of its own."""
        failures = 0
        while not stop.is_set():
            try:
                stream = self._endpoint.events(limit=LIMIT, **look)
                self._stream = stream
                if stop.is_set():
                    stream.close()
                self._tell(stop, self._opened)
                for name, data in stream:
                    failures = 0
                    self._tell(stop, self._take, name, data)
            except AdminError as error:
                pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
                failures += 1
                self._tell(stop, self._lost, f"{error}; next try in {pause:.0f} s")
                stop.wait(pause)

    def _tell(self, stop: threading.Event, do: Any, *arguments: Any) -> None:
        """Have the screen's thread do something, unless the events are of no use any more."""

        def do_unless_stopped() -> None:
            if not stop.is_set():
                with suppress(NoMatches):  # the screen is being taken down
                    do(*arguments)

        if not stop.is_set() and self.is_running:
            self.call_later(do_unless_stopped)

    def _opened(self) -> None:
        self._state = "live"
        self._listings = {}
        self._show_head()

    def _lost(self, why: str) -> None:
        self._state = why
        self._show_head()

    def _take(self, name: str, data: Any) -> None:
        """An event has come."""
        if name == "server":
            self._server, self._told_at = data, time.monotonic()
            if self._columns != columns_of(self._list_name, data):
                self._make_columns()
                self._show_list(self._list_name)
            self._show_head()
        elif name == "rates":
            self._show_rates(data)
        else:
            self._listings[name] = applied(self._listings.get(name, EMPTY), data)
            for key in data.get("rows", ()):
                self._rows_told_at[f"{name}/{key}"] = time.monotonic()
            self._show_list(name)

    # -- what is shown ---------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._state == "live":
            with suppress(NoMatches):  # the screen is being taken down
                self._show_head()
                self._show_list(self._list_name)

    def _show_head(self) -> None:
        server = self._server
        if not server:
            self.query_one("#head", Static).update(printable(self._state))
            return
        uptime = server["uptime_s"] + (time.monotonic() - self._told_at)
        if self._state == "live":
            text = Text.assemble(("● ", "green"), head_of(server, uptime))
        else:
            text = Text.assemble(("● ", "red"), printable(self._state))
        self.query_one("#head", Static).update(text)

    def _show_rates(self, data: Any) -> None:
        most = round(SPAN / data["step_s"])
        before = {} if data["is_whole"] else self._series
        self._series = {
            name: [*before.get(name, ()), *points][-most:]
            for name, points in data["series"].items()
        }
        for name, title in PLOTS.items():
            points = self._series.get(name) or [0.0]
            self.query_one(f"#{name}", Sparkline).data = points
            self.query_one(f"#{name}-now", Label).update(f"{title} {short(points[-1])}/s")

    def _show_title(self) -> None:
        listing = self._listings.get(self._list_name, EMPTY)
        self.query_one("#title", Static).update(title_of(self._look, listing))

    def _show_list(self, name: str) -> None:
        if name != self._list_name or name not in self._listings:
            return
        self._show_title()
        listing = self._listings[name]
        if name == "call":
            self._show_call(listing)
            return
        table = self._table
        has_nodes = NODE in self._columns
        cells = {
            key: cells_of(name, row, self._now_ms, self._since_told(name, key), has_nodes=has_nodes)
            for key, row in listing.rows.items()
        }
        if [row.key.value for row in table.ordered_rows] != list(cells):
            chosen = self._chosen
            table.clear()
            for key, texts in cells.items():
                table.add_row(*map(Text, texts), key=key)
            if chosen in cells:
                table.move_cursor(row=list(cells).index(chosen), animate=False)
            return
        for number, texts in enumerate(cells.values()):
            for column, text in enumerate(texts):
                if table.get_cell_at((number, column)).plain != text:  # type: ignore[arg-type] # a Coordinate is a tuple
                    table.update_cell_at((number, column), Text(text), update_width=True)  # type: ignore[arg-type] # likewise

    def _show_call(self, listing: Listing) -> None:
        lines = ["This call is not kept any more."]
        for call in listing.rows.values():
            lines = call_lines(call, self._now_ms)
        self.query_one("#call", Static).update("\n".join(lines))

    @property
    def _now_ms(self) -> int:
        """The server's time: its clock and ours may differ."""
        server = self._server
        uptime = server["uptime_s"] + time.monotonic() - self._told_at
        return int(server["started_at_ms"] + uptime * 1000)

    def _since_told(self, name: str, key: str) -> float:
        return time.monotonic() - self._rows_told_at[f"{name}/{key}"]

    # -- what can be done ------------------------------------------------------------------------

    @property
    def _chosen(self) -> str | None:
        """The key of the row that the cursor is on."""
        table = self._table
        rows = table.ordered_rows
        return rows[table.cursor_row].key.value if 0 <= table.cursor_row < len(rows) else None

    def action_look(self, view: str) -> None:
        """Look at another list."""
        self._look = {"view": view}
        self.query_one("#search", Input).value = ""
        self._open()

    def action_problems(self) -> None:
        """Look at the calls that something is wrong with, or at all again."""
        is_on = self._look["view"] == "calls" and self._look.get("problems")
        self._look = {"view": "calls"} if is_on else {"view": "calls", "problems": "1"}
        self._open()

    def action_turn(self, pages: int) -> None:
        """Look at another part of the list."""
        listing = self._listings.get(self._list_name, EMPTY)
        offset = self._look.get("offset", 0) + pages * LIMIT
        if 0 <= offset < listing.total:
            self._look["offset"] = offset
            self._open()

    def action_search(self) -> None:
        """Ask what to search for."""
        if self._look["view"] in COLUMNS:
            field = self.query_one("#search", Input)
            field.display = True
            field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Something is searched for."""
        event.input.display = False
        self._look = {"view": self._look["view"]}
        if event.value.strip():
            self._look["search"] = event.value.strip()
        self._open()
        self._table.focus()

    def action_leave(self) -> None:
        """Go back to where one came from."""
        field = self.query_one("#search", Input)
        if field.has_focus:
            field.display = False
            self._table.focus()
        elif self._look["view"] in ("room", "call"):
            self.action_look("rooms" if self._look["view"] == "room" else "calls")
        elif self._look.keys() != {"view"}:
            self.action_look(self._look["view"])

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open a room or a call."""
        key = event.row_key.value
        if self._look["view"] == "rooms":
            self._look = {"view": "room", "room": key}
        elif self._look["view"] == "calls":
            self._look = {"view": "call", "call": key}
        else:
            return
        self._open()

    def action_disconnect(self) -> None:
        """Disconnect the client that the cursor is on, if the user is sure."""
        key = self._chosen
        if self._list_name != "clients" or key is None:
            return
        row = self._listings["clients"].rows[key]
        name = printable(row["client_id"] or row["address"])

        def answered(is_sure: bool | None) -> None:
            if is_sure:
                self._disconnect(key, name)

        self.push_screen(Confirm(f"Disconnect {name}?"), answered)

    @work(thread=True)
    def _disconnect(self, key: str, name: str) -> None:
        try:
            self._endpoint.post(f"/api/v1/clients/{key}/disconnect")
        except AdminError as error:
            self.notify(escape(str(error)), severity="error")
        else:
            self.notify(escape(f"{name} was disconnected"))
