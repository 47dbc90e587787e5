"""TLS over any endpoint, with a certificate that can be changed while the server runs."""

from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from twisted_signal.certificates import CertificateError, Pair

HTTP = b"http/1.1"
"""The protocol of the opening handshake, by its name in ALPN (RFC 7301, section 6)."""


@implementer(IOpenSSLServerConnectionCreator)
class TlsContext:
    """What connections are made with. Those that are there go on with what they were made with."""

    def __init__(self, pair: Pair) -> None:
        """See `use`."""
        self.use(pair)

    def use(self, pair: Pair) -> None:
        """Let connections from now on show a certificate.

        Session tickets (RFC 5077; RFC 8446, section 4.6.1) are encrypted with a key that is made
        here: they are not taken any more after this, and those clients shake hands in full.

        Raises:
            CertificateError: OpenSSL does not take it.
        """
        self._context = _context(pair)

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """See IOpenSSLServerConnectionCreator."""
        return SSL.Connection(self._context)


def _context(pair: Pair) -> SSL.Context:
    # Twisted names pyOpenSSL's own classes for these, which pyOpenSSL has deprecated.
    certificates: list[Any] = list(pair.chain)
    key: Any = pair.key
    options = CertificateOptions(
        privateKey=key,
        certificate=certificates[0],
        extraCertChain=certificates[1:],
        raiseMinimumTo=TLSVersion.TLSv1_2,
        enableSessionTickets=True,
        acceptableProtocols=[HTTP],
    )
    try:
        context: SSL.Context = options.getContext()
    except SSL.Error as error:
        reasons = ", ".join(str(entry[-1]) for entry in error.args[0])
        raise CertificateError(f"OpenSSL does not take the certificate: {reasons}") from None
    return context


@implementer(IStreamServerEndpoint)
class TlsEndpoint:
    """Speaks TLS where another endpoint listens."""

    def __init__(
        self, endpoint: IStreamServerEndpoint, context: TlsContext, clock: IReactorTime
    ) -> None:
        self._endpoint = endpoint
        self._context = context
        self._clock = clock

    def listen(self, factory: IProtocolFactory) -> "Deferred[IListeningPort]":
        """See IStreamServerEndpoint."""
        secure = TLSMemoryBIOFactory(
            self._context, isClient=False, wrappedFactory=factory, clock=self._clock
        )
        # Not the default, which gathers what is written until the reactor's next turn: the outbox
        # has done that, and a message and its answer take 125 µs instead of 158.
        secure.protocol = TLSMemoryBIOProtocol
        listening: Deferred[IListeningPort] = self._endpoint.listen(secure)
        return listening
