"""The soak: a few seconds of it, and that it notices what it should."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from soak import __main__ as command
from soak import scenarios, server
from soak.clients import Client, Unexpected

pytestmark = pytest.mark.alone  # places are kept for a second, and taken up within it

SOON = {"--ping-interval": 1, "--ping-timeout": 1, "--probe-timeout": 1, "--resume-window": 1}


@pytest.fixture
def running() -> Iterator[server.Server]:
    with server.running(SOON) as started:
        yield started


@pytest.mark.parametrize("scenario", scenarios.ALL)
def test_each_scenario_goes_as_it_should(
    running: server.Server, scenario: scenarios.Scenario
) -> None:
    counts: Counter[str] = Counter()

    async def play() -> None:
        await asyncio.gather(
            *(
                scenario(scenarios.Life(running.url, f"room{number}", Random(number), counts))
                for number in range(4)
            )
        )

    asyncio.run(play())
    log = running.counts(command.IN_LOG)
    assert log["opened"] == 4
    assert not log["mistakes"]


def test_some_seconds_of_it_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scenarios, "OPTIONS", SOON)
    monkeypatch.setattr(command, "WARM_UP", 1.0)
    monkeypatch.setattr(command, "MAX_GROWTH", 1.0)  # it is still warming up
    assert command.main(["--minutes", "0.05", "--seed", "1"]) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert "errors" in lines[1]
    assert lines[2].split()[:1] == ["0:01"]
    assert lines[-1] == "All is well"


def test_memory_that_grew_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scenarios, "OPTIONS", SOON)
    monkeypatch.setattr(command, "WARM_UP", 0.5)
    monkeypatch.setattr(command, "MAX_GROWTH", -0.5)
    assert command.main(["--minutes", "0.02", "--seed", "1"]) == 1
    assert "KiB are resident; " in capsys.readouterr().out


def test_a_client_that_stays_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clients: list[Client] = []

    async def stay(life: scenarios.Life) -> None:
        clients.append(await life.pc())

    monkeypatch.setattr(scenarios, "ALL", {stay: 1})
    monkeypatch.setattr(scenarios, "UNTIL_GONE", 0.5)
    assert command.main(["--minutes", "0.005", "--seed", "1"]) == 1
    printed = capsys.readouterr().out
    assert " file descriptors are open; " in printed
    assert " rooms opened and 0 closed" in printed


def test_an_answer_that_is_not_as_it_should_be_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(life: scenarios.Life) -> None:
        raise Unexpected("instead of this came that")

    monkeypatch.setattr(scenarios, "ALL", {fail: 1})
    monkeypatch.setattr(scenarios, "UNTIL_GONE", 0.1)
    assert command.main(["--minutes", "0.01", "--seed", "1"]) == 1
    assert "fail, room0, line " in capsys.readouterr().out


def test_a_server_that_ends_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[server.Server] = []
    wait_until_listening = server.Server._wait_until_listening

    def note(self: server.Server) -> str:
        started.append(self)
        return wait_until_listening(self)

    async def stop(life: scenarios.Life) -> None:
        started[0].stop()

    monkeypatch.setattr(server.Server, "_wait_until_listening", note)
    monkeypatch.setattr(scenarios, "ALL", {stop: 1})
    assert command.main(["--minutes", "1", "--seed", "1"]) == 1
    assert "the server ended" in capsys.readouterr().out
