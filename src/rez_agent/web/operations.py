"""Operations: what a route does, who may ask for it, and how it is documented, in one value each."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from rez_agent.domain.errors import RezError
from rez_agent.ports import Host
from rez_agent.usecases.callers import Caller
from rez_agent.usecases.keys import Scope
from rez_agent.web.answers import nothing
from rez_agent.web.auth import Gate
from rez_agent.web.calls import Call
from rez_agent.web.errors import Internal, error_answer
from rez_agent.web.settings import WebSettings

_NOBODY = Caller("", admin=False)
_IN_PATH = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class Api:
    """What handlers work with."""

    host: Host
    settings: WebSettings
    gate: Gate


Handler = Callable[[Api, Call], Awaitable[Response]]
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer or a request as the document shows it: its model, and an example."""

    description: str
    model: type[BaseModel] | None = None
    example: Any = None
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """A route. ``scope`` None: no key is needed. ``parameters`` names those shared ones, mostly headers, that
    it heeds; ``filters`` is the model of its query; ``problems`` its statuses beyond those that follow from
    the rest."""

    method: str
    path: str
    handler: Handler
    name: str
    summary: str
    tag: str
    scope: Scope | None
    answers: dict[int, Shown]
    description: str = ""
    request: Shown | None = None
    also: tuple[Shown, ...] = ()
    request_required: bool = True
    filters: type[BaseModel] | None = None
    parameters: tuple[str, ...] = ()
    problems: tuple[int, ...] = ()
    path_names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path_names", tuple(_IN_PATH.findall(self.path)))

    @property
    def statuses(self) -> list[int]:
        """Every status of a problem that it can answer with."""
        found = {*self.problems, 500, 503}
        if self.scope is not None:
            found |= {401, 403, 422, 429}
        if self.request is not None:
            found |= {400, 408, 413, 415, 422}
        if self.path_names:
            found.add(404)
        return sorted(found)


class DirectRoute(Route):
    """A route whose endpoint reads the request itself, and which serves its own method alone."""

    def __init__(self, path: str, endpoint: Endpoint, method: str, name: str) -> None:
        super().__init__(path, endpoint, methods=[method], name=name)
        self.methods = {method}

        async def app(scope: ASGIScope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

        self.app = app

    def matches(self, scope: ASGIScope) -> tuple[Match, ASGIScope]:
        """As Starlette has it; whoever is around the router learns which route it was."""
        match, found = super().matches(scope)
        return match, {**found, "route": self}


def route(api: Api, operation: Operation) -> DirectRoute:
    """The route of ``operation``."""
    return DirectRoute(operation.path, endpoint(api, operation), operation.method, operation.name)


def endpoint(api: Api, operation: Operation) -> Endpoint:
    """The operation with its gate before it and its errors caught behind it."""
    handler, scope = operation.handler, operation.scope

    async def handle(request: Request) -> Response:
        try:
            caller = _NOBODY if scope is None else await api.gate.admit(request.headers, scope)
            return await handler(api, Call(request, caller))
        except RezError as error:
            return error_answer(error)
        except ClientDisconnect:
            return nothing(status=400)  # nobody is there to read it
        except Exception as error:  # noqa: BLE001 - whatever it was, the caller learns an id and nothing more
            return _unexpected(error, operation)

    return handle


def _unexpected(error: Exception, operation: Operation) -> Response:
    """The answer to a fault of ours, logged with its traceback under an id that the answer tells."""
    import structlog  # noqa: PLC0415  # slow to import, and needed here alone

    error_id = token_hex(8)
    log = structlog.get_logger()
    log.error(
        "request_failed",
        action="request_failed",
        error_id=error_id,
        route=operation.name,
        exc_info=error,
    )
    return error_answer(Internal(error_id))
