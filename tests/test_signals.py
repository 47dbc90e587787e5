import logging
import signal
from collections.abc import Callable
from typing import Any

import pytest
from signalled import Running

from twisted_signal.signals import ReloadSignal, StopSignals

log = logging.getLogger(__name__)

pytestmark = pytest.mark.usefixtures("restored_signals")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_reactor_once_and_is_logged(
    number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    running: Any = Running()
    StopSignals(running, lambda: None).startService()

    signal.raise_signal(number)
    signal.raise_signal(number)

    assert running.stopped == 1
    assert caplog.messages == [f"{number.name} received, stopping"]


@pytest.mark.parametrize("pause", [0, 0.4, 0.5, 60])
def test_a_second_signal_ends_the_waiting(pause: float) -> None:
    """Not before half a second has passed: one to the process and its group comes twice."""
    running: Any = Running()
    hurries: list[float] = []
    StopSignals(running, lambda: hurries.append(running.seconds())).startService()

    signal.raise_signal(signal.SIGTERM)
    running.advance(pause)
    signal.raise_signal(signal.SIGTERM)
    running.advance(0)
    running.advance(1)

    assert len(hurries) == 1
    assert pause <= hurries[0] <= max(pause, 1.5)


def test_a_signal_before_the_reactor_runs_waits_until_it_does() -> None:
    running: Any = Running()
    stop_signals = StopSignals(running, lambda: None)

    stop_signals.privilegedStartService()
    signal.raise_signal(signal.SIGTERM)
    assert running.stopped == 0
    stop_signals.startService()

    assert running.stopped == 1


def test_sighup_calls_what_there_is_to_reload(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    running: Any = Running()
    reloads: list[Callable[[], None]] = []
    ReloadSignal(running, reloads).startService()

    signal.raise_signal(signal.SIGHUP)
    assert caplog.messages == ["SIGHUP received, nothing to reload"]
    caplog.clear()

    reloads.append(lambda: log.info("Certificate taken"))
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGHUP)
    assert caplog.messages == ["SIGHUP received, reloading", "Certificate taken"] * 2
    assert running.stopped == 0


def test_what_fails_to_reload_is_logged_and_the_others_are_reloaded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    def fail_to_reload() -> None:
        raise ZeroDivisionError

    running: Any = Running()
    ReloadSignal(running, [fail_to_reload, lambda: done.append("keys")]).startService()

    signal.raise_signal(signal.SIGHUP)

    assert done == ["keys"]
    (record,) = caplog.records
    assert record.getMessage() == "Reloading failed"
    assert record.exc_info is not None
