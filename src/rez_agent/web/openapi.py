"""The OpenAPI document: FastAPI's, completed from the table of operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from rez_agent.web.examples import EXECUTION_ID, KEY_ID, MESSAGE_ID, SCHEDULE_ID
from rez_agent.web.models import ProblemDetails
from rez_agent.web.operations import Operation, documented

_DESCRIPTION = (
    "Dynamic schedules as a service: create a schedule at run time, trust that it fired, be told why when it "
    "did not. Changes are commands: 202 says that one is durable, its message tells what became of it, and "
    "Prefer: wait=N waits for that. Problems are RFC 9457 documents with a stable code."
)

_TAGS = [
    {"name": "schedules", "description": "What is to happen, and when"},
    {"name": "executions", "description": "What became of it"},
    {"name": "keys", "description": "Who may do what"},
    {"name": "server", "description": "The server itself"},
]


def openapi_document(
    routes: Sequence[BaseRoute], operations: Sequence[Operation], version: str
) -> dict[str, Any]:
    """The whole document."""
    document = get_openapi(
        title="rez-agent", version=version, description=_DESCRIPTION, tags=_TAGS, routes=routes
    )
    for operation in operations:
        document["paths"][operation.path][operation.method.lower()] |= documented(operation)
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
