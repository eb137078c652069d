"""HTTP metrics: one thin ASGI layer around everything."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class Exposition:
    """What Prometheus is told: all that is on ``registry``, once ``refresh`` has brought it up to date."""

    def __init__(self, registry: CollectorRegistry, refresh: Callable[[], None]) -> None:
        self._registry = registry
        self._refresh = refresh

    def text(self) -> bytes:
        """The metrics, in Prometheus's text format."""
        self._refresh()
        return generate_latest(self._registry)


class HttpMetrics:
    """Counters of requests by method, route and status, and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self._requests = Counter(
            "rez_http_requests", "Requests answered, by method, route and status", labels, registry=registry
        )
        self._seconds = Histogram(
            "rez_http_request_seconds",
            "Seconds from a request's head to the end of its answer, waits included",
            ("method", "route"),
            registry=registry,
            buckets=_BUCKETS,
        )
        self._bound: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        key = (method, route, status)
        bound = self._bound.get(key)
        if bound is None:
            bound = (self._requests.labels(method, route, str(status)), self._seconds.labels(method, route))
            self._bound[key] = bound
        bound[0].inc()
        bound[1].observe(seconds)


class Metered:
    """The application, with every request counted."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics, monotonic: Callable[[], float]) -> None:
        self._app = app
        self._metrics = metrics
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
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if route != "unmatched" else "any"
            self._metrics.count(method, route, status, self._monotonic() - started)
