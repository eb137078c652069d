"""What stands in the database, for the metrics: read on a reader when somebody asks, never by the writer.

No reading costs more for a million schedules than for a thousand: schedules are counted as they change, by
triggers, and every other count stops at :data:`COUNTED_TO`. Up to there it is exact.
"""

from __future__ import annotations

from datetime import datetime

import apsw

from rez_agent.domain.instants import to_ms
from rez_agent.local.metrics import Readings
from rez_agent.local.rows import fetch
from rez_agent.metrics import (
    DATABASE_BYTES,
    DEAD_LETTERS,
    HELD,
    LATE,
    ON_TIME,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    SCHEDULES,
    STATUSES,
    WAITING,
)
from rez_agent.web.metrics import Values

COUNTED_TO = 100_000
"""A count of the queue goes so far; a longer one is shown as that."""

_QUEUED = """
SELECT count(*) FILTER (WHERE visible <= ?2), min(visible), count(*) FROM (
    SELECT visible FROM executions INDEXED BY executions_ready
    WHERE status = 'queued' AND visible IS NOT NULL AND late = ?1 LIMIT ?3)
"""
_OLDEST = """
WITH RECURSIVE lanes (target, visible, number) AS (
    SELECT target, visible, 1 FROM (
        SELECT target, visible FROM executions
        WHERE status = 'queued' AND visible IS NOT NULL AND late = ?1 ORDER BY target, visible LIMIT 1)
    UNION ALL
    SELECT next.target, next.visible, lanes.number + 1 FROM lanes JOIN executions next ON next.seq = (
        SELECT seq FROM executions
        WHERE status = 'queued' AND visible IS NOT NULL AND late = ?1 AND target > lanes.target
        ORDER BY target, visible LIMIT 1)
    WHERE lanes.number < ?2
)
SELECT min(visible) FROM lanes
"""
_LANES = 1_000
"""Targets whose oldest is looked for where the queue is too long to be counted."""

_HELD = "SELECT count(*) FROM (SELECT 1 FROM executions WHERE held = 1 LIMIT ?)"
_DEAD = "SELECT count(*) FROM (SELECT 1 FROM executions WHERE dead_letter = 1 LIMIT ?)"


def standing(connection: apsw.Connection, now: datetime) -> Readings:
    """The readings, as of ``now``."""
    at = to_ms(now)
    depth: dict[Values, float] = {}
    oldest: dict[Values, float] = {}
    waiting = 0
    for late, word in enumerate((ON_TIME, LATE)):
        ready, first, queued = _queue(connection, late, at)
        depth[(word,)] = ready
        oldest[(word,)] = 0 if first is None or first > at else (at - first) / 1000
        waiting += queued - ready
    return {
        QUEUE_DEPTH: depth,
        QUEUE_OLDEST: oldest,
        WAITING: {(): waiting},
        HELD: {(): _number(connection, _HELD, COUNTED_TO)},
        DEAD_LETTERS: {(): _number(connection, _DEAD, COUNTED_TO)},
        SCHEDULES: _schedules(connection),
        DATABASE_BYTES: {
            (): int(connection.pragma("page_count")) * int(connection.pragma("page_size")),
        },
    }


def _queue(connection: apsw.Connection, late: int, at: int) -> tuple[int, int | None, int]:
    """Of what is queued in a class: how many may start, since when the oldest of all could (ms), how many
    there are."""
    ((ready, first, queued),) = fetch(connection, _QUEUED, (late, at, COUNTED_TO))
    if queued == COUNTED_TO:
        first = min(first, _number(connection, _OLDEST, late, _LANES))
    return ready, first, queued


def _schedules(connection: apsw.Connection) -> dict[Values, float]:
    counted: dict[str, int] = dict(fetch(connection, "SELECT status, number FROM schedule_counts"))
    return {(status,): counted.get(status, 0) for status in STATUSES}


def _number(connection: apsw.Connection, sql: str, *values: int) -> int:
    ((number,),) = fetch(connection, sql, values)
    return int(number)
