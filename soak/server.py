"""A server process, and what can be seen of it from outside."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT = 20.0
STOP_TIMEOUT = 15.0
_LISTENING = re.compile(r"Listening on (ws://\S+)")


class Server:
    """A running server. `url`: where it listens."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self.url = self._wait_until_listening()

    def resident_kib(self) -> int:
        """Return the resident memory, in KiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0])

    def descriptors(self) -> int:
        """Return how many file descriptors are open."""
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))  # noqa: PTH208 - no paths wanted

    def is_running(self) -> bool:
        """Tell whether the process is there."""
        return self._process.poll() is None

    def counts(self, patterns: Mapping[str, str]) -> Counter[str]:
        """Return, for each name, how many lines of the log have its pattern."""
        compiled = {name: re.compile(pattern) for name, pattern in patterns.items()}
        found: Counter[str] = Counter()
        with self._log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                found.update(name for name, pattern in compiled.items() if pattern.search(line))
        return found

    def end_of_log(self) -> str:
        """Return the last lines of the log."""
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-20:])

    def stop(self) -> int:
        """End the process; return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _wait_until_listening(self) -> str:
        deadline = time.monotonic() + START_TIMEOUT
        while self.is_running() and time.monotonic() < deadline:
            if (found := _LISTENING.search(self._log.read_text(encoding="utf-8"))) is not None:
                return found[1]
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{self.end_of_log()}")


@contextmanager
def running(options: Mapping[str, object]) -> Iterator[Server]:
    """Run a server on a free port of this machine for as long as the block takes."""
    command = Path(sys.executable).with_name("vislam-signal")
    words = [str(word) for option in options.items() for word in option]
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [command, "serve", "--host=127.0.0.1", "--port=0", *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            yield Server(process, log)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
