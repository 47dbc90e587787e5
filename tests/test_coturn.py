"""Credentials of the server's, as a real TURN server takes them."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP
from typing import Any

import pytest
from caller import Caller
from processes import PATIENCE, Server, server
from turn_server import TurnServer, turn_server

from twisted_signal.messages import IceServer
from twisted_signal.turn import IceProvider, credentials

aiortc = pytest.importorskip("aiortc", reason="aiortc is not installed")

SECRET = "a secret that only the two servers know"


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TurnServer]:
    with turn_server(SECRET, tmp_path_factory.mktemp("coturn")) as started:
        yield started


@pytest.fixture(scope="module")
def signal(coturn: TurnServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    (directory / "turn").write_text(SECRET + "\n")
    options = ("--turn-uri", coturn.uri, "--turn-secret-file", "turn", "--turn-ttl", "600")
    with server(*options, cwd=directory) as started:
        yield started


class Peer:
    """A client of the server's, and a WebRTC peer that may use relays only."""

    def __init__(self, url: str, client_id: str) -> None:
        self.caller = Caller(url)
        self.caller.say(type="register", client_id=client_id, ice_servers=True)
        self.registered = self.caller.hear()
        self.connection = relayed_connection(self.registered["ice_servers"])


def relayed_connection(ice_servers: list[dict[str, Any]]) -> Any:
    """Return a connection that has no way but those that a TURN server gives it."""
    return aiortc.RTCPeerConnection(
        aiortc.RTCConfiguration(
            iceServers=[aiortc.RTCIceServer(**each) for each in ice_servers],
            iceTransportPolicy=aiortc.RTCIceTransportPolicy.RELAY,
        )
    )


async def send_description(sender: Peer, receiver: Peer, target_id: str) -> None:
    """Bring a peer's local description to the other one, by way of the server."""
    await sender.connection.setLocalDescription()
    local = sender.connection.localDescription
    candidates = [line for line in local.sdp.splitlines() if line.startswith("a=candidate:")]
    assert candidates
    assert all(" typ relay " in line for line in candidates)
    sdp = {"type": local.type, "sdp": local.sdp}
    sender.caller.say(type=local.type, target_id=target_id, sdp=sdp)
    while (heard := receiver.caller.hear())["type"] != local.type:
        assert heard["type"] == "peer_joined"
    await receiver.connection.setRemoteDescription(aiortc.RTCSessionDescription(**heard["sdp"]))


async def echo_over_relays(url: str) -> str:
    """Return what comes back of a text that one peer sends to another."""
    phone, pc = Peer(url, "phone1"), Peer(url, "pc")
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    channel = phone.connection.createDataChannel("test")
    channel.on("open", lambda: channel.send("as it was"))
    channel.on("message", answered.set_result)

    def echo(theirs: Any) -> None:
        theirs.on("message", theirs.send)

    pc.connection.on("datachannel", echo)
    try:
        await send_description(phone, pc, "pc")
        await send_description(pc, phone, "phone1")
        return await asyncio.wait_for(answered, PATIENCE)
    finally:
        await phone.connection.close()
        await pc.connection.close()


async def relay_candidates(ice_servers: list[dict[str, Any]]) -> int:
    """Return how many relays a TURN server gives to who has these credentials."""
    connection = relayed_connection(ice_servers)
    try:
        connection.createDataChannel("test")
        await connection.setLocalDescription()
        sdp: str = connection.localDescription.sdp
        return sdp.count(" typ relay ")
    finally:
        await connection.close()


def turn(coturn: TurnServer, username: str, credential: str) -> list[dict[str, Any]]:
    return [{"urls": [coturn.uri], "username": username, "credential": credential}]


def test_two_peers_reach_each_other_by_relays_alone(signal: Server, coturn: TurnServer) -> None:
    assert asyncio.run(echo_over_relays(signal.url)) == "as it was"
    coturn.wait_for(r"user <\d+:phone1>.*ALLOCATE processed, success")
    coturn.wait_for(r"user <\d+:pc>.*ALLOCATE processed, success")


def test_the_credentials_are_good_for_as_long_as_is_said(signal: Server) -> None:
    caller = Caller(signal.url)
    caller.say(type="register", client_id="phone1", room_id="ttl", ice_servers=True)
    heard = caller.hear()

    expires_at = int(heard["ice_servers"][0]["username"].partition(":")[0])
    assert heard["ice_servers_expire_in_ms"] == 600_000
    assert abs(expires_at - time.time() - 600) < PATIENCE


def test_fresh_ones_are_as_good(signal: Server) -> None:
    caller = Caller(signal.url)
    caller.say(type="register", client_id="phone1", room_id="fresh")
    assert "ice_servers" not in caller.hear()

    caller.say(type="ice_servers")

    assert asyncio.run(relay_candidates(caller.hear()["ice_servers"])) > 0


@pytest.mark.parametrize(
    "client_id", ["Gerät 7", "电话", "a:b@c", "a'b\"c\\d%e", "\U0001f4f1" * 128]
)
def test_any_id_is_taken(coturn: TurnServer, client_id: str) -> None:
    provider = IceProvider([], [coturn.uri], SECRET.encode())
    (given,) = provider.for_client(client_id, int(time.time()))

    assert isinstance(given, IceServer)
    found = turn(coturn, given.username or "", given.credential or "")
    assert asyncio.run(relay_candidates(found)) > 0


def test_a_wrong_secret_gets_no_relay(coturn: TurnServer) -> None:
    wrong = credentials("phone1", int(time.time()) + 600, b"another secret")

    assert asyncio.run(relay_candidates(turn(coturn, *wrong))) == 0


def test_expired_credentials_get_no_relay(coturn: TurnServer) -> None:
    expired = credentials("phone1", int(time.time()) - 10, SECRET.encode())

    assert asyncio.run(relay_candidates(turn(coturn, *expired))) == 0


def test_a_secret_is_replaced_while_the_server_runs(coturn: TurnServer, tmp_path: Path) -> None:
    path = tmp_path / "turn"
    path.write_text("not the secret of the TURN server")
    with server("--turn-uri", coturn.uri, "--turn-secret-file", str(path), cwd=tmp_path) as started:
        caller = Caller(started.url)
        caller.say(type="register", client_id="phone1", ice_servers=True)
        assert asyncio.run(relay_candidates(caller.hear()["ice_servers"])) == 0
        path.write_text(SECRET)
        started.process.send_signal(SIGHUP)
        started.wait_for("The secret for TURN was read again")

        caller.say(type="ice_servers")

        assert asyncio.run(relay_candidates(caller.hear()["ice_servers"])) > 0
