"""Prometheus metrics of one app: requests are counted at their response, the rest at each scrape.

No label contains client input: routes are templates, unknown methods are `other`.
"""

from __future__ import annotations

import threading
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

Labels = TypeVar("Labels", bound=tuple[str, ...])

disable_created_metrics()  # type: ignore[no-untyped-call]  # else each counter comes with another series: when it began

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_NO_ROUTE = "none"
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Readiness(Protocol):
    """The bot's state, and whether it and its exchanges can be used."""

    @property
    def bot(self) -> str:
        """The state, one of `BotState`."""

    @property
    def ready(self) -> bool:
        """True if orders can be placed."""


class BotLag(Protocol):
    """The bot's event-loop lag in seconds."""

    @property
    def lag_s(self) -> float:
        """The present lag."""

    @property
    def worst_lag_s(self) -> float:
        """The greatest lag of the last seconds."""


class OrderCounts(Protocol):
    """Counts since the start of the process."""

    @property
    def placed(self) -> Mapping[tuple[str, str], int]:
        """Orders placed, by type and side."""

    @property
    def refused(self) -> Mapping[str, int]:
        """Orders refused, by the error's type."""

    @property
    def exchange_errors(self) -> Mapping[tuple[str, str, str], int]:
        """Failed calls, by exchange, call and error."""


class BotSource(Protocol):
    """The part of the bridge that the metrics read."""

    def readiness(self) -> Readiness:
        """Return the bot's state."""

    @property
    def lag_monitor(self) -> BotLag:
        """The lag of the bot's loop."""

    @property
    def counters(self) -> OrderCounts:
        """The counters of the bridge."""

    @property
    def waiting(self) -> int:
        """Number of requests that wait for the bot."""

    @property
    def open_orders(self) -> int:
        """Number of open orders."""


class StreamSource(Protocol):
    """The part of the stream hub that the metrics read."""

    @property
    def open_streams(self) -> int:
        """Number of open streams."""

    @property
    def lagging_streams(self) -> int:
        """Number of open streams that are behind."""

    @property
    def published(self) -> Mapping[str, int]:
        """Events published, by name."""


class ServerSource(Protocol):
    """The part of the HTTP server that the metrics read."""

    @property
    def lag_s(self) -> float:
        """The server's event-loop lag in seconds."""

    @property
    def refused(self) -> Mapping[int, int]:
        """Unreadable requests, by status."""

    @property
    def open_connections(self) -> int:
        """Number of open connections, without streams."""

    @property
    def all_connections(self) -> int:
        """Number of open connections, with streams."""

    @property
    def max_connections(self) -> int:
        """Greatest number of open connections, with streams."""

    @property
    def connections_dropped(self) -> Mapping[str, int]:
        """Connections that were refused or evicted, by reason."""


class Metrics:
    """The metrics of one app."""

    def __init__(self, bot: BotSource, streams: StreamSource) -> None:
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
        self._series: dict[tuple[str, str, int], tuple[RequestCounter, Histogram]] = {}
        self._render_lock = threading.Lock()
        self.server: ServerSource | None = None
        ProcessCollector(registry=self._registry)
        self._registry.register(_ScrapeCollector(bot, streams, self))

    def observe(self, environ: WSGIEnvironment, status: int, seconds: float) -> None:
        """Count one response."""
        request = environ.get("werkzeug.request")  # set by Flask for the layers around it
        rule = request.url_rule if request is not None else None
        route = _NO_ROUTE if rule is None else rule.rule
        key = (environ["REQUEST_METHOD"], route, status)
        counter, histogram = self._series.get(key) or self._find_series(*key)
        counter.inc()
        histogram.observe(seconds)
        error_type = environ.get("backend.error_type")
        if error_type is not None:
            self._errors.labels(error_type).inc()

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format; takes milliseconds."""
        with self._render_lock:
            return generate_latest(self._registry)

    def _find_series(
        self, method: str, route: str, status: int
    ) -> tuple[RequestCounter, Histogram]:
        """Find and cache the series of a key: finding costs more than counting."""
        name = method if method in _METHODS else "other"
        found = (
            self._requests.labels(name, route, str(status)),
            self._seconds.labels(name, route),
        )
        if name != "other":
            self._series[method, route, status] = found
        return found


class _ScrapeCollector(Collector):
    """Reads the state of bot, streams and server on each scrape."""

    def __init__(self, bot: BotSource, streams: StreamSource, metrics: Metrics) -> None:
        self._bot = bot
        self._streams = streams
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return everything that is not counted per request."""
        yield from self._collect_bot()
        yield from self._collect_orders()
        yield from self._collect_streams()
        if self._metrics.server is not None:
            yield from _collect_server(self._metrics.server)

    def _collect_bot(self) -> Iterator[Metric]:
        readiness = self._bot.readiness()
        state = GaugeMetricFamily("octobot_bot_state", "1 for the present state", labels=["state"])
        for name in get_args(BotState):
            state.add_metric([name], readiness.bot == name)
        yield state
        yield _gauge("octobot_bot_ready", "1 while bot and exchanges can be used", readiness.ready)
        yield _gauge(
            "octobot_bot_lag_seconds", "How late the bot's loop is", self._bot.lag_monitor.lag_s
        )
        yield _gauge(
            "octobot_bot_worst_lag_seconds",
            "The greatest lag of the last five to ten seconds",
            self._bot.lag_monitor.worst_lag_s,
        )
        yield _gauge("octobot_bot_waiting", "Requests that wait for the bot", self._bot.waiting)

    def _collect_orders(self) -> Iterator[Metric]:
        counters = self._bot.counters
        yield _gauge("octobot_orders_open", "Open orders", self._bot.open_orders)
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
        streams = self._streams
        yield _gauge("octobot_streams_open", "Streams that are open", streams.open_streams)
        yield _gauge("octobot_streams_lagging", "Streams that are behind", streams.lagging_streams)
        yield _counter("octobot_events", "Events published", ("event",), _keyed(streams.published))


def _collect_server(server: ServerSource) -> Iterator[Metric]:
    yield _gauge("octobot_http_connections", "Open connections", server.open_connections)
    yield _gauge(
        "octobot_http_connections_all", "Open connections, with streams", server.all_connections
    )
    yield _gauge(
        "octobot_http_connections_limit",
        "Most connections at once, with streams",
        server.max_connections,
    )
    yield _counter(
        "octobot_http_connections_dropped",
        "Connections refused or evicted",
        ("reason",),
        _keyed(server.connections_dropped),
    )
    yield _gauge("octobot_http_lag_seconds", "How late the server's loop is", server.lag_s)
    refused = {(str(status),): count for status, count in dict(server.refused).items()}
    yield _counter("octobot_http_refused", "Requests that could not be read", ("status",), refused)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Mapping[Labels, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in dict(counts).items():  # a copy: other threads count meanwhile
        family.add_metric(list(values), count)
    return family


def _keyed(counts: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(name,): count for name, count in dict(counts).items()}
