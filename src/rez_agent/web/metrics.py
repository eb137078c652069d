"""Metrics for Prometheus: plain numbers, of which the library's families are made when somebody asks.

Those of HTTP are counted here, by one thin ASGI layer around everything.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rez_agent.metrics import HTTP_REQUESTS, HTTP_SECONDS, Kind, Metric

Values = tuple[str, ...]
"""The values of a metric's labels, in their order."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED, ANY = "unmatched", "any"
"""The route of what no route has, and its method: a caller may write there what it likes."""

OnRequest = Callable[[str, str, int, float], None]
"""Told of a request that was answered: its method, its route's pattern, the status, the seconds it took."""


class Exposition:
    """What Prometheus is told: all that is on ``registry``, once ``refresh`` has brought it up to date."""

    def __init__(self, registry: CollectorRegistry, refresh: Callable[[], Awaitable[None]] | None) -> None:
        self._registry = registry
        self._refresh = refresh

    async def text(self) -> bytes:
        """The metrics, in Prometheus's text format."""
        if self._refresh is not None:
            await self._refresh()
        return generate_latest(self._registry)


class Tally:
    """A histogram as plain numbers: how many observations fell into each bucket, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count ``value``."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Values) -> None:
        """Show it as the library does: cumulative buckets."""
        buckets, total = [], 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else repr(bound), float(total)))
        family.add_metric(labels, buckets, self._sum)


def histogram(metric: Metric, tallies: Mapping[Values, Tally]) -> Family:
    """The library's family."""
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, tally in sorted(tallies.items()):
        tally.add_to(family, labels)
    return family


def numbers(metric: Metric, values: Mapping[Values, float]) -> Family:
    """The library's family of counters or gauges."""
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family


class HttpMetrics(Collector):
    """Counters of requests by method, route and status, and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests: Counter[Values] = Counter()
        self._seconds: dict[Values, Tally] = {}
        registry.register(self)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self._requests[method, route, str(status)] += 1
        tally = self._seconds.get((method, route))
        if tally is None:
            tally = self._seconds[method, route] = Tally(HTTP_SECONDS.bounds)
        tally.observe(seconds)

    def collect(self) -> Iterator[Family]:
        """The families, as they stand now."""
        yield numbers(HTTP_REQUESTS, self._requests)
        yield histogram(HTTP_SECONDS, self._seconds)


class Metered:
    """The application, with every request counted."""

    def __init__(self, app: ASGIApp, told: Sequence[OnRequest], monotonic: Callable[[], float]) -> None:
        self._app = app
        self._told = tuple(told)
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = self._monotonic()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", UNMATCHED)
            method = scope["method"] if route != UNMATCHED and scope["method"] in METHODS else ANY
            seconds = self._monotonic() - started
            for tell in self._told:
                tell(method, route, status, seconds)
