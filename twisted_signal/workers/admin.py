"""What is answered at the admin endpoint of the parent.

What all workers must be asked for is asked of all of them. Everything else is passed on to one of
them, which asks the other nodes of the cluster, and the other workers among these.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks

from twisted_signal import event_log, events
from twisted_signal.admin.api import check_body, refusal
from twisted_signal.admin.errors import ApiError, BadQuery, wrong_method
from twisted_signal.admin.handlers import Draining
from twisted_signal.admin.readiness import ReadyView
from twisted_signal.admin.routes import GET_METHODS, JSON
from twisted_signal.admin.stream import CONTENT_TYPE
from twisted_signal.inheritance import admin_path
from twisted_signal.metrics import OPEN_METRICS, PREFIX, told
from twisted_signal.web.answers import Answer, in_words
from twisted_signal.workers.asking import NoAnswer, Passage, Reply, ask, body_of
from twisted_signal.workers.parent import Parent
from twisted_signal.workers.totals import Totals
from twisted_signal.workers.worker import State, Worker

log = event_log.logger(__name__)

_NO_STORE = (("Cache-Control", "no-store"),)
_HEALTHY = in_words(HTTPStatus.OK, "ok")
_NOBODY = ApiError(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "no_worker",
    "No worker can answer; the log says why.",
    (("Retry-After", "1"),),
)

Said = Answer | Reply
"""An answer; or the head of a worker's that goes on, such as that of server-sent events."""


class WorkersCollector(Collector):
    """What the parent counts of its workers."""

    def __init__(self, parent: Parent) -> None:
        self._workers = parent.workers

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of this moment. A hook of prometheus-client."""
        text = "Workers that are there to serve clients (--workers)"
        yield GaugeMetricFamily(PREFIX + "workers", text, len(self._workers.all))
        text = "Workers that do so: the others are starting, or have ended"
        yield GaugeMetricFamily(PREFIX + "workers_ready", text, len(self._workers.ready))
        text = "Times that a worker ended and was started anew"
        restarts = sum(max(worker.restarts, 0) for worker in self._workers.all)
        yield CounterMetricFamily(PREFIX + "worker_restarts", text, restarts)


class ParentApi:
    """Answers requests. It is to `AdminSite` what `Api` is.

    Attributes:
        streams: what is passed on now and has no end.
    """

    def __init__(self, parent: Parent, reactor: Any, files: Mapping[str, Answer]) -> None:
        """`files`: the page's, by their path."""
        self.streams = Passages()
        self._parent = parent
        self._reactor = reactor
        self._files = files
        self._totals = Totals()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._totals)
        self._registry.register(WorkersCollector(parent))
        self._own: dict[str, tuple[str, Callable[[str], Answer | Deferred[Answer]]]] = {
            "/healthz": ("GET", lambda _: _HEALTHY),
            "/readyz": ("GET", lambda _: self._readiness()),
            "/metrics": ("GET", self._metrics),
            "/api/v1/drain": ("POST", lambda _: self._drain()),
        }

    def is_open(self, path: str) -> bool:
        """See `Api`."""
        return path in self._files or path in ("/healthz", "/readyz")

    def answer(
        self, method: str, path: str, query: str, body: bytes = b"", accept: str = ""
    ) -> Answer | Deferred[Any]:
        """See `Api`. A Deferred fires with an answer, or with a `Reply`."""
        try:
            file = self._files.get(path)
            if file is not None:
                _check_method(method, "GET")
                return file
            check_body(body)
            if path not in self._own:
                return self._pass_on(method, f"{path}?{query}" if query else path, accept)
            for_method, answer = self._own[path]
            _check_method(method, for_method)
            if query:
                raise BadQuery("There are no parameters here.")
            return answer(accept)
        except ApiError as error:
            return refusal(error)

    @inlineCallbacks
    def _pass_on(
        self, method: str, target: str, accept: str
    ) -> Generator[Deferred[Any], Any, Said]:
        """Let a worker answer: the first that does."""
        for worker in self._who_may_answer():
            try:
                reply: Reply = yield ask(self._reactor, self._path(worker), method, target, accept)
                if reply.content_type == CONTENT_TYPE and method == "GET":
                    return reply
                body = yield body_of(self._reactor, reply)
            except ValueError:
                return refusal(
                    ApiError(HTTPStatus.BAD_REQUEST, "bad_path", "No URL is like this one.")
                )
            except NoAnswer as error:
                log.warning(events.WORKER_NOT_ASKED, worker.number, error)
                if method == "POST":  # it may have been done
                    break
                continue
            return Answer(reply.status, reply.content_type, body, reply.headers)
        return refusal(_NOBODY)

    def _who_may_answer(self) -> list[Worker]:
        workers = self._parent.workers
        return workers.ready or [each for each in workers.all if each.state is State.STOPPING]

    def _path(self, worker: Worker) -> str:
        return admin_path(self._parent.workers.directory, worker.number)

    @inlineCallbacks
    def _ask_all(
        self, path: str, accept: str = ""
    ) -> Generator[Deferred[Any], Any, dict[Worker, bytes]]:
        """Ask all workers; return what those have answered who did."""
        asked = self._who_may_answer()

        @inlineCallbacks
        def ask_one(worker: Worker) -> Generator[Deferred[Any], Any, bytes]:
            reply = yield ask(self._reactor, self._path(worker), "GET", path, accept)
            body: bytes = yield body_of(self._reactor, reply)
            return body

        found = yield DeferredList([ask_one(worker) for worker in asked], consumeErrors=True)
        return {
            worker: said for worker, (is_there, said) in zip(asked, found, strict=True) if is_there
        }

    @inlineCallbacks
    def _readiness(self) -> Generator[Deferred[Any], Any, Answer]:
        """Tell whether any worker takes clients, and what keeps the others from that."""
        parent = self._parent
        said = yield self._ask_all("/readyz")
        views = {worker: msgspec.json.decode(body, type=ReadyView) for worker, body in said.items()}
        reasons = {}
        if parent.is_draining:
            reasons["draining"] = "The server is stopping and takes nobody any more"
        for worker in parent.workers.all:
            view = views.get(worker)
            if worker.state is not State.READY:
                reasons[f"worker_{worker.number}"] = f"It {worker.state.value}"
            elif view is None:
                reasons[f"worker_{worker.number}"] = "It does not answer"
            elif not view.ready:
                reasons[f"worker_{worker.number}"] = "; ".join(view.reasons.values())
        is_ready = not parent.is_draining and any(view.ready for view in views.values())
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(status, ReadyView(is_ready, reasons))

    @inlineCallbacks
    def _count(self) -> Generator[Deferred[Any], Any, None]:
        """Let all workers say what they have counted."""
        said = yield self._ask_all("/metrics", OPEN_METRICS)
        for worker, body in said.items():
            self._totals.said(worker.process_id, body.decode())
        self._totals.keep(worker.process_id for worker in self._parent.workers.all)

    @inlineCallbacks
    def _metrics(self, accept: str) -> Generator[Deferred[Any], Any, Answer]:
        yield self._count()
        content_type, body = told(self._registry, accept)
        return Answer(HTTPStatus.OK, content_type, body, _NO_STORE)

    @inlineCallbacks
    def _drain(self) -> Generator[Deferred[Any], Any, Answer]:
        yield self._count()
        clients = self._totals.value(f"{PREFIX}clients")
        self._parent.drain("Drain asked for at the admin endpoint")
        timeout = self._parent.stop_timeout
        said = Draining(draining=True, clients=int(clients), drain_timeout_s=timeout)
        return _json(HTTPStatus.ACCEPTED, said)


class Passages:
    """What is passed on now and has no end. It is to `AdminSite` what `Streams` is."""

    def __init__(self) -> None:
        self._all: set[Passage] = set()

    def add(self, passage: Passage) -> None:
        """There is one more."""
        self._all.add(passage)

    def forget(self, passage: Passage) -> None:
        """One has ended."""
        self._all.discard(passage)

    def end(self) -> None:
        """End all of them."""
        for passage in list(self._all):
            passage.end()


def _check_method(method: str, for_method: str) -> None:
    allowed = GET_METHODS if for_method == "GET" else (for_method,)
    if method not in allowed:
        raise wrong_method(allowed)


def _json(status: HTTPStatus, value: object) -> Answer:
    return Answer(status, JSON, msgspec.json.encode(value), _NO_STORE)
