"""The application: composition and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rez_agent.ports import Host
from rez_agent.web.auth import Gate
from rez_agent.web.errors import NoSuchRoute, WrongMethod, error_answer
from rez_agent.web.metrics import Exposition, HttpMetrics, Metered
from rez_agent.web.openapi import openapi_document
from rez_agent.web.operations import Api, Operation, route
from rez_agent.web.pages import Pages
from rez_agent.web.routes import operations
from rez_agent.web.settings import WebSettings


def create_app(
    host: Host,
    *,
    settings: WebSettings,
    registry: CollectorRegistry,
    refresh_metrics: Callable[[], None] = lambda: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The REST API over ``host``.

    ``registry`` is what /metrics shows, after ``refresh_metrics``; the HTTP ones are added to it.
    ``monotonic``: seconds that never run back. It starts and stops nothing: the host's life is its
    composition root's.
    """
    app = FastAPI(title="rez-agent", version=settings.version, openapi_url=None, redirect_slashes=False)
    api = Api(host, settings, Gate(host, settings, monotonic))
    table: tuple[Operation, ...] = ()

    def document() -> dict[str, Any]:
        return openapi_document(app.routes, table, settings.version)

    table = operations(Exposition(registry, refresh_metrics), Pages(document))
    for operation in table:
        app.router.routes.append(route(api, operation))
    app.openapi = document  # type: ignore[method-assign]
    app.add_exception_handler(HTTPException, _unmatched)
    app.add_middleware(Metered, metrics=HttpMetrics(registry), monotonic=monotonic)
    return app


async def _unmatched(request: Request, error: Exception) -> Response:
    """What the router refuses: an unknown path, or a method that the path does not have."""
    path = request.scope["path"]
    allowed = _methods_at(request.app, path)
    if isinstance(error, HTTPException) and error.status_code == 405 and allowed:
        text = f"{request.method} is not served here; {', '.join(allowed)} is."
        return error_answer(WrongMethod(text, allowed=allowed))
    return error_answer(NoSuchRoute(f"Nothing is served at '{path[:200]}'. See /docs for what there is."))


def _methods_at(app: FastAPI, path: str) -> list[str]:
    return sorted(
        {
            method
            for known in app.routes
            if isinstance(known, APIRoute) and known.path_regex.match(path)
            for method in known.methods or ()
        }
    )
