"""What is answered to which request for a page."""

import json
from http import HTTPStatus
from urllib.parse import quote

import pytest
from processes import ROOT

from twisted_signal.web.files import CONTENT_TYPES
from twisted_signal.web.website import QR_BURST, Website, security_headers

STATIC = ROOT / "twisted_signal" / "web" / "static"
LINK = "https://192.0.2.7:8766/demo/phone#room=lab1"
URLS = ["ws://127.0.0.1:8765", "wss://192.0.2.7:8766"]


@pytest.fixture(scope="module")
def website() -> Website:
    return Website(lambda: URLS, wants_token=False, now=0)


def asked_for_code(website: Website, link: str, now: float = 0) -> HTTPStatus:
    return website.answer("/demo/qr.svg", f"link={quote(link, safe='')}", now).status


def test_every_file_is_served_somewhere() -> None:
    served = {answer.body for answer in Website(list, wants_token=False, now=0)._files.values()}

    for path in STATIC.iterdir():
        assert path.suffix in CONTENT_TYPES, path
        assert path.read_bytes() in served, path


def test_a_file_has_its_type_and_a_tag_that_stands_for_what_it_holds(website: Website) -> None:
    answer = website.answer("/static/icon.svg", "", 0)

    assert answer.status is HTTPStatus.OK
    assert answer.content_type == "image/svg+xml"
    assert answer.body == (STATIC / "icon.svg").read_bytes()
    assert answer.etag is not None
    assert answer.etag.startswith('"')


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/static/",
        "/static/../website.py",
        "/static/%2e%2e/website.py",
        "/static/icon.svg/",
        "//static/icon.svg",
        "",
    ],
)
def test_nothing_else_is_served(website: Website, path: str) -> None:
    answer = website.answer(path, "", 0)

    assert answer.status is HTTPStatus.NOT_FOUND
    assert b"WebSocket clients may use any path" in answer.body


def test_the_server_says_that_it_is_there(website: Website) -> None:
    assert website.answer("/healthz", "", 0).body == b"ok.\n"


def test_where_a_phone_finds_its_page_is_told_as_it_is_now() -> None:
    urls = ["wss://192.0.2.7:8766"]
    website = Website(lambda: urls, wants_token=True, now=0)

    def told() -> object:
        answer = website.answer("/demo/links.json", "", 0)
        assert ("Cache-Control", "no-store") in answer.headers
        return json.loads(answer.body)

    assert told() == {"phone": ["https://192.0.2.7:8766/demo/phone"], "token_required": True}
    urls[:] = ["wss://198.51.100.7:8766"]
    assert told() == {"phone": ["https://198.51.100.7:8766/demo/phone"], "token_required": True}


def test_a_link_to_the_phones_page_becomes_a_picture(website: Website) -> None:
    answer = website.answer("/demo/qr.svg", f"link={quote(LINK, safe='')}", 0)

    assert answer.content_type == "image/svg+xml"
    assert answer.body.startswith(b"<?xml")
    assert b"<script" not in answer.body


@pytest.mark.parametrize("query", ["", "link=", "link=https://example.com/", "other=1"])
def test_nothing_else_does(website: Website, query: str) -> None:
    assert website.answer("/demo/qr.svg", query, 0).status is HTTPStatus.BAD_REQUEST


def test_no_more_pictures_are_made_than_the_server_has_time_for() -> None:
    website = Website(list, wants_token=False, now=0)
    statuses = [asked_for_code(website, f"{LINK}{number}") for number in range(QR_BURST + 1)]

    assert statuses == [HTTPStatus.OK] * QR_BURST + [HTTPStatus.SERVICE_UNAVAILABLE]
    assert asked_for_code(website, f"{LINK}0") is HTTPStatus.OK  # it is kept
    assert asked_for_code(website, f"{LINK}x", now=1) is HTTPStatus.OK


def test_a_page_may_load_nothing_from_outside_and_run_nothing_inline() -> None:
    headers = dict(security_headers("192.0.2.7:8766", secure=True))

    policy = dict(
        directive.strip().split(" ", 1)
        for directive in headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws://192.0.2.7:8766 wss://192.0.2.7:8766"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_without_tls_a_browser_is_told_nothing_that_it_would_complain_of() -> None:
    headers = dict(security_headers("192.0.2.7:8765", secure=False))

    assert "Cross-Origin-Opener-Policy" not in headers


@pytest.mark.parametrize("host", ["", "a;script-src *", "a b", "a,b", "evil'", "a:1:2", "ä"])
def test_a_strange_host_adds_nothing_to_the_policy(host: str) -> None:
    policy = dict(security_headers(host, secure=False))["Content-Security-Policy"]

    assert "connect-src 'self';" in policy
