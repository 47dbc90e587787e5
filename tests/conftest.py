"""Fixtures that several test modules share."""

from collections.abc import Iterator

import pytest
from processes import Server, server


@pytest.fixture(scope="module")
def signal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server on a free port; rooms keep the tests of a module apart."""
    with server("--log-level", "DEBUG", cwd=tmp_path_factory.mktemp("server")) as started:
        yield started
