"""What the operating system says a process and its children have used."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")


def _read(path: Path) -> str:
    """Return a file's text; nothing, where the process or thread has ended meanwhile."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def tree(*pids: int) -> list[int]:
    """Return processes and all that come of them and still run."""
    found = list(pids)
    for parent in found:  # grows as it goes
        for children in (PROC / str(parent) / "task").glob("*/children"):
            found += map(int, _read(children).split())
    return found


@dataclass(frozen=True)
class Usage:
    """What has been used up to a moment.

    Attributes:
        seconds: CPU time of all threads that run, to the nanosecond.
        all_seconds: with the threads and children that have ended, to the clock tick.
    """

    seconds: float
    all_seconds: float

    def since(self, before: "Usage") -> float:
        """Return the CPU seconds between two moments.

        A thread that ended between them has taken its time along: then the coarse clock, which
        keeps it, is the right one. Three ticks are what it may be off by on its own.
        """
        fine, coarse = self.seconds - before.seconds, self.all_seconds - before.all_seconds
        return coarse if coarse > fine + 3 * TICK and coarse > 1.05 * fine else fine


def cpu(*pids: int) -> Usage:
    """Return what processes and their children have used so far."""
    seconds = all_seconds = 0.0
    for process in tree(*pids):
        home = PROC / str(process)
        for thread in (home / "task").glob("*/schedstat"):
            # Time on a CPU in ns, time waiting for one, number of time slices.
            seconds += int((_read(thread) or "0").split()[0]) / 1e9
        # The fields after the name, which is in brackets and may hold anything: proc(5), from the
        # 3rd. utime, stime, and those of children that were waited for.
        fields = _read(home / "stat").rpartition(")")[2].split()
        all_seconds += sum(map(int, fields[11:15])) * TICK
    return Usage(seconds, all_seconds)


def memory(*pids: int) -> int:
    """Return the resident memory of processes and their children, in bytes."""
    pages = 0
    for process in tree(*pids):
        fields = _read(PROC / str(process) / "statm").split()
        pages += int(fields[1]) if fields else 0
    return pages * os.sysconf("SC_PAGE_SIZE")
