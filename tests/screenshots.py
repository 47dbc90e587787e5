"""Takes the pictures of the pages that the documents show: `make screenshots`.

python tests/screenshots.py docs/images
"""

import asyncio
import random
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from browser import Browser, Page, Visitor, chromium, expect, tls_origin, visitor
from caller import Caller
from crowd import crowd
from played_call import describe, play_call, register
from processes import running, server
from test_pages import MOVE, TLS, live
from textual.widgets import DataTable

from twisted_signal.admin_client import AdminClient
from twisted_signal.top.screen import Top

LINKS = '{"phone": ["https://192.0.2.7:8766/demo/phone"], "token_required": false}'
"""An address of documents (RFC 5737) in the place of this machine's."""

WIDTH, HEIGHT, FRAMES = 640, 360, 16
HORIZON = HEIGHT * 2 // 5


def corridor(path: Path) -> None:
    """Write a film of what a camera sees that moves along a tiled floor (YUV4MPEG2)."""
    with path.open("wb") as film:
        film.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(FRAMES):
            luma = bytes(
                shade(x - WIDTH // 2, y - HORIZON, 2 * number / FRAMES)
                for y in range(HEIGHT)
                for x in range(WIDTH)
            )
            chroma = [bytes([level]) * (WIDTH * HEIGHT // 4) for level in (132, 124)]
            film.write(b"FRAME\n" + luma + b"".join(chroma))


def shade(x: int, y: int, way: float) -> int:
    """Return how bright a point is: `x` and `y` from the vanishing point, `way` in tiles.

    There are few shades, so that the pictures stay small.
    """
    if y > abs(x) * 0.35:  # the floor
        depth = HEIGHT / y
        tile = int(depth * 2 + way) + int(x * depth / HEIGHT * 2 + 100)
        return 118 if tile % 2 and depth < 8 else 84
    if y < -abs(x) * 0.3:  # the ceiling
        return 176
    depth = WIDTH / (abs(x) + 1)
    if depth < 16 and int(depth * 1.2 + way) % 3 == 0 and y > -abs(x) * 0.12:
        return 96  # a door
    return 138 if x < 0 else 156


def take(page: Page, directory: Path, name: str) -> None:
    page.screenshot(path=directory / f"{name}.png", animations="disabled")


def open_page(guest: Visitor, url: str) -> Page:
    guest.context.route(
        "**/demo/links.json",
        lambda route: route.fulfill(body=LINKS, content_type="application/json"),
    )
    page = guest.open(url)
    page.wait_for_load_state("networkidle")
    return page


def take_all(browser: Browser, origin: str, directory: Path, scheme: str) -> None:
    in_light, ending = scheme == "light", "" if scheme == "light" else f"-{scheme}"
    with (
        visitor(browser, color_scheme=scheme) as pc,
        visitor(browser, phone=True, color_scheme=scheme) as phone,
    ):
        start = open_page(pc, f"{origin}/#room=lab1")
        watching = open_page(pc, f"{origin}/demo/pc#room=lab1")
        expect(watching.locator("#state")).to_have_text("Waiting for a phone")
        sending = open_page(phone, f"{origin}/demo/phone#room=lab1&id=phone1")
        if in_light:
            take(start, directory, "start")
            take(watching, directory, "pc-waiting")
            take(sending, directory, "phone-start")
            for guest, name, path in (
                (phone, "start-on-phone", "/"),
                (phone, "pc-on-phone", "/demo/pc"),
                (pc, "phone-on-pc", "/demo/phone"),
            ):
                page = open_page(guest, f"{origin}{path}#room=elsewhere")
                take(page, directory, name)
                page.close()
        sending.get_by_role("button", name="Start").click()
        sending.evaluate(MOVE)
        live(watching)
        watching.wait_for_timeout(8_000)  # until the plots are full and the rates have settled
        take(watching, directory, f"pc-live{ending}")
        take(sending, directory, f"phone-live{ending}")


_rng = random.Random(3)


def think() -> None:
    """Wait a little, as clients do between the steps of a call."""
    time.sleep(_rng.random() / 4)


TOWNS = ("lab", "hall", "roof", "garage", "corridor", "atrium", "cellar", "yard")


def take_status(browser: Browser, directory: Path, folder: Path) -> None:
    """Take the pictures of the status page, of a server with some rooms and calls."""
    options = ("--port", "0", "--host", "127.0.0.1", "--trust-proxy", "127.0.0.1")
    admin = ("--admin-endpoint", "tcp:0:interface=127.0.0.1")
    script = Path(__file__).with_name("pictured_server.py")
    rooms = [f"{TOWNS[number % len(TOWNS)]}-{number + 1}" for number in range(140)]
    places = [
        place for room in rooms for place in ((room, "phone1", "android"), (room, "pc", "pc"))
    ]
    addresses = [f"198.51.100.{number % 250 + 1}" for number in range(len(places))]
    with running(sys.executable, script, *options, *admin, cwd=folder) as started:
        url = started.wait_for(r"Listening on (\S+)")[1]
        status = started.wait_for(r"Admin page on (\S+)")[1]
        with (
            crowd(url, places, addresses),
            Caller(url) as pc,
            Caller(url) as phone,
            Caller(url) as other,
            Caller(url) as lost,
            Caller(url) as astray,
        ):
            register(phone, "phone1", "studio", client_type="android")
            register(pc, "pc", "studio", client_type="pc")
            play_call(pc, phone, ["192.168.1.7", "192.168.1.8"], ["10.0.0.9"] * 3, think)
            register(other, "phone1", "workshop", client_type="android")
            register(lost, "pc", "workshop", client_type="pc")
            play_call(lost, other, ["192.168.4.20"], ["192.168.4.31"], think)
            lost.close()
            register(astray, "pc", "lab-2b", client_type="pc")
            describe(astray, "offer", "phome1")
            for scheme, is_phone, names in STATUS:
                with visitor(browser, phone=is_phone, color_scheme=scheme) as guest:
                    ending = "-on-phone" * is_phone + "-dark" * (scheme == "dark")
                    for name in names:
                        is_call = name == "call"
                        page = open_status(guest, f"{status}#/{'calls' if is_call else name}")
                        if is_call:
                            page.get_by_role("link", name="pc → phone1").first.click()
                            expect(page.locator("svg.sequence")).to_be_visible()
                        path = (
                            directory / f"status-{name.replace('calls-open', 'call')}{ending}.png"
                        )
                        # A call is shown in all its length.
                        page.screenshot(path=path, animations="disabled", full_page=name == "call")
            take_terminal(browser, AdminClient(status), directory)


STATUS = (
    ("light", False, ("rooms", "calls", "call")),
    ("dark", False, ("clients", "call")),
    ("light", True, ("call",)),
    ("dark", True, ("calls",)),
)
"""The scheme, whether the screen is a phone's, and what is looked at."""


def take_terminal(browser: Browser, client: AdminClient, directory: Path) -> None:
    """Take the picture of `vislam-signal top`."""

    async def picture() -> str:
        app = Top(client)
        async with app.run_test(size=(132, 30)) as pilot:
            await pilot.press("c")
            while app.query_one(DataTable).row_count < 20:
                await pilot.pause(0.05)
            return app.export_screenshot()

    with ThreadPoolExecutor() as threads:  # Playwright has the event loop of this one
        drawn = threads.submit(asyncio.run, picture()).result()
    drawn = re.sub(r"@font-face \{[^}]*\}", "", drawn)  # which it would fetch
    with visitor(browser) as guest:
        page = guest.context.new_page()
        page.set_content(f"<style>body {{ margin: 0 }} svg {{ width: 1280px }}</style>{drawn}")
        page.locator("svg").first.screenshot(path=directory / "top.png", omit_background=True)


def open_status(guest: Visitor, url: str) -> Page:
    page = guest.open(url)
    expect(page.locator("#state")).to_have_text("Live")
    expect(page.locator("#sight")).to_have_attribute("aria-busy", "false")
    return page


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        take_status(browser, directory, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "corridor.y4m"
        corridor(film)
        with (
            server(*TLS, cwd=Path(folder)) as started,
            chromium(f"--use-file-for-fake-video-capture={film}") as browser,
        ):
            for scheme in ("light", "dark"):
                take_all(browser, tls_origin(started), directory, scheme)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
