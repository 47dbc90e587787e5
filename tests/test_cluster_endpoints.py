"""Which endpoint leads where; the ways themselves are tried in test_cluster_redis."""

from pathlib import Path

import pytest
from certificates import issue
from twisted.internet import reactor
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)

from twisted_signal.cluster.address import UnusableUrl, redis_address
from twisted_signal.cluster.endpoints import Endpoints


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://127.0.0.1", TCP4ClientEndpoint),
        ("redis://[::1]", TCP6ClientEndpoint),
        ("redis://redis.example.com", HostnameEndpoint),
        ("unix:///run/redis.sock", UNIXClientEndpoint),
    ],
)
def test_no_address_is_looked_up_where_there_is_one(url: str, kind: type) -> None:
    address = redis_address(url)

    assert type(Endpoints(address).endpoint(address.places[0], reactor)) is kind


def test_a_file_of_authorities_may_hold_several(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(b"".join(issue(name, is_authority=True).chain_pem for name in ("a", "b")))

    Endpoints(redis_address(f"rediss://h?ca-file={path}"))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "names a ca-file without a certificate: "),
        (b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", "names a ca-file without"),
        (b"x" * (2**20 + 1), "names a ca-file that cannot be used: "),
        (None, "names a ca-file that cannot be used: "),
    ],
)
def test_a_file_without_authorities_is_told_of(
    content: bytes | None, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UnusableUrl) as caught:
        Endpoints(redis_address(f"rediss://h?ca-file={path}"))

    assert str(caught.value).startswith(complaint)
    assert str(path) in str(caught.value)
