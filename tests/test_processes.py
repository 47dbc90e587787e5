"""What the tests start ends with them."""

import re
from pathlib import Path

import pytest
from processes import PATIENCE, Server


def test_a_server_that_does_not_say_where_it_listens_is_stopped_and_its_log_shown(
    tmp_path: Path,
) -> None:
    tried: list[Server] = []

    class Silent(Server):
        def wait_for(self, pattern: str, timeout: float = PATIENCE) -> re.Match[str]:
            tried.append(self)
            super().wait_for(pattern, timeout)
            return super().wait_for("what it never says", 0)

    with pytest.raises(AssertionError, match="Listening on"):
        Silent("--port", "0", cwd=tmp_path)

    assert tried[0].process.poll() is not None
