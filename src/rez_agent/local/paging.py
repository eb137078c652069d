"""Totals that never count a million rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from rez_agent.ports import COUNTED_EXACTLY


def counted(connection: apsw.Connection, source: str, where: str, values: Sequence[Any]) -> tuple[int, bool]:
    """How many rows match, and whether that is exact."""
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {where} LIMIT {COUNTED_EXACTLY + 1})"  # noqa: S608
    count = next(iter(connection.execute(sql, tuple(values))))[0]
    return min(count, COUNTED_EXACTLY), count <= COUNTED_EXACTLY


def within(
    connection: apsw.Connection, steps: int | None, sql: str, values: Sequence[Any]
) -> list[tuple[Any, ...]] | None:
    """All rows of a statement that reads; None if finding them takes more than ``steps`` of SQLite's machine
    (None: as many as it takes)."""
    if steps is None:
        return list(connection.execute(sql, tuple(values)))
    connection.set_progress_handler(lambda: True, steps)
    try:
        return list(connection.execute(sql, tuple(values)))
    except apsw.InterruptError:
        return None
    finally:
        connection.set_progress_handler(None)
