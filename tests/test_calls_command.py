import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from caller import Caller
from endpoint_stub import Said, endpoint_stub
from operator_view import NOW_MS, call
from played_call import describe, play_call, register
from processes import BIN, server

from twisted_signal import cli
from twisted_signal.calls_command import call_lines


def page_of(calls: list[dict[str, Any]], *missing: str) -> Callable[[str], Said]:
    """Return what answers as the API does, with some calls."""

    def answer(target: str) -> Said:
        query = {name: int(values[0]) for name, values in parse_qs(urlsplit(target).query).items()}
        assert urlsplit(target).path == "/api/v1/calls"
        part = calls[query["offset"] : query["offset"] + query["limit"]]
        return Said({"items": part, "total": len(calls), "missing_nodes": missing, **query})

    return answer


def printed(capsys: pytest.CaptureFixture[str], calls: list[dict[str, Any]], *options: str) -> str:
    """Return what the command prints."""
    with endpoint_stub(page_of(calls)) as stub:
        cli.main(["calls", "--url", stub.url, *options])
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_a_call_is_its_peers_its_diagnosis_and_its_steps() -> None:
    first, *rest = call_lines(call(1), NOW_MS)

    assert re.fullmatch(r"phone1 → pc, room lab1, began \d\d:\d\d:\d\d, last step 42 s ago", first)
    assert rest == [
        "  ✗ phone1 has not answered for 42 s.",
        "      +0.000 s  phone1  joined",
        "      +0.482 s  pc      offer",
        "       +18.0 s  pc      last candidate: 2 host",
    ]


def test_a_call_may_be_without_a_second_peer_and_without_a_diagnosis() -> None:
    alone = call(1, diagnosis=None, steps_left_out=3)
    del alone["peers"][1]
    first, second, *_, last = call_lines(alone, NOW_MS)

    assert first.startswith("phone1 → nobody, ")
    assert second == "  · Too early to tell."
    assert last == "    3 more steps are not kept"


def test_a_name_cannot_act_on_the_terminal() -> None:
    nasty = call(1, room_id="\x1b]0;x\x07", diagnosis={"sentence": "\r", "is_problem": False})
    nasty["peers"][0]["client_id"] = nasty["steps"][0]["by"] = "a\nb\x9b"
    nasty["steps"][1]["detail"] = "\u202e"
    lines = call_lines(nasty, NOW_MS)

    assert all(line.isprintable() for line in lines)
    assert lines[0].startswith(r"a\nb\x9b → pc, room \x1b]0;x\x07, ")


def test_all_calls_are_printed_the_latest_last(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, [call(number, room_id=f"r{number}") for number in range(150, 0, -1)])

    assert re.findall(r"room r(\d+)", out) == [str(number) for number in range(1, 151)]
    assert out.count("\n\n") == 149


def test_nodes_that_do_not_tell_of_their_calls_are_named_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = [call(7, key=f"{node}:7", room_id=f"r-{node}") for node in ("a", "b")] * 51
    with endpoint_stub(page_of(calls, "c", "\x1b[2J")) as stub:
        cli.main(["calls", "--url", stub.url])
    out, err = capsys.readouterr()

    assert re.findall(r"room (\S+),", out) == ["r-b", "r-a"]  # the same number is not the same call
    assert err == (
        "c does not answer: its calls are left out.\n"
        "\\x1b[2J does not answer: its calls are left out.\n"
    )


def test_calls_can_be_chosen_by_room_and_problem(tmp_path: Path) -> None:
    with (
        server("--admin-endpoint", "tcp:0:interface=127.0.0.1", cwd=tmp_path) as started,
        Caller(started.url) as phone,
        Caller(started.url) as pc,
        Caller(started.url) as lost,
    ):
        register(phone, "phone1", "fine")
        register(pc, "pc", "fine")
        play_call(pc, phone, ["192.168.1.7"], ["192.168.1.8"])
        register(lost, "lost", "problem")
        describe(lost, "offer", "phome1")
        assert lost.hear()["code"] == "peer_not_found"
        url = started.wait_for(r"Admin page on (\S+)")[1]

        def printed(*options: str) -> str:
            command = [BIN / "vislam-signal", "calls", "--url", url, *options]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout

        assert re.findall("^(.*), began", printed(), re.MULTILINE) == [
            "pc → phone1, room fine",
            "lost → phome1, room problem",
        ]
        assert "end of candidates" in printed("--room", "fine")
        assert "Did you mean phone1? It is in room fine." in printed("--problems")
        assert "room fine," not in printed("--problems")
        assert printed("--room", "elsewhere") == "No calls.\n"


def test_json_is_what_the_api_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, [call(2), call(1)], "--json")) == [call(1), call(2)]


def test_a_token_comes_from_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    with endpoint_stub(page_of([])) as stub:
        cli.main(["calls", "--url", stub.url, "--token-file", str(tmp_path / "token")])

    assert stub.asked[0].headers["Authorization"] == "Bearer abc"


@pytest.mark.parametrize("command", ["calls", "top"])
@pytest.mark.parametrize(
    ("options", "complaint", "status"),
    [
        (["--url", "ftp://x"], "argument --url: must be an address such as", 2),
        (["--token-file", "/nowhere"], "argument --token-file: cannot be read: No such file", 2),
        (["--token-file", "/dev/null"], "argument --token-file: holds no token", 2),
        (["--nonsense"], "unrecognized arguments", 2),
        (["--url", "http://127.0.0.1:1"], "http://127.0.0.1:1 cannot be reached: Connection", 1),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_status(
    command: str,
    options: list[str],
    complaint: str,
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if command == "top":
        pytest.importorskip("textual", reason="textual is not installed")
    with pytest.raises(SystemExit) as caught:
        cli.main([command, *options])

    assert caught.value.code == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"vislam-signal {command}: ")
    assert complaint in err
    assert err.count("\n") == 1
