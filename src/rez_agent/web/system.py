"""Routes of the server itself: health, metrics, and what it is made of."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import HTMLResponse, Response

from rez_agent.ports import Ports
from rez_agent.web.answers import answer
from rez_agent.web.calls import Call
from rez_agent.web.metrics import Exposition
from rez_agent.web.operations import Api, Handler
from rez_agent.web.pages import Pages

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


async def health(api: Api, call: Call) -> Response:
    """GET /healthz"""
    del call
    facts = api.host.health()
    return answer(facts, 200 if facts["status"] == "ok" else 503, {"Cache-Control": "no-store"})


async def ready(api: Api, call: Call) -> Response:
    """GET /readyz"""
    del call
    facts = api.host.health()
    able = facts["status"] == "ok" and facts.get("ready", True)
    if able:
        await api.host.read(_nothing)
    return answer(facts, 200 if able else 503, {"Cache-Control": "no-store"})


def metrics(exposition: Exposition) -> Handler:
    """GET /metrics"""

    async def show(api: Api, call: Call) -> Response:
        del api, call
        return Response(await exposition.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return show


def document(pages: Pages) -> Handler:
    """GET /openapi.json"""

    async def show(api: Api, call: Call) -> Response:
        del api, call
        return Response(pages.openapi(), media_type="application/json")

    return show


def operations_page(pages: Pages) -> Handler:
    """GET /docs"""

    async def show(api: Api, call: Call) -> Response:
        del api, call
        return HTMLResponse(pages.operations(), headers=_PAGE_HEADERS)

    return show


def codes_page(pages: Pages) -> Handler:
    """GET /errors"""

    async def show(api: Api, call: Call) -> Response:
        del api, call
        return HTMLResponse(pages.codes(), headers=_PAGE_HEADERS)

    return show


def _nothing(ports: Ports) -> None:
    """A read that asks for nothing: it shows that reads are served."""
    del ports
