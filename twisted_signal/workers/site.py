"""The HTTP of the parent's admin endpoint: that of any, with answers that come later."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure

from twisted_signal import event_log, events
from twisted_signal.admin.site import MISTAKE, AdminChannel, AdminRequest, AdminSite
from twisted_signal.web.answers import Answer
from twisted_signal.workers.asking import Passage, Reply

log = event_log.logger(__name__)


class ParentRequest(AdminRequest):
    """One request."""

    _is_gone = False
    _passage: Passage | None = None
    _passages: Any = None

    def send(self, answer: Answer | Deferred[Any]) -> None:
        """Send an answer, when it is there."""
        if isinstance(answer, Deferred):
            self.notifyFinish().addErrback(self._gone)
            answer.addErrback(self._failed).addCallback(self._send_now)
        else:
            super().send(answer)

    def _gone(self, _: Failure) -> None:
        """Nobody waits for the answer any more."""
        self._is_gone = True
        if self._passage is not None:
            self._passage.end()

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
        passage = self._passage = Passage(self.write, self._passed)
        if not self._is_gone:
            self._passages = self.channel.site.streams
            self._passages.add(passage)
            self.begin(Answer(reply.status, reply.content_type, b"", reply.headers))
            self.registerProducer(passage, streaming=True)
        reply.response.deliverBody(passage)
        if self._is_gone:
            passage.end()

    def _passed(self, *, is_whole: bool) -> None:
        """Nothing more comes."""
        if self._passages is not None:
            self._passages.forget(self._passage)
        if self._is_gone:
            return
        self.unregisterProducer()
        if is_whole:
            self.finish()
        else:
            self.channel.abort()


class ParentChannel(AdminChannel):
    """One connection."""

    requestFactory = ParentRequest


class ParentSite(AdminSite):
    """Makes a channel for each connection."""

    def buildProtocol(self, addr: IAddress | None) -> AdminChannel:
        """See AdminSite."""
        return ParentChannel(self)
