"""What the log says, in a test, and whom it is about."""

import io
import json
import re
from typing import Any, NoReturn

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(\w+)\] (\w+): (.*)")


def lines(written: io.StringIO) -> list[tuple[str, ...]]:
    """Return level, source and text of each line; every line must have the form."""
    found = []
    for line in written.getvalue().splitlines():
        match = LINE.fullmatch(line)
        assert match is not None, line
        found.append(match.groups())
    return found


def objects(written: str) -> list[dict[str, Any]]:
    """Return what JSON lines say; every line must be an object with what all of them have."""
    found = [json.loads(line) for line in written.split("\n")[:-1]]
    for each in found:
        assert list(each)[:5] == ["time", "level", "module", "event", "message"], each
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each["time"]), each
    return found


def raise_error(text: str) -> NoReturn:
    raise ValueError(text)


class Someone:
    """Whom a line is about. Implements `event_log.Subject`."""

    def __init__(self, source: str | None = "192.0.2.7", **fields: object) -> None:
        self.source = source
        self.address = f"{source}:4711"
        self._fields = fields

    def log_fields(self) -> dict[str, object]:
        return {**self._fields, "address": self.address}
