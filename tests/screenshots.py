"""Takes the pictures of the pages that the documents show: `make screenshots`.

python tests/screenshots.py docs/images
"""

import sys
import tempfile
from pathlib import Path

from browser import Browser, Page, Visitor, chromium, expect, tls_origin, visitor
from processes import server
from test_pages import MOVE, TLS, live

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


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
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
