"""A real systemd, the first process of its own namespaces, over a copy of this machine's files.

What it and its services write is gone when it ends: `/` is an overlay in memory. It knows the units
that a test gives it, and no others, and has a network of its own. It takes root, and a kernel that
lets root make namespaces.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import PATIENCE, running
from service_manager import Manager

SYSTEMD = Path("/lib/systemd/systemd")
STUBS = ("basic", "multi-user", "network-online", "shutdown", "sockets", "sysinit")
"""Targets that units refer to, and that have nothing to do here."""

# A control group of its own is made in a mount that nobody else sees.
_SETUP = r"""
set -eu
mount -t cgroup2 none "$1/groups"
mkdir -p "$1/groups/$2"
echo $$ > "$1/groups/$2/cgroup.procs"
exec unshare --kill-child=KILL --fork --pid --cgroup --ipc --uts --net bash -euc "$3" - "$1"
"""
_INSIDE = r"""
root=$1/root
mount -t tmpfs none "$1/memory"
mkdir "$1/memory/upper" "$1/memory/work"
mount -t overlay none -o "lowerdir=/,upperdir=$1/memory/upper,workdir=$1/memory/work" "$root"
mount -t proc none "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro none "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 none "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm" "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs none "$root/run"
mount -t tmpfs none "$root/tmp"
mkdir "$root/tmp/old"
cp -a "$1/files/." "$root/"
mkdir "$root/host"
mount --bind "$1/host" "$root/host"
ip link set lo up
cd "$root"
pivot_root . tmp/old
umount -l /tmp/old
mount --make-rshared /
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    container=test NOTIFY_SOCKET=/host/notify SYSTEMD_UNIT_PATH=/units \
    SYSTEMD_GENERATOR_PATH=/none SYSTEMD_LOG_COLOR=0 \
    /lib/systemd/systemd --system --unit=start.target --log-target=console --show-status=no
"""
# What was killed is gone a little later, and its control groups can be removed only then.
_CLEAN = r"""
mount -t cgroup2 none "$1/groups"
while [ -d "$1/groups/$2" ]; do
    find "$1/groups/$2" -depth -type d -exec rmdir {} + 2> /dev/null || sleep 0.02
done
"""


class SystemManager:
    """systemd.

    Attributes:
        process: its number, outside.
        host: a directory of this machine's, which is `/host` there.
    """

    def __init__(self, process: int, host: Path) -> None:
        self.process = process
        self.host = host

    def run(self, *command: str) -> str:
        """Run a command where systemd is, and return what it prints.

        Raises:
            AssertionError: it fails.
        """
        done = subprocess.run(
            ["nsenter", f"--target={self.process}", "--all", *command],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def tell(self, unit: str, *names: str) -> list[str]:
        """Return properties of a unit."""
        return [
            self.run("systemctl", "show", unit, f"--property={name}", "--value") for name in names
        ]


@contextmanager
def system_manager(files: Path, directory: Path) -> Iterator[SystemManager]:
    """Run systemd for as long as the block takes.

    Args:
        files: what is put over this machine's files; units are in `units`.
        directory: for what it needs.
    """
    if not SYSTEMD.exists() or shutil.which("ip") is None:
        pytest.skip("systemd or iproute2 is not installed")
    trial = (
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--net",
        "mount",
        "-t",
        "tmpfs",
        "none",
        "/mnt",
    )
    if subprocess.run(trial, check=False, capture_output=True).returncode != 0:
        pytest.skip("a systemd of one's own needs namespaces, which are not allowed here")
    for name in ("groups", "memory", "root", "host"):
        (directory / name).mkdir()
    for name in STUBS:
        (files / "units" / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    (files / "units" / "start.target").write_text("[Unit]\nDefaultDependencies=no\n")
    files.chmod(0o755)  # as `/` has it
    (directory / "files").symlink_to(files)
    group = f"vislam-signal-test-{os.getpid()}"
    script = ("bash", "-euc", _SETUP, "-", str(directory), group, _INSIDE)
    manager = Manager(str(directory / "host" / "notify"))
    try:
        with running("unshare", "--mount", *script) as process:
            try:
                manager.hear_until("READY=1")
            except TimeoutError:
                raise AssertionError(process.output) from None
            pid = process.process.pid
            (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            yield SystemManager(int(child), directory / "host")
    finally:
        manager.socket.close()
        clean = ("unshare", "--mount", "bash", "-euc", _CLEAN, "-", str(directory), group)
        subprocess.run(clean, check=True, timeout=PATIENCE)
