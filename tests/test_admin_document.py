"""Holds docs/admin.md to what the admin endpoint does."""

import http.client
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

from admin_stage import AdminMemory, Counter
from processes import PATIENCE, ROOT, server
from websockets.sync.client import connect

from twisted_signal.admin import site, stream
from twisted_signal.admin.api import DEFAULT_LIMIT
from twisted_signal.admin.questions import MOST_ITEMS

TEXT = (ROOT / "docs" / "admin.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ (curl .+)$", TEXT, re.MULTILINE)


def test_every_path_is_on_the_page() -> None:
    for route in AdminMemory(events=Counter).api.routes:
        path = route.path.replace("{room_id}", "NAME").replace("{key}", "KEY")
        shown = path if route.method == "GET" else f"{route.method} {path}"
        assert f"| `{shown}` |" in TEXT, shown


def test_every_error_code_is_on_the_page() -> None:
    package = ROOT / "twisted_signal" / "admin"
    source = "".join(path.read_text(encoding="utf-8") for path in package.glob("*.py"))
    codes = set(re.findall(r'HTTPStatus\.\w+,\s*"(\w+)"', source))
    assert len(codes) >= 15
    assert [code for code in codes if f"`{code}`" not in TEXT] == []


def test_the_limits_are_on_the_page() -> None:
    assert f"({DEFAULT_LIMIT} by default, {MOST_ITEMS} at most)" in TEXT
    for row in (
        (
            f"| connections | {site.MOST}; {2 * site.MOST_OF_ONE} from one address, and"
            f" {2 * site.RATE} new ones a second |"
        ),
        (
            f"| requests | {site.RATE} a second from one address, after 256 at once;"
            f" {site.PUBLIC_RATE} a second from all who show no token |"
        ),
        f"| requests at once on a connection | {site.AT_ONCE} |",
        f"| a request's header, body | 16 KiB, {site.MAX_BODY // 1024} KiB |",
        f"| the time for a request | {site.IDLE} s from",
        f"| the time to read an answer | {site.IDLE + site.SLOW} s; an event {stream.PATIENCE} s |",
        f"| those who are told of what is new | {stream.MOST} |",
    ):
        assert row in TEXT, row


def test_the_commands_do_what_the_page_says(tmp_path: Path) -> None:
    assert len(COMMANDS) >= 10
    with server("--admin-endpoint", "tcp:0:interface=127.0.0.1", cwd=tmp_path) as started:
        place = urlsplit(started.wait_for(r"Admin page on (http://\S+)")[1]).netloc
        with connect(started.url) as phone:
            phone.send('{"type": "register", "client_id": "phone1", "room_id": "lab1"}')
            phone.recv(timeout=PATIENCE)
            key = re.findall(r'"key":"(\d+)"', run("curl http://x/api/v1/clients", place)[1])[0]
            for command in COMMANDS:
                status, said = run(command.replace("/17/", f"/{key}/"), place)
                expected = re.search(r"# (\d+)$", command)
                assert status == (int(expected[1]) if expected else status), said
                assert expected or status in (200, 202), f"{command}: {said}"
        assert started.wait() == 0  # the last one was to drain


def run(command: str, place: str) -> tuple[int, str]:
    """Do what a command of curl's does, at another place."""
    words = shlex.split(command, comments=True)[1:]
    method, headers, url = "GET", {}, ""
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        else:
            url = word
    connection = http.client.HTTPConnection(place, timeout=PATIENCE)
    parts = urlsplit(url)
    connection.request(method, f"{parts.path}?{parts.query}".rstrip("?"), headers=headers)
    response = connection.getresponse()
    return response.status, response.read().decode()
