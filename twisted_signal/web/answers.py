"""What is answered to a request for a page, as plain values."""

import hashlib
from http import HTTPStatus
from typing import NamedTuple

import msgspec


class Answer(NamedTuple):
    """An HTTP response, but for what is the same in all of them.

    Attributes:
        status: of the response.
        content_type: of the body.
        body: all of it.
        headers: more of them, names and values.
        etag: stands for the body where it may be kept, and asked for again; else None.
    """

    status: HTTPStatus
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    etag: str | None = None


def kept(content_type: str, body: bytes, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return an answer that a browser may keep, and ask each time whether it is still right."""
    digest = hashlib.sha256(body).hexdigest()[:16]
    return Answer(HTTPStatus.OK, content_type, body, headers, f'"{digest}"')


def of_the_moment(value: object) -> Answer:
    """Return a JSON answer that is right only now."""
    body = msgspec.json.encode(value)
    return Answer(HTTPStatus.OK, "application/json", body, (("Cache-Control", "no-store"),))


def in_words(
    status: HTTPStatus, sentence: str, headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """Return an answer for people. `sentence`: without a full stop."""
    body = f"{sentence}.\n".encode()
    headers = (("Cache-Control", "no-store"), *headers)
    return Answer(status, "text/plain; charset=utf-8", body, headers)
