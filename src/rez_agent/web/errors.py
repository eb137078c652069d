"""From errors to answers: RFC 9457 problem documents, one shape for everything that is refused.

Here, once, each class of error gets its status. ``type`` is a reference to this server's own page of codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any

from starlette.responses import Response

from rez_agent.domain import errors
from rez_agent.domain.errors import Pending, Problem, RateLimited, RezError
from rez_agent.web.answers import encoded
from rez_agent.web.codes import CODES
from rez_agent.web.shapes import problem_item

PROBLEM_JSON = "application/problem+json"


class BodyTooSlow(RezError):
    """The body did not come within the time that one gets."""

    code = "body_timeout"


class WrongMediaType(RezError):
    """The body is not what this route reads."""

    code = "unsupported_media_type"


class NoSuchRoute(errors.NotFound):
    """Nothing is served at this path."""

    code = "route_not_found"


class WrongMethod(RezError):
    """The path is known, with other methods: ``allowed``."""

    code = "method_not_allowed"

    def __init__(self, message: str, *, allowed: Sequence[str]) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)


class Internal(RezError):
    """Our own fault. The text says nothing of it; the log does, under ``error_id``."""

    code = "internal_error"

    def __init__(self, error_id: str) -> None:
        super().__init__(f"The server failed to answer. Its log tells why, under the id {error_id}.")
        self.error_id = error_id


_STATUS: dict[type[RezError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.QuotaExceeded: 403,
    errors.NotFound: 404,
    WrongMethod: 405,
    errors.Conflict: 409,
    errors.RevisionConflict: 412,
    errors.TooLarge: 413,
    BodyTooSlow: 408,
    WrongMediaType: 415,
    errors.Invalid: 422,
    errors.Unsupported: 422,
    errors.RevisionRequired: 428,
    errors.RateLimited: 429,
    Internal: 500,
    errors.Unavailable: 503,
    RezError: 500,
}


def status_of(kind: type[RezError]) -> int:
    """The status that an error of this class is answered with: its own, or its nearest ancestor's."""
    return next(_STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in _STATUS)


def status_of_name(kind: str | None) -> int:
    """The same for the class's name, which is what a failed message keeps."""
    return next((status_of(known) for known in _family(RezError) if known.__name__ == kind), 500)


def problem_document(status: int, problems: Sequence[Problem], detail: str | None = None) -> dict[str, Any]:
    """The problem document for ``problems``, at least one; the first one names it."""
    code = problems[0].code
    known = CODES.get(code)
    return {
        "type": f"/errors#{code}",
        "title": known.title if known else HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or problems[0].message,
        "code": code,
        "errors": [problem_item(problem) for problem in problems],
    }


def error_document(error: RezError) -> dict[str, Any]:
    """The problem document of ``error``."""
    document = problem_document(status_of(type(error)), error.problems, error.message)
    document["code"], document["type"] = error.code, f"/errors#{error.code}"
    known = CODES.get(error.code)
    if known is not None:
        document["title"] = known.title
    if isinstance(error, Pending):
        document["message_id"] = error.message_id
        document["message"] = f"/api/messages/{error.message_id}"
    return document


def error_answer(error: RezError) -> Response:
    """The answer for ``error``, with the headers that its class calls for."""
    return problem_answer(error_document(error), error_headers(error))


def problem_answer(document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A problem document as an answer."""
    return Response(encoded(document), document["status"], dict(headers or {}), PROBLEM_JSON)


def error_headers(error: RezError) -> dict[str, str]:
    """The headers that the class of ``error`` calls for."""
    headers = {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="rez-agent"'
    if isinstance(error, WrongMethod):
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, Pending):
        headers["Link"] = f'</api/messages/{error.message_id}>; rel="monitor"'
    seconds = _retry_after(error)
    if seconds:
        headers["Retry-After"] = str(seconds)
    return headers


def _retry_after(error: RezError) -> int:
    """Seconds after which it is worth asking again; 0: never by itself."""
    if isinstance(error, RateLimited | Pending):
        return max(1, ceil(error.retry_after))
    return int(isinstance(error, errors.Unavailable) or error.code == "idempotency_in_flight")


def _family(kind: type[RezError]) -> Iterator[type[RezError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _family(child)
