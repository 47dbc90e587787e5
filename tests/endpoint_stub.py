"""A stub of an admin endpoint in a thread: it answers each request as a test says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Said(NamedTuple):
    """An answer. `body`: its bytes, or what is sent as JSON."""

    body: Any
    status: int = 200
    content_type: str = "application/json"


class Asked(NamedTuple):
    """A request."""

    method: str
    target: str
    headers: dict[str, str]


class EndpointStub:
    """What was asked, and where. `url`: without a path."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []


@contextmanager
def endpoint_stub(answer: Callable[[str], Said]) -> Iterator[EndpointStub]:
    """Have a stub for as long as the block takes. `answer`: called with the request's target."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(Asked(self.command, self.path, dict(self.headers)))
            said = answer(self.path)
            body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            self.send_header("Content-Type", said.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        made = EndpointStub(f"http://127.0.0.1:{server.server_port}")
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
