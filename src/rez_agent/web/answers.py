"""Answers: documents as bytes, with the headers that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response

JSON = "application/json"


def encoded(document: Any) -> bytes:
    """``document`` as JSON, UTF-8, without blanks. Instants are texts already."""
    return to_json(document)


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``document`` as an answer."""
    return Response(to_json(document), status, headers, JSON)


def nothing(headers: Mapping[str, str] | None = None, status: int = 204) -> Response:
    """An answer without a body."""
    return Response(None, status, headers)
