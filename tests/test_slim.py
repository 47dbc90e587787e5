"""What `slim` takes for granted of Autobahn, held against the release that is installed.

Where a test here fails after an upgrade, Autobahn keeps something new or different for each
connection: see what it is for, and let `slim.AT_FIRST` or `Channel` say it too.
"""

from typing import Any

import pytest
from autobahn.twisted.websocket import WebSocketServerProtocol
from memory import Memory, MemoryTransport
from stock import connected, stock

from twisted_signal import slim
from twisted_signal.channel import Channel

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

NOT_AUTOBAHNS = {"transport", "factory", "connected"}
"""Twisted sets these for every protocol."""
EVENTS = {"_valid_events", "_results"}
"""For listeners (`on`), which nobody here adds: the class's own None stands for none."""
OF_THE_HANDSHAKE = {
    "_wskey",
    "http_headers",
    "http_request_data",
    "http_request_host",
    "http_request_params",
    "http_request_path",
    "http_request_uri",
    "http_response_data",
    "http_status_line",
    "websocket_extensions",
    "websocket_extensions_in_use",
    "websocket_origin",
    "websocket_protocol_in_use",
    "websocket_protocols",
}
"""What the request said: only the handshake itself reads it, and we answer that ourselves."""


@pytest.fixture
def memory() -> Memory:
    return Memory()


def stock_connection(memory: Memory) -> tuple[Any, MemoryTransport]:
    return connected(stock(WebSocketServerProtocol, memory.factory))


def is_alike(stock: object, ours: object) -> bool:
    """Compare values; objects of a class of their own by the class."""
    if type(stock).__module__ == "builtins":
        return bool(stock == ours)
    return type(stock) is type(ours)


def differences(stock: Any, ours: Any, besides: set[str]) -> dict[str, str]:
    """Return what an instance of Autobahn's has, and one of ours has not or has otherwise."""
    found = {}
    for name, value in sorted(vars(stock).items()):
        if name in besides:
            continue
        if not hasattr(ours, name):
            found[name] = f"{value!r} in Autobahn, not there in ours"
        elif not is_alike(value, getattr(ours, name)):
            found[name] = f"{value!r} in Autobahn, {getattr(ours, name)!r} in ours"
    return found


STANDS_FOR = {"is_open", "is_closed", "send_queue", "peer"}
"""Something else stands for these, which the tests below know."""


def test_a_new_connection_has_all_that_autobahn_sets_for_one(memory: Memory) -> None:
    stock, _ = stock_connection(memory)
    ours = memory.connect().protocol

    besides = NOT_AUTOBAHNS | EVENTS | STANDS_FOR
    assert differences(stock, ours, besides) == {}, "Autobahn sets up a connection otherwise now"


def test_an_open_connection_has_all_that_autobahn_sets_for_one(memory: Memory) -> None:
    stock, _ = stock_connection(memory)
    stock.dataReceived(REQUEST)
    client = memory.connect()
    client.receive(REQUEST)
    assert stock.state == client.protocol.state == slim.OPEN

    besides = NOT_AUTOBAHNS | EVENTS | STANDS_FOR | OF_THE_HANDSHAKE
    assert differences(stock, client.protocol, besides) == {}, "Autobahn opens it otherwise now"


def test_what_the_request_said_is_not_asked_for_by_frames(memory: Memory) -> None:
    """Autobahn goes on with a connection that has none of it: text, ping, binary, close."""
    client = memory.connect()
    client.receive(REQUEST)
    protocol: Any = client.protocol
    assert not {name for name in OF_THE_HANDSHAKE if name in vars(protocol)} - {"http_request_path"}

    key = bytes(4)
    transport: Any = client.transport
    transport.clear()
    protocol._hand_over(b"\x89\x81" + key + b"p" + b"\x81\x82" + key + b"[]")
    protocol._hand_over(b"\x88\x82" + key + b"\x03\xe8")

    sent = client.transport.sent()
    assert sent.startswith(b"\x8a\x01p")
    assert b'"error"' in sent
    assert sent.endswith(b"\x88\x02\x03\xe8")
    assert protocol.wasClean


def test_what_stands_for_a_deferred_takes_what_autobahn_gives_it(memory: Memory) -> None:
    client = memory.open()

    client.protocol.close(1000, "bye")
    client.websocket.receive_data(client.transport.sent())
    client.flush()

    assert client.transport.ended
    assert isinstance(client.protocol.is_open, slim.Nobody)
    assert isinstance(client.protocol.is_closed, slim.Nobody)


def test_there_is_never_a_chopped_write(memory: Memory) -> None:
    ours: Any = memory.open().protocol

    ours.sendMessage(b"x" * 1000, fragmentSize=10)
    ours.sendData(b"x" * 1000, sync=True, chopsize=3)

    assert list(ours.send_queue) == []
    assert ours.triggered is False


def test_the_peer_is_known_by_its_address(memory: Memory) -> None:
    protocol = memory.connect().protocol

    assert protocol.peer == protocol.address


def test_every_option_is_the_factorys(memory: Memory) -> None:
    protocol = memory.connect().protocol

    assert Channel.CONFIG_ATTRS
    for name in Channel.CONFIG_ATTRS:
        assert getattr(protocol, name) == getattr(memory.factory, name)
        marker = object()
        setattr(memory.factory, name, marker)
        assert getattr(protocol, name) is marker


def test_nothing_stands_in_the_class_that_autobahn_does_not_set(memory: Memory) -> None:
    stock, _ = stock_connection(memory)
    stock.dataReceived(REQUEST)

    assert set(slim.AT_FIRST) <= set(vars(stock))


def test_what_is_shared_is_not_changed_by_one_connection(memory: Memory) -> None:
    first, second = memory.open(), memory.open()
    first.receive(b"\x81\xff" + bytes(3))  # the beginning of a frame that Autobahn gets
    first.say(type="nonsense")

    assert second.protocol.data == b""
    assert second.protocol.current_frame is None
    assert first.protocol.utf8validator is not second.protocol.utf8validator
    assert first.protocol.utf8validator is first.protocol.utf8validator
