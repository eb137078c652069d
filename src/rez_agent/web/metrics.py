"""HTTP metrics: one thin ASGI layer around everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rez_agent.metrics import HTTP_REQUESTS, HTTP_SECONDS

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


class HttpMetrics:
    """Counters of requests by method, route and status, and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            HTTP_REQUESTS.name, HTTP_REQUESTS.help, HTTP_REQUESTS.labels, registry=registry
        )
        self._seconds = Histogram(
            HTTP_SECONDS.name,
            HTTP_SECONDS.help,
            HTTP_SECONDS.labels,
            registry=registry,
            buckets=HTTP_SECONDS.bounds,
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
