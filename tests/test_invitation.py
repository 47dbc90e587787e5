"""What a person reads at the start, in whatever state the machine's network is."""

import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from processes import BIN, Watched, running
from test_web_qr import read, terminal_modules

from twisted_signal.invitation import Invitation, invitation

URLS = [
    "ws://127.0.0.1:8765",
    "ws://192.0.2.7:8765",
    "wss://127.0.0.1:8766",
    "wss://192.0.2.7:8766",
]
FINGERPRINT = "AB:CD"
ON_PHONE = "https://192.0.2.7:8766/demo/phone#room=demo"


def test_phone_and_pc_are_sent_to_one_room() -> None:
    text = invitation(URLS, FINGERPRINT, lambda link: f"[{link}]")

    assert "On this PC, open    http://127.0.0.1:8765/demo/pc#room=demo\n" in text
    assert f"On the phone, scan  {ON_PHONE}\n" in text
    assert f"[{ON_PHONE}]" in text


def test_what_to_do_about_the_certificate_is_said() -> None:
    text = invitation(URLS, FINGERPRINT, None)

    assert "Proceed" in text
    assert FINGERPRINT in text
    assert "The phone must be in the network of that address" in text


def test_where_browsers_trust_the_certificate_nothing_is_said_of_it() -> None:
    assert "certificate" not in invitation(URLS, None, None)


def test_without_a_network_it_says_so() -> None:
    text = invitation(["ws://127.0.0.1:8765", "wss://127.0.0.1:8766"], FINGERPRINT, None)

    assert "no address that a phone could reach" in text
    assert FINGERPRINT not in text


def test_without_tls_it_says_that_there_is_no_camera() -> None:
    assert "Without TLS a phone's browser gives no page the camera" in invitation(
        URLS[:2], None, None
    )


def test_without_a_tcp_port_there_is_nothing_to_open() -> None:
    assert "the pages need a TCP port" in invitation(["ws+unix:///run/s"], None, None)


class Terminal(io.StringIO):
    def __init__(self, encoding: str, *, is_terminal: bool) -> None:
        super().__init__()
        self._encoding = encoding
        self._is_terminal = is_terminal

    @property
    def encoding(self) -> str:  # type: ignore[override] # of a StringIO it is None
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal


def shown(stream: Terminal) -> str:
    reactor: Any = SimpleNamespace(callWhenRunning=lambda function: function())
    renewal: Any = SimpleNamespace(fingerprint=FINGERPRINT)
    Invitation(reactor, stream, lambda: URLS, renewal).startService()
    return stream.getvalue()


def test_a_terminal_shows_the_picture_in_colours_of_its_own() -> None:
    text = shown(Terminal("utf-8", is_terminal=True))

    rows = re.findall("\x1b\\[97;40m(.*)\x1b\\[0m\n", text)
    assert read(terminal_modules("\n".join(rows))) == ON_PHONE


def test_a_file_gets_it_without_colours() -> None:
    text = shown(Terminal("utf-8", is_terminal=False))

    assert "\x1b" not in text
    rows = re.findall("^[█▀▄ ]{20,}$", text, re.MULTILINE)
    assert read(terminal_modules("\n".join(rows))) == ON_PHONE


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "nonsense"])
def test_where_it_cannot_be_shown_the_link_is_enough(encoding: str) -> None:
    text = shown(Terminal(encoding, is_terminal=True))

    assert "█" not in text
    assert ON_PHONE in text


def demo(*options: str) -> list[str | Path]:
    return [BIN / "vislam-signal", "demo", "--port", "0", *options]


def started(watched: Watched) -> None:
    watched.wait_for("^Ctrl-C ends the server")


def test_the_demo_is_one_command(tmp_path: Path) -> None:
    with running(*demo("--tls-port=0", "--state-dir", "state"), cwd=tmp_path) as watched:
        started(watched)
        on_phone = watched.wait_for(r"^On the phone, scan  (\S+)$")[1]
        watched.wait_for(r"^On this PC, open    http://127\.0\.0\.1:\d+/demo/pc#room=demo$")
        rows = [line for line in watched.lines if re.fullmatch("[█▀▄ ]{20,}", line)]
        assert read(terminal_modules("\n".join(rows))) == on_phone
        assert watched.stop() == 0


def test_the_demo_takes_a_certificate_of_its_operators(tmp_path: Path) -> None:
    with running(*demo("--tls-cert=missing.pem"), cwd=tmp_path) as watched:
        assert watched.wait() == 1
    assert watched.lines[0].startswith("vislam-signal: --tls-cert: ")
    assert "Traceback" not in watched.output


def test_an_invitation_to_pages_that_are_left_out_is_a_mistake(tmp_path: Path) -> None:
    with running(*demo("--no-web"), cwd=tmp_path) as watched:
        assert watched.wait() == 1
    assert watched.lines[0] == "vislam-signal: --qr is for the pages, which --no-web leaves out"
