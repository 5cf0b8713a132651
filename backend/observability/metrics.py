"""What Prometheus is told. Requests are counted as they end; all else is asked when it asks.

No label holds what a client sent: routes are templates, unknown methods are `other`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar, get_args

from prometheus_client import (
    CollectorRegistry,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client import Counter as RequestCounter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backend.schemas.bot import BotState

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from backend.bridge import Bridge
    from backend.streams import Hub

Labels = TypeVar("Labels", bound=tuple[str, ...])

disable_created_metrics()  # type: ignore[no-untyped-call]  # else each counter comes with another series: when it began

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_NO_ROUTE = "none"
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Connections(Protocol):
    """What the server knows about its connections."""

    lag_s: float
    refused: Counter[int]

    @property
    def open_connections(self) -> int:
        """How many there are."""


class Metrics:
    """The metrics of one app."""

    def __init__(self, bridge: Bridge, hub: Hub) -> None:
        self._registry = CollectorRegistry()
        self._requests = RequestCounter(
            "octobot_http_requests",
            "Answered requests",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "octobot_http_request_seconds",
            "Time until an answer began",
            ("method", "route"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._errors = RequestCounter(
            "octobot_http_errors", "Answers that are problems", ("type",), registry=self._registry
        )
        self._known: dict[tuple[str, str, int], tuple[RequestCounter, Histogram]] = {}
        self._writing = threading.Lock()
        self.connections: Connections | None = None
        ProcessCollector(registry=self._registry)
        self._registry.register(_Parts(bridge, hub, self))

    def observe(self, environ: WSGIEnvironment, status: int, seconds: float) -> None:
        """Count one answer."""
        request = environ.get("werkzeug.request")  # set by Flask, for those who stand outside
        rule = request.url_rule if request is not None else None
        route = _NO_ROUTE if rule is None else rule.rule
        key = (environ["REQUEST_METHOD"], route, status)
        counter, histogram = self._known.get(key) or self._begin(*key)
        counter.inc()
        histogram.observe(seconds)
        error_type = environ.get("backend.error_type")
        if error_type is not None:
            self._errors.labels(error_type).inc()

    def render(self) -> bytes:
        """Write all of them in Prometheus' text format; takes milliseconds."""
        with self._writing:
            return generate_latest(self._registry)

    def _begin(self, method: str, route: str, status: int) -> tuple[RequestCounter, Histogram]:
        """Remember what a key counts in: to find that anew costs more than to count."""
        name = method if method in _METHODS else "other"
        found = (
            self._requests.labels(name, route, str(status)),
            self._seconds.labels(name, route),
        )
        if name != "other":
            self._known[method, route, status] = found
        return found


class _Parts(Collector):
    """Asks the parts of the program when the metrics are read."""

    def __init__(self, bridge: Bridge, hub: Hub, metrics: Metrics) -> None:
        self._bridge = bridge
        self._hub = hub
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return everything that is not counted per request."""
        yield from self._collect_bot()
        yield from self._collect_orders()
        yield from self._collect_streams()
        if self._metrics.connections is not None:
            yield from _collect_connections(self._metrics.connections)

    def _collect_bot(self) -> Iterator[Metric]:
        bridge = self._bridge
        readiness = bridge.readiness()
        state = GaugeMetricFamily("octobot_bot_state", "1 for the present state", labels=["state"])
        for name in get_args(BotState):
            state.add_metric([name], readiness.bot == name)
        yield state
        yield _gauge("octobot_bot_ready", "1 while bot and exchanges can be used", readiness.ready)
        yield _gauge(
            "octobot_bot_lag_seconds", "How late the bot's loop is", bridge.lag_monitor.lag_s
        )
        yield _gauge(
            "octobot_bot_worst_lag_seconds",
            "The greatest lag of the last five to ten seconds",
            bridge.lag_monitor.worst_lag_s,
        )
        yield _gauge("octobot_bot_waiting", "Requests that wait for the bot", bridge.waiting)

    def _collect_orders(self) -> Iterator[Metric]:
        counters = self._bridge.counters
        yield _gauge("octobot_orders_open", "Open orders", self._bridge.open_orders)
        yield _counter("octobot_orders_placed", "Orders placed", ("type", "side"), counters.placed)
        yield _counter(
            "octobot_orders_refused",
            "Orders refused, by the bot's rules or the exchange",
            ("reason",),
            _keyed(counters.refused),
        )
        yield _counter(
            "octobot_exchange_errors",
            "Calls to exchanges that failed",
            ("exchange", "call", "error"),
            counters.exchange_errors,
        )

    def _collect_streams(self) -> Iterator[Metric]:
        hub = self._hub
        yield _gauge("octobot_streams_open", "Streams that are open", hub.open_streams)
        yield _gauge("octobot_streams_lagging", "Streams that are behind", hub.lagging_streams)
        yield _counter("octobot_events", "Events published", ("event",), _keyed(hub.published))


def _collect_connections(connections: Connections) -> Iterator[Metric]:
    yield _gauge("octobot_http_connections", "Open connections", connections.open_connections)
    yield _gauge("octobot_http_lag_seconds", "How late the server's loop is", connections.lag_s)
    refused = {(str(status),): count for status, count in dict(connections.refused).items()}
    yield _counter("octobot_http_refused", "Requests that could not be read", ("status",), refused)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Mapping[Labels, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in dict(counts).items():  # a copy: others count meanwhile
        family.add_metric(list(values), count)
    return family


def _keyed(counts: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(name,): count for name, count in dict(counts).items()}
