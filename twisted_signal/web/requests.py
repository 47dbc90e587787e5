"""A request of twisted.web's that is answered with an `Answer`."""

from typing import Any

from twisted.web import http

from twisted_signal.web.answers import Answer
from twisted_signal.web.website import security_headers


class AnsweredRequest(http.Request):
    """One request. `server`: for the header of that name."""

    channel: Any
    server = ""

    def header(self, name: bytes) -> str:
        """Return a header of the request, or nothing where it is not there.

        As bytes: what is no UTF-8 in a header would be an error here.
        """
        value: bytes = self.requestHeaders.getRawHeaders(name, [b""])[0]
        return value.decode("ascii", "replace")

    def begin(self, answer: Answer) -> None:
        """Set all that stands before the body of an answer."""
        self.setResponseCode(answer.status, answer.status.phrase.encode("ascii"))
        for name, value in (
            ("Server", self.server),
            ("Content-Type", answer.content_type),
            *security_headers(self.header(b"host"), secure=self.isSecure()),
            *answer.headers,
        ):
            self.setHeader(name, value)

    def send(self, answer: Answer) -> None:
        """Send an answer."""
        self.begin(answer)
        body = answer.body
        if answer.etag is not None:
            self.setHeader("Cache-Control", "no-cache")
            if self.setETag(answer.etag.encode("ascii")) is http.CACHED:
                body = b""
        if body:
            self.setHeader("Content-Length", str(len(body)))
            self.write(body)
        self.finish()
