"""Asks Sentinels which Redis is the master.

What txredisapi has for that takes ten seconds to find out that nobody answers, on a reactor of its
own choice.

https://redis.io/docs/latest/develop/reference/sentinel-clients/
"""

from collections.abc import Callable, Generator
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.error import ConnectingCancelledError

from twisted_signal.cluster.address import Address, Place
from twisted_signal.cluster.connection import Broken, Connection, Refused, in_words
from twisted_signal.text import quoted

Connect = Callable[[Place], "Deferred[Connection]"]


class Sentinels:
    """The Sentinels of an address, in the order in which they are asked."""

    def __init__(self, address: Address, connect: Connect) -> None:
        """`connect`: connects to one of them."""
        self._address = address
        self._connect = connect
        self._places = list(address.places)

    @inlineCallbacks
    def master(self) -> Generator[Deferred[Any], Any, Place]:
        """Return where the master is.

        Raises:
            Broken: no Sentinel says.
        """
        reasons = []
        for place in list(self._places):
            try:
                found = yield self._ask(place)
            except (CancelledError, ConnectingCancelledError):
                raise
            except Exception as error:  # a connection fails in many ways
                reasons.append(f"{place}: {in_words(error)}")
                continue
            if found is not None:
                self._places.remove(place)
                self._places.insert(0, place)  # the next time it is asked first
                return cast("Place", found)
            reasons.append(f"{place} knows no master {quoted(self._address.master)}")
        raise Broken(f"no Sentinel tells of a master ({'; '.join(reasons)})")

    @inlineCallbacks
    def _ask(self, place: Place) -> Generator[Deferred[Any], Any, Place | None]:
        connection = yield self._connect(place)
        words = ("SENTINEL", "get-master-addr-by-name", self._address.master)
        try:
            try:
                found = yield connection.ask(*words)
            except Refused as refused:
                credentials = self._address.credentials
                if credentials is None or not str(refused).startswith("NOAUTH"):
                    raise
                yield connection.ask(*credentials.words())
                found = yield connection.ask(*words)
        finally:
            connection.drop("")
        return None if found is None else Place(found[0].decode(), int(found[1]))
