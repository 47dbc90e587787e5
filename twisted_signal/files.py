"""Small files that an operator names, read in bounds."""

from pathlib import Path

from twisted_signal.text import quoted


class UnreadableFile(ValueError):
    """A file cannot be read. `str(error)` is the line for the operator, naming the file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{quoted(str(path))} {reason}")
        self.reason = reason


def read_small_file(path: Path, longest: int, what: str) -> bytes:
    """Return what a file holds.

    Args:
        longest: bytes that it may have; a device such as /dev/zero has no end.
        what: such files in words, such as `file of keys`.

    Raises:
        UnreadableFile: it cannot be read, or is too long.
    """
    try:
        with path.open("rb") as file:
            data = file.read(longest + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableFile(path, f"cannot be read: {reason}") from None
    if len(data) > longest:
        raise UnreadableFile(path, f"is longer than any {what}")
    return data
