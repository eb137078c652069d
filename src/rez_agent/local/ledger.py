"""The ledger, in SQLite: what became of every occurrence. Runs inside the caller's transaction.

The moves that workers make (claim, conclude, recover) stand in ``queue.py``; here are those that people and
the engine make, and the reading.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import apsw

from rez_agent.cursors import cursor_for, position_of
from rez_agent.domain.due import InFlight
from rez_agent.domain.execution import Attempt, Cause, Execution, ExecutionStatus, Reason
from rez_agent.domain.instants import compact, from_ms, to_ms
from rez_agent.domain.schedule import Schedule
from rez_agent.local.alert_facts import note_late
from rez_agent.local.keeping import KEPT, Kept
from rez_agent.local.paging import counted
from rez_agent.local.queue import release_held
from rez_agent.local.rows import (
    ATTEMPT_COLUMNS,
    EXECUTION_COLUMNS,
    attempt_from,
    dumps,
    execution_from,
    execution_row,
    fetch,
)
from rez_agent.local.signals import Signals
from rez_agent.ports import ExecutionQuery, Page

_WIDTH = len(EXECUTION_COLUMNS.split(", "))
_FIELDS = ", ".join(f"value ->> {number}" for number in range(_WIDTH))
_ALMOST_A_SECOND = timedelta(microseconds=999_999)
_CAUSES_THAT_YIELD = frozenset({Cause.CATCH_UP, Cause.BACKFILL})
_INSERT = (
    f"INSERT OR IGNORE INTO executions ({EXECUTION_COLUMNS}, late, held) "  # noqa: S608 - constant columns
    f"SELECT {_FIELDS}, value ->> {_WIDTH}, value ->> {_WIDTH + 1} FROM json_each(?) RETURNING status, reason"
)
_LATEST = (
    f"SELECT {EXECUTION_COLUMNS.replace('payload', 'NULL')} FROM executions "  # noqa: S608 - constant columns
    "WHERE id >= ?1 || '_' || ?3 AND id < ?1 || '_' || ?4 AND schedule_id = ?1 ORDER BY id DESC LIMIT ?2"
)


class SqliteLedger:
    """The Ledger port."""

    def __init__(self, connection: apsw.Connection, signals: Signals, kept: Kept = KEPT) -> None:
        self._connection = connection
        self._signals = signals
        self._kept = kept

    def add(self, executions: Sequence[Execution]) -> int:
        """Write executions in one statement, whatever their number."""
        if not executions:
            return 0
        rows = [[*execution_row(e), int(e.cause in _CAUSES_THAT_YIELD), int(_is_held(e))] for e in executions]
        added = fetch(self._connection, _INSERT, (dumps(rows),))
        self._signals.work = True
        self._signals.endings += [ending for ending in added if ending[0] == ExecutionStatus.SKIPPED]
        note_late(self._connection, [one.id for one in executions if one.came_late])
        return len(added)

    def get(self, execution_id: str) -> Execution | None:
        """The execution, or None."""
        sql = f"SELECT {EXECUTION_COLUMNS} FROM executions WHERE id = ?"  # noqa: S608
        for row in self._connection.execute(sql, (execution_id,)):
            return execution_from(row)
        return None

    def attempts(self, execution_id: str) -> tuple[Attempt, ...]:
        """Its attempts, oldest first."""
        sql = (
            f"SELECT {ATTEMPT_COLUMNS} FROM attempts "  # noqa: S608
            "WHERE execution = (SELECT seq FROM executions WHERE id = ?) ORDER BY number"
        )
        return tuple(attempt_from(row) for row in self._connection.execute(sql, (execution_id,)))

    def attempts_of(self, execution_ids: Sequence[str]) -> dict[str, tuple[Attempt, ...]]:
        """The attempts of several executions, without their responses."""
        columns = ATTEMPT_COLUMNS.replace("response,", "NULL,").replace("error,", "a.error,")
        columns = ", ".join(
            name if name.startswith(("a.", "NULL")) else f"a.{name}" for name in columns.split(", ")
        )
        sql = (
            f"SELECT {columns}, e.id FROM json_each(?) j JOIN executions e ON e.id = j.value "  # noqa: S608
            "JOIN attempts a ON a.execution = e.seq ORDER BY a.execution, a.number"
        )
        found: dict[str, list[Attempt]] = defaultdict(list)
        for row in self._connection.execute(sql, (dumps(list(execution_ids)),)):
            found[row[-1]].append(attempt_from(row))
        return {execution_id: tuple(found[execution_id]) for execution_id in execution_ids}

    def list(self, query: ExecutionQuery) -> Page[Execution]:
        """A page, newest first."""
        where, values = _conditions(query)
        column = "id" if query.schedule_id else "seq"
        total, exact = counted(self._connection, "executions", " AND ".join(where), values)
        identity = _identity(query)
        if query.cursor:
            where.append(f"{column} < ?")
            values += position_of(query.cursor, identity, 1)
        sql = (
            f"SELECT {EXECUTION_COLUMNS}, {column} FROM executions "  # noqa: S608 - only constants
            f"WHERE {' AND '.join(where)} ORDER BY {column} DESC LIMIT {query.limit + 1}"
        )
        rows = fetch(self._connection, sql, values)
        page = rows[: query.limit]
        cursor = cursor_for(identity, page[-1][-1:]) if len(rows) > query.limit else None
        return Page(tuple(execution_from(row) for row in page), cursor, total, exact)

    def latest(
        self,
        schedule_ids: Sequence[str],
        each: int,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> dict[str, tuple[Execution, ...]]:
        """The last of each schedule: a stretch of the index by id for each."""
        execute = self._connection.execute
        first, end = compact(since) if since else "", compact(until) if until else ":"
        return {
            one: tuple(execution_from(row) for row in execute(_LATEST, (one, each, first, end)))
            for one in schedule_ids
        }

    def kept_since(self, schedule: Schedule, now: datetime) -> datetime:
        """From its age, or from the oldest of the newest so many."""
        bounds = (f"{schedule.id}_", f"{schedule.id}`", self._kept.per_schedule - 1)
        sql = "SELECT scheduled FROM executions WHERE id > ? AND id < ? ORDER BY id DESC LIMIT 1 OFFSET ?"
        newest_so_many = [from_ms(row[0]) for row in fetch(self._connection, sql, bounds)]
        return max([now - self._kept.ledger, *newest_so_many])

    def in_flight(self, schedule_id: str) -> InFlight:
        """What of the schedule is not final."""
        return in_flight_of(self._connection, [schedule_id]).get(schedule_id, InFlight())

    def requeue(self, execution_id: str, now: datetime, expires_at: datetime) -> bool:
        """Queue a failed or cancelled execution again."""
        self._connection.execute(
            "UPDATE executions SET status = 'queued', visible = ?2, expires = ?3, due = ?2, tries = 0, "
            "crashes = 0, started = NULL, finished = NULL, reason = NULL, detail = NULL, dead_letter = 0, "
            "held = 0, cancel_asked = 0, lease_until = NULL "
            "WHERE id = ?1 AND status IN ('failed', 'cancelled')",
            (execution_id, to_ms(now), to_ms(expires_at)),
        )
        changed = self._connection.changes() > 0
        self._signals.work |= changed
        return changed

    def cancel(self, execution_id: str, now: datetime, detail: str) -> bool:
        """Cancel one execution."""
        return self._cancel("id = ?3", execution_id, now, detail) > 0

    def cancel_all(self, schedule_id: str, now: datetime, detail: str) -> int:
        """Cancel all of the schedule's executions in flight."""
        return self._cancel("schedule_id = ?3", schedule_id, now, detail)

    def _cancel(self, which: str, value: str, now: datetime, detail: str) -> int:
        """Queued ones end here; running ones are asked to stop."""
        ended = fetch(
            self._connection,
            "UPDATE executions SET status = 'cancelled', reason = 'cancelled', detail = ?2, finished = ?1, "  # noqa: S608
            f"visible = NULL, held = 0 WHERE status = 'queued' AND {which} RETURNING schedule_id",
            (to_ms(now), detail, value),
        )
        asked = fetch(
            self._connection,
            "UPDATE executions SET cancel_asked = 1, detail = ?2 "  # noqa: S608
            f"WHERE ?1 NOTNULL AND status = 'running' AND {which} RETURNING id",
            (to_ms(now), detail, value),
        )
        self._signals.cancelled += [row[0] for row in asked]
        self._signals.endings += [(ExecutionStatus.CANCELLED.value, Reason.CANCELLED.value)] * len(ended)
        release_held(self._connection, sorted({row[0] for row in ended}), to_ms(now))
        return len(ended) + len(asked)

    def dead_letters(self, query: ExecutionQuery) -> tuple[str, ...]:
        """Ids of dead letters, oldest first."""
        where, values = _conditions(query)
        sql = f"SELECT id FROM executions WHERE {' AND '.join(where)} ORDER BY seq LIMIT {query.limit}"  # noqa: S608
        return tuple(row[0] for row in fetch(self._connection, sql, values))


def in_flight_of(connection: apsw.Connection, schedule_ids: Sequence[str]) -> dict[str, InFlight]:
    """What is not final of each schedule that has anything in flight."""
    sql = (
        "SELECT schedule_id, count(*), sum(held) FROM executions INDEXED BY executions_in_flight "
        "WHERE status IN ('queued', 'running') AND schedule_id IN (SELECT value FROM json_each(?)) "
        "GROUP BY schedule_id"
    )
    rows = connection.execute(sql, (dumps(list(schedule_ids)),))
    return {schedule_id: InFlight(total, held) for schedule_id, total, held in rows}


def _is_held(execution: Execution) -> bool:
    return execution.status is ExecutionStatus.QUEUED and execution.next_attempt_at is None


def _conditions(query: ExecutionQuery) -> tuple[list[str], list[Any]]:
    """The filters as SQL conditions with their values. A schedule's history is a range of its ids, which
    sort by scheduled time."""
    where: list[str] = ["1"]
    values: list[Any] = []
    if query.owner is not None:
        # the plus keeps the planner from reading all that the owner has for one schedule's history
        where.append("+owner = ?" if query.schedule_id is not None else "owner = ?")
        values.append(query.owner)
    if query.schedule_id is not None:
        where.append("id >= ? AND id < ? AND schedule_id = ?")  # one id may begin with another
        first = compact(query.since) if query.since else ""
        last = compact(query.until + _ALMOST_A_SECOND) if query.until else "\x7f"
        values += [f"{query.schedule_id}_{first}", f"{query.schedule_id}_{last}", query.schedule_id]
    if query.since is not None:
        where.append("scheduled >= ?")
        values.append(to_ms(query.since))
    if query.until is not None:
        where.append("scheduled < ?")
        values.append(to_ms(query.until))
    if query.status is not None:
        where.append(_status_condition(query.status))
    if query.reason is not None:
        where.append(_reason_condition(query.reason))
    if query.dead_letter is not None:
        where.append("dead_letter = 1" if query.dead_letter else "dead_letter = 0")
    return where, values


def _status_condition(status: ExecutionStatus) -> str:
    """With the partial indexes' own words, so that they are used."""
    condition = f"status = '{status.value}'"
    if status in (ExecutionStatus.FAILED, ExecutionStatus.CANCELLED, ExecutionStatus.SKIPPED):
        return f"{condition} AND status IN ('failed', 'cancelled', 'skipped')"
    if not status.final:
        return f"{condition} AND status IN ('queued', 'running')"
    return condition


def _reason_condition(reason: Reason) -> str:
    status = ExecutionStatus.CANCELLED if reason is Reason.CANCELLED else ExecutionStatus.SKIPPED
    return f"reason = '{reason.value}' AND {_status_condition(status)}"


def _identity(query: ExecutionQuery) -> str:
    """What a cursor is bound to."""
    parts = (
        query.owner,
        query.schedule_id,
        query.status,
        query.reason,
        query.dead_letter,
        query.since,
        query.until,
    )
    return "|".join(str(part) for part in parts)
