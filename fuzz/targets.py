"""What is fuzzed, and where what was found is kept."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from fuzz import ROOT, rooms, wire, words

Target = Callable[[bytes], None]
"""Takes any bytes; raises when the server does with them what it must not."""

TARGETS: dict[str, Target] = {
    "frames": wire.frames,
    "connection": wire.connection,
    "handshake": wire.handshake,
    "pages": wire.pages,
    "messages": words.messages,
    "rooms": rooms.rooms,
    "tokens": words.tokens,
}
CASES = ROOT / "tests" / "fuzz_cases"
"""Real messages, and what was found once: a folder for each target. The tests replay them."""
CRASHES = ROOT / "fuzz" / "crashes"


def cases(name: str) -> Iterator[Path]:
    """Yield the files of a target's cases."""
    return (path for path in sorted((CASES / name).iterdir()) if path.is_file())


def keep(name: str, data: bytes) -> Path:
    """Write down what a target could not take; return where."""
    path = CRASHES / name / f"crash-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def replay(path: Path) -> None:
    """Let a target have a file; the folder that it lies in has the target's name.

    Raises:
        Exception: whatever the target raises.
        KeyError: there is no such target.
    """
    TARGETS[path.absolute().parent.name](path.read_bytes())
