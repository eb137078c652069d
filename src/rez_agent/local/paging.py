"""Opaque cursors, and totals that never count a million rows."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

import apsw

from rez_agent.domain.errors import Invalid, Problem
from rez_agent.ports import COUNTED_EXACTLY


def cursor_for(query: str, position: Sequence[Any]) -> str:
    """A cursor that continues the list ``query`` after the row at ``position``."""
    return urlsafe_b64encode(json.dumps([query, *position]).encode()).decode().rstrip("=")


def position_of(cursor: str, query: str, width: int) -> list[Any]:
    """The position in ``cursor``. Raises Invalid ``invalid_cursor`` unless it was made for ``query``."""
    try:
        made_for, *position = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, RecursionError):
        made_for, position = None, []
    if made_for != query or len(position) != width or not all(_fits(part) for part in position):
        text = "The cursor does not belong to this list. Ask for the first page again, with the same filters."
        raise Invalid(text, problems=[Problem("invalid_cursor", text, "/cursor")], code="invalid_cursor")
    return list(position)


def _fits(part: Any) -> bool:
    """Whether it can be compared with a column."""
    return isinstance(part, str) or (isinstance(part, int) and abs(part) < 2**63)


def counted(connection: apsw.Connection, source: str, where: str, values: Sequence[Any]) -> tuple[int, bool]:
    """How many rows match, and whether that is exact."""
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {where} LIMIT {COUNTED_EXACTLY + 1})"  # noqa: S608
    count = next(iter(connection.execute(sql, tuple(values))))[0]
    return min(count, COUNTED_EXACTLY), count <= COUNTED_EXACTLY
