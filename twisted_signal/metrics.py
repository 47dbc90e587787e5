"""What is counted, in the words of Prometheus (docs/metrics.md lists it all).

Nothing here happens but when somebody asks: the numbers stand in `tally` and `refusals`. Labels
have few values, all of them known here; no client can make more of them.

https://prometheus.io/docs/practices/naming/ has the conventions.
"""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from twisted_signal import __version__
from twisted_signal.histogram import Histogram
from twisted_signal.process import Process
from twisted_signal.server import SignalFactory
from twisted_signal.telemetry import Telemetry

PREFIX = "vislam_signal_"

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
"""https://prometheus.io/docs/instrumenting/exposition_formats/"""
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""https://prometheus.io/docs/specs/om/open_metrics_spec/"""

NO_REASON = "other"
"""The reason of what was refused for one that is in no family below."""

CONNECTIONS_REFUSED = (
    "connect_rate_per_address",
    "handshake",
    "handshake_timeout",
    "header",
    "max_clients",
    "max_clients_per_address",
    "origin",
    "pages",
)
CONNECTIONS_DROPPED = (
    "binary",
    "frame_rate",
    "internal_error",
    "invalid_utf8",
    "max_buffer",
    "message_flood",
    "message_size",
    "ping_timeout",
    "protocol_error",
    "register_timeout",
    "replaced",
    "stall",
)
MESSAGES_REFUSED = (
    "id_taken",
    "invalid_json",
    "invalid_message",
    "message_rate",
    "not_registered",
    "peer_not_found",
    "peer_unreachable",
    "resume_expired",
    "room_full",
    "unavailable",
    "unknown_type",
    NO_REASON,
)
AUTH_FAILURES = ("forbidden", "unauthorized")
PLACE_NOT_KEPT = "kept_places"
TOLD = "rate_limited"
"""Once a second at most a client is told of what is counted as `message_rate`."""

KINDS = frozenset(
    (
        *CONNECTIONS_REFUSED,
        *CONNECTIONS_DROPPED,
        *MESSAGES_REFUSED,
        *AUTH_FAILURES,
        PLACE_NOT_KEPT,
        TOLD,
    )
)
"""All that `refusals.Refusals` is known to count. Each is in one family only."""


class Exposition:
    """Tells whoever asks what was counted."""

    def __init__(self, factory: SignalFactory, telemetry: Telemetry) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(ServerCollector(factory))
        self._registry.register(ProcessCollector(factory, telemetry))

    def add(self, collector: Collector) -> None:
        """Tell of what somebody else counts, too."""
        self._registry.register(collector)

    def answer(self, accept: str = "") -> tuple[str, bytes]:
        """Return all metrics. See `told`."""
        return told(self._registry, accept)


def told(registry: CollectorRegistry, accept: str = "") -> tuple[str, bytes]:
    """Return metrics in the words that are asked for.

    Args:
        registry: has them.
        accept: the header of that name; OpenMetrics is told to those who name it.

    Returns:
        The content type, and the body.
    """
    named = {each.partition(";")[0].strip().lower() for each in accept.split(",")}
    if "application/openmetrics-text" in named:
        return OPEN_METRICS, generate_openmetrics(registry)
    return TEXT_FORMAT, generate_latest(registry)


class ServerCollector(Collector):
    """What the server counts."""

    def __init__(self, factory: SignalFactory) -> None:
        self._factory = factory
        self._build = {
            "version": __version__,
            "python": platform.python_version(),
            "twisted": version("twisted"),
            "autobahn": version("autobahn"),
        }

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of this moment. A hook of prometheus-client."""
        build = InfoMetricFamily(PREFIX + "build", "What runs here")
        build.add_metric((), self._build)
        yield build
        yield from self._connections()
        yield from self._rooms()
        yield from self._traffic()
        yield from self._refusals()
        yield from self._times()

    def _connections(self) -> Iterator[Metric]:
        factory, tally = self._factory, self._factory.tally
        yield gauge("open_connections", "TCP connections that are open", len(factory.connections))
        yield counter("connections", "TCP connections that came", tally.connections)
        clients = {**tally.clients, "unknown": factory.admission.clients}
        clients["unknown"] -= sum(tally.clients.values())
        text = "Open WebSockets by dialect; unknown: the client has not said anything"
        yield _labelled(GaugeMetricFamily, "clients", text, "dialect", clients)
        text = "Clients that the server takes (--max-clients); 0: any number"
        yield gauge("max_clients", text, factory.limits.max_clients)

    def _rooms(self) -> Iterator[Metric]:
        registry, tally = self._factory.registry, self._factory.tally
        yield gauge("rooms", "Rooms with somebody in them", len(registry.rooms))
        text = "Places in rooms that somebody has, or that are kept"
        yield gauge("members", text, tally.members)
        text = "Places in rooms that are kept without a connection, until their client resumes"
        yield gauge("kept_places", text, tally.kept)
        text = "Times that a client entered a room, from outside or from another room"
        yield counter("registrations", text, tally.registrations)
        text = "Times that a client took up its place on a new connection"
        yield counter("resumes", text, tally.resumes)
        text = "Kept places for which nobody came back in time"
        yield counter("expired_places", text, tally.expired)
        text = "Places that were lost at once, as their address has too many of them kept"
        yield counter("places_not_kept", text, self._factory.refusals.count[PLACE_NOT_KEPT])

    def _traffic(self) -> Iterator[Metric]:
        tally = self._factory.tally
        messages = CounterMetricFamily(
            PREFIX + "messages_received",
            "Messages of clients that were understood, whatever came of them",
            labels=("dialect", "type"),
        )
        for dialect, by_type in tally.messages.items():
            for type_, count in by_type.items():
                messages.add_metric((dialect, type_.__struct_config__.tag), count)  # type: ignore[attr-defined] # all are structs
        yield messages
        text = "Bytes from clients, without TLS and what is below"
        yield counter("received_bytes", text, tally.bytes_in)
        text = "Bytes to clients, without TLS and what is below"
        yield counter("sent_bytes", text, tally.bytes_out)

    def _refusals(self) -> Iterator[Metric]:
        count = self._factory.refusals.count
        for name, text, reasons in (
            ("connections_refused", "Connections that no WebSocket came of", CONNECTIONS_REFUSED),
            ("connections_dropped", "WebSockets that the server ended", CONNECTIONS_DROPPED),
            ("messages_refused", "Messages that were not acted upon", MESSAGES_REFUSED),
            ("auth_failures", "Tokens that did not let a client in", AUTH_FAILURES),
        ):
            by_reason = {reason: count[reason] for reason in reasons}
            if NO_REASON in by_reason:
                by_reason[NO_REASON] = sum(count[kind] for kind in count.keys() - KINDS)
            yield _labelled(CounterMetricFamily, name, text, "reason", by_reason)

    def _times(self) -> Iterator[Metric]:
        tally = self._factory.tally
        text = (
            "From the read of a message for a peer to its write, as the whole turn of the reactor"
            " took; each message at a low load, those of some turns a second at a high one"
        )
        yield _histogram("relay_latency_seconds", text, tally.relay_times.histogram)
        text = "From the accept of a connection to its open WebSocket, TLS included"
        yield _histogram("handshake_seconds", text, tally.handshake)
        text = "How late the reactor was for a timer, looked at once a second"
        yield _histogram("reactor_lag_seconds", text, tally.lag)


class ProcessCollector(Collector):
    """What the system says of the process, under the names that Prometheus' libraries have for it.

    The one of prometheus-client lists all descriptors: with ten thousand of them the server would
    stand still for some ten milliseconds.
    """

    def __init__(self, factory: SignalFactory, telemetry: Telemetry) -> None:
        self._factory = factory
        self._started_at = telemetry.started_at
        self._process = Process()

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of this moment. A hook of prometheus-client."""
        usage = self._process.usage(len(self._factory.connections))
        name = "process_cpu_seconds"
        yield CounterMetricFamily(name, "CPU time in user and system mode", usage.cpu_seconds)
        for name, text, value in (
            ("process_start_time_seconds", "When it started, since 1970", self._started_at),
            ("process_resident_memory_bytes", "Memory in use", usage.resident_bytes),
            ("process_virtual_memory_bytes", "Memory asked for", usage.virtual_bytes),
            ("process_open_fds", "Open file descriptors", usage.open_files),
            ("process_max_fds", "File descriptors that may be open", usage.max_files),
        ):
            if value is not None:
                yield GaugeMetricFamily(name, text, value)


def gauge(name: str, text: str, value: float) -> Metric:
    """Return a metric that goes up and down. `name`: without the prefix."""
    return GaugeMetricFamily(PREFIX + name, text, value)


def counter(name: str, text: str, value: float) -> Metric:
    """Return a metric that only grows. `name`: without the prefix, and without `_total`."""
    return CounterMetricFamily(PREFIX + name, text, value)


def _labelled(
    kind: type[CounterMetricFamily | GaugeMetricFamily],
    name: str,
    text: str,
    label: str,
    values: Mapping[str, float],
) -> Metric:
    family = kind(PREFIX + name, text, labels=(label,))
    for value, count in values.items():
        family.add_metric((value,), count)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    bounds = (*map(str, map(float, histogram.bounds)), "+Inf")
    buckets = list(zip(bounds, histogram.cumulative(), strict=True))
    return HistogramMetricFamily(PREFIX + name, text, buckets=buckets, sum_value=histogram.total)
