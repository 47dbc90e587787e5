"""Asking over a local socket."""

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as twisted_reactor
from twisted.internet.defer import Deferred
from twisted.web import resource, server

from twisted_signal.workers import asking
from twisted_signal.workers.asking import NoAnswer, Passage, ask, body_of

REACTOR: Any = twisted_reactor


class Said(resource.Resource):
    """What a worker answers: in two parts, or nothing at all."""

    isLeaf = True  # noqa: N815 - its name

    def render(self, request: Any) -> Any:
        asked = (request.method, request.uri, request.getHeader("accept"))
        if request.path == b"/silent":
            return server.NOT_DONE_YET
        if request.path in (b"/endless", b"/short"):
            request.write(b"one")
            if request.path == b"/short":
                request.channel.transport.loseConnection()
            return server.NOT_DONE_YET
        request.setResponseCode(404)
        request.setHeader("Content-Type", "text/x")
        request.setHeader("Retry-After", "7")
        request.setHeader("X-Frame-Options", "DENY")
        request.write(repr(asked).encode())
        request.write(b"!")
        request.finish()
        return server.NOT_DONE_YET


@pytest_twisted.ensureDeferred
async def test_a_question_and_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "socket")
    port = REACTOR.listenUNIX(path, server.Site(Said()))
    try:
        reply = await ask(REACTOR, path, "POST", "/a%2Fb?c=%20", "text/x")
        assert (reply.status, reply.content_type) == (404, "text/x")
        assert reply.headers == (("Retry-After", "7"),)
        body = await body_of(REACTOR, reply)
        assert body == b"(b'POST', b'/a%2Fb?c=%20', 'text/x')!"

        parts: list[bytes] = []
        ended: Deferred[bool] = Deferred()
        reply = await ask(REACTOR, path, "GET", "/")
        reply.response.deliverBody(
            Passage(parts.append, lambda *, is_whole: ended.callback(is_whole))
        )
        assert await ended is True
        assert b"".join(parts).endswith(b"!")

        monkeypatch.setattr(asking, "TIMEOUT", 0.05)
        with pytest.raises(NoAnswer, match="It takes longer than 0 s"):
            await ask(REACTOR, path, "GET", "/silent")
        reply = await ask(REACTOR, path, "GET", "/endless")
        with pytest.raises(NoAnswer, match="It takes longer than 0 s"):
            await body_of(REACTOR, reply)
        reply = await ask(REACTOR, path, "GET", "/short")
        with pytest.raises(NoAnswer, match="The answer breaks off"):
            await body_of(REACTOR, reply)
    finally:
        await port.stopListening()
    assert "_HTTP11ClientFactory" not in caplog.text


@pytest_twisted.ensureDeferred
async def test_where_nobody_is_there_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match="No such file"):
        await ask(REACTOR, str(tmp_path / "nothing"), "GET", "/")


@pytest.mark.parametrize("target", ["/a b", "/é", "/\ud800"])
@pytest_twisted.ensureDeferred
async def test_what_is_no_url_is_not_asked_for(target: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Invalid URI|encode"):
        await ask(REACTOR, str(tmp_path / "nothing"), "GET", target)
