"""Alerts, in SQLite. An alert is a document; beside it stands what it is found by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import apsw

from rez_agent.cursors import cursor_for, position_of
from rez_agent.domain.alert import ENGINE, Alert
from rez_agent.domain.execution import Execution
from rez_agent.domain.instants import from_ms, to_ms
from rez_agent.local.paging import counted
from rez_agent.local.rows import EXECUTION_COLUMNS, dumps, execution_from, fetch, ms_or_none
from rez_agent.local.signals import Signals
from rez_agent.ports import AlertQuery, Fact, Overdue, Page

_FACTS = f"""
SELECT f.seq, f.late, {", ".join(f"e.{name}" for name in EXECUTION_COLUMNS.split(", "))}
FROM alert_facts f LEFT JOIN executions e ON e.seq = f.execution ORDER BY f.seq LIMIT ?
"""  # noqa: S608 - constant columns
_SAVE = """
INSERT INTO alerts (id, owner, rule, subject, kind, opened, closed, look_at, send_at, document)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (id) DO UPDATE SET closed = ?7, look_at = ?8, send_at = ?9, document = ?10
"""
_CONCERNS = """
INSERT OR IGNORE INTO alert_schedules (schedule_id, alert)
SELECT value, (SELECT seq FROM alerts WHERE id = ?2) FROM json_each(?1)
"""
_UNFIRED = """
SELECT id, owner, wake_at FROM schedules
WHERE wake_at IS NOT NULL AND wake_at < ?1 AND status = 'active' ORDER BY wake_at LIMIT ?2
"""
_TARGETS = """
WITH RECURSIVE lanes (target) AS (
    SELECT min(target) FROM executions WHERE status = 'queued' AND visible IS NOT NULL AND late = 0
    UNION ALL
    SELECT (SELECT min(target) FROM executions
        WHERE status = 'queued' AND visible IS NOT NULL AND late = 0 AND target > lanes.target)
    FROM lanes WHERE lanes.target IS NOT NULL
)
SELECT target FROM lanes WHERE target IS NOT NULL LIMIT ?1
"""
_UNSTARTED = """
SELECT schedule_id, owner, target, due FROM executions
WHERE status = 'queued' AND visible IS NOT NULL AND late = 0 AND target = ?1 AND visible < ?2
    AND attempts = 0 AND cause <> 'test'
ORDER BY visible LIMIT ?3
"""
_DURATIONS = """
SELECT finished - started FROM executions
WHERE id >= ?1 || '_' AND id < ?1 || '`' AND id <> ?2 AND status = 'succeeded' AND schedule_id = ?1
    AND finished <= ?3 AND cause <> 'test'
ORDER BY id DESC LIMIT ?4
"""
TARGETS_AT_ONCE = 1_000
OF_EACH_TARGET = 5
"""Executions of one target that wait too long: so many are looked at."""


class SqliteAlerts:
    """The Alerts port."""

    def __init__(self, connection: apsw.Connection, signals: Signals) -> None:
        self._connection = connection
        self._signals = signals

    def take_facts(self, limit: int) -> tuple[Fact, ...]:
        """The oldest facts."""
        rows = fetch(self._connection, _FACTS, (limit,))
        if rows:
            self._connection.execute("DELETE FROM alert_facts WHERE seq <= ?", (rows[-1][0],))
        return tuple(Fact(execution_from(row[2:]), bool(row[1])) for row in rows if row[2] is not None)

    def durations_before(self, execution: Execution, limit: int) -> tuple[int, ...]:
        """How long those before it took."""
        end = ms_or_none(execution.finished_at)
        rows = fetch(self._connection, _DURATIONS, (execution.schedule_id, execution.id, end, limit))
        return tuple(row[0] for row in rows)

    def overdue(self, before: datetime, limit: int) -> tuple[Overdue, ...]:
        """What the engine has not come to, and what waits in a queue."""
        at = to_ms(before)
        rows = [(row[0], row[1], ENGINE, row[2]) for row in fetch(self._connection, _UNFIRED, (at, limit))]
        for (target,) in fetch(self._connection, _TARGETS, (TARGETS_AT_ONCE,)):
            rows += fetch(self._connection, _UNSTARTED, (target, at, OF_EACH_TARGET))
        return tuple(Overdue(row[0], row[1], row[2], from_ms(row[3])) for row in rows)

    def save(self, alert: Alert) -> None:
        """Keep an alert."""
        values = (
            alert.id,
            alert.owner,
            alert.rule_key,
            alert.subject,
            None if alert.kind is None else alert.kind.value,
            to_ms(alert.opened_at),
            ms_or_none(alert.closed_at),
            ms_or_none(alert.look_at),
            ms_or_none(alert.pending_at),
            alert.model_dump_json(),
        )
        self._connection.execute(_SAVE, values)
        self._connection.execute(_CONCERNS, (dumps(alert.affected), alert.id))
        self._signals.alerts |= alert.pending_at is not None

    def get(self, alert_id: str) -> Alert | None:
        """The alert, or None."""
        return self._one("id = ?", alert_id)

    def last(self, rule_key: str, subject: str) -> Alert | None:
        """The last alert of a rule about a subject."""
        return self._one("rule = ? AND subject = ? ORDER BY seq DESC LIMIT 1", rule_key, subject)

    def to_look_at(self, now: datetime, limit: int) -> tuple[Alert, ...]:
        """Alerts that must be looked at."""
        return self._all("look_at IS NOT NULL AND look_at <= ? ORDER BY look_at LIMIT ?", to_ms(now), limit)

    def to_send(self, now: datetime, limit: int) -> tuple[Alert, ...]:
        """Alerts with a notice to be sent."""
        return self._all("send_at IS NOT NULL AND send_at <= ? ORDER BY send_at LIMIT ?", to_ms(now), limit)

    def list(self, query: AlertQuery) -> Page[Alert]:
        """A page, newest first."""
        where, values = _conditions(query)
        total, exact = counted(self._connection, "alerts", " AND ".join(where), values)
        identity = f"{query.owner}|{query.schedule_id}|{query.kind}|{query.open}"
        if query.cursor:
            where.append("seq < ?")
            values += position_of(query.cursor, identity, 1)
        sql = (
            f"SELECT document, seq FROM alerts WHERE {' AND '.join(where)} "  # noqa: S608 - only constants
            f"ORDER BY seq DESC LIMIT {query.limit + 1}"
        )
        rows = fetch(self._connection, sql, values)
        page = rows[: query.limit]
        cursor = cursor_for(identity, page[-1][-1:]) if len(rows) > query.limit else None
        return Page(tuple(Alert.model_validate_json(row[0]) for row in page), cursor, total, exact)

    def _one(self, condition: str, *values: Any) -> Alert | None:
        return next(iter(self._all(condition, *values)), None)

    def _all(self, condition: str, *values: Any) -> tuple[Alert, ...]:
        sql = f"SELECT document FROM alerts WHERE {condition}"  # noqa: S608 - only constants
        return tuple(Alert.model_validate_json(text) for (text,) in fetch(self._connection, sql, values))


def forget_alerts(connection: apsw.Connection, before: int, limit: int) -> int:
    """Forget alerts that were over ``before`` (ms), the oldest ``limit``; how many."""
    sql = "SELECT seq, opened, closed FROM alerts ORDER BY seq LIMIT ?"
    rows = fetch(connection, sql, (limit,))
    old = [seq for seq, opened, closed in rows if opened < before and closed is not None and closed < before]
    if old:
        text = dumps(old)
        connection.execute(
            "DELETE FROM alert_schedules WHERE alert IN (SELECT value FROM json_each(?))", (text,)
        )
        connection.execute("DELETE FROM alerts WHERE seq IN (SELECT value FROM json_each(?))", (text,))
    return len(old)


def _conditions(query: AlertQuery) -> tuple[list[str], list[Any]]:
    where: list[str] = ["1"]
    values: list[Any] = []
    if query.owner is not None:
        where.append("owner = ?" if query.schedule_id is None else "+owner = ?")
        values.append(query.owner)
    if query.schedule_id is not None:
        where.append("seq IN (SELECT alert FROM alert_schedules WHERE schedule_id = ?)")
        values.append(query.schedule_id)
    if query.kind is not None:
        where.append("kind = ?")
        values.append(query.kind.value)
    if query.open is not None:
        where.append("closed IS NULL" if query.open else "closed IS NOT NULL")
    return where, values
