"""Autobahn's server protocol without what it keeps anew for each connection.

Most of that is the same for all connections, or made for uses that this server does not have. It
stands once in the class here; an attribute of an instance takes its place as soon as it differs. A
connection costs a third of the memory and a fifth of the time (docs/performance.md).
"""

from functools import cached_property
from operator import attrgetter
from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from autobahn.wamp.types import TransportDetails
from autobahn.websocket.protocol import TrafficStats
from autobahn.websocket.utf8validator import Utf8Validator

CLOSED = WebSocketServerProtocol.STATE_CLOSED
CONNECTING = WebSocketServerProtocol.STATE_CONNECTING
CLOSING = WebSocketServerProtocol.STATE_CLOSING
OPEN = WebSocketServerProtocol.STATE_OPEN


class Nobody:
    """In the place of a Deferred that nobody waits for."""

    def callback(self, result: object) -> None:
        """Do nothing."""


class SlimProtocol(WebSocketServerProtocol):
    """A WebSocketServerProtocol to whom `connectionMade` of Autobahn's must not happen."""

    def __init__(self) -> None:
        """Do nothing: what Autobahn would set stands in the class."""


def _make_validator(_: SlimProtocol) -> Utf8Validator:
    return Utf8Validator()


_validator = cached_property(_make_validator)  # only few connections need one
_validator.__set_name__(SlimProtocol, "utf8validator")

AT_FIRST: dict[str, Any] = {
    # What __init__ sets.
    "is_open": Nobody(),
    "is_closed": Nobody(),
    "_transport_details": TransportDetails(),
    # What connectionMade sets.
    "peer": property(attrgetter("address")),
    "state": CONNECTING,
    "send_state": WebSocketServerProtocol.SEND_STATE_GROUND,
    "data": b"",
    "send_queue": (),  # for chopped writes, which are not used
    "triggered": False,
    "trafficStats": TrafficStats(),  # one for all: nobody reads them
    "trackedTimings": None,
    "utf8validator": _validator,
    "_perMessageCompress": None,
    "wasMaxFramePayloadSizeExceeded": False,
    "wasMaxMessagePayloadSizeExceeded": False,
    "closedByMe": False,
    "failedByMe": False,
    "droppedByMe": False,
    "wasClean": False,
    "wasNotCleanReason": None,
    "wasServerConnectionDropTimeout": False,
    "wasOpenHandshakeTimeout": False,
    "wasCloseHandshakeTimeout": False,
    "wasServingFlashSocketPolicyFile": False,
    "localCloseCode": None,
    "localCloseReason": None,
    "remoteCloseCode": None,
    "remoteCloseReason": None,
    "openHandshakeTimeoutCall": None,
    "closeHandshakeTimeoutCall": None,
    "autoPingTimeoutCall": None,
    "autoPingPending": None,
    "autoPingPendingCall": None,
    "autoPingPendingSeq": 0,
    "autoPingPendingSent": None,
    # What succeedHandshake sets.
    "inside_message": False,
    "current_frame": None,
    "websocket_version": 13,
}
"""What Autobahn sets for each connection at its beginning."""

for _name, _value in AT_FIRST.items():
    setattr(SlimProtocol, _name, _value)
# Autobahn copies these from the factory to each connection.
for _name in SlimProtocol.CONFIG_ATTRS:
    setattr(SlimProtocol, _name, property(attrgetter(f"factory.{_name}")))
