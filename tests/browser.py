"""A real browser for the tests: Debian's Chromium without a window, driven by Playwright."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from processes import PATIENCE, Watched

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Dialog,
    Page,
    expect,
    sync_playwright,
)

__all__ = ["Browser", "Dialog", "Page", "Visitor", "chromium", "expect", "tls_origin", "visitor"]

CHROMIUM = "/usr/bin/chromium"

FLAGS = (
    "--no-sandbox",  # tests run as root where there is nobody else
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--ignore-certificate-errors",  # nobody vouches for a self-signed one
    "--host-resolver-rules=MAP signal.test 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--disable-gpu",
    # Pages are in the background here, and a phone's is not.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)

PC_SIZE = {"width": 1280, "height": 800}
PHONE_SIZE = {"width": 390, "height": 844}

expect.set_options(timeout=PATIENCE * 1000)


@contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Run a browser for as long as the block takes, or skip the test. `flags`: more of them."""
    if shutil.which(CHROMIUM) is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


def tls_origin(server: Watched) -> str:
    """Return where a server's pages are by https."""
    return "https" + server.wait_for(r"Listening on wss(://127\.0\.0\.1:\d+)")[1]


class Visitor:
    """Somebody with a browser: opens pages, and keeps what was wrong with them.

    Attributes:
        context: the browser's, with cookies and permissions of its own.
        complaints: errors on the console, exceptions, and breaks of the content security policy.
    """

    def __init__(self, browser: Browser, *, phone: bool = False, **options: Any) -> None:
        """`phone`: with a small screen that is touched. `options`: of Playwright's new_context."""
        size = PHONE_SIZE if phone else PC_SIZE
        self.context: BrowserContext = browser.new_context(
            ignore_https_errors=True,
            viewport=size,  # type: ignore[arg-type] # a dict of the right keys
            is_mobile=phone,
            has_touch=phone,
            device_scale_factor=2 if phone else 1,
            **options,
        )
        self.context.set_default_timeout(PATIENCE * 1000)
        self.complaints: list[str] = []

    def open(self, url: str) -> Page:
        """Open a page in a new tab."""
        page = self.context.new_page()
        page.on(
            "console",
            lambda message: (
                self.complaints.append(f"{message.type}: {message.text} {message.location}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.goto(url)
        return page

    def complaints_but(self, pattern: str) -> list[str]:
        """Return the complaints without those that a test has caused and expects."""
        return [complaint for complaint in self.complaints if not re.search(pattern, complaint)]


@contextmanager
def visitor(browser: Browser, *, phone: bool = False, **options: Any) -> Iterator[Visitor]:
    """Have a visitor for as long as the block takes."""
    made = Visitor(browser, phone=phone, **options)
    try:
        yield made
    finally:
        made.context.close()
