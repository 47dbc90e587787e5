"""The HTTP of the parent's admin endpoint: that of any, with answers that come later."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_signal import event_log, events
from twisted_signal.admin.site import MISTAKE, AdminRequest
from twisted_signal.web.answers import Answer
from twisted_signal.workers.asking import Passage, Reply

log = event_log.logger(__name__)


class ParentRequest(AdminRequest):
    """One request."""

    _is_gone = False

    def send(self, answer: Answer | Deferred[Any]) -> None:
        """Send an answer, when it is there."""
        if isinstance(answer, Deferred):
            self.notifyFinish().addErrback(self._gone)
            answer.addErrback(self._failed).addCallback(self._send_now)
        else:
            super().send(answer)

    def _gone(self, _: Failure) -> None:
        self._is_gone = True

    def _failed(self, failure: Failure) -> Answer:
        log.error(events.ADMIN_REQUEST_FAILED, exc_info=failure.value, about=event_log.OTHERS)
        return MISTAKE

    def _send_now(self, said: Answer | Reply) -> None:
        if isinstance(said, Reply):
            self._pass_on(said)
        elif not self._is_gone:
            super().send(said)

    def _pass_on(self, reply: Reply) -> None:
        """Send what comes for as long as it comes."""
        passages = self.channel.site.streams
        is_over = False

        def ended(is_whole: bool) -> None:
            nonlocal is_over
            passages.forget(end)
            if is_over:
                return
            is_over = True
            self.unregisterProducer()
            if is_whole:
                self.finish()
            else:
                self.channel.abort()

        def end() -> None:
            passage.transport.loseConnection()  # type: ignore[union-attr] # it has one

        def gone(_: Failure) -> None:
            nonlocal is_over
            is_over = True
            end()

        passage = Passage(self.write, ended)
        reply.response.deliverBody(passage)
        if self._is_gone:
            end()
            return
        passages.add(end)
        self.begin(Answer(reply.status, reply.content_type, b"", reply.headers))
        self.notifyFinish().addErrback(gone)
        self.registerProducer(passage.transport, streaming=True)
