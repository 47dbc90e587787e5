"""What a client trusts of a server that signs its certificate by itself."""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator

import pytest
from processes import Server, server

from twisted_signal.client.asyncio import connect
from twisted_signal.client.errors import CannotConnect
from twisted_signal.client.trust import pinned, unchecked


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    options = ("--tls-port=0", "--self-signed", "--state-dir", str(folder))
    with server(*options, cwd=folder) as started:
        yield started


def url_of(self_signed: Server) -> str:
    return self_signed.wait_for(r"Listening on (wss://127\S+)")[1]


def fingerprint_of(self_signed: Server) -> str:
    return self_signed.wait_for(r"((?:[0-9A-F]{2}:){31}[0-9A-F]{2})")[1]


def enter(url: str, context: ssl.SSLContext | None) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), connect(url, client_id="pc", ssl=context) as signal:
            assert signal.is_connected

    asyncio.run(main())


def test_a_certificate_of_its_own_is_not_trusted(self_signed: Server) -> None:
    with pytest.raises(CannotConnect, match="certificate"):
        enter(url_of(self_signed), None)


@pytest.mark.parametrize("change", [str, str.lower, lambda text: re.sub(":", "", text)])
def test_one_of_a_known_fingerprint_is(self_signed: Server, change: type[str]) -> None:
    url = url_of(self_signed)
    enter(url, pinned(url, change(fingerprint_of(self_signed))))


def test_one_of_another_fingerprint_is_not(self_signed: Server) -> None:
    with pytest.raises(ConnectionError, match=fingerprint_of(self_signed)):
        pinned(url_of(self_signed), "AB" * 32)


def test_what_is_pinned_is_one_certificate(
    self_signed: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("other")
    pin = pinned(url_of(self_signed), fingerprint_of(self_signed))
    options = ("--tls-port=0", "--self-signed", "--state-dir", str(folder))
    with server(*options, cwd=folder) as other, pytest.raises(CannotConnect, match="certificate"):
        enter(url_of(other), pin)


def test_unchecked_is_any(self_signed: Server) -> None:
    enter(url_of(self_signed), unchecked())


def test_where_nobody_listens_there_is_nothing_to_pin() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            pinned(f"wss://127.0.0.1:{bound.getsockname()[1]}", "AB" * 32)
