"""Around the router: HEAD, and what the router refuses, answered in the shape of every other problem."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from rez_agent.web.errors import NoSuchRoute, WrongMethod, error_answer
from rez_agent.web.page.operations import page_refusal
from rez_agent.web.page.visits import SAFE


class Refusals:
    """The router, with its refusals as problem documents."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says. HEAD is answered like GET (RFC 9110 9.3.2); the HTTP server sends no body."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            as_get = {**scope, "method": "GET"}
            await self(as_get, receive, send)
            scope.update(as_get, method="HEAD")
            return
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            answer = _refused(Request(scope), error, self._router.routes)
            await answer(scope, receive, send)


def _refused(request: Request, error: HTTPException, routes: list[BaseRoute]) -> Response:
    path = request.scope["path"]
    allowed = _methods_at(path, routes)
    if error.status_code == 405 and allowed:
        text = f"{request.method} is not served here; {', '.join(allowed)} is."
        return error_answer(WrongMethod(text, allowed=allowed))
    missing = NoSuchRoute(f"Nothing is served at '{path[:200]}'. See /docs for what there is.")
    return page_refusal(request, missing) if _is_of_browser(request) else error_answer(missing)


def _is_of_browser(request: Request) -> bool:
    """Whether somebody reads the answer in a browser, which asks for HTML by name."""
    asked = request.method in SAFE and not request.url.path.startswith("/api/")
    return asked and "text/html" in request.headers.get("accept", "")


def _methods_at(path: str, routes: list[BaseRoute]) -> list[str]:
    return sorted(
        {
            method
            for route in routes
            if isinstance(route, Route) and route.path_regex.match(path)
            for method in route.methods or ()
        }
    )
