"""Opaque cursors: where a list goes on, bound to the list that gave them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from rez_agent.domain.errors import Invalid, Problem


def cursor_for(query: str, position: Sequence[Any]) -> str:
    """A cursor that continues the list ``query`` after the row at ``position``."""
    text = json.dumps([_fingerprint(query), *position], ensure_ascii=False)
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def position_of(cursor: str, query: str, width: int) -> list[Any]:
    """The position in ``cursor``. Raises Invalid ``invalid_cursor`` unless it was made for ``query``."""
    try:
        made_for, *position = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, RecursionError):
        made_for, position = None, []
    if made_for != _fingerprint(query) or len(position) != width or not all(_fits(part) for part in position):
        text = "The cursor does not belong to this list. Ask for the first page again, with the same filters."
        raise Invalid(text, problems=[Problem("invalid_cursor", text, "/cursor")], code="invalid_cursor")
    return list(position)


def _fingerprint(query: str) -> str:
    """What tells lists apart: short, however long their filters are."""
    return blake2b(query.encode(errors="surrogatepass"), digest_size=9).hexdigest()


def _fits(part: Any) -> bool:
    """Whether it can be compared with a column."""
    return isinstance(part, str) or (isinstance(part, int) and abs(part) < 2**63)
