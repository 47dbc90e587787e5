"""What goes out to one client: gathered, in order, and no more than a client that reads takes.

Small things go to the socket at once, past the transport's buffer. What the socket does not take
waits here, up to a limit, until the transport asks for it.
"""

from collections.abc import Iterable
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import INegotiated, ITCPTransport
from twisted.internet.protocol import Protocol
from twisted.protocols.policies import ProtocolWrapper

from twisted_signal import event_log, events
from twisted_signal.frames import FIN, frame
from twisted_signal.slim import CLOSED, CONNECTING, SlimProtocol
from twisted_signal.tcp import is_stuck, round_trip_ms, unacknowledged

log = event_log.logger(__name__)

CLOSE_TIMEOUT = 5
"""Seconds from the first Close frame, or a refusal, to the end of the TCP connection."""
GATHERED = 64
"""Frames that are gathered for one client at most: a small question may have a large answer."""
STALL_SIZE = 64 * 1024
"""Bytes that may wait for a client that takes nothing of them."""
STALL_PATIENCE = 10
"""Seconds in which it must take something of more than that."""
SLACK = 48
"""Bytes that may be under way for another reason than a message, which has more: a ping, by TLS."""
RECORD = 2**14
"""Bytes in a record of TLS (RFC 8446, section 5.1), which arrives whole or not at all."""
LINGER_SIZE = 256 * 1024
"""Bytes that a client may have on their way, or send, after the last word to it."""


class SendingProtocol(SlimProtocol):
    """A WebSocket, as far as it sends."""

    # What each message looks at is in slots, here and in what comes of this class: the interpreter
    # finds it there five times as fast as among what Autobahn keeps in the __dict__.
    __slots__ = (
        "_discards",  # how many bytes of a client to which nothing is said any more
        "_is_due",  # what is gathered goes out when the outbox closes
        "_out",  # gathered until the outbox closes, or a little longer
        "_unarrived",  # what had not arrived when the connection was dropped
        "_waiting",  # until the transport can take more; None if it can
        "_waiting_size",
        "factory",
        "state",
        "transport",
    )

    address: str
    """The client's, for people."""
    factory: Any  # a ChannelFactory
    source: str | None
    """See `event_log.Subject`."""
    transport: Any  # a TCP connection, TLS over one, or a local socket

    def __init__(self) -> None:
        """Begin where nothing is sent yet."""
        self.state = CONNECTING
        self._discards = self._unarrived = 0
        self._is_due = False
        self._out: list[bytes] | None = None
        self._waiting: list[bytes] | None = None
        self._waiting_size = 0

    def log_fields(self) -> dict[str, object]:
        """See `event_log.Subject`."""
        return {"address": self.address}

    def connectionMade(self) -> None:
        """A TCP connection came in."""
        transport = self.transport
        self._direct = isinstance(transport, FileDescriptor)
        if not self._direct:
            transport.registerProducer(self, streaming=True)
        # With Nagle's algorithm on, a message that follows another waits 40 ms for the client's
        # delayed ACK.
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)

    def pass_on(self, protocol: Protocol) -> None:
        """Let another protocol have the transport; that one tells this one when it is gone."""
        transport = self.transport
        if not self._direct:
            transport.unregisterProducer()
        if isinstance(transport, ProtocolWrapper):
            transport.wrappedProtocol = protocol
        else:
            transport.protocol = protocol
        protocol.makeConnection(transport)

    def sendFrame(self, opcode: int, payload: bytes = b"", *rest: Any, **options: Any) -> None:
        """Send a frame; a whole one, if no more is said, without Autobahn's way for any other."""
        if rest or options:
            super().sendFrame(opcode, payload, *rest, **options)
        else:
            self.sendData(frame(FIN | opcode, payload))

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Send bytes. All that is sent comes by here, Autobahn's frames too."""
        out = self._out
        if out is None:
            self._out = [data]
        else:
            out.append(data)
            if len(out) >= GATHERED:
                self.flush()
                return
        if not self._is_due:
            self._is_due = True
            self.factory.outbox.add(self)

    def send_later(self, data: bytes) -> None:
        """Send bytes that are in no hurry; what is sent after them goes out after them."""
        out = self._out
        if out is None:
            self._out = [data]
            self.factory.outbox.add_later(self)
        else:
            out.append(data)
            if len(out) >= GATHERED:
                self.flush()

    def flush(self) -> None:
        """See `outbox.Flushable`."""
        out, self._out = self._out, None
        self._is_due = False
        if out is None:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        if self._waiting is not None:
            self._wait(data)
        elif not self._direct:
            self._write(data)
        elif self.state != CLOSED:
            self._write_directly(data)

    def _write_directly(self, data: bytes) -> None:
        """Write past the transport's buffer, for which the reactor would have to be told twice."""
        try:
            sent = self.transport.socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._begin_waiting()  # the connection is lost, which the reactor will say
            self._wait(data)
            return
        self.factory.tally.bytes_out += sent
        if sent < len(data):
            self._begin_waiting()
            self._wait(data[sent:])
            self.transport.registerProducer(self, streaming=False)

    def _write(self, data: bytes) -> None:
        self.factory.tally.bytes_out += len(data)
        self.transport.write(data)

    def _wait(self, data: bytes) -> None:
        assert self._waiting is not None
        self._waiting.append(data)
        self._waiting_size += len(data)
        max_buffer = self.factory.max_buffer
        if 0 < max_buffer < self._waiting_size and self.state != CLOSED:
            self._drop(
                "max_buffer", f"it does not read, and {self._waiting_size // 1024} KiB wait for it"
            )

    def _begin_waiting(self) -> None:
        self._waiting = []
        self.factory.stalls.add(self)

    def _forget_output(self) -> None:
        """The connection is gone, and what was to be sent with it."""
        self._unarrived = self.unarrived
        if self._waiting is not None:
            self.factory.stalls.remove(self)
        self._out = self._waiting = None

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken here, and not by a proxy."""
        return bool(INegotiated.providedBy(self.transport))

    @property
    def unarrived(self) -> int:
        """How many bytes of what was sent do not arrive at the client's machine.

        Once the connection has ended: how many did not, then. Before, what is merely not
        acknowledged yet is none of them: a client has 200 ms for that.
        """
        if self.state == CLOSED:
            return self._unarrived
        gathered = sum(map(len, self._out or ()))
        waiting = sum(map(len, self._waiting or ()))
        tcp = self._tcp()
        if tcp is not None:
            waiting += _unsent(tcp)
            if waiting or is_stuck(tcp):
                waiting += unacknowledged(tcp)
        return gathered + waiting

    def lost_frames(self, sizes: Iterable[int]) -> int:
        """Return how many frames have not, or not wholly, arrived.

        Args:
            sizes: of what was sent, the last one first, in bytes.
        """
        # What TLS adds to each record is not taken off: rather a message twice than one lost.
        left = self.unarrived - SLACK
        if left > 0 and self.is_secure:
            left += RECORD
        lost = 0
        for size in sizes:
            if left <= 0:
                return lost
            left -= size
            lost += 1
        return lost + (left > 0)

    def backlog(self) -> tuple[int, object]:
        """See `stalls.Waiting`."""
        tcp = self._tcp()
        if tcp is None:
            return self._waiting_size, None
        below = _unsent(tcp)
        size = self._waiting_size if self._direct else self._waiting_size + below
        return size, (below, unacknowledged(tcp))

    def _tcp(self) -> Any:
        """Return the transport that has the socket, under TLS and the like; None if none has."""
        transport = self.transport
        while isinstance(transport, ProtocolWrapper):
            transport = transport.transport
        return transport if isinstance(transport, FileDescriptor) else None

    def round_trip_ms(self) -> float | None:
        """Return how long a packet to the client and its answer take, in ms; None: not known.

        It is the kernel's figure for the TCP connection: with a proxy in between, of the way there.
        """
        tcp = self._tcp()
        return round_trip_ms(tcp) if tcp is not None else None

    def stalled(self) -> None:
        """See `stalls.Waiting`."""
        if self.state == CLOSED:
            return  # it is dropped for another reason
        self._drop("stall", f"it reads nothing of what waits for it for {STALL_PATIENCE} s")

    def pauseProducing(self) -> None:
        """The transport has more than it can send. A hook of IPushProducer."""
        if self._waiting is None:
            self._begin_waiting()

    def resumeProducing(self) -> None:
        """The transport has sent all that it had, or nearly so. A hook of both producers."""
        waiting = self._waiting
        if self._direct and waiting:  # what is in the transport counts until it is sent
            data = b"".join(waiting)
            self._waiting = []
            self._waiting_size = len(data)
            self._write(data)
            return
        self._waiting = None
        self._waiting_size = 0
        self.factory.stalls.remove(self)
        if waiting:
            self._write(b"".join(waiting))
        elif self._direct:
            self.transport.unregisterProducer()

    def stopProducing(self) -> None:
        """The connection is gone, which connectionLost tells too. A hook of both producers."""

    def unregisterProducer(self) -> None:
        """Autobahn is about to end the connection; what waits is dealt with below."""

    def _closeConnection(self, abort: bool = False) -> None:
        """End the TCP connection. Without `abort`, what was sent before still goes out.

        Where both sides have said Close it is ended without: Autobahn would reset it if it was the
        first to say so, and a browser calls that unclean.
        """
        abort = abort and not self.wasClean
        if not abort:
            self._write_out()
        self._forget_output()
        self.transport.unregisterProducer()
        super()._closeConnection(abort)

    def linger(self) -> None:
        """Say nothing more, and wait for the client to end the connection.

        What was sent before arrives: to close a socket which holds unread bytes, or gets more of
        them, is to reset the connection, and then the client may lose what it has not read (RFC
        9112, section 9.6). What it still sends costs no more than the read, and not even that where
        it is more than could have been on its way: the connection's window fills up, until
        the time for the close is over.
        """
        if self.state == CLOSED:
            return
        self._write_out()
        if self.state == CLOSED:
            return  # it did not read, and is dropped
        self.state = CLOSED
        self._forget_output()
        self._discards = LINGER_SIZE
        self.factory.expect(self, CLOSE_TIMEOUT)
        self.transport.unregisterProducer()
        if self.is_secure:
            self.transport.loseConnection()  # TLS says that it ends, and waits for the other side
        else:
            self.transport.loseWriteConnection()

    def _discard(self, size: int) -> None:
        """A client to which nothing is said any more has sent something."""
        self._discards = max(0, self._discards - size)
        if not self._discards:
            self.transport.pauseProducing()

    def _write_out(self) -> None:
        """Let the transport have all that was sent."""
        rest = b"".join(self._out or [])
        self._out = None
        if self._waiting is not None or not self._direct:
            self._write(b"".join([*(self._waiting or []), rest]))
        elif rest:
            self._write_directly(rest)

    def _drop(self, kind: str, reason: str) -> None:
        """End the connection without a word, for there is nobody to hear it.

        Args:
            kind: the reason in a word, to be counted by.
            reason: why, for the log.
        """
        self.factory.refusals.count[kind] += 1
        log.warning(events.DROPPING, self.address, reason, about=self)
        self._drop_quietly(reason)

    def _drop_quietly(self, reason: str) -> None:
        self.wasNotCleanReason = reason
        self.droppedByMe = True
        self._forget_output()  # it may be much, and the reactor tells of the end later
        self.state = CLOSED
        self.transport.abortConnection()


def _unsent(tcp: Any) -> int:
    """Return how many bytes a transport has that the socket has not taken."""
    below: int = len(tcp.dataBuffer) - tcp.offset
    below += tcp._tempDataLen  # noqa: SLF001 - there is no public sum of both
    return below
