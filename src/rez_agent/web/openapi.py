"""The OpenAPI document: FastAPI's, completed from the table of operations.

FastAPI is imported when the document is asked for: it takes as long to import as the rest of the application,
and the routes themselves do without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import Response
from starlette.routing import BaseRoute

from rez_agent.web.alert_models import ALERT_ID, RULE_ID
from rez_agent.web.errors import PROBLEM_JSON
from rez_agent.web.examples import EXECUTION_ID, KEY_ID, MESSAGE_ID, SCHEDULE_ID, problem_example
from rez_agent.web.models import ProblemDetails
from rez_agent.web.operations import Operation, Shown

_DESCRIPTION = (
    "Dynamic schedules as a service: create a schedule at run time, trust that it fired, be told why when it "
    "did not. Changes are commands: 202 says that one is durable, its message tells what became of it, and "
    "Prefer: wait=N waits for that. Problems are RFC 9457 documents with a stable code."
)

_TAGS = [
    {"name": "schedules", "description": "What is to happen, and when"},
    {"name": "executions", "description": "What became of it"},
    {"name": "templates", "description": "Definitions with placeholders, to make schedules from"},
    {"name": "calendars", "description": "Days that schedules skip, or move off"},
    {"name": "alerts", "description": "What is told when it goes wrong, and to whom"},
    {"name": "keys", "description": "Who may do what"},
    {"name": "server", "description": "The server itself"},
]


def openapi_document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole document."""
    from fastapi.openapi.utils import get_openapi  # noqa: PLC0415 - see above

    document = get_openapi(
        title="rez-agent",
        version=version,
        description=_DESCRIPTION,
        tags=_TAGS,
        routes=[_route(operation) for operation in operations],
    )
    for operation in operations:
        document["paths"][operation.path][operation.method.lower()] |= _documented(operation)
    document["security"] = [{"bearer": []}, {"api_key": []}, {}]
    document["components"] = {
        "schemas": _schemas(operations),
        "parameters": _parameters(),
        "headers": _headers(),
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer", "description": "A key: rez_..."},
            "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        },
    }
    return document


def _route(operation: Operation) -> BaseRoute:
    """The operation as FastAPI knows routes. It is never served."""
    from fastapi.routing import APIRoute  # noqa: PLC0415 - see above

    first = min(operation.answers)
    return APIRoute(
        operation.path,
        _nowhere,
        methods=[operation.method],
        name=operation.name,
        operation_id=operation.name,
        summary=operation.summary,
        description=operation.description or operation.summary,
        tags=[operation.tag],
        status_code=first,
        response_description=operation.answers[first].description,
        response_class=Response,
        response_model=None,
    )


def _nowhere() -> None:
    """What a route that is only documented leads to."""


def _documented(operation: Operation) -> dict[str, Any]:
    """What FastAPI can't know: the handler reads the request itself."""
    return {"responses": _responses(operation), **_extra(operation)}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    """The reference to a model's schema in the document."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _responses(operation: Operation) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for code, shown in operation.answers.items():
        status = str(code)
        found[status] = {"description": shown.description}
        if shown.model is not None or shown.example is not None:
            found[status]["content"] = _content(shown)
        if shown.headers:
            names = {name: {"$ref": f"#/components/headers/{name}"} for name in shown.headers}
            found[status]["headers"] = names
    for code in operation.statuses:
        problem = found.setdefault(str(code), {"description": HTTPStatus(code).phrase})
        problem.setdefault("content", {})[PROBLEM_JSON] = {
            "schema": _reference(ProblemDetails),
            "example": problem_example(code),
        }
    return found


def _content(shown: Shown) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": {"type": "string"} if shown.model is None else _reference(shown.model)}
    if shown.example is not None:
        media["example"] = shown.example
    return {shown.media_type: media}


def _extra(operation: Operation) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    parameters = [*operation.path_names, *operation.parameters]
    extra["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in parameters]
    if operation.filters is not None:
        extra["parameters"] += _query_parameters(operation.filters)
    if not extra["parameters"]:
        del extra["parameters"]
    if operation.request is not None:
        content: dict[str, Any] = {}
        for shown in (operation.request, *operation.also):
            content |= _content(shown)
        extra["requestBody"] = {
            "required": operation.request_required,
            "description": operation.request.description,
            "content": content,
        }
    if operation.scope is None:
        extra["security"] = []
    return extra


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": rule.pop("description", name.replace("_", " ")),
            "schema": rule,
        }
        for name, rule in schema.get("properties", {}).items()
    ]


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    """The schema of every model that an operation names, by the model's name."""
    models = dict.fromkeys(model for operation in operations for model in _models(operation))
    answers = [(model, "validation") for model in models]
    _, schema = models_json_schema(answers, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    found: dict[str, Any] = schema["$defs"]
    return dict(sorted(found.items()))


def _models(operation: Operation) -> Iterator[type[BaseModel]]:
    yield ProblemDetails
    if operation.filters is not None:
        yield operation.filters
    requests = () if operation.request is None else (operation.request, *operation.also)
    for shown in (*requests, *operation.answers.values()):
        if shown.model is not None:
            yield shown.model


def _parameters() -> dict[str, Any]:
    if_match = _header(
        "If-Match", "The ETag of the revision that this changes; 412 if it is another then", '"3"'
    )
    return {
        "schedule_id": _id("schedule_id", SCHEDULE_ID),
        "execution_id": _id("execution_id", EXECUTION_ID),
        "message_id": _id("message_id", MESSAGE_ID),
        "key_id": _id("key_id", KEY_ID),
        "alert_id": _id("alert_id", ALERT_ID),
        "alert_rule_id": _id("alert_rule_id", RULE_ID),
        "template": _id("template", "heartbeat"),
        "calendar_name": _id("calendar_name", "at"),
        "prefer": _header(
            "Prefer", "`wait=N`: answer the outcome if it is known within N seconds, 20 at most", "wait=5"
        ),
        "idempotency_key": _header(
            "Idempotency-Key", "The same key and request within 24 hours get the same answer", "8e03978e-40d5"
        ),
        "if_match": if_match,
        "if_match_required": {**if_match, "required": True},
        "if_none_match": _header("If-None-Match", "The ETag that you have: 304 if it still holds", '"3"'),
    }


def _headers() -> dict[str, Any]:
    told = {
        "Location": "Where the thing is, or will be",
        "ETag": "The revision, in quotes",
        "Link": "The command's message, as rel=monitor",
        "Preference-Applied": "The wait that was honoured",
        "Idempotency-Replayed": "true: this is the answer to an earlier request with the same key",
    }
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in told.items()}


def _id(name: str, example: str) -> dict[str, Any]:
    what = name.removesuffix("_id")
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": f"The {what}'s id",
        "schema": {"type": "string"},
        "example": example,
    }


def _header(name: str, description: str, example: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
        "example": example,
    }
