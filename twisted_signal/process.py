"""What the system says of this process: CPU time, memory, file descriptors."""

import os
import resource
import time
from pathlib import Path
from typing import NamedTuple

FEW = 500
"""So many descriptors are listed without anybody noticing: in less than a millisecond."""

_STATM = Path("/proc/self/statm")
_OPEN_FILES = Path("/proc/self/fd")


class Usage(NamedTuple):
    """What the process uses.

    Attributes:
        cpu_seconds: CPU time since its start.
        resident_bytes, virtual_bytes: memory; None: the system does not say.
        open_files: file descriptors; None: the system does not say.
        max_files: how many it may open; None: any number.
    """

    cpu_seconds: float
    resident_bytes: int | None
    virtual_bytes: int | None
    open_files: int | None
    max_files: int | None


class Process:
    """This process."""

    def __init__(self, statm: Path = _STATM, open_files: Path = _OPEN_FILES) -> None:
        """
        Args:
            statm: where Linux says how much memory there is, proc_pid_statm(5).
            open_files: where it lists descriptors, proc_pid_fd(5).
        """
        self._statm = statm
        self._open_files = open_files
        self._others = 0  # descriptors that are not connections, when they were last counted

    def usage(self, connections: int) -> Usage:
        """Return what it uses now. `connections`: how many of its descriptors are known anyway."""
        virtual, resident = self._memory()
        may, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return Usage(
            time.process_time(),
            resident,
            virtual,
            self._count_open_files(connections),
            None if may == resource.RLIM_INFINITY else may,
        )

    def _memory(self) -> tuple[int | None, int | None]:
        try:
            pages = self._statm.read_text().split()
        except OSError:
            return None, None
        size = os.sysconf("SC_PAGE_SIZE")
        return int(pages[0]) * size, int(pages[1]) * size

    def _count_open_files(self, connections: int) -> int | None:
        """Return how many descriptors there are, in a time that does not grow with them.

        To list ten thousand takes some ten milliseconds in which nobody is served. Linux says how
        many there are from 6.2 on; where it does not, they are listed while there are few
        connections, and later the connections are added to what else there was then.
        """
        try:
            counted = self._open_files.stat().st_size
            if counted:
                return counted
            if connections < FEW:
                listed = len(list(self._open_files.iterdir()))
                self._others = listed - 1 - connections  # one is the listing's own
        except OSError:
            return None
        return connections + self._others
