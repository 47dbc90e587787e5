"""A client of the admin endpoint, for commands: plain HTTP, one request a connection."""

import argparse
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from twisted_signal.text import printable

DEFAULT_URL = "http://127.0.0.1:8767"
TIMEOUT = 10.0
"""Seconds to wait for an answer."""
SILENCE = 40.0
"""Seconds after which a stream is broken: the server says something every 15 s."""
_LONGEST = 1 << 26
"""Bytes of an answer, or of an event: no server that is ours sends as many."""


class AdminError(Exception):
    """Something is wrong with the endpoint, or with how it was asked: one line in words."""


class WrongUrl(AdminError):
    """The address is none of an endpoint's."""


class AdminClient:
    """Asks one endpoint.

    Attributes:
        url: where it is, without a path.
    """

    def __init__(self, url: str = DEFAULT_URL, token: str | None = None) -> None:
        """`token`: shown with each request; None: none.

        Raises:
            WrongUrl: that is no address of an endpoint.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or parts.scheme not in ("http", "https") or parts.path.strip("/"):
            raise WrongUrl(f"must be an address such as {DEFAULT_URL}, not {printable(url)}")
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._place = (host, port)
        self._is_secure = parts.scheme == "https"
        self._token = token

    def get(self, path: str, **query: Any) -> Any:
        """Return what the endpoint answers, from JSON.

        Args:
            path: without the query.
            query: its parameters; None leaves one out.

        Raises:
            AdminError: there is no such answer.
        """
        return self._json("GET", path, query)

    def post(self, path: str) -> Any:
        """Have the endpoint do something; return what it says of it, from JSON.

        Raises:
            AdminError: it does not.
        """
        return self._json("POST", path, {})

    def events(self, **query: Any) -> "EventStream":
        """Return what the live page is told, from now on. `query`: see `admin.live.Look`.

        Raises:
            AdminError: nothing is told.
        """
        connection, transport, response = self._ask("GET", "/api/v1/events", query)
        if response.getheader("Content-Type", "").partition(";")[0] != "text/event-stream":
            connection.close()
            raise self._not_ours()
        return EventStream(self.url, connection, transport, response)

    def _json(self, method: str, path: str, query: dict[str, Any]) -> Any:
        connection, _, response = self._ask(method, path, query)
        try:
            return json.loads(self._read(response))
        except ValueError:
            raise self._not_ours() from None
        finally:
            connection.close()

    def _ask(
        self, method: str, path: str, query: dict[str, Any]
    ) -> tuple[http.client.HTTPConnection, socket.socket, http.client.HTTPResponse]:
        given = {name: value for name, value in query.items() if value is not None}
        target = f"{path}?{urlencode(given)}" if given else path
        # The type is one that a page of another site cannot send.
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        connection = kind(*self._place, timeout=TIMEOUT)
        try:
            connection.request(
                method, target, body=b"" if method == "POST" else None, headers=headers
            )
            transport = connection.sock  # which the connection forgets where no other answer comes
            response = connection.getresponse()
            if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
                raise self._refused(response)
        except http.client.HTTPException:
            connection.close()
            raise self._not_ours() from None
        except OSError as error:
            connection.close()
            raise AdminError(f"{self.url} cannot be reached: {_reason(error)}") from None
        except AdminError:
            connection.close()
            raise
        return connection, transport, response

    def _refused(self, response: http.client.HTTPResponse) -> AdminError:
        """Return the error that an answer is."""
        if response.status == HTTPStatus.UNAUTHORIZED:
            if self._token is None:
                return AdminError(f"{self.url} wants a token: --token-file names the file of it")
            return AdminError(f"{self.url} does not take this token")
        try:
            sentence = json.loads(self._read(response))["error"]["message"]
        except (ValueError, TypeError, KeyError):
            return self._not_ours()
        return AdminError(f"{self.url} says: {printable(str(sentence))}")

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        body = response.read(_LONGEST)
        if len(body) == _LONGEST:
            raise self._not_ours()
        return body

    def _not_ours(self) -> AdminError:
        return AdminError(f"what answers at {self.url} is no admin endpoint of vislam-signal")


class EventStream:
    """What the live page is told: yields names and data, until the end of the connection."""

    def __init__(
        self,
        url: str,
        connection: http.client.HTTPConnection,
        transport: socket.socket,
        response: http.client.HTTPResponse,
    ) -> None:
        self._url = url
        self._connection = connection
        self._socket = transport
        self._socket.settimeout(SILENCE)
        self._response = response

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield each event's name and its data.

        Raises:
            AdminError: the stream has ended.
        """
        name = "message"
        try:
            while line := self._response.readline(_LONGEST):
                field, _, value = line.rstrip(b"\n").partition(b": ")
                if field == b"event":
                    name = value.decode()
                elif field == b"data":
                    yield name, json.loads(value)
        except (OSError, ValueError, http.client.HTTPException):
            pass  # whichever way it ended
        raise AdminError(f"{self._url} has ended the connection")

    def close(self) -> None:
        """End it. Another thread that waits for an event wakes up."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return error.strerror or str(error) or type(error).__name__


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let a command be told which endpoint to ask."""
    parser.add_argument(
        "--url",
        default=DEFAULT_URL,
        help=f"where the server's --admin-endpoint is [default: {DEFAULT_URL}]",
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="the server's --admin-token-file"
    )


def from_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> AdminClient:
    """Return the client that the options describe; the parser's `error` ends the process."""
    token = None
    if options.token_file is not None:
        try:
            token = options.token_file.read_text(encoding="ascii").strip()
        except OSError as error:
            parser.error(f"argument --token-file: cannot be read: {_reason(error)}")
        except ValueError:
            parser.error("argument --token-file: holds no token, which is one line of ASCII")
        if not token.isprintable() or not token:
            parser.error("argument --token-file: holds no token, which is one line of ASCII")
    try:
        return AdminClient(options.url, token)
    except WrongUrl as error:
        parser.error(f"argument --url: {error}")
