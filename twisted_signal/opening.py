"""The opening of one client's connection: from the accept to the 101, or to a refusal in words.

The request is gathered here, up to a size, before anybody reads it: Autobahn would take any size,
and search it anew with each read.
"""

from typing import Any, NoReturn, Protocol

from autobahn.websocket.types import ConnectionDeny, ConnectionRequest

# There is no public name for it.
from twisted.protocols.haproxy._wrapper import HAProxyProtocolWrapper
from twisted.protocols.policies import ProtocolWrapper

from twisted_signal import handshake
from twisted_signal.addresses import peer_text
from twisted_signal.admission import Place, Refusal
from twisted_signal.sending import SendingProtocol
from twisted_signal.slim import CLOSED, OPEN

MAX_REQUEST = 16 * 1024
"""Bytes that the opening handshake may have."""

_TOO_LARGE = Refusal("header", 431, f"The request must have no more than {MAX_REQUEST // 1024} KiB")
_MORE_HEADERS = {405: [("Allow", "GET")], 426: [("Upgrade", "websocket")]}  # RFC 9110, section 15.5


class PageServer(Protocol):
    """Answers those who do not ask for a WebSocket."""

    def take(self, channel: "OpeningProtocol", data: bytes) -> Refusal | None:
        """Serve a connection from here on; or return why not.

        Args:
            channel: whose transport gets another protocol, which tells this one of its end.
            data: what came so far.
        """


class OpeningProtocol(SendingProtocol):
    """A WebSocket, until it is open."""

    __slots__ = (
        "_cut",  # the beginning of a request, or of a frame, that is not all there
        "has_entered",  # it is counted as a client
        "is_relayed",  # by a proxy, which will say for whom
        "place",
    )

    def __init__(self) -> None:
        """Begin where nothing has come yet."""
        super().__init__()
        self._cut: bytearray | None = None
        self.has_entered = self.is_relayed = False
        self.place: Place | None = None  # not counted

    def connectionMade(self) -> None:
        """A TCP connection came in."""
        super().connectionMade()
        peer = self.transport.getPeer()
        self.address = peer_text(peer)
        host = getattr(peer, "host", None)
        if not self._direct and _is_behind_haproxy(self.transport):
            self.is_relayed = True
        elif self.factory.proxies:
            self.is_relayed = self.factory.proxies.trusts(host)
        refusal = self.factory.arrive(self, None if self.is_relayed else host)
        if refusal is not None:
            self.factory.refusals.note(refusal.kind, self.address, refusal.sentence, self)
            self._drop_quietly(refusal.sentence)

    @property
    def source(self) -> str | None:  # type: ignore[override] # nobody sets it
        """See `event_log.Subject`."""
        return None if self.place is None else self.place.key

    def onConnect(self, request: ConnectionRequest) -> Any:
        """The opening handshake came in, and is a right one.

        Raises:
            ConnectionDeny: the client may not enter, and was told so.
        """
        refusal = self.factory.enter(self, request.origin)
        if refusal is not None:
            self.deny(refusal)

    def deny(self, refusal: Refusal) -> NoReturn:
        """Answer the opening handshake with an HTTP error.

        Raises:
            ConnectionDeny: always, so that nothing else comes of the request.
        """
        self._answer(refusal, [])
        raise ConnectionDeny(refusal.code, refusal.sentence)

    def failHandshake(
        self,
        reason: str,
        code: int = 400,
        responseHeaders: list[tuple[str, str]] | None = None,
    ) -> None:
        """Answer with an HTTP error, unless that is done. What Autobahn finds wrong comes by here.

        It would put the sentence, with what the client sent in it, into the status line.
        """
        if self.state != CLOSED:
            headers = [*_MORE_HEADERS.get(code, []), *(responseHeaders or [])]
            self._answer(Refusal("handshake", code, reason), headers)

    def _answer(self, refusal: Refusal, headers: list[tuple[str, str]]) -> None:
        self.factory.refusals.note(refusal.kind, self.address, refusal.sentence, self)
        self.wasNotCleanReason = refusal.sentence
        if refusal.retry_after:
            headers = [*headers, ("Retry-After", str(refusal.retry_after))]
        self.sendData(
            handshake.refusal(refusal.code, refusal.sentence, self.factory.server, headers)
        )
        self.linger()

    def _receive_request(self, data: bytes) -> None:
        cut = self._cut
        if cut is None:
            end = data.find(handshake.END)
            size = len(data)
        else:
            searched = max(0, len(cut) - len(handshake.END) + 1)
            cut += data
            end = cut.find(handshake.END, searched)
            size = len(cut)
        if end > MAX_REQUEST or (end < 0 and size > MAX_REQUEST):
            self._cut = None
            self._answer(_TOO_LARGE, [])
        elif end >= 0:
            self._cut = None
            self._open(data if cut is None else bytes(cut), end)
        elif cut is None:
            self._cut = bytearray(data)

    def _locate(self, header: bytes) -> None:
        """Find out whom a proxy speaks for."""
        peer = self.transport.getPeer()  # what the PROXY header says, where there is one
        self.address = peer_text(peer)
        host = getattr(peer, "host", None)
        client = self.factory.proxies.client(host, header)
        if client != host:
            self.address = client
        if client is not None:
            self.factory.locate(self, client)

    def _open(self, data: bytes, end: int) -> None:
        if self.is_relayed:
            self._locate(data[:end])
        request = handshake.read(data)
        if request is None:
            pages = self.factory.pages
            if pages is None or not handshake.is_for_page(data[: end + 2]):
                self._hand_over(data)
            elif refusal := pages.take(self, data):
                self._answer(refusal, [])
            return
        self.http_request_path = request.path
        try:
            self.onConnect(
                ConnectionRequest(
                    self.address,
                    request.headers,
                    request.headers["host"],
                    request.path,
                    request.params,
                    13,
                    request.headers.get("origin", ""),
                    [],
                    [],
                )
            )
        except ConnectionDeny as error:
            self.failHandshake(error.reason or "", error.code)
            return
        self.sendData(handshake.response(request, self.factory.server))
        self.state = OPEN
        self.onOpen()
        if rest := data[request.end :]:
            self.factory.tally.bytes_in -= len(rest)  # dataReceived counts it
            self.dataReceived(rest)

    def _hand_over(self, data: bytes) -> None:
        """Let Autobahn go on with these bytes."""
        raise NotImplementedError


def _is_behind_haproxy(transport: Any) -> bool:
    """Tell whether a PROXY header comes before the request, by TLS or without."""
    while isinstance(transport, ProtocolWrapper):
        if isinstance(transport, HAProxyProtocolWrapper):
            return True
        transport = transport.transport
    return False
