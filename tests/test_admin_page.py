"""The status page in a real browser, of a real server with real clients."""

import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser import Browser, Dialog, Page, Visitor, expect, visitor
from caller import Caller
from crowd import crowd
from played_call import describe, play_call, register
from processes import Server, Watched, running, server

ADMIN = ("--admin-endpoint", "tcp:0:interface=127.0.0.1")
TOKEN = "0123456789abcdef-for-tests"


def admin_url(started: Watched) -> str:
    """Return where the page of a server is."""
    return started.wait_for(r"Admin page on (\S+)")[1]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a status page."""
    with server(*ADMIN, cwd=tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def operator(browser: Browser) -> Iterator[Visitor]:
    """Who looks at the page, without a complaint of the browser's."""
    with visitor(browser) as made:
        yield made
        assert made.complaints == []


def open_page(operator: Visitor, started: Watched, place: str = "") -> Page:
    """Open the page, and wait until it lives."""
    page = operator.open(admin_url(started) + place)
    expect(page.locator("#state")).to_have_text("Live")
    return page


def check_with_axe(page: Page) -> None:
    """See that what is on the page can be used by all, and fits."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed"
    )
    expect(page.locator("#sight")).to_have_attribute("aria-busy", "false")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    width = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(width)


class TestWhoIsThere:
    def test_rooms_appear_and_go(self, watched: Server, operator: Visitor) -> None:
        page = open_page(operator, watched)
        expect(page.get_by_text("No room is open.")).to_be_visible()
        expect(page.locator("#health")).to_have_text("Healthy")
        expect(page.locator("#uptime")).to_have_text(re.compile(r"\d"))
        with Caller(watched.url) as phone:
            register(phone, "phone1", "lab1")
            row = page.get_by_role("row").filter(has_text="lab1")
            expect(row.get_by_role("cell").nth(1)).to_have_text("1")
            with Caller(watched.url) as pc:
                register(pc, "pc", "lab1")
                expect(row.get_by_role("cell").nth(1)).to_have_text("2")
                expect(page.get_by_label("Here now of the last")).to_have_count(1)
            expect(row.get_by_role("cell").nth(1)).to_have_text("1")
        expect(page.get_by_text("No room is open.")).to_be_visible()
        expect(row).to_have_count(0)

    def test_a_room_shows_who_is_in_it(self, watched: Server, operator: Visitor) -> None:
        page = open_page(operator, watched)
        phone = Caller(watched.url)
        with Caller(watched.url) as other:
            register(phone, "phone1", "a/b ü", client_type="android")
            register(other, "elsewhere", "lab2")
            page.get_by_role("link", name="a/b ü").click()
            expect(page.get_by_role("heading", name="a/b ü")).to_be_focused()
            row = page.get_by_role("row").filter(has_text="phone1")
            expect(row).to_contain_text("android")
            expect(row).to_contain_text("documented")
            expect(row).to_contain_text("127.0.0.1")
            expect(row.locator('[data-title="Messages"]')).to_have_text("1")
            expect(page.get_by_text("elsewhere")).to_have_count(0)
            phone.say(type="peers")
            expect(row.locator('[data-title="Messages"]')).to_have_text("2")
            expect(row.locator('[data-title="Connected for"]')).to_have_text(re.compile(r"[2-9]"))
            page.keyboard.press("Escape")
            expect(page.get_by_role("heading", name="Rooms")).to_be_visible()
            page.go_back()
            expect(row).to_be_visible()
            phone.close()
            expect(page.get_by_text("The room is closed: nobody is in it.")).to_be_visible()

    def test_who_lost_its_connection_is_shown_as_away(
        self, watched: Server, operator: Visitor
    ) -> None:
        page = open_page(operator, watched, "#/clients")
        phone = Caller(watched.url)
        register(phone, "phone1", "away", resume=True)
        row = page.get_by_role("row").filter(has_text="phone1")
        expect(row).to_be_visible()
        phone.socket.close()
        expect(row).to_contain_text("away")
        row.get_by_role("button", name="Disconnect phone1").click()
        page.get_by_role("button", name="Disconnect", exact=True).click()
        expect(row).to_have_count(0)

    def test_a_client_in_no_room_is_shown_by_its_address(
        self, watched: Server, operator: Visitor
    ) -> None:
        page = open_page(operator, watched, "#/clients")
        with Caller(watched.url) as client:
            port = client.socket.getsockname()[1]
            row = page.get_by_role("row").filter(has_text=f"127.0.0.1:{port}")
            expect(row).to_contain_text("in no room")


class TestSearch:
    @pytest.mark.parametrize("by", ["id", "room", "address"])
    def test_a_client_is_found(self, watched: Server, operator: Visitor, by: str) -> None:
        with Caller(watched.url) as one, Caller(watched.url) as two:
            register(one, "Needle", "hay1")
            register(two, "straw", "hay2")
            page = open_page(operator, watched, "#/clients")
            expect(page.get_by_role("row")).to_have_count(3)
            page.keyboard.press("/")
            expect(page.get_by_label("Search")).to_be_focused()
            port = one.socket.getsockname()[1]
            page.keyboard.type({"id": "nEEd", "room": "HAY1", "address": f":{port}"}[by])
            expect(page.get_by_text("1 found")).to_be_visible()
            expect(page.get_by_role("row")).to_have_count(2)
            expect(page.get_by_role("row").nth(1)).to_contain_text("Needle")
            page.reload()
            expect(page.get_by_label("Search")).not_to_have_value("")
            expect(page.get_by_role("row").nth(1)).to_contain_text("Needle")
            page.get_by_label("Search").fill("nobody")
            expect(page.get_by_text("Nothing has “nobody” in it.")).to_be_visible()


class TestDisconnect:
    def test_it_is_asked_for_and_said(self, watched: Server, operator: Visitor) -> None:
        with Caller(watched.url) as phone:
            register(phone, "phone1", "lab1")
            page = open_page(operator, watched, "#/clients")
            button = page.get_by_role("button", name="Disconnect phone1")
            button.click()
            expect(page.get_by_role("dialog", name="Disconnect phone1?")).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_be_hidden()
            button.click()
            page.get_by_role("button", name="Disconnect", exact=True).click()
            expect(page.get_by_role("alert")).to_have_text("phone1 was disconnected.")
            phone.hear_the_rest()
            expect(page.get_by_text("Nobody is connected.")).to_be_visible()

    def test_one_that_has_gone_meanwhile_is_told(self, watched: Server, operator: Visitor) -> None:
        phone = Caller(watched.url)
        register(phone, "phone1", "lab1")
        page = open_page(operator, watched, "#/clients")
        page.get_by_role("button", name="Disconnect phone1").click()
        phone.close()
        expect(page.locator("tbody tr")).to_have_count(0)
        page.get_by_role("button", name="Disconnect", exact=True).click()
        expect(page.get_by_role("alert")).to_have_text(
            re.compile(r"^phone1 could not be disconnected\. .*it may have gone")
        )
        assert operator.complaints_but("404") == []
        operator.complaints.clear()


class TestCalls:
    def test_a_call_is_drawn_and_its_diagnosis_is_told(
        self, watched: Server, operator: Visitor
    ) -> None:
        page = open_page(operator, watched, "#/calls")
        with Caller(watched.url) as phone, Caller(watched.url) as pc:
            register(phone, "phone1", "drawn", client_type="android")
            register(pc, "pc", "drawn")
            play_call(pc, phone, ["192.168.1.7"], ["10.0.0.9"])
            row = page.get_by_role("listitem").filter(has_text="drawn")
            expect(row).to_contain_text("pc → phone1")
            expect(row).to_contain_text("a TURN server is needed")
            row.get_by_role("link").click()
            expect(page.locator(".verdict")).to_contain_text("are in different networks")
            expect(page.locator(".verdict")).to_have_attribute("data-tone", "bad")
            said = page.get_by_role("listitem")
            for words in (
                "phone1, joined",
                "pc, offer",
                "phone1, answer",
                "pc, first candidate: host udp",
                "phone1, end of candidates",
            ):
                expect(said.filter(has_text=words)).to_have_count(1)
            drawn = page.locator("svg.sequence")
            assert drawn.locator(".peer").all_text_contents() == ["pc", "phone1"]
            assert drawn.locator("text", has_text="answer").count() == 1
            assert drawn.locator("path.arrow").count() >= 4
            pc.close()
            expect(said.filter(has_text="pc, left")).to_have_count(1)
            expect(drawn.locator("text", has_text="gone")).to_have_count(1)

    def test_those_with_a_problem_come_first_and_can_be_shown_alone(
        self, watched: Server, operator: Visitor
    ) -> None:
        with Caller(watched.url) as phone, Caller(watched.url) as pc, Caller(watched.url) as lost:
            register(lost, "lost", "problem")
            describe(lost, "offer", "phone2")
            register(phone, "phone1", "fine")
            register(pc, "pc", "fine")
            play_call(pc, phone, ["192.168.1.7"], ["192.168.1.8"])
            page = open_page(operator, watched, "#/calls")
            rows = page.get_by_role("listitem")
            problem, fine = rows.filter(has_text="in problem"), rows.filter(has_text="in fine")
            expect(problem).to_contain_text("nobody of that id has been in room problem")
            expect(fine).to_contain_text("signaling is not the reason")
            expect(rows.last).to_have_text(re.compile(r"signaling is not the reason|Too early"))
            expect(page.get_by_role("link", name=re.compile(r"^Calls \d+ problem"))).to_be_visible()
            page.get_by_role("button", name="Problems").click()
            expect(fine).to_have_count(0)
            expect(problem).to_be_visible()
            page.get_by_role("button", name="All").click()
            expect(fine).to_be_visible()
            page.get_by_label("Search").fill("PROBLEM")
            expect(page.get_by_text("1 found")).to_be_visible()
            page.goto(f"{admin_url(watched)}#/rooms/fine")
            expect(page.get_by_role("link", name="pc → phone1")).to_be_visible()
            expect(page.get_by_role("row").filter(has_text="phone1")).to_be_visible()

    def test_one_that_is_not_kept_is_told(self, watched: Server, operator: Visitor) -> None:
        page = open_page(operator, watched, "#/calls/4000000")
        expect(page.get_by_text("This call is not kept any more")).to_be_visible()


class TestNodes:
    @pytest.fixture
    def two(self, tmp_path: Path) -> Iterator[Watched]:
        """A server that is one of two nodes: see two_nodes.py."""
        script = Path(__file__).with_name("two_nodes.py")
        with running(sys.executable, script, "--port", "0", *ADMIN, cwd=tmp_path) as started:
            yield started

    def test_what_is_on_another_node_is_shown_and_disconnected(
        self, two: Watched, operator: Visitor
    ) -> None:
        with Caller(two.wait_for(r"Listening on (\S+)")[1]) as phone:
            register(phone, "near-phone", "hall")
            page = open_page(operator, two)
            for room, node in (("hall", "a"), ("lab", "b")):
                row = page.get_by_role("row").filter(has_text=room)
                expect(row.get_by_role("cell").nth(2)).to_have_text(node)
            nodes = page.get_by_role("list", name="Nodes").get_by_role("link")
            expect(nodes).to_have_text(["a1 client", "b1 client"])
            page.get_by_role("link", name="Clients").click()
            expect(page.get_by_role("row")).to_have_count(3)
            nodes.nth(1).click()
            expect(page.get_by_role("row")).to_have_count(2)
            expect(page.locator("#sight-note")).to_have_text("1 on b")
            expect(nodes.nth(1)).to_have_attribute("aria-current", "true")
            page.get_by_role("button", name="Disconnect far-phone").click()
            page.get_by_role("button", name="Disconnect", exact=True).click()
            expect(page.get_by_role("alert")).to_have_text("far-phone was disconnected.")
            expect(page.get_by_text("Nobody is connected.")).to_be_visible()
            nodes.nth(1).click()  # back to all
            expect(page.get_by_role("row")).to_have_count(2)
            assert "node=" not in page.url

    def test_one_that_does_not_answer_is_named(self, two: Watched, operator: Visitor) -> None:
        page = open_page(operator, two)
        lab = page.get_by_role("link", name="lab")
        expect(lab).to_be_visible()
        two.process.send_signal(signal.SIGUSR1)
        missing = "b does not answer: what is there is left out."
        expect(page.get_by_role("status").filter(has_text=missing)).to_be_visible()
        expect(page.get_by_role("link", name="b does not answer")).to_be_visible()
        expect(lab).to_have_count(0)
        expect(page.locator("#health")).to_have_text("Healthy")
        two.process.send_signal(signal.SIGUSR1)
        expect(lab).to_be_visible()
        expect(page.locator("#missing")).to_be_hidden()

    def test_a_node_that_is_cut_off_says_so(self, two: Watched, operator: Visitor) -> None:
        page = open_page(operator, two)
        expect(page.get_by_role("link", name="lab")).to_be_visible()
        two.process.send_signal(signal.SIGUSR2)
        expect(page.locator("#health")).to_have_text("Cut off from the cluster")
        expect(page.locator("#missing")).to_have_text(
            "This node, a, cannot reach the others: what is shown is its own part."
        )

    def test_a_server_by_itself_has_no_word_of_nodes(
        self, watched: Server, operator: Visitor
    ) -> None:
        with Caller(watched.url) as phone:
            register(phone, "phone1", "lab1")
            page = open_page(operator, watched)
            expect(page.get_by_role("row").filter(has_text="lab1")).to_be_visible()
            expect(page.get_by_role("columnheader")).to_have_text(["Room", "Clients", "Open for"])
            expect(page.locator("#nodes")).to_be_hidden()
            expect(page.locator("#missing")).to_be_hidden()

    @pytest.mark.parametrize("is_phone", [False, True], ids=["wide", "phone"])
    def test_it_can_be_used_by_all(self, two: Watched, browser: Browser, *, is_phone: bool) -> None:
        with visitor(browser, phone=is_phone) as made:
            page = open_page(made, two, "#/clients?node=b")
            expect(page.get_by_text("far-phone")).to_be_visible()
            two.process.send_signal(signal.SIGUSR1)
            expect(page.locator("#missing")).to_be_visible()
            check_with_axe(page)
            assert made.complaints == []


NASTY = "<img src=x onerror=alert(1)>"


def test_a_name_with_html_in_it_is_a_name(watched: Server, operator: Visitor) -> None:
    shown: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        shown.append(dialog.message)
        dialog.dismiss()

    with Caller(watched.url) as client:
        register(client, NASTY, "<b>room</b>&amp;", client_type="<i>t</i>")
        page = open_page(operator, watched, "#/clients")
        page.on("dialog", dismiss)
        row = page.get_by_role("row").nth(1)
        expect(row).to_contain_text(NASTY)
        expect(row).to_contain_text("<i>t</i>")
        row.get_by_role("button").click()
        expect(page.get_by_role("dialog")).to_contain_text(NASTY)
        page.get_by_role("button", name="Cancel").click()
        row.get_by_role("link", name="<b>room</b>&amp;").click()
        expect(page.get_by_role("heading", name="<b>room</b>&amp;")).to_be_visible()
        expect(row).to_contain_text(NASTY)
        page.goto(f"{admin_url(watched)}#/rooms?search={NASTY}")
        expect(page.get_by_text(f"Nothing has “{NASTY}” in it.")).to_be_visible()
        assert page.locator("main img, main b:not(.values b), main i").count() == 0
    assert shown == []


class TestManyRooms:
    NO_LIMITS = ("--max-clients-per-address", "0", "--connect-rate-per-address", "0")
    COUNT = 3000

    def test_only_what_is_on_the_screen_is_sent(
        self, browser: Browser, operator: Visitor, tmp_path: Path
    ) -> None:
        places = [(f"room-{number:04}", "phone1") for number in range(self.COUNT)]
        with server(*ADMIN, *self.NO_LIMITS, cwd=tmp_path) as started:
            operator.context.add_init_script(COUNT_BYTES)
            with crowd(started.url, places):
                page = open_page(operator, started)
                rows = page.locator("tbody tr")
                expect(page.locator("#range")).to_have_text("1 to 50 of 3,000")
                expect(rows).to_have_count(50)
                assert page.evaluate("window.received") < 16_000
                page.get_by_role("link", name="Next").click()
                expect(rows.first).to_contain_text("room-0050")
                page.goto(f"{admin_url(started)}#/rooms?offset=2990")
                expect(page.locator("#range")).to_have_text("2,991 to 3,000 of 3,000")
                expect(rows).to_have_count(10)
                page.get_by_label("Search").fill("room-1234")
                expect(page.get_by_text("1 found")).to_be_visible()
                expect(rows).to_have_count(1)
                before = page.evaluate("window.received")
                with Caller(started.url) as other:
                    register(other, "pc", "room-1234")
                    expect(rows.locator('[data-title="Clients"]')).to_have_text("2")
                assert page.evaluate("window.received") - before < 2_000


COUNT_BYTES = """
    window.received = 0;
    const Original = window.TextDecoderStream;
    window.TextDecoderStream = class {
        constructor() {
            const counter = new TransformStream({
                transform(chunk, controller) {
                    window.received += chunk.byteLength;
                    controller.enqueue(chunk);
                },
            });
            this.writable = counter.writable;
            this.readable = counter.readable.pipeThrough(new Original());
        }
    };"""
"""Counts the bytes of the events that a page gets."""


class TestToken:
    @pytest.fixture
    def guarded(self, tmp_path: Path) -> Iterator[Server]:
        """A server whose page is for those with a token."""
        (tmp_path / "token").write_text(TOKEN + "\n")
        with server(*ADMIN, "--admin-token-file", "token", cwd=tmp_path) as started:
            yield started

    def test_it_is_asked_for_and_kept_as_long_as_the_tab(
        self, guarded: Server, operator: Visitor
    ) -> None:
        page = operator.open(admin_url(guarded))
        expect(page.locator("#state")).to_have_text("A token is needed")
        expect(page.get_by_label("Token")).to_be_focused()
        expect(page.locator("#contents")).to_be_hidden()
        page.get_by_label("Token").fill("a wrong one")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("This token is not the server’s.")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Show the status").click()
        expect(page.locator("#state")).to_have_text("Live")
        expect(page.get_by_role("alert")).to_be_hidden()
        page.reload()
        expect(page.locator("#state")).to_have_text("Live")
        assert TOKEN not in page.url
        with Caller(guarded.url) as phone:
            register(phone, "phone1", "lab1")
            page.get_by_role("link", name="Clients").click()
            page.get_by_role("button", name="Disconnect phone1").click()
            page.get_by_role("button", name="Disconnect", exact=True).click()
            expect(page.get_by_role("alert")).to_have_text("phone1 was disconnected.")
        # Another tab has a session of its own.
        other = operator.open(admin_url(guarded))
        expect(other.locator("#state")).to_have_text("A token is needed")
        assert operator.complaints_but("401") == []
        operator.complaints.clear()

    def test_a_link_may_bring_it_and_the_address_bar_does_not_keep_it(
        self, guarded: Server, operator: Visitor
    ) -> None:
        page = open_page(operator, guarded, f"#token={TOKEN}")

        assert page.url == admin_url(guarded) + "#/rooms"
        assert TOKEN not in page.evaluate("JSON.stringify(history.state)")


class TestTheConnection:
    def test_it_comes_back_by_itself_when_the_server_does(
        self, operator: Visitor, tmp_path: Path
    ) -> None:
        with server(*ADMIN, cwd=tmp_path) as first:
            page = open_page(operator, first)
            port = urlsplit(admin_url(first)).port
            first.process.kill()
            first.wait()
            expect(page.locator("#state")).to_have_text(
                re.compile(r"^The server .*\. Next try in \d+ s\.$")
            )
            endpoint = ("--admin-endpoint", f"tcp:{port}:interface=127.0.0.1")
            with server(*endpoint, cwd=tmp_path) as second, Caller(second.url) as phone:
                register(phone, "phone1", "after")
                expect(page.locator("#state")).to_have_text("Live")
                expect(page.get_by_role("link", name="after")).to_be_visible()
        assert operator.complaints_but("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED") == []
        operator.complaints.clear()

    def test_a_server_that_is_stopping_says_so(self, operator: Visitor, tmp_path: Path) -> None:
        with (
            server(*ADMIN, "--drain-timeout", "20", cwd=tmp_path) as started,
            Caller(started.url) as phone,  # which does not hear that it should go
        ):
            page = open_page(operator, started)
            started.process.send_signal(signal.SIGTERM)
            expect(page.locator("#health")).to_have_text("Draining")
            phone.close()
            expect(page.locator("#state")).to_have_text(re.compile("Next try in"))
        assert operator.complaints_but("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED") == []
        operator.complaints.clear()

    def test_a_page_that_nobody_sees_asks_for_nothing(
        self, watched: Server, operator: Visitor
    ) -> None:
        operator.context.add_init_script(
            "Object.defineProperty(document, 'hidden', { get: () => window.isHidden === true });"
        )
        operator.context.clock.install()
        page = open_page(operator, watched)
        for is_hidden, state in ((True, "Paused"), (False, "Live")):
            page.evaluate(
                f"window.isHidden = {str(is_hidden).lower()};"
                " document.dispatchEvent(new Event('visibilitychange'))"
            )
            page.clock.run_for(16_000)
            expect(page.locator("#state")).to_have_text(state)


@pytest.mark.parametrize(
    ("scheme", "is_phone"), [("light", False), ("dark", True)], ids=["light-wide", "dark-phone"]
)
def test_the_page_can_be_used_by_all(
    watched: Server, browser: Browser, scheme: str, *, is_phone: bool
) -> None:
    with (
        visitor(browser, phone=is_phone, color_scheme=scheme) as made,
        Caller(watched.url) as phone,
        Caller(watched.url) as pc,
    ):
        register(phone, "phone1", "lab1")
        register(pc, "pc", "lab1")
        play_call(pc, phone, ["192.168.1.7"], ["10.0.0.9"])
        page = open_page(made, watched)

        check_with_axe(page)
        page.get_by_role("link", name="lab1").click()
        expect(page.get_by_role("row").filter(has_text="phone1")).to_be_visible()
        check_with_axe(page)
        page.get_by_role("button", name="Disconnect phone1").click()
        check_with_axe(page)
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("link", name="pc → phone1").last.click()
        expect(page.locator("svg.sequence")).to_be_visible()
        check_with_axe(page)
        assert made.complaints == []
