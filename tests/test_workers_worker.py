"""The place of a worker, with processes that a test makes up."""

import signal
from pathlib import Path
from typing import Any, cast

import pytest
from fake_processes import FakeProcess, FakeReactor
from twisted.internet.error import ProcessDone, ProcessTerminated

from twisted_signal.workers.launch import Launch, Launcher
from twisted_signal.workers.worker import (
    LONGEST,
    SILENT,
    STARTING,
    Lines,
    State,
    Worker,
    how_it_ended,
)


class Stage:
    """A worker, the second of several. `changes`: its states, one after the other."""

    def __init__(self, directory: Path) -> None:
        self.reactor = FakeReactor()
        self.changes: list[State] = []
        launcher: Any = self
        self.worker = Worker(
            self.reactor, 2, cast("Launcher", launcher), str(directory), self._note
        )
        self.worker.start()

    def launch(self, number: int, told: dict[str, str]) -> Launch:
        assert number == 2
        return Launch("python", ["python"], dict(told), "/", {})

    def _note(self) -> None:
        self.changes.append(self.worker.state)

    @property
    def process(self) -> FakeProcess:
        return self.reactor.processes[-1]

    def hear(self, *assignments: str) -> None:
        self.reactor.tell(self.process, *assignments)

    def tick(self, seconds: int) -> None:
        for _ in range(seconds):
            self.worker.tick()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


KILLED = ProcessTerminated(signal=signal.SIGKILL)


def test_it_is_ready_when_it_says_so(stage: Stage) -> None:
    stage.hear("READY=1", "STATUS=Serving; connections: 17, rooms: 3")

    assert (stage.worker.connections, stage.worker.process_id) == (17, 100)
    stage.hear("WATCHDOG=1")
    stage.hear("READY=1")  # after RELOADING=1
    stage.hear("nonsense")
    assert stage.changes == [State.STARTING, State.READY]
    stage.hear("STOPPING=1")
    assert stage.changes[2:] == [State.STOPPING]


def test_another_follows_and_later_each_time(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    for wait in (0.5, 1.0):
        stage.process.end(KILLED)
        assert stage.worker.state is State.ENDED
        assert f"Worker 2 (process {stage.process.pid}) has ended: SIGKILL" in caplog.messages[-1]
        before = len(stage.reactor.processes)
        stage.reactor.advance(wait - 0.01)
        assert len(stage.reactor.processes) == before
        stage.reactor.advance(0.01)
        assert len(stage.reactor.processes) == before + 1

    assert stage.worker.restarts == 2
    assert stage.worker.process_id == 102


def test_what_cannot_be_started_is_tried_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.reactor.refusal = OSError(11, "Resource temporarily unavailable")
    stage.process.end(KILLED)
    stage.reactor.advance(0.5)

    assert caplog.messages[-1] == (
        "Worker 2 cannot be started: Resource temporarily unavailable; tried again in 1.0 s"
    )
    stage.reactor.refusal = None
    stage.reactor.advance(1)
    assert stage.worker.state is State.STARTING


def test_one_that_is_stuck_is_killed(stage: Stage) -> None:
    stage.tick(STARTING)
    assert stage.process.signals == []
    stage.hear("READY=1")
    for _ in range(3):
        stage.tick(SILENT)
        stage.hear("WATCHDOG=1")
    assert stage.process.signals == []

    stage.tick(SILENT + 1)

    assert stage.process.signals == ["KILL"]


def test_one_that_never_gets_ready_is_killed(stage: Stage) -> None:
    stage.tick(STARTING + 1)

    assert stage.process.signals == ["KILL"]
    stage.process.end(KILLED)
    stage.tick(STARTING + 1)  # there is none to kill
    assert stage.process.signals == ["KILL"]


def test_a_reload_waits_for_a_worker_that_it_would_end(stage: Stage) -> None:
    stage.worker.reload()
    assert stage.process.signals == []

    stage.hear("READY=1")

    assert stage.process.signals == ["HUP"]
    stage.worker.reload()
    assert stage.process.signals == ["HUP", "HUP"]


def test_one_that_starts_anew_has_the_options_of_then(stage: Stage) -> None:
    stage.worker.reload()
    stage.process.end(KILLED)
    stage.reactor.advance(1)
    stage.hear("READY=1")

    assert stage.process.signals == []


def test_one_that_is_stopped_is_waited_for_and_no_other_follows(stage: Stage) -> None:
    stage.hear("READY=1")
    gone = stage.worker.stop()

    assert stage.process.signals == ["TERM"]
    assert not gone.called
    stage.process.end(ProcessDone(0))
    assert gone.called
    assert stage.reactor.getDelayedCalls() == []
    assert stage.reactor.readers == []
    assert not Path(stage.process.place).exists()


def test_one_that_has_just_ended_is_stopped_at_once(stage: Stage) -> None:
    stage.process.end(KILLED)

    assert stage.worker.stop().called
    assert stage.reactor.getDelayedCalls() == []


def test_a_signal_to_one_that_has_ended_is_lost(stage: Stage) -> None:
    stage.process.has_ended = True  # and its output has not

    stage.worker.signal("TERM")

    assert stage.process.signals == []


def test_its_log_is_passed_on_and_its_complaints_are_in_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    stage.process.protocol._lines[1]._take = lines.append

    stage.process.protocol.childDataReceived(1, b"one\ntw")
    stage.process.protocol.childDataReceived(1, b"o\nthr")
    stage.process.protocol.childDataReceived(2, b"Traceback:\n\n\x1b[31m red")
    assert lines == ["one", "two"]
    stage.process.end(KILLED)

    assert lines == ["one", "two", "thr"]
    said = [message for message in caplog.messages if "wrote" in message]
    assert said == ["Worker 2 wrote: Traceback:", r"Worker 2 wrote: \x1b[31m red"]


def test_a_line_that_does_not_end_is_one() -> None:
    lines: list[str] = []
    reader = Lines(lines.append)

    for _ in range(LONGEST // 1000 + 1):
        reader.feed(b"x" * 1000)
    reader.feed(b"y\xff\n")
    reader.end()

    assert [len(lines[0]), lines[1]] == [(LONGEST // 1000 + 1) * 1000, "y\\xff"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ProcessDone(0), "status 0"),
        (ProcessTerminated(exitCode=3), "status 3"),
        (KILLED, "SIGKILL"),
        (ProcessTerminated(signal=99), "signal 99"),
        (RuntimeError("odd"), "odd"),
    ],
)
def test_how_a_process_ended_is_said_in_words(error: BaseException, words: str) -> None:
    assert how_it_ended(error) == words
