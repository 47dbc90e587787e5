"""QR codes: what a reader of them sees, and what they are made of."""

import re

import pytest

from twisted_signal.web.qr import KEPT, MAX_LINK, QrCodes, is_phone_link, terminal_picture

zxingcpp = pytest.importorskip("zxingcpp", reason="zxing-cpp is not installed")

LINK = "https://192.0.2.7:8766/demo/phone#room=quiet-otter"
SCALE = 4


def read(modules: list[list[bool]]) -> str:
    """Return what a reader finds in a picture of modules, True for light ones."""
    rows = [bytes(255 * module for module in row for _ in range(SCALE)) for row in modules]
    pixels = memoryview(b"".join(row * SCALE for row in rows))
    width, height = SCALE * len(modules[0]), SCALE * len(modules)
    (found,) = zxingcpp.read_barcodes(pixels.cast("B", shape=(height, width)))
    text: str = found.text
    return text


def terminal_modules(text: str) -> list[list[bool]]:
    """Return what a terminal shows, light on dark: two modules in the height of each character."""
    rows = []
    for line in text.splitlines():
        rows.append([character in "█▀" for character in line])
        rows.append([character in "█▄" for character in line])
    return rows


def svg_modules(svg: str) -> list[list[bool]]:
    """Return the modules of a picture, whose dark ones are strokes from left to right."""
    size = int(re.search(r'viewBox="0 0 (\d+) \1"', svg)[1])  # type: ignore[index] # or it fails
    modules = [[True] * size for _ in range(size)]
    (strokes,) = re.findall(r'<path [^>]*class="qrline"[^>]* d="([^"]*)"', svg)
    x = y = 0.0
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", strokes):
        if command == "h":
            for column in range(int(x), int(x) + int(first)):
                modules[int(y)][column] = False
            x += float(first)
        else:
            x, y = x * (command == "m") + float(first), y * (command == "m") + float(second)
    return modules


def test_the_picture_for_a_page_holds_the_link() -> None:
    assert read(svg_modules(QrCodes().svg(LINK).decode())) == LINK


def test_the_picture_for_a_terminal_holds_the_link() -> None:
    assert read(terminal_modules(terminal_picture(LINK))) == LINK


def test_a_long_link_with_a_token_can_be_read() -> None:
    link = f"{LINK}&token=".ljust(MAX_LINK, "x")

    assert is_phone_link(link)
    assert read(svg_modules(QrCodes().svg(link).decode())) == link


def test_a_picture_is_kept_for_a_while() -> None:
    codes = QrCodes()
    first = codes.svg(LINK)

    assert LINK in codes
    assert codes.svg(LINK) is first
    for number in range(KEPT):
        codes.svg(f"{LINK}{number}")
    assert LINK not in codes


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        "http://localhost:8765/demo/phone",
        "https://[2001:db8::7]/demo/phone#room=%E2%82%AC&token=a.b-c_d",
    ],
)
def test_links_to_the_phones_page_are_taken(link: str) -> None:
    assert is_phone_link(link)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "https://example.com/",
        "javascript:alert(1)//https://example.com/demo/phone",
        "https://user@example.com/demo/phone",
        "https://example.com/demo/phone?x=1",
        "https://example.com/demo/phone#\n",
        "https://example.com/demo/phone#ü",
        f"{LINK}{'x' * MAX_LINK}",
    ],
)
def test_other_texts_are_not(link: str) -> None:
    assert not is_phone_link(link)
