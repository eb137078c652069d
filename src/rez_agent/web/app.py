"""The application: composition and nothing else."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.types import ASGIApp

from rez_agent.ports import Host
from rez_agent.web.auth import Gate
from rez_agent.web.metrics import Exposition, HttpMetrics, Metered, OnRequest
from rez_agent.web.openapi import openapi_document
from rez_agent.web.operations import Api, Operation, route
from rez_agent.web.page.routes import page_routes
from rez_agent.web.pages import Pages
from rez_agent.web.refusals import Refusals
from rez_agent.web.routes import operations
from rez_agent.web.settings import WebSettings


class RestApi(Starlette):
    """Starlette with few layers: each route answers its own errors, so only what the router refuses is left.

    ``openapi`` makes the document.
    """

    def __init__(self, openapi: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self.router.redirect_slashes = False
        self.openapi = openapi

    def build_middleware_stack(self) -> ASGIApp:
        """The router, behind the middleware that was added."""
        app: ASGIApp = Refusals(self.router)
        for layer, arguments, options in reversed(self.user_middleware):
            app = layer(app, *arguments, **options)
        return app


def create_app(
    host: Host,
    *,
    settings: WebSettings,
    registry: CollectorRegistry,
    refresh_metrics: Callable[[], Awaitable[None]] | None = None,
    on_request: OnRequest | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> RestApi:
    """The REST API over ``host``, and the page beside it.

    ``registry`` is what /metrics shows, after ``refresh_metrics``; the HTTP ones are added to it.
    ``on_request`` is told of every request answered, as they are.
    ``monotonic``: seconds that never run back. It starts and stops nothing: the host's life is its
    composition root's.
    """
    table: tuple[Operation, ...] = ()

    def document() -> dict[str, Any]:
        return openapi_document(table, settings.version)

    app = RestApi(document)
    api = Api(host, settings, Gate(host, settings, monotonic))
    table = operations(Exposition(registry, refresh_metrics), Pages(document))
    for operation in table:
        app.router.routes.append(route(api, operation))
    app.router.routes += page_routes(api, monotonic)
    told = [HttpMetrics(registry).count, *([on_request] if on_request else [])]
    app.add_middleware(Metered, told=told, monotonic=monotonic)
    return app
