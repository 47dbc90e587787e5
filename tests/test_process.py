import os
import resource
from pathlib import Path

import pytest

from twisted_signal.process import FEW, Process

PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc/self/fd")

linux_only = pytest.mark.skipif(not PROC.is_dir(), reason="Linux has /proc")


@linux_only
def test_a_process_knows_what_it_uses() -> None:
    usage = Process().usage(0)

    assert usage.cpu_seconds > 0
    assert usage.resident_bytes is not None
    assert usage.virtual_bytes is not None
    assert 2**20 < usage.resident_bytes < usage.virtual_bytes
    assert usage.max_files == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@linux_only
def test_open_files_are_counted() -> None:
    process = Process()
    before = process.usage(0).open_files
    assert before is not None

    with PROC.parent.joinpath("stat").open():
        assert process.usage(0).open_files == before + 1


def files(folder: Path, count: int) -> Path:
    """Return a folder with files, as a kernel shows descriptors that does not count them."""
    folder.mkdir(exist_ok=True)
    for number in range(count):
        folder.joinpath(str(number)).touch()
    return folder


class Uncounted(type(Path())):  # type: ignore[misc] # which class it is depends on the system
    """A folder of which the system says no size."""

    def stat(self, **_: object) -> os.stat_result:
        return os.stat_result((0,) * 10)


def test_few_are_listed_where_the_kernel_does_not_count_them(tmp_path: Path) -> None:
    folder = Uncounted(files(tmp_path / "fd", 9))

    # One that is listed is the list's own.
    assert Process(open_files=folder).usage(3).open_files == 8


def test_many_are_not_listed_but_connections_are_added(tmp_path: Path) -> None:
    folder = Uncounted(files(tmp_path / "fd", 9))
    process = Process(open_files=folder)
    process.usage(3)
    files(tmp_path / "fd", 20)

    assert process.usage(FEW).open_files == FEW + 5


def test_what_the_system_does_not_say_is_not_known(tmp_path: Path) -> None:
    usage = Process(tmp_path / "statm", tmp_path / "fd").usage(0)

    assert usage[1:4] == (None, None, None)


def test_memory_is_told_in_pages(tmp_path: Path) -> None:
    statm = tmp_path / "statm"
    statm.write_text("30 20 10 1 0 5 0\n")

    usage = Process(statm).usage(0)

    assert (usage.virtual_bytes, usage.resident_bytes) == (30 * PAGE, 20 * PAGE)
