"""The operations of the page: like the API's, with HTML for an answer, a session at the door, and a token in
every form. They are no part of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rez_agent.domain.errors import RezError, Unauthenticated
from rez_agent.usecases.keys import Scope
from rez_agent.usecases.sessions import digest, session_key
from rez_agent.web.answers import nothing
from rez_agent.web.errors import Internal, error_document, error_headers
from rez_agent.web.operations import Api, DirectRoute
from rez_agent.web.page.visits import SAFE, Visit, unauthenticated

Handler = Callable[[Api, Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class PageOperation:
    """A route of the page. ``scope`` None: whoever comes. ``title``: how the navigation calls it; empty where
    it is not listed."""

    method: str
    path: str
    handler: Handler
    name: str
    scope: Scope | None = Scope.READ
    title: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """What the routes of the page have in common."""

    api: Api
    navigation: tuple[tuple[str, str], ...]
    paths: frozenset[str]


def page_route(site: Site, operation: PageOperation) -> DirectRoute:
    """The route of ``operation``: its visitor let in, its form's token checked, its errors told as pages."""

    async def handle(request: Request) -> Response:
        visit = Visit(request, site.navigation, site.paths)
        try:
            await admit(site.api, visit, operation.scope)
            if request.method not in SAFE:
                await visit.check_sent()
            answer = await operation.handler(site.api, visit)
        except RezError as error:
            answer = refused(visit, error)
        except ClientDisconnect:
            answer = nothing(status=400)  # nobody is there to read it
        except Exception as error:  # noqa: BLE001 - whatever it was, the reader learns an id and nothing more
            answer = _unexpected(visit, error, operation.name)
        return visit.guarded(answer)

    return DirectRoute(operation.path, handle, operation.method, operation.name)


async def admit(api: Api, visit: Visit, scope: Scope | None) -> None:
    """Find out who it is. Raises Unauthenticated, Forbidden, RateLimited unless ``scope`` is None."""
    secret = visit.session_secret
    if secret is not None:
        found = await api.gate.remembered(
            "session " + digest(secret), lambda ports: session_key(ports, secret)
        )
        visit.visitor, visit.signed_in = found, found is not None
    if visit.visitor is None and scope is not None:
        visit.visitor = await api.gate.without_key(visit.request.headers)
    if scope is None:
        return
    if visit.visitor is None:
        raise unauthenticated()
    api.gate.check(visit.visitor, scope)


def refused(visit: Visit, error: RezError) -> Response:
    """An error as a page with the API's status; for a part of a page, as a toast in the open one."""
    if isinstance(error, Unauthenticated) and error.code == "unauthenticated":
        return visit.to_login() if visit.request.method in SAFE or visit.is_fragment else _told(visit, error)
    return _told(visit, error)


def page_refusal(request: Request, error: RezError) -> Response:
    """An error as a page, for a request that no route has."""
    visit = Visit(request)
    return visit.guarded(refused(visit, error))


def _told(visit: Visit, error: RezError) -> Response:
    document = error_document(error)
    template = "error_toast.html" if visit.is_fragment else "error.html"
    answer = visit.page(template, document["status"], error=document)
    _add(answer, error_headers(error))
    if visit.is_fragment:
        _add(answer, {"HX-Retarget": "#toasts", "HX-Reswap": "beforeend", "HX-Push-Url": "false"})
    return answer


def _add(answer: Response, headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if name != "WWW-Authenticate":
            answer.headers[name] = value


def _unexpected(visit: Visit, error: Exception, name: str) -> Response:
    """The answer to a fault of ours, logged with its traceback under an id that the answer tells."""
    import structlog  # noqa: PLC0415  # slow to import, and needed here alone

    error_id = token_hex(8)
    structlog.get_logger().error(
        "request_failed", action="request_failed", error_id=error_id, route=name, exc_info=error
    )
    return _told(visit, Internal(error_id))
